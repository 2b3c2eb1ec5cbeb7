package columns

import (
	"cmp"
	"math/bits"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// sortKey is an unsigned 128-bit number that orders rows by one term.
type sortKey struct{ hi, lo uint64 }

func (k sortKey) compare(l sortKey) int {
	return cmp.Or(cmp.Compare(k.hi, l.hi), cmp.Compare(k.lo, l.lo))
}

func (k sortKey) after(l sortKey) bool { return k.hi > l.hi || k.hi == l.hi && k.lo > l.lo }

// keyOf returns what gives rows their key for a term, such that smaller keys
// come first.
func (r *reading) keyOf(term report.OrderTerm) func(row int) sortKey {
	if term.Field == report.ByLastName {
		return func(row int) sortKey { return r.nameKey(term.Descending, row) }
	}
	key := r.ascendingKeyOf(term.Field)
	if !term.Descending {
		return key
	}
	return func(row int) sortKey {
		k := key(row)
		return sortKey{^k.hi, ^k.lo}
	}
}

// nameKey puts missing names last in both directions.
func (r *reading) nameKey(descending bool, row int) sortKey {
	rank := uint32(noRank) // also of name 0, the missing one
	if name := r.nameOf(row); name != 0 {
		rank = r.base.rank[name]
		if descending {
			rank = noRank - 1 - rank
		}
	}
	return sortKey{lo: uint64(rank)}
}

func (r *reading) nameOf(row int) uint32 {
	if !r.whole && r.future(row) {
		if piece, _, ok := r.recut(row); ok {
			return r.base.seg.name[piece]
		}
	}
	return r.name[row]
}

func (r *reading) ascendingKeyOf(field report.OrderField) func(row int) sortKey {
	small := func(number func(row int) uint64) func(int) sortKey {
		return func(row int) sortKey { return sortKey{lo: number(row)} }
	}
	switch field {
	case report.ByProject:
		return small(func(row int) uint64 { return uint64(r.groupAt(row).group.project) })
	case report.ByRegion:
		return small(func(row int) uint64 { return uint64(r.slots[r.slotOf[row]].region) })
	case report.ByType:
		return small(func(row int) uint64 { return uint64(r.base.meters[r.slots[r.slotOf[row]].meter].Type) })
	case report.ByFirstSeen:
		return small(func(row int) uint64 { return uint64(r.firstSeen(row) / metering.Second) })
	case report.ByLastSeen:
		return small(func(row int) uint64 { return uint64(r.lastSeen(row) / metering.Second) })
	case report.ByValue:
		return r.valueKey
	}
	metering.Bug("no key for order field %d", field)
	return nil
}

func (r *reading) firstSeen(row int) metering.Instant {
	if n := r.before[row]; n != 0 {
		return r.priors[n].first
	}
	return metering.Minute(r.from[row]).Sample()
}

func (r *reading) lastSeen(row int) metering.Instant {
	if r.to[row] == 0 || !r.whole && r.future(row) {
		f, _ := r.figures(row)
		return f.last
	}
	return metering.Minute(min(r.to[row], r.until) - 1).Sample()
}

// valueKey brings values of all units to nine decimal places.
func (r *reading) valueKey(row int) sortKey {
	v := r.counts(row)
	factor := r.slots[r.slotOf[row]].factor
	carry, lo := bits.Mul64(v.Lo, factor)
	over, hi := bits.Mul64(v.Hi, factor)
	hi, more := bits.Add64(hi, carry, 0)
	if over != 0 || more != 0 {
		metering.Bug("value %v of one line does not fit 128 bits at nine places", v)
	}
	return sortKey{hi, lo}
}

// factorOf is what brings a value of the measure to nine decimal places.
func factorOf(m metering.Measure) uint64 {
	factor := uint64(1)
	for range 9 - m.Scale() {
		factor *= 10
	}
	return factor
}

// compareRows orders two rows by their keys, one after the other, then by their
// place.
func compareRows(keys []func(row int) sortKey, x, y uint32) int {
	for _, key := range keys {
		if c := key(int(x)).compare(key(int(y))); c != 0 {
			return c
		}
	}
	return cmp.Compare(x, y)
}

// canonical reports whether the order is the one in which rows stand anyway.
func canonical(order []report.OrderTerm) bool {
	stand := []report.OrderField{report.ByProject, report.ByRegion, report.ByType}
	if len(order) > len(stand) {
		return false
	}
	for i, term := range order {
		if term.Descending || term.Field != stand[i] {
			return false
		}
	}
	return true
}

// sortRows sorts rows that stand in canonical order: one stable sort a term,
// the last term first. It takes 12 bytes a row besides the rows themselves.
func (r *reading) sortRows(order []report.OrderTerm, rows []uint32) {
	keys, spare := make([]uint64, r.rows()), make([]uint32, len(rows))
	for i := len(order) - 1; i >= 0; i-- {
		key := r.keyOf(order[i])
		for _, row := range rows {
			keys[row] = key(int(row)).lo
		}
		radixSort(rows, spare, keys)
		if order[i].Field != report.ByValue {
			continue
		}
		for _, row := range rows {
			keys[row] = key(int(row)).hi
		}
		radixSort(rows, spare, keys)
	}
}

// radixSort sorts rows stably by keys[row], 11 bits a pass from the lowest;
// passes in which all keys agree are left out.
func radixSort(rows, spare []uint32, keys []uint64) {
	const digit = 11
	var differ uint64
	for _, row := range rows {
		differ |= keys[row] ^ keys[rows[0]]
	}
	for shift := 0; shift < 64; shift += digit {
		if differ>>shift&(1<<digit-1) == 0 {
			continue
		}
		var starts [1<<digit + 1]uint32
		for _, row := range rows {
			starts[keys[row]>>shift&(1<<digit-1)+1]++
		}
		for i := range len(starts) - 1 {
			starts[i+1] += starts[i]
		}
		for _, row := range rows {
			d := keys[row] >> shift & (1<<digit - 1)
			spare[starts[d]] = row
			starts[d]++
		}
		copy(rows, spare)
	}
}
