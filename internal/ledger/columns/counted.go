package columns

import "github.com/meterbook/meterbook/internal/metering"

// addCounted adds a counted resource: the days of the change, and between them
// those that the rest has besides, as they are there.
func (b *builder) addCounted(c *Change) {
	b.begin(c.Key)
	d := dayAdder{builder: b, t: c.Key.Type, sums: c.Sums, rest: c.Rest}
	if rest := c.Rest.Base; rest != nil {
		days := c.Days
		from, to := c.Rest.items()
		for i := from; i < to; i++ {
			day := metering.Day(rest.cell.day[i])
			for len(days) > 0 && days[0] < day {
				days = days[1:]
			}
			if len(days) > 0 && days[0] == day {
				continue // changed
			}
			d.addBefore(day)
			d.carry(i)
		}
	}
	d.addBefore(1<<31 - 1)
	b.end(0, 0, 0)
}

// cellsFor returns cells with room for the days of all changes, of which a
// counted resource may have years.
func cellsFor(changes []Change) cells {
	n := 0
	for i := range changes {
		c := &changes[i]
		n += len(c.Sums) + c.Rest.DaySums()
	}
	return cells{
		day: make([]int32, 0, n), meter: make([]uint32, 0, n), name: make([]uint32, 0, n), tags: make([]uint32, 0, n), extra: make([]uint32, 0, n),
		hi: make([]uint64, 0, n), lo: make([]uint64, 0, n), first: make([]int64, 0, n), last: make([]int64, 0, n), windowsEnd: make([]uint32, 0, n),
	}
}

// dayAdder adds day sums of one resource.
type dayAdder struct {
	*builder
	t    metering.ResourceType
	sums []metering.DaySum // that are still to be added
	rest Rest
	was  described
	// meter is what the meter of number oldMeter-1 in the base that was carried
	// from last is here.
	meter, oldMeter uint32
}

// addBefore adds the sums of the days before one.
func (d *dayAdder) addBefore(day metering.Day) {
	for len(d.sums) > 0 && d.sums[0].Day < day {
		s := &d.sums[0]
		d.describe(&d.was, d.t, s.Attributes)
		d.add(int32(s.Day), d.builder.meter(s.Meter), s.Sum, int64(s.First), int64(s.Last), s.Windows)
		d.sums = d.sums[1:]
	}
}

// carry adds the day sum at an index of the rest's base.
func (d *dayAdder) carry(i int) {
	from := d.rest.Base
	c, windows := &from.cell, carried
	if d.rest.Changed {
		windows = c.windowsOf(i)
	}
	if c.meter[i]+1 != d.oldMeter {
		d.oldMeter, d.meter = c.meter[i]+1, d.builder.meter(from.meters[c.meter[i]])
	}
	d.was.attributes = nil
	d.describeTexts(&d.was, from.names.at(c.name[i]), from.tagSets.at(c.tags[i]), from.extras.at(c.extra[i]))
	d.add(c.day[i], d.meter, metering.Amount{Hi: c.hi[i], Lo: c.lo[i]}, c.first[i], c.last[i], windows)
}

func (d *dayAdder) add(day int32, meter uint32, sum metering.Amount, first, last int64, windows metering.WindowList) {
	c := &d.base.cell
	c.day, c.meter = append(c.day, day), append(c.meter, meter)
	c.hi, c.lo = append(c.hi, sum.Hi), append(c.lo, sum.Lo)
	c.first, c.last = append(c.first, first), append(c.last, last)
	if len(c.windows)+len(windows) <= maxWindowBytes {
		c.windows = append(c.windows, windows...)
	}
	c.windowsEnd = append(c.windowsEnd, uint32(len(c.windows)))
	c.name, c.tags, c.extra = append(c.name, d.was.name), append(c.tags, d.was.tags), append(c.extra, d.was.extra)
}
