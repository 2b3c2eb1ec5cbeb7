package columns

import (
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/metering"
)

// Merge writes a new base with the resources of prev, but as fresh has them where
// it has them, and opens it. The file appears under its name when it is whole and
// durable, or not at all.
//
// What did not change is copied as it is, in runs and column by column, so that
// merging takes the time of copying and little memory.
func Merge(fs vfs.FS, dir, name string, prev, fresh *Base, seq uint64) (*Base, error) {
	if err := newPlan(prev, fresh, false).write(fs, dir, name, seq); err != nil {
		return nil, err
	}
	return Open(fs, dir, name)
}

// With returns a base in memory with the resources of b, but as fresh has them
// where it has them, also if nothing is left of them.
func (b *Base) With(fresh *Base) *Base { return newPlan(b, fresh, true).build() }

// plan says which resources of two bases make up a new one, in canonical order.
type plan struct {
	prev, fresh *Base
	runs        []run
	groups      []group
	end         place // of the new base

	// The meters and tag sets of prev keep their numbers; those of fresh get
	// these.
	meters          []metering.Meter
	meterOf, tagsOf []uint32
	newTags         []uint32 // tag sets of fresh that prev does not have
}

// place is how much of each table lies before a resource.
type place struct{ res, seg, cell, name, extra, nameBytes, extraBytes int }

// run is the resources of a base from one place to another, and the place that
// they begin at in the new base.
type run struct {
	of             *Base
	from, to, into place
}

// newPlan plans a base of prev and fresh; keepGone says what becomes of those of
// fresh of which nothing is left.
func newPlan(prev, fresh *Base, keepGone bool) *plan {
	p := &plan{prev: prev, fresh: fresh, end: place{name: 1, extra: 1}}
	// As many as there can be: growing step by step would cost several times that.
	p.runs = make([]run, 0, min(2*len(fresh.ids), len(fresh.ids)+len(prev.ids))+1)
	old, next := newCursor(prev), newCursor(fresh)
	for res, g := 0, 0; res < len(fresh.ids); res++ {
		if res == fresh.groupEnd(g) {
			g++
		}
		at, found := old.seek(fresh.groups[g].key(fresh.ids[res]))
		p.add(&old, at)
		if found {
			old.advance(at+1, nil) // what has changed is left out
		}
		if keepGone || !fresh.gone(g, res) {
			p.add(&next, res+1)
		} else {
			next.advance(res+1, nil)
		}
	}
	p.add(&old, len(prev.ids))
	p.mergeMeters()
	p.mergeTagSets()
	return p
}

// gone reports whether nothing is left of the resource at index res, in group g.
func (b *Base) gone(g, res int) bool {
	if b.groups[g].resourceType().Measure() == metering.Counted {
		from, to := b.items(&b.groups[g], res)
		return from == to
	}
	return b.flags[res]&flagKnown == 0
}

// add appends the resources from a cursor on up to the one at index to.
func (p *plan) add(c *cursor, to int) {
	if c.at.res == to {
		return
	}
	r := run{of: c.base, from: c.at, into: p.end}
	c.advance(to, func(g *group) { p.addGroup(g, &r, c.at) })
	r.to = c.at
	p.end = r.moved(r.to)
	if n := len(p.runs); n > 0 && p.runs[n-1].of == r.of && p.runs[n-1].to == r.from {
		p.runs[n-1].to = r.to
		return
	}
	p.runs = append(p.runs, r)
}

// moved returns where a place of the run is in the new base.
func (r *run) moved(at place) place {
	return place{
		res: at.res - r.from.res + r.into.res, seg: at.seg - r.from.seg + r.into.seg, cell: at.cell - r.from.cell + r.into.cell,
		name: at.name - r.from.name + r.into.name, extra: at.extra - r.from.extra + r.into.extra,
		nameBytes: at.nameBytes - r.from.nameBytes + r.into.nameBytes, extraBytes: at.extraBytes - r.from.extraBytes + r.into.extraBytes,
	}
}

// addGroup opens a group of the new base, with resources of a run from a place
// on, unless the last one is alike.
func (p *plan) addGroup(g *group, r *run, from place) {
	fresh := group{project: g.project, region: g.region, kind: g.kind}
	if n := len(p.groups); n > 0 && p.groups[n-1].key(metering.UUID{}) == fresh.key(metering.UUID{}) {
		return
	}
	at := r.moved(from)
	fresh.first, fresh.firstItem = uint32(at.res), uint32(at.seg)
	if g.resourceType().Measure() == metering.Counted {
		fresh.firstItem = uint32(at.cell)
	}
	p.groups = append(p.groups, fresh)
}

func (p *plan) mergeMeters() {
	p.meters = slices.Clone(p.prev.meters)
	known := make(map[metering.Meter]uint32, len(p.meters))
	for number, m := range p.meters {
		known[m] = uint32(number)
	}
	for _, m := range p.fresh.meters {
		number, ok := known[m]
		if !ok {
			number = uint32(len(p.meters))
			p.meters = append(p.meters, m)
		}
		p.meterOf = append(p.meterOf, number)
	}
}

func (p *plan) mergeTagSets() {
	known := make(map[string]uint32, p.prev.tagSets.count())
	for set := range uint32(p.prev.tagSets.count()) {
		known[borrowed.text(p.prev.tagSets.at(set))] = set
	}
	for set := range uint32(p.fresh.tagSets.count()) {
		number, ok := known[borrowed.text(p.fresh.tagSets.at(set))]
		if !ok {
			number = uint32(p.prev.tagSets.count() + len(p.newTags))
			p.newTags = append(p.newTags, set)
		}
		p.tagsOf = append(p.tagsOf, number)
	}
}

// ranks returns the ranks that the ranks of prev and of fresh have in the new
// base.
func (p *plan) ranks() (ofPrev, ofFresh []uint32) {
	used := make([]bool, len(p.prev.rank))
	highest := 0
	for i := range p.runs {
		r := &p.runs[i]
		if r.of != p.prev {
			continue
		}
		for _, rank := range r.of.rank[r.from.name:r.to.name] {
			used[rank] = true
			highest = max(highest, int(rank)+1)
		}
	}
	return mergeRanks(p.prev, p.fresh, used[:highest])
}

// cursor walks the resources of a base in order.
type cursor struct {
	base  *Base
	group int
	at    place
}

func newCursor(b *Base) cursor { return cursor{base: b, at: place{name: 1, extra: 1}} }

// advance steps to the resource at index to, and calls visit, which may be nil,
// for each group that it comes through, before it steps through it.
func (c *cursor) advance(to int, visit func(*group)) {
	b, from := c.base, c.at
	for c.at.res < to {
		g, end := &b.groups[c.group], b.groupEnd(c.group)
		if visit != nil {
			visit(g)
		}
		if end == c.at.res {
			metering.Bug("a group of %v has no resources", g.key(metering.UUID{}))
		}
		c.at.res = min(end, to)
		if items := int(b.itemEnd[c.at.res-1]); g.resourceType().Measure() == metering.Counted {
			c.at.cell = items
		} else {
			c.at.seg = items
		}
		if c.at.res == end {
			c.group++
		}
	}
	c.at.name = max(c.at.name, behind(b.seg.name[from.seg:c.at.seg]), behind(b.cell.name[from.cell:c.at.cell]))
	c.at.extra = max(c.at.extra, behind(b.seg.extra[from.seg:c.at.seg]), behind(b.cell.extra[from.cell:c.at.cell]))
	c.at.nameBytes, c.at.extraBytes = int(b.names.off[c.at.name]), int(b.extras.off[c.at.extra])
}

// behind returns the number behind the last one that is not 0. Names and extras
// are numbered in the order in which items have them.
func behind(numbers []uint32) int {
	for i := len(numbers) - 1; i >= 0; i-- {
		if numbers[i] != 0 {
			return int(numbers[i]) + 1
		}
	}
	return 0
}

// seek returns the index of a resource, or the one at which it would stand. It is
// not before the cursor.
func (c *cursor) seek(key metering.ResourceKey) (at int, found bool) {
	b := c.base
	g := seek(len(b.groups), c.group, func(i int) bool { return b.groups[i].compare(key) < 0 })
	if g == len(b.groups) {
		return len(b.ids), false
	}
	first := max(int(b.groups[g].first), c.at.res)
	if b.groups[g].compare(key) != 0 {
		return first, false
	}
	at = seek(b.groupEnd(g), first, func(i int) bool { return b.ids[i].Compare(key.ID) < 0 })
	return at, at < b.groupEnd(g) && b.ids[at] == key.ID
}
