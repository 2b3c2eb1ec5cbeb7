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

	// Windows are those that are counted, as far as they are known: the latest ones,
	// which are described by attributes that are equal to Attributes.
	Windows WindowList
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
		h := holdWindow(w)
		h.Corrects = i > 0 && w.compareKey(&windows[i-1]) == 0
		if n := len(sums); n == 0 || sums[n-1].Meter != w.Meter {
			sums = append(sums, sumOfOne(day, w, h))
		} else {
			sums[n-1].count(w, h) // windows come in the order of (From, To)
		}
	}
	return sums
}

// sumOfOne is the sum of one window, held as h.
func sumOfOne(day Day, w *Window, h heldWindow) DaySum {
	return DaySum{
		Day: day, Meter: w.Meter, Sum: w.Quantity, First: w.From, Last: w.To,
		Attributes: w.Attributes, Windows: listWindows(day, []heldWindow{h}, false),
	}
}

// count adds a window, held as h, behind all others, in the order of (From, To).
func (s *DaySum) count(w *Window, h heldWindow) {
	switch {
	case len(s.Windows) > 0 && s.alike(w):
		s.Windows = s.Windows.append(s.Day, s.Last, &h)
	case w.To >= s.Last:
		s.Windows = listWindows(s.Day, []heldWindow{h}, true)
	default:
		s.Windows = nil
	}
	s.Sum, s.Last, s.Attributes = s.Sum.Add(w.Quantity), max(s.Last, w.To), w.Attributes
}

// alike reports whether a window is described as the sum is.
func (s *DaySum) alike(w *Window) bool {
	return s.Attributes == w.Attributes || s.Attributes.Equal(w.Attributes)
}

// PlaceWindow adds one window to a day's sums without looking at the
// observations again. ok is false when that is impossible: only they say whether the
// window is counted. The given sums are not changed, but may share memory with what is
// returned: place one window only into the same sums.
func PlaceWindow(sums []DaySum, w *Window) (placed []DaySum, ok bool) {
	i, found := slices.BinarySearchFunc(sums, w.Meter, func(s DaySum, m Meter) int { return s.Meter.Compare(m) })
	if !found {
		return slices.Insert(slices.Clone(sums), i, sumOfOne(w.From.Day(), w, holdWindow(w))), true
	}
	placed = slices.Clone(sums)
	if s := &placed[i]; w.From >= s.Last {
		s.count(w, holdWindow(w))
	} else if !s.place(w) {
		return sums, false
	}
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
	sums[i].count(w, holdWindow(w))
	return true
}
