package columns

import (
	"cmp"
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

	digest *digest // of a whole base, otherwise nil
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

// sortSlots prepares the order of the totals, as [report.Total] compares them.
func (p *Projection) sortSlots() {
	p.slotOrder = make([]uint32, len(p.slots))
	for i := range p.slotOrder {
		p.slotOrder[i] = uint32(i)
	}
	types, ranks := p.base.meters, p.base.meterRanks()
	slices.SortFunc(p.slotOrder, func(x, y uint32) int {
		s, t := &p.slots[x], &p.slots[y]
		return cmp.Or(cmp.Compare(types[s.meter].Type, types[t.meter].Type), cmp.Compare(s.region, t.region), cmp.Compare(ranks[s.meter], ranks[t.meter]))
	})
}

// total returns the total of a slot, without its value.
func (p *Projection) total(slot uint32) report.Total {
	s := p.slots[slot]
	return report.Total{Region: s.region, Meter: p.base.meters[s.meter]}
}

// rows returns the number of lines.
func (p *Projection) rows() int { return len(p.res) }
