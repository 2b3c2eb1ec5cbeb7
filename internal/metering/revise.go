package metering

import (
	"cmp"
	"math/bits"
	"slices"
)

// ReviseDay returns a day's sums after windows of a resource were corrected, came
// late or were taken back, without looking at the rest of the day: was are all
// windows that begin at some instants of the day and are in the sums, is are all
// that begin there now. Windows that begin at other instants and stayed as they
// are may be in both. ok is false when that does not say what the day has become,
// because the first or last window is gone or the attributes of the latest may
// have changed; then fold the day anew. It sorts was and is in place; the given
// sums are not changed.
//
//	sums   |==|==|==|==|   3 + 4 + 5 + 2 = 14
//	was          |==|                 5
//	is           |==|                 7 (the correction of 5)
//	revised              14 - 5 + 7 = 16
func ReviseDay(sums []DaySum, was, is []Window) (revised []DaySum, ok bool) {
	was, is = prevailing(was), prevailing(is)
	revised = slices.Clone(sums)
	for i := range was {
		if amongWindows(is, &was[i]) == nil && !takeOut(revised, &was[i], was[i+1:], is) {
			return sums, false
		}
	}
	for i := range is {
		if revised, ok = revise(revised, amongWindows(was, &is[i]), &is[i]); !ok {
			return sums, false
		}
	}
	for i := range revised {
		revised[i].Windows = nil
	}
	return revised, true
}

// amongWindows returns the window of w's key among those that prevail; nil: none.
func amongWindows(windows []Window, w *Window) *Window {
	i, found := slices.BinarySearchFunc(windows, w, func(v Window, w *Window) int { return v.compareKey(w) })
	if !found {
		return nil
	}
	return &windows[i]
}

// takeOut removes a window from sums that the caller owns. later are those behind
// it that were in the sums, is what is there now: a window that stays behind it
// shows that its attributes are not the sum's.
func takeOut(sums []DaySum, w *Window, later, is []Window) bool {
	i, found := slices.BinarySearchFunc(sums, w.Meter, func(s DaySum, m Meter) int { return s.Meter.Compare(m) })
	if !found {
		return false
	}
	s := &sums[i]
	stays := func(v Window) bool { return v.Meter == w.Meter && amongWindows(is, &v) != nil }
	if w.From == s.First || w.To == s.Last || s.Sum.Compare(w.Quantity) < 0 || !slices.ContainsFunc(later, stays) {
		return false
	}
	s.Sum = s.Sum.less(w.Quantity)
	return true
}

// prevailing returns those windows that no other one corrects, in the order of
// their keys. It changes the given ones.
func prevailing(windows []Window) []Window {
	slices.SortFunc(windows, func(a, b Window) int {
		return cmp.Or(a.compareKey(&b), b.compareRank(&a)) // the greatest first
	})
	return slices.CompactFunc(windows, func(a, b Window) bool { return a.compareKey(&b) == 0 })
}

// revise replaces a window by what corrects it, or adds one where before is nil,
// in sums that the caller owns.
func revise(sums []DaySum, before, w *Window) ([]DaySum, bool) {
	if before != nil && before.compareRank(w) == 0 {
		return sums, true
	}
	i, found := slices.BinarySearchFunc(sums, w.Meter, func(s DaySum, m Meter) int { return s.Meter.Compare(m) })
	switch {
	case before == nil && !found:
		return PlaceWindow(sums, w)
	case !found:
		return sums, false // the sums are not of these windows
	}
	s := &sums[i]
	if before != nil {
		if !before.Attributes.Equal(w.Attributes) || s.Sum.Compare(before.Quantity) < 0 {
			return sums, false
		}
		s.Sum = s.Sum.less(before.Quantity).Add(w.Quantity)
		return sums, true
	}
	switch {
	case w.From >= s.Last: // the latest: another one behind it would end later
		s.Attributes = w.Attributes
	case !s.Attributes.Equal(w.Attributes):
		return sums, false // it may be the latest or not
	}
	s.Sum, s.First, s.Last = s.Sum.Add(w.Quantity), min(s.First, w.From), max(s.Last, w.To)
	return sums, true
}

// less returns a - b, which must not be negative.
func (a Amount) less(b Amount) Amount {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, under := bits.Sub64(a.Hi, b.Hi, borrow)
	if under != 0 {
		Bug("%v less %v is negative", a, b)
	}
	return Amount{Hi: hi, Lo: lo}
}
