package columns

import (
	"cmp"
	"iter"
	"math/bits"
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

// projectParts projects groups, each part in a goroutine: first it finds which
// resources have rows and how many, then it makes them where they belong.
func (b *Base) projectParts(period metering.Period, parts []iter.Seq[int]) *Projection {
	p := &Projection{base: b, period: period}
	p.minFrom, p.minTo = uint32(period.From.FirstMinute()), uint32(period.To.FirstMinute())
	numbers, adders := newSlotNumbers(len(parts)), make([]*projector, len(parts))
	inParallel(len(parts), func(i int) {
		adders[i] = &projector{Projection: p, numbers: numbers}
		adders[i].find(parts[i])
	})
	all := room{priors: 1}
	for _, a := range adders {
		a.next = all
		all = room{all.rows + a.found.rows, all.priors + a.found.priors, all.groups + a.found.groups}
	}
	p.reserve(all, len(parts))
	inParallel(len(parts), func(i int) { adders[i].addGroups(parts[i]) })
	for _, a := range adders {
		p.latest = max(p.latest, a.latest)
	}
	p.slots = numbers.mu.slots
	p.sortSlots()
	return p
}

// room is a number of each of what a projection consists of.
type room struct{ rows, priors, groups int }

// reserve makes room, the larger half of it beside the other one where several
// goroutines may work: what takes time is the first touch of the memory.
func (p *Projection) reserve(n room, workers int) {
	p.groups, p.priors = make([]rowGroup, n.groups), make([]prior, n.priors)
	halves := min(workers, 2)
	inParallel(halves, func(i int) {
		if i == 0 {
			p.row = make([]row, n.rows)
		}
		if i == halves-1 {
			for _, column := range []*[]uint32{&p.res, &p.item, &p.name, &p.tags} {
				*column = make([]uint32, n.rows)
			}
		}
	})
}

// slotNumbers numbers the slots of all parts of a projection. Each part asks
// once for each slot.
type slotNumbers struct {
	mu struct {
		sync.Mutex
		slots  []slot
		number map[slot]uint32 // nil where there is only one part
	}
}

func newSlotNumbers(parts int) *slotNumbers {
	n := &slotNumbers{}
	if parts > 1 {
		n.mu.number = map[slot]uint32{}
	}
	return n
}

func (n *slotNumbers) of(s slot) uint32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	number, known := n.mu.number[s]
	if !known {
		number = uint32(len(n.mu.slots))
		n.mu.slots = append(n.mu.slots, s)
		if n.mu.number != nil {
			n.mu.number[s] = number
		}
	}
	return number
}

// projector makes the rows of a part of a projection.
type projector struct {
	*Projection
	numbers *slotNumbers

	// with has for each group, for each 64 of its resources, a bit for each that
	// has rows; found is how many those are, and how many priors at most.
	with  []uint64
	found room

	next   room // where the next ones belong
	latest uint32
	meters []uint32 // that distinct returned last
}

// wordResources is how many resources of a group a number of with tells about.
const wordResources = 64

func (g *group) counted() bool { return g.resourceType().Measure() == metering.Counted }

// find finds the resources of groups that have rows, and counts those.
func (p *projector) find(groups iter.Seq[int]) {
	b := p.base
	for i := range groups {
		g, end := &b.groups[i], b.groupEnd(i)
		start, counted, before := g.firstItem, g.counted(), p.found.rows
		for from := int(g.first); from < end; from += wordResources {
			ends := b.itemEnd[from:min(from+wordResources, end)]
			var with uint64
			if counted {
				with = p.findCounted(start, ends)
			} else {
				with = p.findStates(start, ends)
			}
			p.with, p.found.rows = append(p.with, with), p.found.rows+bits.OnesCount64(with)
			start = ends[len(ends)-1]
		}
		if p.found.rows > before {
			p.found.groups++
		}
	}
}

// findStates finds which resources have a segment in the period, given where the
// segments of each end. Most have one, and it cannot be guessed where that lies,
// so it is computed without a branch.
func (p *projector) findStates(start uint32, ends []uint32) (found uint64) {
	if p.minFrom >= p.minTo {
		return 0
	}
	froms, tos := p.base.seg.from, p.base.seg.to
	for i, stop := range ends {
		if stop-start == 1 {
			found |= less(p.minFrom, tos[start]) & less(froms[start], p.minTo) << (i % wordResources)
		} else if first, last := p.segmentsOf(int(start), int(stop)); first < last {
			found |= 1 << (i % wordResources)
			p.countMore(p.base.seg.meter[first:last])
		}
		start = stop
	}
	return found
}

// findCounted finds which counted resources have a day sum in the period.
func (p *projector) findCounted(start uint32, ends []uint32) (found uint64) {
	for i, stop := range ends {
		if from, to := p.cellsOf(int(start), int(stop)); from < to {
			found |= 1 << (i % wordResources)
			p.found.priors++
			p.countMore(p.base.cell.meter[from:to])
		}
		start = stop
	}
	return found
}

// countMore counts the rows that a resource has besides the first one, and their
// priors, by the meters of its items in the period.
func (p *projector) countMore(meters []uint32) {
	if len(meters) > 1 {
		n := len(p.distinct(meters))
		p.found.rows, p.found.priors = p.found.rows+n-1, p.found.priors+n
	}
}

// segmentsOf returns those of a resource's segments [start, stop) that reach into
// the period.
func (p *Projection) segmentsOf(start, stop int) (first, last int) {
	froms, tos := p.base.seg.from[start:stop], p.base.seg.to[start:stop]
	first, last = stop, start
	for i := range froms {
		first -= int(less(p.minFrom, tos[i]))
		last += int(less(froms[i], p.minTo))
	}
	return first, last
}

// less returns 1 if x < y, otherwise 0, without a branch.
func less(x, y uint32) uint64 { return (uint64(x) - uint64(y)) >> 63 }

// cellsOf returns those of a resource's day sums [start, stop) that lie in the
// period.
func (p *Projection) cellsOf(start, stop int) (from, to int) {
	days := p.base.cell.day[start:stop]
	from, _ = slices.BinarySearch(days, int32(p.period.From))
	to, _ = slices.BinarySearch(days, int32(p.period.To))
	return start + from, start + to
}

// fewMeters is how many meters of a resource are told apart before they are
// sorted: it seldom has more than two.
const fewMeters = 8

// distinct returns the different ones of meters in their order, until it is
// called again.
func (p *projector) distinct(meters []uint32) []uint32 {
	all := p.meters[:0]
	for _, meter := range meters {
		if !slices.Contains(all[:min(len(all), fewMeters)], meter) {
			all = append(all, meter)
		}
	}
	if len(all) > 1 {
		ranks := p.base.meterRanks()
		slices.SortFunc(all, func(x, y uint32) int { return cmp.Compare(ranks[x], ranks[y]) })
	}
	p.meters = slices.Compact(all)
	return p.meters
}

// addGroups makes the rows of groups.
func (p *projector) addGroups(groups iter.Seq[int]) {
	b, end := p.base, p.next.rows+p.found.rows
	slots := map[metering.RegionID][]uint32{} // by meter: slot + 1
	for i := range groups {
		g, first := &b.groups[i], p.next.rows
		words := (b.groupEnd(i) - int(g.first) + wordResources - 1) / wordResources
		p.addResources(g, p.with[:words])
		p.with = p.with[words:]
		if p.next.rows == first {
			continue
		}
		p.groups[p.next.groups] = rowGroup{group: g, from: first, to: p.next.rows}
		p.next.groups++
		region := metering.RegionID(g.region)
		if slots[region] == nil {
			slots[region] = make([]uint32, len(b.meters))
		}
		if g.counted() {
			p.describeCounted(first, g, slots[region])
		} else {
			p.describeStates(first, g, slots[region])
		}
	}
	if p.next.rows != end {
		metering.Bug("rows up to %d where %d were found", p.next.rows, end)
	}
}

// addResources adds the rows of the resources of a group that were found. What
// they take from their items is left to be described: one loop without branches
// over many rows.
func (p *projector) addResources(g *group, with []uint64) {
	counted := g.counted()
	for n, word := range with {
		for ; word != 0; word &= word - 1 {
			res := int(g.first) + n*wordResources + bits.TrailingZeros64(word)
			start, stop := p.base.items(g, res)
			switch {
			case counted:
				p.addCounted(res, start, stop)
			case stop-start == 1:
				p.add(res, start)
			default:
				p.addStates(res, start, stop)
			}
		}
	}
}

func (p *projector) add(res, item int) {
	p.res[p.next.rows], p.item[p.next.rows] = uint32(res), uint32(item)
	p.next.rows++
}

// precede notes what the row added last counts before its last piece.
func (p *projector) precede(is prior) {
	p.row[p.next.rows-1].before, p.priors[p.next.priors] = uint32(p.next.priors), is
	p.next.priors++
}

// addStates adds a row for each meter among a resource's segments [start, stop)
// in the period.
func (p *projector) addStates(res, start, stop int) {
	first, last := p.segmentsOf(start, stop)
	if last-first == 1 {
		p.add(res, first)
		return
	}
	seg := &p.base.seg
	for _, meter := range p.distinct(seg.meter[first:last]) {
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
		if p.add(res, piece); before.first != 0 {
			p.precede(before)
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

// addCounted adds a row for each meter among a resource's day sums [start, stop)
// in the period.
func (p *projector) addCounted(res, start, stop int) {
	cell := &p.base.cell
	from, to := p.cellsOf(start, stop)
	for _, meter := range p.distinct(cell.meter[from:to]) {
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
		p.add(res, item)
		p.precede(sum)
	}
}

// describeStates completes the rows from one on, whose items are segments.
func (p *projector) describeStates(first int, g *group, slots []uint32) {
	seg, minFrom, minTo := &p.base.seg, p.minFrom, p.minTo
	items := p.item[first:p.next.rows]
	rows, names, tags := p.row[first:p.next.rows], p.name[first:p.next.rows], p.tags[first:p.next.rows]
	for n, i := range items {
		meter := seg.meter[i]
		if slots[meter] == 0 {
			p.number(slots, g, meter)
		}
		from, at := max(seg.from[i], minFrom), &rows[n]
		at.mult, at.from, at.to, at.slot = seg.mult[i], from, min(seg.to[i], minTo), slots[meter]-1
		names[n], tags[n] = seg.name[i], seg.tags[i]
		p.latest = max(p.latest, from)
	}
}

// describeCounted completes the rows from one on, whose items are day sums.
func (p *projector) describeCounted(first int, g *group, slots []uint32) {
	cell := &p.base.cell
	for n := first; n < p.next.rows; n++ {
		i := p.item[n]
		meter := cell.meter[i]
		if slots[meter] == 0 {
			p.number(slots, g, meter)
		}
		p.row[n].slot, p.name[n], p.tags[n] = slots[meter]-1, cell.name[i], cell.tags[i]
	}
}

// number gives a slot its number.
func (p *projector) number(slots []uint32, g *group, meter uint32) {
	slots[meter] = 1 + p.numbers.of(slot{region: metering.RegionID(g.region), meter: meter, factor: factorOf(g.resourceType().Measure())})
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
