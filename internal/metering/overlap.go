package metering

import (
	"cmp"
	"slices"
)

// Overlap is two counted windows of one meter of one resource that share time
// without being equal: both were added up (spec 2-metering, "Quantities"). Earlier
// comes first in the order of (From, To).
type Overlap struct{ Earlier, Later Window }

// From is the first instant that both windows hold.
func (o *Overlap) From() Instant { return o.Later.From }

// To is the first instant behind From that one of them does not hold.
func (o *Overlap) To() Instant { return min(o.Earlier.To, o.Later.To) }

// Overlaps finds the windows of one resource that begin within an earlier one of
// their meter. It takes the windows that begin on one day, and of each meter the
// one of the day before that ends last; it returns those for the next day. It
// sorts windows in place; their order does not matter.
//
//	windows  |--- a ---|                  found  b begins within a
//	             |--- b -----------|             c begins within b, which ends last
//	                   |- c -|
//
// Each window is found once at most, with the one of those that it begins within
// that ends last, so that a source that sends everything shifted is not found a
// number of times that grows with the square.
func Overlaps(before, windows []Window) (found []Overlap, last []Window) {
	slices.SortFunc(windows, func(a, b Window) int {
		return cmp.Or(a.compareKey(&b), a.compareRank(&b))
	})
	for i := range windows {
		w := &windows[i]
		if i+1 < len(windows) && w.compareKey(&windows[i+1]) == 0 {
			continue // corrected
		}
		if n := len(last); n == 0 || last[n-1].Meter != w.Meter {
			last = append(last, farthestOf(before, w))
		}
		reach := &last[len(last)-1]
		if reach.compareKey(w) != 0 && w.From < reach.To {
			found = append(found, Overlap{Earlier: *reach, Later: *w})
		}
		if w.To > reach.To {
			*reach = *w
		}
	}
	return found, last
}

// farthestOf returns the window of w's meter that ends last so far: one of the
// day before, w itself when there is none.
func farthestOf(before []Window, w *Window) Window {
	i, found := slices.BinarySearchFunc(before, w.Meter, func(b Window, m Meter) int { return b.Meter.Compare(m) })
	if !found {
		return *w
	}
	return before[i]
}
