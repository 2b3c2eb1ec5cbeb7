package columns

import (
	"github.com/meterbook/meterbook/internal/metering"
)

// Builder makes a base from resources that are added in canonical order, each
// once: new ones, and ones carried over from the base before.
type Builder struct {
	base     Base
	prev     *Base // nil: none
	last     metering.ResourceKey
	meters   map[metering.Meter]uint32
	tagSets  map[string]uint32
	oldMeter []uint32 // meter of prev -> meter + 1, 0: not carried over yet
	oldTags  []uint32
	oldRank  []uint32 // by new name: its rank in prev, noRank for a new text
	buf      []byte
}

// NewBuilder starts a base that may carry over resources of prev, which may be
// nil. extra is the number of resources that will be added besides.
func NewBuilder(prev *Base, extra int) *Builder {
	b := &Builder{prev: prev, meters: map[metering.Meter]uint32{}, tagSets: map[string]uint32{}, oldRank: []uint32{noRank}}
	b.base.names, b.base.tagSets, b.base.extras = newTexts(), newTexts(), newTexts()
	if prev == nil {
		return b
	}
	b.oldMeter = make([]uint32, len(prev.meters))
	b.oldTags = make([]uint32, prev.tagSets.count())
	b.reserve(prev, extra)
	return b
}

// reserve makes room for all that prev holds and extra resources, so that the
// columns need not be copied while they grow.
func (b *Builder) reserve(prev *Base, extra int) {
	n, s, c := len(prev.ids)+extra, len(prev.seg.from)+2*extra, len(prev.cell.day)+extra/8
	t := &b.base
	t.ids = make([]metering.UUID, 0, n)
	t.itemEnd, t.boundary, t.flags = make([]uint32, 0, n), make([]uint32, 0, n), make([]uint8, 0, n)
	for _, column := range []*[]uint32{&t.seg.from, &t.seg.to, &t.seg.meter, &t.seg.name, &t.seg.tags, &t.seg.extra} {
		*column = make([]uint32, 0, s)
	}
	t.seg.mult = make([]uint64, 0, s)
	for _, column := range []*[]uint32{&t.cell.meter, &t.cell.name, &t.cell.tags, &t.cell.extra} {
		*column = make([]uint32, 0, c)
	}
	t.cell.day = make([]int32, 0, c)
	t.cell.hi, t.cell.lo = make([]uint64, 0, c), make([]uint64, 0, c)
	t.cell.first, t.cell.last = make([]int64, 0, c), make([]int64, 0, c)
	t.names.off = append(make([]uint32, 0, len(prev.names.off)+extra), 0, 0)
	t.names.arena = make([]byte, 0, len(prev.names.arena)+16*extra)
	t.extras.off = append(make([]uint32, 0, len(prev.extras.off)+extra), 0, 0)
	t.extras.arena = make([]byte, 0, len(prev.extras.arena)+16*extra)
	b.oldRank = append(make([]uint32, 0, cap(t.names.off)), noRank)
}

// begin opens a resource and, where it differs, its group.
func (b *Builder) begin(key metering.ResourceKey) {
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
func (b *Builder) end(boundary metering.Minute, flags uint8) {
	t := &b.base
	items := len(t.seg.from)
	if b.last.Type.Measure() == metering.Counted {
		items = len(t.cell.day)
	}
	t.itemEnd = append(t.itemEnd, uint32(items))
	t.boundary = append(t.boundary, uint32(boundary))
	t.flags = append(t.flags, flags)
}

// AddTimeline adds a resource that has states.
func (b *Builder) AddTimeline(key metering.ResourceKey, tl metering.Timeline) {
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

// AddDaySums adds a counted resource with its sums in the order of day and
// meter.
func (b *Builder) AddDaySums(key metering.ResourceKey, sums []metering.DaySum) {
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

func (b *Builder) describe(was *described, t metering.ResourceType, a *metering.Attributes) described {
	if was.attributes != nil && was.attributes.Equal(a) {
		was.attributes = a
		return *was
	}
	now := described{attributes: a}
	if was.attributes != nil && was.attributes.Texts[metering.Name] == a.Texts[metering.Name] {
		now.name = was.name
	} else {
		now.name = b.addName([]byte(a.Texts[metering.Name]), noRank)
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

func (b *Builder) addName(name []byte, oldRank uint32) uint32 {
	id := b.base.names.add(name)
	if int(id) == len(b.oldRank) {
		b.oldRank = append(b.oldRank, oldRank)
	}
	return id
}

func (b *Builder) addTagSet(set []byte) uint32 {
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

func (b *Builder) meter(m metering.Meter) uint32 {
	id, ok := b.meters[m]
	if !ok {
		id = uint32(len(b.base.meters))
		b.base.meters = append(b.base.meters, m)
		b.meters[m] = id
	}
	return id
}

// Finish returns the base. The builder must not be used afterwards.
func (b *Builder) Finish(seq uint64) *Base {
	t := &b.base
	t.Seq = seq
	t.rank = rankNames(&t.names, b.oldRank, b.prev)
	out := &Base{
		Seq: t.Seq, groups: t.groups, ids: t.ids, itemEnd: t.itemEnd, boundary: t.boundary, flags: t.flags,
		seg: t.seg, cell: t.cell, meters: t.meters, names: t.names, rank: t.rank, tagSets: t.tagSets, extras: t.extras,
	}
	out.refs.Store(1)
	for _, s := range out.sections() {
		out.size += int64(len(s))
	}
	return out
}
