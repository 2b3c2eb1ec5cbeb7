package metering

import (
	"cmp"
	"slices"
)

// Received is a state or quantity as a store keeps it (spec 2-metering,
// "Audit").
type Received struct {
	Observation
	Number     uint64  // in the order in which the store took observations, from 1
	ReceivedAt Instant // by the server's clock
	Retracted  *Retraction
}

// Retraction is what takes an observation back.
type Retraction struct {
	Source, ID, Reason string
	ReceivedAt         Instant
}

// Fate says what became of an observation in a period.
type Fate uint8

const (
	// FateCounted: the figures rest on it. A deletion among them ends what was.
	FateCounted Fate = iota
	// FatePending: its first minute has not come yet.
	FatePending
	// FateRepeated: it says what held already, and changes nothing.
	FateRepeated
	// FateSuperseded: another state of the same minute comes after it.
	FateSuperseded
	// FateCorrected: another quantity of the same window comes after it.
	FateCorrected
	// FateRetracted: it counts as never observed.
	FateRetracted
)

// Fates lists all fates.
func Fates() []Fate {
	return []Fate{FateCounted, FatePending, FateRepeated, FateSuperseded, FateCorrected, FateRetracted}
}

// String returns the word that answers use.
func (f Fate) String() string {
	return [...]string{"counted", "pending", "repeated", "superseded", "corrected", "retracted"}[f]
}

// Account is what one resource counted in a period, with the arithmetic and the
// observations behind it.
type Account struct {
	Lines []AccountLine // in the order of the meters
	// Closed, when not 0, is the month before which the figures rest on what
	// was folded when the months were closed: the observations are gone, but for
	// those that bear on what came after.
	Closed Month
	// Traces are the observations that bear on the period: states in their order,
	// quantities by window and rank, retracted ones in their place among them.
	Traces []Trace
}

// AccountLine is one line of a report with its terms, whose sum is its Value:
// segments of states, or days and windows of quantities.
type AccountLine struct {
	Usage
	Segments []Segment // in order, cut to what of the period counts
	Days     []DaySum  // of closed months, in order
	Windows  []Window  // those that count, in the order of (From, To)
}

// Closed is what a resource came to in months whose observations were dropped.
type Closed struct {
	Before   Month
	Timeline Timeline // of the states whose first minute lies before
	Sums     []DaySum // of days before, in the order of day and meter
}

// Trace is an observation and what became of it.
type Trace struct {
	*Received
	Fate Fate
	// By supersedes or corrects it, or is what it repeats; nil: nothing did, or
	// the resource was not there already.
	By *Received
	// Line and Term are the places of the segment or window that it led to, -1
	// when it led to none.
	Line, Term int
}

// Explain tells what the observations of one resource come to in a period, like
// a report at now does, and what became of each. Their order does not matter.
//
// Of states, those before the one that is in effect at the period's start do not
// bear on the period and may be left out; of quantities, those whose From lies
// outside of it.
func Explain(told []Received, in Period, now Instant) Account {
	return ExplainClosed(nil, told, in, now)
}

// ExplainClosed is Explain for a resource of whose observations those before a
// month were dropped; closed may be nil. What is told of before is only traced:
// a state that was kept since it is in effect at the month's start.
func ExplainClosed(closed *Closed, told []Received, in Period, now Instant) Account {
	if closed == nil {
		closed = &Closed{}
	}
	if len(told) == 0 && closed.Before == 0 || in.From >= in.To {
		return Account{}
	}
	a := Account{}
	if in.From < closed.Before.Start() {
		a.Closed = closed.Before
	}
	if len(closed.Sums) > 0 || len(told) > 0 && told[0].Resource.Type.Measure() == Counted {
		a.explainQuantities(closed, told, in)
	} else {
		a.explainStates(closed, told, in, now)
	}
	return a
}

// tracedState is a state on its way through the fold.
type tracedState struct {
	State
	Trace
}

func (a *Account) explainStates(closed *Closed, told []Received, in Period, now Instant) {
	states := bearingStates(told, in)
	var standing []*tracedState // those that are not retracted
	var fold []State
	for i := range states {
		s := &states[i]
		if s.Retracted != nil {
			continue
		}
		standing = append(standing, s)
		if !closed.Before.Closes(StateObserved, s.At) {
			fold = append(fold, s.State)
		}
	}
	a.Traces = make([]Trace, len(states))
	from, to := in.Minutes(now)
	a.countStates(closed.Timeline.Continue(fold), from, to)
	a.traceStates(standing, in.From.FirstMinute(), to)
	for i := range states {
		a.Traces[i] = states[i].Trace
	}
}

// bearingStates returns the states whose first minute lies in the period, those
// of the minute of the one that is in effect at its start, and those retracted
// since then, in the order of states.
func bearingStates(told []Received, in Period) []tracedState {
	start, end := in.From.FirstMinute(), in.To.FirstMinute()
	var since Minute // that of the state in effect at the start
	for i := range told {
		if first := FirstMinute(told[i].Time); told[i].Retracted == nil && first <= start {
			since = max(since, first)
		}
	}
	var states []tracedState
	for i := range told {
		r := &told[i]
		if first := FirstMinute(r.Time); since <= first && first < end {
			s := tracedState{r.State(), Trace{Received: r, Line: -1, Term: -1}}
			if r.Retracted != nil {
				s.Fate = FateRetracted
			}
			states = append(states, s)
		}
	}
	slices.SortFunc(states, func(a, b tracedState) int { return a.State.Compare(&b.State) })
	return states
}

// countStates makes the lines of a timeline.
func (a *Account) countStates(t Timeline, from, to Minute) {
	for _, u := range t.Usage(from, to) {
		line := AccountLine{Usage: u}
		for _, s := range t.Segments {
			cut := Segment{From: max(s.From, from), To: min(s.To, to), Is: s.Is}
			if cut.From < cut.To && s.Is.Meter == u.Meter {
				line.Segments = append(line.Segments, cut)
			}
		}
		a.Lines = append(a.Lines, line)
	}
}

// traceStates says what became of the states in their order. The first one is in
// effect at start, or nothing is.
//
//	states   a       b  c   c        x   x      (b: superseded, the second c and x: repeated)
//	minutes  |.......|......|........|...|...
//	segments [  a   )[  c           )
func (a *Account) traceStates(states []*tracedState, start, to Minute) {
	var held *tracedState // since it was last another one
	for i, last := 0, 0; i < len(states); i++ {
		s, first := states[i], FirstMinute(states[i].At)
		for last = max(last, i); last+1 < len(states) && FirstMinute(states[last+1].At) == first; {
			last++
		}
		switch {
		case i < last:
			s.Fate, s.By = FateSuperseded, states[last].Received
			continue
		case held != nil && same(held.Is, s.Is):
			s.Fate, s.By, s.Line, s.Term = FateRepeated, held.Received, held.Line, held.Term
			continue
		case held == nil && s.Is == nil && first > start:
			s.Fate = FateRepeated // it was never there
			continue
		}
		held = s
		s.Line, s.Term = a.termAt(s.Is, max(first, start))
		if first >= to || s.Is != nil && s.Term < 0 {
			s.Fate = FatePending
		}
	}
}

// termAt finds the segment of a description that holds at a minute, at which it
// begins unless the state repeats one that was dropped.
func (a *Account) termAt(is *Description, from Minute) (line, term int) {
	if is == nil {
		return -1, -1
	}
	for line := range a.Lines {
		if a.Lines[line].Meter != is.Meter {
			continue
		}
		segments := a.Lines[line].Segments
		term, _ := slices.BinarySearchFunc(segments, from+1, func(s Segment, m Minute) int { return cmp.Compare(s.From, m) })
		if term > 0 && from < segments[term-1].To {
			return line, term - 1
		}
	}
	return -1, -1
}

// tracedWindow is a quantity on its way through the fold.
type tracedWindow struct {
	Window
	Trace
}

func (a *Account) explainQuantities(closed *Closed, told []Received, in Period) {
	windows := bearingWindows(told, in)
	sums := slices.Clone(closed.Sums)
	var day []Window // those of one day that are not retracted
	for i := range windows {
		if w := &windows[i]; w.Retracted == nil {
			day = append(day, w.Window)
		}
		if today := windows[i].Window.From.Day(); i+1 == len(windows) || windows[i+1].Window.From.Day() != today {
			sums, day = append(sums, FoldDay(today, day)...), day[:0]
		}
	}
	slices.SortStableFunc(sums, func(a, b DaySum) int { return cmp.Compare(a.Day, b.Day) })
	for _, u := range SumDays(sums, in) {
		line := AccountLine{Usage: u}
		for _, s := range closed.Sums {
			if s.Meter == u.Meter && in.Contains(s.Day) {
				line.Days = append(line.Days, s)
			}
		}
		a.Lines = append(a.Lines, line)
	}
	a.traceWindows(windows)
}

// bearingWindows returns the quantities whose From lies in the period, by
// window and rank.
func bearingWindows(told []Received, in Period) []tracedWindow {
	var windows []tracedWindow
	for i := range told {
		r := &told[i]
		if !in.Contains(r.From.Day()) {
			continue
		}
		w := tracedWindow{r.Window(), Trace{Received: r, Line: -1, Term: -1}}
		if r.Retracted != nil {
			w.Fate = FateRetracted
		}
		windows = append(windows, w)
	}
	slices.SortFunc(windows, func(a, b tracedWindow) int {
		return cmp.Or(cmp.Compare(a.Window.From, b.Window.From), cmp.Compare(a.Window.To, b.Window.To),
			a.Window.Meter.Compare(b.Window.Meter), a.compareRank(&b.Window))
	})
	return windows
}

// traceWindows gives each line its windows, and says what became of the
// quantities, the greatest of each window last.
func (a *Account) traceWindows(windows []tracedWindow) {
	var counted *tracedWindow // of the window in hand
	for i := len(windows) - 1; i >= 0; i-- {
		switch w := &windows[i]; {
		case w.Retracted != nil:
		case counted != nil && w.compareKey(&counted.Window) == 0:
			w.Fate, w.By = FateCorrected, counted.Received
		default:
			counted = w
		}
	}
	a.Traces = make([]Trace, len(windows))
	for i := range windows {
		w := &windows[i]
		if w.Fate == FateCounted {
			w.Line = slices.IndexFunc(a.Lines, func(l AccountLine) bool { return l.Meter == w.Window.Meter })
			line := &a.Lines[w.Line]
			w.Term = len(line.Windows)
			line.Windows = append(line.Windows, w.Window)
		}
		a.Traces[i] = w.Trace
	}
}
