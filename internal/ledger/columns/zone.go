package columns

import (
	"math/bits"

	"github.com/meterbook/meterbook/internal/report"
)

// zone bounds what the rows of a block are ordered by, so that blocks none of
// whose rows come onto the page need not be read. What is masked or filtered
// only makes the bounds wider than they need be.
type zone struct {
	// settled is the first instant (a minute that does not count yet) from which
	// on each row counts, and those that do not last up to the period's end have
	// ended. Before it the other fields say nothing.
	settled uint32
	group   uint32 // of the first row
	types   report.TypeSet
	running bool // a row lasts up to the period's end, or longer

	project, region, kind span
	first, last           span // seconds; last: of the rows that are not running
	rank                  span // of the names that there are
	// early and late bound the values, as valueRoughly has them, when the clock
	// stands at settled and when it stands at the period's end.
	early, late span
}

// span is the numbers from min to max, both included; none when min > max.
type span struct{ min, max uint64 }

func noSpan() span { return span{min: 1<<64 - 1} }

func (s *span) include(number uint64) {
	s.min, s.max = min(s.min, number), max(s.max, number)
}

func (z *zone) begin(group int) {
	*z = zone{group: uint32(group)}
	for _, s := range []*span{&z.project, &z.region, &z.kind, &z.first, &z.last, &z.rank} {
		*s = noSpan()
	}
}

func (z *zone) addGroup(g *group) {
	z.types |= report.TypesOf(g.resourceType())
	z.project.include(uint64(g.project))
	z.region.include(uint64(g.region))
	z.kind.include(uint64(g.kind))
}

// values bounds the values at an instant that is not before settled. A running
// row counts evenly, so the greatest value of all rows lies below the straight
// line between the greatest ones at two instants, and the least one above it:
//
//	late.max         /
//	            . ' /|      the values of two rows, and
//	early.max  '__/--       the line from early.max to late.max
//	             /
func (z *zone) values(until, end uint32) span {
	if z.settled >= end || until >= end || z.early == z.late {
		return z.late
	}
	past, all := uint64(until-z.settled), uint64(end-z.settled)
	is := span{between(z.early.min, z.late.min, past, all), z.late.max}
	if z.late.max < roughFrom { // numbers that are not exact grow slower, so they may lie above the line
		is.max = between(z.early.max, z.late.max, past, all)
	}
	return is
}

// between returns the number that is past/all of the way from low to high,
// rounded down.
func between(low, high, past, all uint64) uint64 {
	upper, lower := bits.Mul64(high-low, past)
	quotient, _ := bits.Div64(upper, lower, all)
	return low + quotient
}

// bound returns a number that no row of a block is before in an order's key.
type bound func(z *zone) uint64

// boundsOf returns the bounds of the keys that pageKeys returns. Together they
// are not behind any row's keys, compared one after the other.
func (r *reading) boundsOf(order []report.OrderTerm) (bounds []bound) {
	for _, term := range order {
		switch term.Field {
		case report.ByLastName:
			bounds = append(bounds, nameBound(term.Descending))
		case report.ByValue:
			bounds = append(bounds, r.valueBounds(term.Descending)...)
		default:
			bounds = append(bounds, r.spanBound(term))
		}
	}
	return bounds
}

func (r *reading) spanBound(term report.OrderTerm) bound {
	return func(z *zone) uint64 { return z.spanOf(term.Field, r.until).end(term.Descending) }
}

// end returns the end of a span that comes first, as a key.
func (s span) end(descending bool) uint64 {
	if descending {
		return ^s.max
	}
	return s.min
}

func (z *zone) spanOf(field report.OrderField, until uint32) span {
	switch field {
	case report.ByProject:
		return z.project
	case report.ByRegion:
		return z.region
	case report.ByType:
		return z.kind
	case report.ByFirstSeen:
		return z.first
	}
	last := z.last
	if z.running {
		last.include(sampleSecond(until - 1))
	}
	return last
}

// nameBound puts missing names last in both directions, as nameKey does.
func nameBound(descending bool) bound {
	return func(z *zone) uint64 {
		switch {
		case z.rank.min > z.rank.max:
			return noRank
		case descending:
			return noRank - 1 - z.rank.max
		}
		return z.rank.min
	}
}

// valueBounds are those of valueRoughly, valueHigh and valueLow. Where the first
// one is not exact, the others are 0; otherwise rows that are like it have
// nothing in the upper half.
func (r *reading) valueBounds(descending bool) []bound {
	number := func(z *zone) (key uint64, exact bool) {
		values := z.values(r.until, r.minTo)
		if descending {
			return ^values.max, values.max < roughFrom
		}
		return values.min, values.min < roughFrom
	}
	roughly := func(z *zone) uint64 {
		key, _ := number(z)
		return key
	}
	high := func(z *zone) uint64 {
		if _, exact := number(z); descending && exact {
			return 1<<64 - 1
		}
		return 0
	}
	low := func(z *zone) uint64 {
		if key, exact := number(z); exact {
			return key
		}
		return 0
	}
	return []bound{roughly, high, low}
}
