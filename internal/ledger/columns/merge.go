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
//
// The checksums are of the bytes as they were written, so that they need not be
// read again to be compared; whether they belong together is checked.
func Merge(fs vfs.FS, dir, name string, prev, fresh *Base, seq uint64) (*Base, error) {
	if err := newPlan(prev, fresh, false).write(fs, dir, name, seq); err != nil {
		return nil, err
	}
	return open(fs, dir, name, load, asWritten)
}

// With returns a base in memory with the resources of b, but as fresh has them
// where it has them, also if nothing is left of them.
func (b *Base) With(fresh *Base) *Base { return newPlan(b, fresh, true).build() }

// plan says which resources of two bases make up a new one, in canonical order.
type plan struct {
	prev, fresh *Base
	runs        []run
	groups      []group
	end         [partCount]int // of each part of the new base

	maxWindowBytes int // more of windows are not written

	// The meters and tag sets of prev keep their numbers; those of fresh get
	// these.
	meters          []metering.Meter
	meterOf, tagsOf []uint32
	newTags         []uint32 // tag sets of fresh that prev does not have
}

// part is what has a length of its own in a base.
type part uint8

const (
	ofResources part = iota
	ofSegments
	ofCells
	ofNames
	ofExtras
	ofNameBytes
	ofExtraBytes
	ofWindowBytes
	partCount
)

// place is how much of each part lies before a resource.
type place [partCount]uint32

// begin is before the first resource: name and extra 0 are the missing ones.
func begin() place { return place{ofNames: 1, ofExtras: 1} }

// run is the resources of a base from one place to another. There are two for
// each resource that changed, and each column goes through them, so they are
// small.
type run struct {
	of       *Base
	from, to place
	// days is how many day sums the only resource of the run has in the runs that come
	// next, which have no resources but the days of both bases; 0 in all other runs.
	days uint32
}

// newPlan plans a base of prev and fresh; keepGone says that both are of what changed
// since another one, so that those of fresh of which nothing is left stay.
func newPlan(prev, fresh *Base, keepGone bool) *plan {
	p := &plan{prev: prev, fresh: fresh, end: [partCount]int{ofNames: 1, ofExtras: 1}, maxWindowBytes: maxWindowBytes}
	// As many as there can be: growing step by step would cost several times that.
	p.runs = make([]run, 0, min(2*len(fresh.ids), len(fresh.ids)+len(prev.ids))+1)
	old, next := newCursor(prev), newCursor(fresh)
	for res, g := 0, 0; res < len(fresh.ids); res++ {
		if res == fresh.groupEnd(g) {
			g++
		}
		key := fresh.groups[g].key(fresh.ids[res])
		at, found := old.seek(&key)
		p.add(&old, at)
		if found && !keepGone {
			if days, partly := fresh.changedOver(g, res, Rest{Base: prev, Res: at}); partly {
				p.addDays(&old, &next, days)
				continue
			}
		}
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
	if c.at[ofResources] == uint32(to) {
		return
	}
	r := run{of: c.base, from: c.at}
	c.advance(to, func(g *group) { p.addGroup(g, &r.from, c.at) })
	r.to = c.at
	for t := range p.end {
		p.end[t] += int(r.to[t] - r.from[t])
	}
	if n := len(p.runs); n > 0 && p.runs[n-1].of == r.of && p.runs[n-1].to == r.from {
		p.runs[n-1].to = r.to
		return
	}
	p.runs = append(p.runs, r)
}

// addDays appends the resource that both cursors stand at: the days that have changed
// as next has them, and between them all others as old has them. Of one without days
// nothing is left.
func (p *plan) addDays(old, next *cursor, changed []metering.Day) {
	w := dayRuns{old: dayRun{base: old.base, at: old.at}, next: dayRun{base: next.base, at: next.at}}
	r, of := run{of: next.base, from: next.at, to: next.at}, &next.base.groups[next.group]
	old.advance(int(old.at[ofResources])+1, nil)
	next.advance(int(next.at[ofResources])+1, nil)
	w.old.end, w.next.end = old.at, next.at
	if w.cut(changed); len(w.runs) == 0 {
		return
	}
	p.addGroup(of, &r.from, r.from)
	r.to[ofResources]++
	for _, days := range w.runs {
		r.days += days.to[ofCells] - days.from[ofCells]
	}
	for _, r := range append([]run{r}, w.runs...) {
		for t := range p.end {
			p.end[t] += int(r.to[t] - r.from[t])
		}
		p.runs = append(p.runs, r)
	}
}

// addGroup opens a group of the new base, with resources from a place on of a run
// that begins at the end, unless the last one is alike.
func (p *plan) addGroup(g *group, from *place, at place) {
	if n := len(p.groups); n > 0 && p.groups[n-1].alike(g) {
		return
	}
	items := ofSegments
	if g.resourceType().Measure() == metering.Counted {
		items = ofCells
	}
	moved := func(t part) uint32 { return uint32(p.end[t]) + at[t] - from[t] }
	p.groups = append(p.groups, group{project: g.project, region: g.region, kind: g.kind, first: moved(ofResources), firstItem: moved(items)})
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

// cursor walks the resources of a base in order.
type cursor struct {
	base  *Base
	group int
	at    place
}

func newCursor(b *Base) cursor { return cursor{base: b, at: begin()} }

// advance steps to the resource at index to, and calls visit, which may be nil,
// for each group that it comes through, before it steps through it.
func (c *cursor) advance(to int, visit func(*group)) {
	b, from := c.base, c.at
	for int(c.at[ofResources]) < to {
		g, end := &b.groups[c.group], b.groupEnd(c.group)
		if visit != nil {
			visit(g)
		}
		if end == int(c.at[ofResources]) {
			metering.Bug("a group of %v has no resources", g.key(metering.UUID{}))
		}
		next := min(end, to)
		c.at[ofResources] = uint32(next)
		if items := b.itemEnd[next-1]; g.resourceType().Measure() == metering.Counted {
			c.at[ofCells] = items
		} else {
			c.at[ofSegments] = items
		}
		if next == end {
			c.group++
		}
	}
	segFrom, segTo, cellFrom, cellTo := from[ofSegments], c.at[ofSegments], from[ofCells], c.at[ofCells]
	c.at[ofNames] = max(c.at[ofNames], behind(b.seg.name[segFrom:segTo]), behind(b.cell.name[cellFrom:cellTo]))
	c.at[ofExtras] = max(c.at[ofExtras], behind(b.seg.extra[segFrom:segTo]), behind(b.cell.extra[cellFrom:cellTo]))
	c.at[ofNameBytes], c.at[ofExtraBytes] = b.names.off[c.at[ofNames]], b.extras.off[c.at[ofExtras]]
	c.at[ofWindowBytes] = b.cell.windowsBefore(cellTo)
}

// behind returns the number behind the last one that is not 0. Names and extras
// are numbered in the order in which items have them.
func behind(numbers []uint32) uint32 {
	for i := len(numbers) - 1; i >= 0; i-- {
		if numbers[i] != 0 {
			return numbers[i] + 1
		}
	}
	return 0
}

// seek returns the index of a resource, or the one at which it would stand. It is
// not before the cursor.
func (c *cursor) seek(key *metering.ResourceKey) (at int, found bool) {
	b := c.base
	g := seek(len(b.groups), c.group, func(i int) bool { return b.groups[i].compare(key) < 0 })
	if g == len(b.groups) {
		return len(b.ids), false
	}
	first := max(int(b.groups[g].first), int(c.at[ofResources]))
	if b.groups[g].compare(key) != 0 {
		return first, false
	}
	at = seek(b.groupEnd(g), first, func(i int) bool { return b.ids[i].Compare(key.ID) < 0 })
	return at, at < b.groupEnd(g) && b.ids[at] == key.ID
}
