package columns

import (
	"runtime"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
)

// Change is what a resource is like now. Without segments or sums the resource
// is gone: all that was observed of it has been retracted.
type Change struct {
	Key      metering.ResourceKey
	Timeline metering.Timeline // of a resource with states
	Sums     []metering.DaySum // of a counted resource, by day and meter
	// Days are those that Sums are about, in order, when Rest has the others, or Partly
	// is set; otherwise Sums are all.
	Days []metering.Day
	Rest Rest
	// Partly says that the others are as they are in what this is merged over.
	Partly bool
}

// gone reports whether nothing is left of the resource.
func (c *Change) gone() bool {
	if c.Key.Type.Measure() == metering.Counted {
		return len(c.Sums) == 0 && c.Rest.Base == nil
	}
	return !c.Timeline.Known
}

// Build returns a base in memory of what there is. The changes are in canonical
// order, each resource once.
func Build(changes []Change, seq uint64) *Base {
	return Changed(slices.DeleteFunc(slices.Clone(changes), func(c Change) bool { return c.gone() }), seq)
}

// changesBetweenRests take about half a millisecond.
const changesBetweenRests = 512

// Changed returns a base in memory that holds also those resources of which
// nothing is left, so that it can be merged over another one. The changes are in
// canonical order, each resource once. One with resources that changed partly is
// good for nothing but [Merge].
func Changed(changes []Change, seq uint64) *Base {
	b := newBuilder(changes)
	for i := range changes {
		if i%changesBetweenRests == changesBetweenRests-1 {
			runtime.Gosched() // a report may be waiting for the processor
		}
		if c := &changes[i]; c.Key.Type.Measure() == metering.Counted {
			if c.Partly {
				b.base.partly(len(b.base.ids), c.Days)
			}
			b.addCounted(c)
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

	name, tags, extra []byte // of the item in hand
}

// newBuilder returns a builder with room for all items of changes: growing step by
// step would cost several times that.
func newBuilder(changes []Change) *builder {
	b := &builder{meters: map[metering.Meter]uint32{}, tagSets: map[string]uint32{}}
	t, n := &b.base, len(changes)
	t.names, t.tagSets, t.extras = newTexts(), newTexts(), newTexts()
	t.ids, t.itemEnd, t.boundary = make([]metering.UUID, 0, n), make([]uint32, 0, n), make([]uint32, 0, n)
	t.hidden, t.flags = make([]uint32, 0, n), make([]uint8, 0, n)
	t.cell, t.seg = cellsFor(changes), segmentsFor(changes)
	return b
}

func segmentsFor(changes []Change) segments {
	n := 0
	for i := range changes {
		n += len(changes[i].Timeline.Segments)
	}
	return segments{
		from: make([]uint32, 0, n), to: make([]uint32, 0, n), meter: make([]uint32, 0, n), mult: make([]uint64, 0, n),
		name: make([]uint32, 0, n), tags: make([]uint32, 0, n), extra: make([]uint32, 0, n),
	}
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
	if n := len(t.groups); n == 0 || t.groups[n-1].compare(&key) != 0 {
		t.groups = append(t.groups, group{
			project: int64(key.Project), region: int64(key.Region), kind: uint32(key.Type),
			first: uint32(len(t.ids)), firstItem: uint32(items),
		})
	}
	t.ids = append(t.ids, key.ID)
}

// end closes the resource opened last.
func (b *builder) end(boundary, hidden metering.Minute, flags uint8) {
	t := &b.base
	items := len(t.seg.from)
	if b.last.Type.Measure() == metering.Counted {
		items = len(t.cell.day)
	}
	t.itemEnd = append(t.itemEnd, uint32(items))
	t.boundary, t.hidden = append(t.boundary, uint32(boundary)), append(t.hidden, uint32(hidden))
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
	if tl.Shared {
		flags |= flagShared
	}
	b.end(tl.LastBoundary, tl.Hidden, flags)
}

// described remembers what a resource's previous item was like, so that what
// did not change is stored once.
type described struct {
	attributes        *metering.Attributes // nil: they were not looked at
	name, tags, extra uint32
}

func (b *builder) describe(was *described, t metering.ResourceType, a *metering.Attributes) described {
	if was.attributes == nil || !was.attributes.Equal(a) {
		b.name = append(b.name[:0], a.Texts[metering.Name]...)
		b.tags = appendTags(b.tags[:0], a.Tags)
		b.extra = appendExtra(b.extra[:0], t, a)
		b.describeTexts(was, b.name, b.tags, b.extra)
	}
	was.attributes = a
	return *was
}

func (b *builder) describeTexts(was *described, name, tags, extra []byte) {
	was.name = likeBefore(&b.base.names, was.name, name)
	was.extra = likeBefore(&b.base.extras, was.extra, extra)
	if string(b.base.tagSets.at(was.tags)) != string(tags) {
		was.tags = b.addTagSet(tags)
	}
}

// likeBefore returns the number before if it has the text, or adds the text.
func likeBefore(t *texts, before uint32, text []byte) uint32 {
	if string(t.at(before)) == string(text) {
		return before
	}
	return t.add(text)
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
	t.size = int64(32*len(t.groups) + 29*len(t.ids) + 32*len(t.seg.from) + 56*len(t.cell.day) + len(t.cell.windows) + 8*len(t.names.off) + len(t.names.arena) +
		4*len(t.tagSets.off) + len(t.tagSets.arena) + 4*len(t.extras.off) + len(t.extras.arena))
	return t
}
