package columns

import (
	"bytes"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
)

// Rest is a counted resource as a base has it.
type Rest struct {
	Base *Base // nil: none
	Res  int
	// Changed says that the base is one of what changed since another one, over which
	// it lies. Of a day that did not change that one has the windows.
	Changed bool
}

// carried stands for the windows of a day sum that are as the base below has them:
// there may be many, so that a base in memory of what changed does not have them, too.
var carried = metering.WindowList{0}

// maxWindowBytes bounds what a base has of windows; what is beyond is not known.
const maxWindowBytes = 1<<32 - 1

// items returns the half-open range of the resource's day sums.
func (r Rest) items() (from, to int) {
	if r.Base == nil {
		return 0, 0
	}
	return r.Base.items(&r.Base.groups[r.Base.groupOf(r.Res)], r.Res)
}

// DaySums returns how many day sums the resource has.
func (r Rest) DaySums() int {
	from, to := r.items()
	return to - from
}

// Days returns the days that the resource has sums of, in order, one for each sum.
func (r Rest) Days() []metering.Day {
	from, to := r.items()
	days := make([]metering.Day, 0, to-from)
	for i := from; i < to; i++ {
		days = append(days, metering.Day(r.Base.cell.day[i]))
	}
	return days
}

// Sums returns the sums of a period with what is known of their windows, in the order
// of day and meter. under is the same resource in the base below, if there is one.
func (r Rest) Sums(in metering.Period, under Rest) (sums []metering.DaySum) {
	if r.Base == nil {
		return nil
	}
	r.Base.eachDaySum(r.Res, in, func(i int, s metering.DaySum) {
		if s.Windows = slices.Clone(r.Base.cell.windowsOf(i)); bytes.Equal(s.Windows, carried) {
			s.Windows = under.windowsOf(&s)
		}
		sums = append(sums, s)
	})
	return sums
}

// windowsOf returns what is known of the windows of a sum.
func (r Rest) windowsOf(s *metering.DaySum) metering.WindowList {
	if r.Base == nil {
		return nil
	}
	c := &r.Base.cell
	from, to := r.items()
	at, _ := slices.BinarySearch(c.day[from:to], int32(s.Day))
	for i := from + at; i < to && c.day[i] == int32(s.Day); i++ {
		if r.Base.meters[c.meter[i]] == s.Meter {
			return slices.Clone(c.windowsOf(i))
		}
	}
	return nil
}

// changedOver returns the days of the resource at an index, in group g, that are not
// as the base below has them, in order, where not all are here: partly is false for
// one that this base has as a whole.
func (b *Base) changedOver(g, res int, under Rest) (days []metering.Day, partly bool) {
	if days, partly = b.days[res]; partly || b.groups[g].resourceType().Measure() != metering.Counted {
		return days, partly
	}
	add := func(day int32) {
		if n := len(days); n == 0 || days[n-1] != metering.Day(day) {
			days = append(days, metering.Day(day))
		}
	}
	from, to := b.items(&b.groups[g], res)
	old, end := under.items()
	below := under.Base.cell.day
	for i := from; i < to; i++ {
		day := b.cell.day[i]
		for ; old < end && below[old] < day; old++ {
			add(below[old]) // nothing is left of it
		}
		for old < end && below[old] == day {
			old++
		}
		if bytes.Equal(b.cell.windowsOf(i), carried) {
			partly = true
		} else {
			add(day)
		}
	}
	for ; old < end; old++ {
		add(below[old])
	}
	return days, partly
}
