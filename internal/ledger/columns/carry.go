package columns

import "github.com/meterbook/meterbook/internal/metering"

// Change is what a resource is like now. Without segments or sums the resource
// is gone: all that was observed of it has been retracted.
type Change struct {
	Key      metering.ResourceKey
	Timeline metering.Timeline // of a resource with states
	Sums     []metering.DaySum // of a counted resource, all of them, by day and meter
}

// Merge returns a base with the resources of prev, which may be nil, as the
// changes have them. The changes are in canonical order, each resource once.
func Merge(prev *Base, changes []Change, seq uint64) *Base {
	b := NewBuilder(prev, len(changes))
	if prev != nil {
		changes = b.mergePrevious(changes)
	}
	for i := range changes {
		b.apply(&changes[i])
	}
	return b.Finish(seq)
}

// mergePrevious carries over what no change takes the place of, and returns the
// changes that come behind all of it.
func (b *Builder) mergePrevious(changes []Change) []Change {
	for g := range b.prev.groups {
		gr := &b.prev.groups[g]
		for res := int(gr.first); res < b.prev.groupEnd(g); res++ {
			key, c := gr.key(b.prev.ids[res]), -1
			for len(changes) > 0 {
				if c = changes[0].Key.Compare(key); c > 0 {
					break
				}
				b.apply(&changes[0])
				changes = changes[1:]
				if c == 0 {
					break
				}
			}
			if c != 0 {
				b.carry(g, res)
			}
		}
	}
	return changes
}

func (b *Builder) apply(c *Change) {
	switch {
	case c.Key.Type.Measure() == metering.Counted:
		if len(c.Sums) > 0 {
			b.AddDaySums(c.Key, c.Sums)
		}
	case c.Timeline.Known:
		b.AddTimeline(c.Key, c.Timeline)
	}
}

// carry adds the resource at index res of prev, in its group g, as it is.
func (b *Builder) carry(g, res int) {
	gr := &b.prev.groups[g]
	b.begin(gr.key(b.prev.ids[res]))
	from, to := b.prev.items(gr, res)
	if gr.resourceType().Measure() == metering.Counted {
		b.carryCells(from, to)
	} else {
		b.carrySegments(from, to)
	}
	b.end(metering.Minute(b.prev.boundary[res]), b.prev.flags[res])
}

func (b *Builder) carrySegments(from, to int) {
	src, dst := &b.prev.seg, &b.base.seg
	dst.from, dst.to = append(dst.from, src.from[from:to]...), append(dst.to, src.to[from:to]...)
	dst.mult = append(dst.mult, src.mult[from:to]...)
	var was carried
	for i := from; i < to; i++ {
		dst.meter = append(dst.meter, b.carryMeter(src.meter[i]))
		dst.name = append(dst.name, b.carryName(&was, src.name[i]))
		dst.tags = append(dst.tags, b.carryTags(src.tags[i]))
		dst.extra = append(dst.extra, b.carryExtra(&was, src.extra[i]))
	}
}

func (b *Builder) carryCells(from, to int) {
	src, dst := &b.prev.cell, &b.base.cell
	dst.day = append(dst.day, src.day[from:to]...)
	dst.hi, dst.lo = append(dst.hi, src.hi[from:to]...), append(dst.lo, src.lo[from:to]...)
	dst.first, dst.last = append(dst.first, src.first[from:to]...), append(dst.last, src.last[from:to]...)
	var was carried
	for i := from; i < to; i++ {
		dst.meter = append(dst.meter, b.carryMeter(src.meter[i]))
		dst.name = append(dst.name, b.carryName(&was, src.name[i]))
		dst.tags = append(dst.tags, b.carryTags(src.tags[i]))
		dst.extra = append(dst.extra, b.carryExtra(&was, src.extra[i]))
	}
}

// carried remembers the numbers that a resource's previous item had in the base
// before and has now.
type carried struct{ oldName, name, oldExtra, extra uint32 }

func (b *Builder) carryName(was *carried, old uint32) uint32 {
	if old != was.oldName {
		was.oldName, was.name = old, b.addName(b.prev.names.at(old), b.prev.rank[old])
	}
	return was.name
}

func (b *Builder) carryExtra(was *carried, old uint32) uint32 {
	if old != was.oldExtra {
		was.oldExtra, was.extra = old, b.base.extras.add(b.prev.extras.at(old))
	}
	return was.extra
}

func (b *Builder) carryMeter(old uint32) uint32 {
	if b.oldMeter[old] == 0 {
		b.oldMeter[old] = b.meter(b.prev.meters[old]) + 1
	}
	return b.oldMeter[old] - 1
}

func (b *Builder) carryTags(old uint32) uint32 {
	if old != 0 && b.oldTags[old] == 0 {
		b.oldTags[old] = b.addTagSet(b.prev.tagSets.at(old))
	}
	return b.oldTags[old]
}
