package columns

import (
	"iter"
	"slices"
	"sync"

	"github.com/meterbook/meterbook/internal/metering"
)

// project builds the projection of the given groups, by their index, in order.
func (b *Base) project(period metering.Period, groups iter.Seq[int]) *Projection {
	return b.projectParts(period, []iter.Seq[int]{groups})
}

// partResources is the number of resources of a base that are worth a goroutine
// while they are projected.
const partResources = 1 << 16

// workers is how many goroutines should project the base, where so many may.
func (b *Base) workers(most int) int { return max(1, min(most, len(b.ids)/partResources)) }

// projectWhole builds the projection of all groups, with its digest. So many
// goroutines project a part of the base each, of about as many resources.
func (b *Base) projectWhole(period metering.Period, workers int) *Projection {
	parts := make([]iter.Seq[int], workers)
	begin := func(i int) int {
		first := i * len(b.ids) / workers
		return seek(len(b.groups), 0, func(g int) bool { return int(b.groups[g].first) < first })
	}
	for i := range parts {
		from, to := begin(i), begin(i+1)
		parts[i] = func(yield func(int) bool) {
			for g := from; g < to && yield(g); g++ {
			}
		}
	}
	p := b.projectParts(period, parts)
	p.digest = digested(p, workers)
	return p
}

// projectParts projects groups, each part in a goroutine: first it counts what
// room the rows need, then it fills it.
func (b *Base) projectParts(period metering.Period, parts []iter.Seq[int]) *Projection {
	p := &Projection{base: b, period: period, priors: make([]prior, 1)}
	p.minFrom, p.minTo = uint32(period.From.FirstMinute()), uint32(period.To.FirstMinute())
	rows, all := make([]int, len(parts)), 0
	inParallel(len(parts), func(i int) { rows[i] = p.mostRows(parts[i]) })
	for _, n := range rows {
		all += n
	}
	p.reserve(all)
	adders, from, numbers := make([]*projector, len(parts)), 0, newSlotNumbers()
	for i, n := range rows {
		adders[i] = p.within(from, from+n, numbers)
		from += n
	}
	inParallel(len(parts), func(i int) { adders[i].addGroups(parts[i]) })
	for _, a := range adders {
		p.join(a)
	}
	p.slots = numbers.mu.slots
	p.sortSlots()
	return p
}

// reserve makes room for rows, so that they need not be copied while they grow.
func (p *Projection) reserve(rows int) {
	p.row = make([]row, 0, rows)
	for _, column := range []*[]uint32{&p.res, &p.item, &p.name, &p.tags} {
		*column = make([]uint32, 0, rows)
	}
}

// mostRows returns how many rows groups have at most: one a segment in the
// period, and one a meter of a counted resource.
func (p *Projection) mostRows(groups iter.Seq[int]) (n int) {
	b := p.base
	for i := range groups {
		g, end := &b.groups[i], b.groupEnd(i)
		start, stop := int(g.firstItem), int(b.itemEnd[end-1])
		if g.resourceType().Measure() != metering.Counted {
			from, to := b.seg.from[start:stop], b.seg.to[start:stop]
			for i := range from {
				if to[i] > p.minFrom && from[i] < p.minTo {
					n++
				}
			}
			continue
		}
		for res := int(g.first); res < end; res++ {
			stop := int(b.itemEnd[res])
			from, to := p.cellsOf(start, stop)
			n += mostMeters(b.cell.meter[from:to])
			start = stop
		}
	}
	return n
}

// cellsOf returns those of a resource's day sums [start, stop) that lie in the
// period.
func (p *Projection) cellsOf(start, stop int) (from, to int) {
	days := p.base.cell.day[start:stop]
	from, _ = slices.BinarySearch(days, int32(p.period.From))
	to, _ = slices.BinarySearch(days, int32(p.period.To))
	return start + from, start + to
}

// fewMeters is how many meters of a resource are told apart when rows are
// counted: it seldom has more than two.
const fewMeters = 8

// mostMeters returns how many different ones there are; if there are more than a
// few, it may return a greater number.
func mostMeters(meters []uint32) (n int) {
	var known [fewMeters]uint32
	for _, meter := range meters {
		if !slices.Contains(known[:min(n, fewMeters)], meter) {
			if n < fewMeters {
				known[n] = meter
			}
			n++
		}
	}
	return n
}

// slotNumbers numbers the slots of all parts of a projection.
type slotNumbers struct {
	mu struct {
		sync.Mutex
		slots  []slot
		number map[slot]uint32
	}
}

func newSlotNumbers() *slotNumbers {
	n := &slotNumbers{}
	n.mu.number = map[slot]uint32{}
	return n
}

func (n *slotNumbers) of(s slot) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	number, known := n.mu.number[s]
	if !known {
		number = uint32(len(n.mu.slots))
		n.mu.slots, n.mu.number[s] = append(n.mu.slots, s), number
	}
	return number
}

// projector adds rows in a part of a projection's room.
type projector struct {
	Projection // of these rows, with priors of their own
	most       int
	numbers    *slotNumbers
}

// within returns a projector for the room from one row to another.
func (p *Projection) within(from, to int, numbers *slotNumbers) *projector {
	part := projector{Projection: *p, most: to - from, numbers: numbers}
	part.row = p.row[from:from:to]
	part.res, part.item = p.res[from:from:to], p.item[from:from:to]
	part.name, part.tags = p.name[from:from:to], p.tags[from:from:to]
	part.priors = make([]prior, 1)
	return &part
}

// join takes the rows of a part behind those that there are. If the parts before
// did not need all of their room, they move up.
func (p *Projection) join(part *projector) {
	if len(part.row) > part.most {
		metering.Bug("%d rows where %d were counted", len(part.row), part.most)
	}
	start, priors := len(p.row), uint32(len(p.priors)-1)
	p.row = movedUp(p.row, part.row)
	p.res, p.item = movedUp(p.res, part.res), movedUp(p.item, part.item)
	p.name, p.tags = movedUp(p.name, part.name), movedUp(p.tags, part.tags)
	p.latest = max(p.latest, part.latest)
	if priors == 0 {
		p.priors = part.priors
	} else {
		p.priors = append(p.priors, part.priors[1:]...)
		for i := range p.row[start:] {
			if at := &p.row[start+i]; at.before != 0 {
				at.before += priors
			}
		}
	}
	for _, g := range part.groups {
		p.groups = append(p.groups, rowGroup{group: g.group, from: g.from + start, to: g.to + start})
	}
}

// movedUp appends a part that lies in the room behind all, often right there.
func movedUp[T any](all, part []T) []T {
	if end := len(all) + len(part); len(part) > 0 && &all[:end][end-1] == &part[len(part)-1] {
		return all[:end]
	}
	return append(all, part...)
}

// addGroups adds the rows of groups.
func (p *projector) addGroups(groups iter.Seq[int]) {
	b := p.base
	slots := map[metering.RegionID][]uint32{} // by meter: slot + 1
	for i := range groups {
		g := &b.groups[i]
		region := metering.RegionID(g.region)
		if slots[region] == nil {
			slots[region] = make([]uint32, len(b.meters))
		}
		start := len(p.res)
		if g.resourceType().Measure() == metering.Counted {
			p.projectCounted(i, slots[region])
		} else if p.minFrom < p.minTo {
			p.projectStates(i, slots[region])
		}
		if len(p.res) > start {
			p.groups = append(p.groups, rowGroup{group: g, from: start, to: len(p.res)})
		}
	}
}

// projectStates adds the rows of a group of resources with states.
func (p *projector) projectStates(g int, slots []uint32) {
	b := p.base
	gr := &b.groups[g]
	end := b.groupEnd(g)
	start := int(gr.firstItem)
	for res := int(gr.first); res < end; res++ {
		stop := int(b.itemEnd[res])
		first, last := start, stop // the segments that reach into the period
		for first < stop && b.seg.to[first] <= p.minFrom {
			first++
		}
		for last > first && b.seg.from[last-1] >= p.minTo {
			last--
		}
		switch {
		case last-first == 1:
			p.addPiece(res, first, slots, gr)
		case last > first:
			p.addPieces(res, first, last, slots, gr)
		}
		start = stop
	}
}

// addPiece adds a row whose only piece is segment i.
func (p *projector) addPiece(res, i int, slots []uint32, g *group) {
	seg := &p.base.seg
	from := max(seg.from[i], p.minFrom)
	last := row{mult: seg.mult[i], from: from, to: min(seg.to[i], p.minTo), slot: p.slotFor(slots, g, seg.meter[i])}
	p.add(res, i, last, seg.name[i], seg.tags[i])
	p.latest = max(p.latest, from)
}

// addPieces adds a row for each meter among the segments [first, last).
func (p *projector) addPieces(res, first, last int, slots []uint32, g *group) {
	seg := &p.base.seg
	meters := slices.Clone(seg.meter[first:last])
	slices.SortFunc(meters, func(x, y uint32) int { return p.base.meters[x].Compare(p.base.meters[y]) })
	for _, meter := range slices.Compact(meters) {
		before, piece := prior{}, -1
		for i := first; i < last; i++ {
			if seg.meter[i] != meter {
				continue
			}
			if piece >= 0 {
				before.add(seg, piece, p.minFrom)
			}
			piece = i
		}
		p.addPiece(res, piece, slots, g)
		if before.first != 0 {
			p.row[len(p.row)-1].before = uint32(len(p.priors))
			p.priors = append(p.priors, before)
		}
	}
}

// add counts one segment that ends within the period.
func (r *prior) add(seg *segments, i int, minFrom uint32) {
	from := max(seg.from[i], minFrom)
	if r.first == 0 {
		r.first = metering.Minute(from).Sample()
	}
	r.value = r.value.Add(metering.Product(seg.mult[i], uint64(seg.to[i]-from)))
}

// projectCounted adds the rows of a group of counted resources.
func (p *projector) projectCounted(g int, slots []uint32) {
	b := p.base
	gr := &b.groups[g]
	start, end := int(gr.firstItem), b.groupEnd(g)
	for res := int(gr.first); res < end; res++ {
		stop := int(b.itemEnd[res])
		from, to := p.cellsOf(start, stop)
		p.addCounted(res, from, to, slots, gr)
		start = stop
	}
}

// addCounted adds a row for each meter among the day sums [from, to).
func (p *projector) addCounted(res, from, to int, slots []uint32, g *group) {
	cell := &p.base.cell
	meters := slices.Clone(cell.meter[from:to])
	slices.SortFunc(meters, func(x, y uint32) int { return p.base.meters[x].Compare(p.base.meters[y]) })
	for _, meter := range slices.Compact(meters) {
		sum, item := prior{}, -1
		for i := from; i < to; i++ {
			if cell.meter[i] != meter {
				continue
			}
			if item < 0 {
				sum.first = metering.Instant(cell.first[i])
			}
			item = i
			sum.value = sum.value.Add(metering.Amount{Hi: cell.hi[i], Lo: cell.lo[i]})
			sum.last = max(sum.last, metering.Instant(cell.last[i]))
		}
		sum.last = min(sum.last, p.period.To.Start())
		counted := row{slot: p.slotFor(slots, g, meter), before: uint32(len(p.priors))}
		p.add(res, item, counted, cell.name[item], cell.tags[item])
		p.priors = append(p.priors, sum)
	}
}

func (p *projector) add(res, item int, is row, name, tags uint32) {
	p.row = append(p.row, is)
	p.res, p.item = append(p.res, uint32(res)), append(p.item, uint32(item))
	p.name, p.tags = append(p.name, name), append(p.tags, tags)
}

func (p *projector) slotFor(slots []uint32, g *group, meter uint32) uint32 {
	if slots[meter] == 0 {
		slots[meter] = p.numbers.of(slot{region: metering.RegionID(g.region), meter: meter, factor: factorOf(g.resourceType().Measure())}) + 1
	}
	return slots[meter] - 1
}

// inParallel calls do with 0 to n-1, each in a goroutine, and waits. A panic is
// passed on, so that it ends one report and not the program.
func inParallel(n int, do func(i int)) {
	if n == 1 {
		do(0)
		return
	}
	var all sync.WaitGroup
	panics := make(chan any, n)
	for i := range n {
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics <- p
				}
			}()
			do(i)
		})
	}
	all.Wait()
	select {
	case p := <-panics:
		panic(p)
	default:
	}
}
