package metering

import (
	"cmp"
	"slices"
)

// Description is what a resource is like while it is there: what is counted of
// it, how many or how large, and its attributes. Treat it as immutable.
type Description struct {
	Meter      Meter
	Multiplier uint64 // count of a present type, bytes of a sized type
	Attributes Attributes
}

// Equal compares by value.
func (d *Description) Equal(e *Description) bool {
	return d == e || (d.Meter == e.Meter && d.Multiplier == e.Multiplier && d.Attributes.Equal(&e.Attributes))
}

// State is one state observation of a resource, as the fold needs it.
type State struct {
	At       Instant
	Sequence Sequence
	Source   string
	ID       string
	// Is describes the resource from At on; nil means that it is not there.
	Is *Description
}

// Compare is the total order of a resource's states: time, sequence, active
// before deleted, source, id (spec 2-metering, "States, minutes").
func (s *State) Compare(t *State) int {
	return cmp.Or(
		cmp.Compare(s.At, t.At),
		cmp.Compare(s.Sequence, t.Sequence),
		cmp.Compare(deletedRank(s), deletedRank(t)),
		cmp.Compare(s.Source, t.Source),
		cmp.Compare(s.ID, t.ID),
	)
}

func deletedRank(s *State) int {
	if s.Is == nil {
		return 1
	}
	return 0
}

// Segment is a run of minutes [From, To) in which a resource was alike. To is
// Open when no later state ends it.
type Segment struct {
	From, To Minute
	Is       *Description
}

// Timeline is the history of one resource on the minute grid.
//
//	states   a       b  c   x        d          (x: deleted)
//	minutes  |.......|......|........|.......…
//	segments [  a   )[  c  )         [ d     …  (b and c share a minute: c is later)
//
// Segments are disjoint, in order, never empty; neighbours that touch differ.
type Timeline struct {
	Segments []Segment
	// LastBoundary is the minute from which on the last state holds. It has a
	// meaning only when Known.
	LastBoundary Minute
	// Known is false for a resource without any state.
	Known bool
	// Hidden is the minute from which on a state holds that left no boundary in
	// Segments: it repeated what held, or deleted what was not there. It is
	// NoneHidden where each state left one, and ManyHidden where several did not, so
	// that a late state cannot be placed without looking at the observations again.
	Hidden Minute
	// Shared is set when several states held from one minute on, so that one of them
	// cannot be taken back without looking at the observations again.
	Shared bool
}

// What Timeline.Hidden is when it is no minute. A timeline that is said to hide more
// than it does, or to share, only costs looking at the observations.
const (
	NoneHidden Minute = 0
	ManyHidden        = Open
)

// FoldStates computes the timeline of one resource from the set of its states.
// It sorts states in place; their order does not matter.
func FoldStates(states []State) Timeline { return Timeline{}.Continue(states) }

// Continue returns the timeline of the states that t was folded from and these,
// whose first minutes all lie behind t's last boundary. It sorts states in
// place; t is not changed.
func (t Timeline) Continue(states []State) Timeline {
	slices.SortFunc(states, func(a, b State) int { return a.Compare(&b) })
	t.Segments = slices.Clone(t.Segments)
	for i := range states {
		from := FirstMinute(states[i].At)
		if i+1 < len(states) && FirstMinute(states[i+1].At) == from {
			t.Shared = true
			continue // a later state holds at the same sample
		}
		t.extend(from, states[i].Is)
	}
	return t
}

// Place adds one state to a timeline without looking at the observations again.
// ok is false when that is impossible: the state shares its minute with another
// one, or comes before one of several hidden boundaries; then fold anew. The
// receiver is not changed and shares no memory that later calls write.
func (t Timeline) Place(s *State) (placed Timeline, ok bool) {
	from := FirstMinute(s.At)
	switch {
	case !t.Known || from > t.LastBoundary:
		t.Segments = slices.Clone(t.Segments)
		t.extend(from, s.Is)
		return t, true
	case t.Hidden == ManyHidden || from == t.Hidden || from == t.LastBoundary:
		return t, false
	}
	return t.placeLate(from, s.Is)
}

// extend appends a state whose first minute is later than all boundaries.
func (t *Timeline) extend(from Minute, is *Description) {
	var last *Segment
	var held *Description
	if n := len(t.Segments); n > 0 && t.Segments[n-1].To == Open {
		last, held = &t.Segments[n-1], t.Segments[n-1].Is
	}
	t.LastBoundary, t.Known = from, true
	if same(held, is) {
		t.hide(from)
		return
	}
	if last != nil {
		last.To = from
	}
	if is != nil {
		t.Segments = append(t.Segments, Segment{From: from, To: Open, Is: is})
	}
}

// hide notes that a state holds from a minute on without a boundary in Segments.
func (t *Timeline) hide(m Minute) {
	switch {
	case m == NoneHidden: // minute 0 has no name of its own
		t.Hidden = ManyHidden
	case t.Hidden == NoneHidden:
		t.Hidden = m
	case t.Hidden != m:
		t.Hidden = ManyHidden
	}
}

// placeLate inserts a state before the last boundary; every boundary but the hidden
// one is the start or the end of a segment.
func (t Timeline) placeLate(from Minute, is *Description) (Timeline, bool) {
	next := t.LastBoundary // the first boundary behind from
	if t.Hidden > from {
		next = min(next, t.Hidden)
	}
	for _, s := range t.Segments {
		switch {
		case s.From == from || s.To == from:
			return t, false
		case s.From > from:
			next = min(next, s.From)
		case s.To > from:
			next = min(next, s.To)
		}
	}
	return t.paint(Segment{From: from, To: next, Is: is}, true), true
}

// Revise returns the timeline after states that hold from one minute on came late
// or were taken back, without looking at the others: states are all that hold from
// that minute on now, and the first behind them if there is one. Where several
// minutes changed, the earliest is revised first. ok is false when that does not
// say which state is the last one now; then fold anew. It sorts states; t is not
// changed.
//
//	states   a       b  c   x        d     c was taken back: what held before it,
//	minutes  |.......|......|........|...  b, holds until the next state, x
func (t Timeline) Revise(at Minute, states []State) (revised Timeline, ok bool) {
	slices.SortFunc(states, func(a, b State) int { return a.Compare(&b) })
	told, next, is := 0, Open, t.before(at)
	for ; told < len(states) && FirstMinute(states[told].At) == at; told++ {
		is = states[told].Is
	}
	if told < len(states) {
		next = FirstMinute(states[told].At)
	}
	t.Shared = t.Shared || told > 1
	switch {
	case !t.Known || told == 0 && next == Open:
		return t, false
	case next == Open:
		t.LastBoundary = at
	}
	return t.paint(Segment{From: at, To: next, Is: is}, told > 0), true
}

// TakeBack returns the timeline without the one state that holds from a minute on,
// without looking at the observations again. ok is false when that is impossible:
// they may say that another state holds from the same minute on, or that one does that
// left no boundary. The receiver is not changed.
func (t Timeline) TakeBack(at Minute) (rest Timeline, ok bool) {
	if t.Shared || t.Hidden == ManyHidden {
		return t, false
	}
	last, next, more := Minute(0), Open, false // the boundaries before and behind
	look := func(boundary Minute) {
		switch {
		case boundary == at:
			ok = true
		case boundary < at:
			last, more = max(last, boundary), true
		default:
			next = min(next, boundary)
		}
	}
	if t.Hidden != NoneHidden {
		look(t.Hidden)
	}
	for i := range t.Segments {
		look(t.Segments[i].From)
		look(t.Segments[i].To)
	}
	switch {
	case !ok:
		return t, false
	case next == Open && !more:
		return Timeline{}, true
	case next == Open:
		t.LastBoundary = last
	}
	return t.paint(Segment{From: at, To: next, Is: t.before(at)}, false), true
}

// paint returns the timeline with a segment over it, from one boundary to the next;
// begins says whether a state still makes the first one. Is may be nil.
func (t Timeline) paint(over Segment, begins bool) Timeline {
	t.Segments = painted(t.Segments, over)
	if t.Hidden != ManyHidden && (t.bounds(t.Hidden) || t.Hidden == over.From && !begins) {
		t.Hidden = NoneHidden
	}
	if begins && !t.bounds(over.From) {
		t.hide(over.From)
	}
	if over.To != Open && !t.bounds(over.To) {
		t.hide(over.To)
	}
	return t
}

// before returns what held in the minute before one.
func (t *Timeline) before(m Minute) *Description {
	for i := range t.Segments {
		if s := &t.Segments[i]; s.From < m && m <= s.To {
			return s.Is
		}
	}
	return nil
}

// bounds reports whether a segment begins or ends at a minute.
func (t *Timeline) bounds(m Minute) bool {
	return slices.ContainsFunc(t.Segments, func(s Segment) bool { return s.From == m || s.To == m })
}

// painted returns segments, in order, with another one over them.
func painted(segments []Segment, over Segment) []Segment {
	first, _ := slices.BinarySearchFunc(segments, over.From, func(s Segment, m Minute) int { return cmp.Compare(s.To, m) })
	beside := first // behind the last one that touches it
	for beside < len(segments) && segments[beside].From <= over.To {
		beside++
	}
	out := append(make([]Segment, 0, len(segments)+2), segments[:first]...)
	add := func(s Segment) {
		if s.From >= s.To || s.Is == nil {
			return
		}
		if n := len(out); n > 0 && out[n-1].To == s.From && same(out[n-1].Is, s.Is) {
			out[n-1].To = s.To
			return
		}
		out = append(out, s)
	}
	for _, s := range segments[first:beside] {
		add(Segment{From: s.From, To: min(s.To, over.From), Is: s.Is})
	}
	add(over)
	for _, s := range segments[first:beside] {
		add(Segment{From: max(s.From, over.To), To: s.To, Is: s.Is})
	}
	return append(out, segments[beside:]...)
}

// same reports whether two states are alike, nil being that it is not there.
func same(d, e *Description) bool {
	return d == e || d != nil && e != nil && d.Equal(e)
}
