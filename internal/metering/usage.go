package metering

import "slices"

// Usage is what one meter of one resource counted in a period, as a report line
// shows it.
type Usage struct {
	Meter       Meter
	Value       Amount  // at the scale of the type's measure
	First, Last Instant // first and last counted instant
	Multiplier  uint64  // in effect at Last; 0 for quantities
	Attributes  *Attributes
}

// Usage returns what the minutes [from, to) count, a Usage a meter, in the order
// of the meters. There is none for a meter without a minute.
func (t Timeline) Usage(from, to Minute) []Usage { return t.UsageIn(nil, from, to) }

// UsageIn is Usage that reuses the memory of buf.
func (t Timeline) UsageIn(buf []Usage, from, to Minute) []Usage {
	usages := buf[:0]
	for i := range t.Segments {
		s := &t.Segments[i]
		start, end := max(s.From, from), min(s.To, to)
		if start >= end {
			continue
		}
		u := usageOf(&usages, s.Is.Meter, start.Sample())
		u.Value = u.Value.Add(Product(s.Is.Multiplier, uint64(end-start)))
		u.Last = (end - 1).Sample()
		u.Multiplier, u.Attributes = s.Is.Multiplier, &s.Is.Attributes
	}
	sortUsages(usages)
	return usages
}

func sortUsages(usages []Usage) {
	if len(usages) > 1 {
		slices.SortFunc(usages, func(a, b Usage) int { return a.Meter.Compare(b.Meter) })
	}
}

// SumDays returns what day sums in ascending order of days count in the period,
// a Usage a meter, in the order of the meters.
func SumDays(sums []DaySum, in Period) []Usage {
	var usages []Usage
	for i := range sums {
		s := &sums[i]
		if !in.Contains(s.Day) {
			continue
		}
		u := usageOf(&usages, s.Meter, s.First)
		u.Value = u.Value.Add(s.Sum)
		u.Last = min(max(u.Last, s.Last), in.To.Start())
		u.Attributes = s.Attributes
	}
	sortUsages(usages)
	return usages
}

// usageOf finds the meter's usage, or starts it at first.
func usageOf(usages *[]Usage, m Meter, first Instant) *Usage {
	for i := range *usages {
		if (*usages)[i].Meter == m {
			return &(*usages)[i]
		}
	}
	*usages = append(*usages, Usage{Meter: m, First: first})
	return &(*usages)[len(*usages)-1]
}
