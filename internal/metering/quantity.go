package metering

import (
	"cmp"
	"slices"
)

// Window is one quantity observation of a resource, as the fold needs it: in
// [From, To) it consumed Quantity.
type Window struct {
	From, To   Instant
	At         Instant // when it was observed; a later one corrects
	Quantity   Amount
	Source, ID string
	Meter      Meter
	Attributes *Attributes
}

// compareKey orders windows by what identifies them within a resource.
func (w *Window) compareKey(v *Window) int {
	return cmp.Or(w.Meter.Compare(v.Meter), cmp.Compare(w.From, v.From), cmp.Compare(w.To, v.To))
}

// compareRank orders observations of one key; the greatest counts (spec
// 2-metering, "Quantities").
func (w *Window) compareRank(v *Window) int {
	return cmp.Or(cmp.Compare(w.At, v.At), w.Quantity.Compare(v.Quantity),
		cmp.Compare(w.Source, v.Source), cmp.Compare(w.ID, v.ID))
}

// DaySum is what one meter of one resource counted on one UTC day. A quantity
// belongs wholly to the day of its From.
type DaySum struct {
	Day         Day
	Meter       Meter
	Sum         Amount
	First, Last Instant // earliest From, latest To
	// Attributes are those of the counted window with the greatest (From, To).
	Attributes *Attributes

	// covered has all of [First, Last) that the windows cover, and more where they
	// leave too many gaps: disjoint, in order, not touching. nil: all of it.
	covered []windowSpan
}

// windowSpan is [from, to).
type windowSpan struct{ from, to Instant }

// maxSpans bounds the memory of a day sum, of which each change has its own, and
// the time of a change.
const maxSpans = 32

// bounded forgets the earliest gap where there are too many: what comes late
// comes late by little.
func bounded(covered []windowSpan) []windowSpan {
	if len(covered) <= maxSpans {
		return covered
	}
	covered[1].from = covered[0].from
	return covered[1:]
}

// FoldDay sums the windows of one resource that begin on one day, one sum per
// meter, in the order of the meters. It sorts windows in place; their order
// does not matter.
func FoldDay(day Day, windows []Window) []DaySum {
	slices.SortFunc(windows, func(a, b Window) int {
		return cmp.Or(a.compareKey(&b), a.compareRank(&b))
	})
	var sums []DaySum
	for i := range windows {
		w := &windows[i]
		if i+1 < len(windows) && w.compareKey(&windows[i+1]) == 0 {
			continue // corrected
		}
		if n := len(sums); n == 0 || sums[n-1].Meter != w.Meter {
			sums = append(sums, DaySum{Day: day, Meter: w.Meter, First: w.From, Last: w.To})
		}
		s := &sums[len(sums)-1]
		s.Sum = s.Sum.Add(w.Quantity)
		s.Last = max(s.Last, w.To)
		s.Attributes = w.Attributes // windows come in the order of (From, To)
		if n := len(s.covered); n > 0 && w.From <= s.covered[n-1].to {
			s.covered[n-1].to = max(s.covered[n-1].to, w.To)
		} else {
			s.covered = bounded(append(s.covered, windowSpan{w.From, w.To}))
		}
	}
	return sums
}

// PlaceWindow adds one window to a day's sums without looking at the
// observations again. ok is false when that is impossible: the window overlaps
// another one of its meter, which it may correct, or may do so; then fold the day
// anew. The given sums are not changed.
func PlaceWindow(sums []DaySum, w *Window) (placed []DaySum, ok bool) {
	i, found := slices.BinarySearchFunc(sums, w.Meter, func(s DaySum, m Meter) int { return s.Meter.Compare(m) })
	if !found {
		fresh := DaySum{Day: w.From.Day(), Meter: w.Meter, Sum: w.Quantity, First: w.From, Last: w.To, Attributes: w.Attributes}
		return slices.Insert(slices.Clone(sums), i, fresh), true
	}
	covered, ok := sums[i].cover(w)
	if !ok {
		return sums, false
	}
	placed = slices.Clone(sums)
	s := &placed[i]
	if w.From >= s.Last { // the greatest: another one behind it would overlap it
		s.Attributes = w.Attributes
	}
	s.Sum, s.First, s.Last, s.covered = s.Sum.Add(w.Quantity), min(s.First, w.From), max(s.Last, w.To), covered
	return placed, true
}

// ExtendDay adds a window that begins where the last one of its meter ends, or
// behind it, to a day's sums. Unlike [PlaceWindow] it changes the given sums, of
// which nobody else may know; false: it did not.
func ExtendDay(sums []DaySum, w *Window) bool {
	i, found := slices.BinarySearchFunc(sums, w.Meter, func(s DaySum, m Meter) int { return s.Meter.Compare(m) })
	if !found || w.From < sums[i].Last {
		return false
	}
	s := &sums[i]
	switch n := len(s.covered); {
	case w.From > s.Last && n == 0:
		s.covered = []windowSpan{{s.First, s.Last}, {w.From, w.To}}
	case w.From > s.Last:
		s.covered = bounded(append(s.covered[:n:n], windowSpan{w.From, w.To}))
	case n > 0:
		s.covered = append(slices.Clone(s.covered[:n-1]), windowSpan{s.covered[n-1].from, w.To})
	}
	s.Sum, s.Last, s.Attributes = s.Sum.Add(w.Quantity), w.To, w.Attributes
	return true
}

// cover returns what the windows cover together with another one; false when that
// may overlap one of them.
func (s *DaySum) cover(w *Window) ([]windowSpan, bool) {
	covered := s.covered
	if covered == nil {
		covered = []windowSpan{{s.First, s.Last}}
	}
	at := len(covered) // the first span behind the window
	for at > 0 && covered[at-1].from >= w.To {
		at--
	}
	if at > 0 && covered[at-1].to > w.From {
		return nil, false
	}
	joined := make([]windowSpan, 0, len(covered)+1)
	joined = append(joined, covered[:at]...)
	if at > 0 && joined[at-1].to == w.From {
		joined[at-1].to = w.To
	} else {
		joined = append(joined, windowSpan{w.From, w.To})
	}
	for _, span := range covered[at:] {
		if last := &joined[len(joined)-1]; last.to == span.from {
			last.to = span.to
		} else {
			joined = append(joined, span)
		}
	}
	return bounded(joined), true
}
