package columns

import (
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
)

// Change is what a resource is like now. Without segments or sums the resource
// is gone: all that was observed of it has been retracted.
type Change struct {
	Key      metering.ResourceKey
	Timeline metering.Timeline // of a resource with states
	Sums     []metering.DaySum // of a counted resource, all of them, by day and meter
}

// gone reports whether nothing is left of the resource.
func (c *Change) gone() bool {
	if c.Key.Type.Measure() == metering.Counted {
		return len(c.Sums) == 0
	}
	return !c.Timeline.Known
}

// Build returns a base in memory of what there is. The changes are in canonical
// order, each resource once.
func Build(changes []Change, seq uint64) *Base {
	return Changed(slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return c.gone() }), seq)
}

// Changed returns a base in memory that holds also those resources of which
// nothing is left, so that it can be merged over another one. The changes are in
// canonical order, each resource once.
func Changed(changes []Change, seq uint64) *Base {
	b := newBuilder(len(changes))
	for i := range changes {
		if c := &changes[i]; c.Key.Type.Measure() == metering.Counted {
			b.addDaySums(c.Key, c.Sums)
		} else {
			b.addTimeline(c.Key, c.Timeline)
		}
	}
	return b.finish(seq)
}

// builder makes a base of resources that are added in canonical order, each
// once. It numbers names and extras as it comes to them, so that those of
// resources side by side are side by side, too: merging relies on it.
type builder struct {
	base    Base
	last    metering.ResourceKey
	meters  map[metering.Meter]uint32
	tagSets map[string]uint32
	buf     []byte
}

func newBuilder(resources int) *builder {
	b := &builder{meters: map[metering.Meter]uint32{}, tagSets: map[string]uint32{}}
	b.base.names, b.base.tagSets, b.base.extras = newTexts(), newTexts(), newTexts()
	b.base.ids = make([]metering.UUID, 0, resources)
	return b
}

// begin opens a resource and, where it differs, its group.
func (b *builder) begin(key metering.ResourceKey) {
	t := &b.base
	if len(t.ids) > 0 && b.last.Compare(key) >= 0 {
		metering.Bug("resource %v added after %v", key, b.last)
	}
	b.last = key
	items := len(t.seg.from)
	if key.Type.Measure() == metering.Counted {
		items = len(t.cell.day)
	}
	if n := len(t.groups); n == 0 || t.groups[n-1].compare(key) != 0 {
		t.groups = append(t.groups, group{
			project: int64(key.Project), region: int64(key.Region), kind: uint32(key.Type),
			first: uint32(len(t.ids)), firstItem: uint32(items),
		})
	}
	t.ids = append(t.ids, key.ID)
}

// end closes the resource opened last.
func (b *builder) end(boundary metering.Minute, flags uint8) {
	t := &b.base
	items := len(t.seg.from)
	if b.last.Type.Measure() == metering.Counted {
		items = len(t.cell.day)
	}
	t.itemEnd = append(t.itemEnd, uint32(items))
	t.boundary = append(t.boundary, uint32(boundary))
	t.flags = append(t.flags, flags)
}

// addTimeline adds a resource that has states.
func (b *builder) addTimeline(key metering.ResourceKey, tl metering.Timeline) {
	b.begin(key)
	seg := &b.base.seg
	var was described
	for _, s := range tl.Segments {
		now := b.describe(&was, key.Type, &s.Is.Attributes)
		seg.from, seg.to = append(seg.from, uint32(s.From)), append(seg.to, uint32(s.To))
		seg.meter = append(seg.meter, b.meter(s.Is.Meter))
		seg.mult = append(seg.mult, s.Is.Multiplier)
		seg.name, seg.tags, seg.extra = append(seg.name, now.name), append(seg.tags, now.tags), append(seg.extra, now.extra)
	}
	flags := uint8(0)
	if tl.Known {
		flags |= flagKnown
	}
	if tl.Hidden {
		flags |= flagHidden
	}
	b.end(tl.LastBoundary, flags)
}

// addDaySums adds a counted resource with its sums in the order of day and
// meter.
func (b *builder) addDaySums(key metering.ResourceKey, sums []metering.DaySum) {
	b.begin(key)
	c := &b.base.cell
	var was described
	for i := range sums {
		s := &sums[i]
		now := b.describe(&was, key.Type, s.Attributes)
		c.day = append(c.day, int32(s.Day))
		c.meter = append(c.meter, b.meter(s.Meter))
		c.hi, c.lo = append(c.hi, s.Sum.Hi), append(c.lo, s.Sum.Lo)
		c.first, c.last = append(c.first, int64(s.First)), append(c.last, int64(s.Last))
		c.name, c.tags, c.extra = append(c.name, now.name), append(c.tags, now.tags), append(c.extra, now.extra)
	}
	b.end(0, 0)
}

// described remembers what a resource's previous item was like, so that what
// did not change is stored once.
type described struct {
	attributes        *metering.Attributes
	name, tags, extra uint32
}

func (b *builder) describe(was *described, t metering.ResourceType, a *metering.Attributes) described {
	if was.attributes != nil && was.attributes.Equal(a) {
		was.attributes = a
		return *was
	}
	now := described{attributes: a}
	if was.attributes != nil && was.attributes.Texts[metering.Name] == a.Texts[metering.Name] {
		now.name = was.name
	} else {
		now.name = b.base.names.add([]byte(a.Texts[metering.Name]))
	}
	b.buf = appendTags(b.buf[:0], a.Tags)
	now.tags = b.addTagSet(b.buf)
	b.buf = appendExtra(b.buf[:0], t, a)
	if was.attributes != nil && string(b.base.extras.at(was.extra)) == string(b.buf) {
		now.extra = was.extra
	} else {
		now.extra = b.base.extras.add(b.buf)
	}
	*was = now
	return now
}

func (b *builder) addTagSet(set []byte) uint32 {
	if len(set) == 0 {
		return 0
	}
	id, ok := b.tagSets[string(set)]
	if !ok {
		id = b.base.tagSets.add(set)
		b.tagSets[string(set)] = id
	}
	return id
}

func (b *builder) meter(m metering.Meter) uint32 {
	id, ok := b.meters[m]
	if !ok {
		id = uint32(len(b.base.meters))
		b.base.meters = append(b.base.meters, m)
		b.meters[m] = id
	}
	return id
}

// finish returns the base. The builder must not be used afterwards.
func (b *builder) finish(seq uint64) *Base {
	t := &b.base
	t.Seq = seq
	t.rank = rankNames(&t.names)
	t.refs.Store(1)
	t.size = int64(32*len(t.groups) + 25*len(t.ids) + 32*len(t.seg.from) + 52*len(t.cell.day) + 8*len(t.names.off) + len(t.names.arena) +
		4*len(t.tagSets.off) + len(t.tagSets.arena) + 4*len(t.extras.off) + len(t.extras.arena))
	return t
}
