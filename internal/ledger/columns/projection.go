package columns

import (
	"iter"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Projection is what of a base lies in one period: a row a line, in canonical
// order, so that the row's number breaks ties. It does not depend on the clock:
// minutes behind *now* are cut when it is read.
type Projection struct {
	base   *Base
	period metering.Period
	// from and to bound the period's minutes [from, to).
	minFrom, minTo uint32

	groups []rowGroup
	slots  []slot // the distinct (region, meter)
	// slotOrder lists the slots in the order of the totals.
	slotOrder []uint32

	// One entry a row. A counted line's item is its last day sum, otherwise the
	// segment of its last piece.
	row                   []row
	res, item, name, tags []uint32
	priors                []prior
	// latest is the greatest from: up to it every row is counted in full.
	latest uint32
}

// row is what every report reads of a line. The last piece is the last run of
// minutes in which the line counted, [from, to); a counted line has none.
type row struct {
	mult     uint64
	from, to uint32
	slot     uint32
	before   uint32 // 0, or the number in priors of what counted before the last piece
}

// rowGroup is the rows [from, to) of one group of the base.
type rowGroup struct {
	group    *group
	from, to int
}

// slot is where totals are summed.
type slot struct {
	region metering.RegionID
	meter  uint32
	factor uint64 // brings values to nine decimal places
}

// prior is what a line counted besides its last piece of minutes.
type prior struct {
	value       metering.Amount
	first, last metering.Instant // last: for counted lines only
}

// project builds the projection of the given groups, by their index, in order.
func (b *Base) project(period metering.Period, groups iter.Seq[int]) *Projection {
	p := &Projection{base: b, period: period, priors: make([]prior, 1)}
	from, to := period.From.FirstMinute(), period.To.FirstMinute()
	p.minFrom, p.minTo = uint32(from), uint32(to)
	p.reserve(groups)
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
	p.sortSlots()
	return p
}

// reserve makes room for the rows, so that they need not be copied while they
// grow: a row a segment in the period, and one a counted resource.
func (p *Projection) reserve(groups iter.Seq[int]) {
	b, n := p.base, 0
	for i := range groups {
		g, end := &b.groups[i], b.groupEnd(i)
		if g.resourceType().Measure() == metering.Counted {
			n += end - int(g.first)
			continue
		}
		for item := g.firstItem; item < b.itemEnd[end-1]; item++ {
			if b.seg.to[item] > p.minFrom && b.seg.from[item] < p.minTo {
				n++
			}
		}
	}
	p.row = make([]row, 0, n)
	for _, column := range []*[]uint32{&p.res, &p.item, &p.name, &p.tags} {
		*column = make([]uint32, 0, n)
	}
}

// sortSlots prepares the order of the totals.
func (p *Projection) sortSlots() {
	p.slotOrder = make([]uint32, len(p.slots))
	for i := range p.slotOrder {
		p.slotOrder[i] = uint32(i)
	}
	slices.SortFunc(p.slotOrder, func(x, y uint32) int {
		tx, ty := p.total(x), p.total(y)
		return tx.Compare(&ty)
	})
}

// total returns the total of a slot, without its value.
func (p *Projection) total(slot uint32) report.Total {
	s := p.slots[slot]
	return report.Total{Region: s.region, Meter: p.base.meters[s.meter]}
}

// projectStates adds the rows of a group of resources with states.
func (p *Projection) projectStates(g int, slots []uint32) {
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
func (p *Projection) addPiece(res, i int, slots []uint32, g *group) {
	seg := &p.base.seg
	from := max(seg.from[i], p.minFrom)
	last := row{mult: seg.mult[i], from: from, to: min(seg.to[i], p.minTo), slot: p.slotFor(slots, g, seg.meter[i])}
	p.add(res, i, last, seg.name[i], seg.tags[i])
	p.latest = max(p.latest, from)
}

// addPieces adds a row for each meter among the segments [first, last).
func (p *Projection) addPieces(res, first, last int, slots []uint32, g *group) {
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
func (p *Projection) projectCounted(g int, slots []uint32) {
	b := p.base
	gr := &b.groups[g]
	start, end := int(gr.firstItem), b.groupEnd(g)
	for res := int(gr.first); res < end; res++ {
		stop := int(b.itemEnd[res])
		from, _ := slices.BinarySearch(b.cell.day[start:stop], int32(p.period.From))
		to, _ := slices.BinarySearch(b.cell.day[start:stop], int32(p.period.To))
		p.addCounted(res, start+from, start+to, slots, gr)
		start = stop
	}
}

// addCounted adds a row for each meter among the day sums [from, to).
func (p *Projection) addCounted(res, from, to int, slots []uint32, g *group) {
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

func (p *Projection) add(res, item int, is row, name, tags uint32) {
	p.row = append(p.row, is)
	p.res, p.item = append(p.res, uint32(res)), append(p.item, uint32(item))
	p.name, p.tags = append(p.name, name), append(p.tags, tags)
}

func (p *Projection) slotFor(slots []uint32, g *group, meter uint32) uint32 {
	if slots[meter] == 0 {
		factor := factorOf(g.resourceType().Measure())
		p.slots = append(p.slots, slot{region: metering.RegionID(g.region), meter: meter, factor: factor})
		slots[meter] = uint32(len(p.slots))
	}
	return slots[meter] - 1
}

// rows returns the number of lines.
func (p *Projection) rows() int { return len(p.res) }
