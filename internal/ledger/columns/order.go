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

// key returns the row's key for a term, such that smaller keys come first.
func (r *reading) key(term report.OrderTerm, row int) sortKey {
	if term.Field == report.ByLastName {
		return r.nameKey(term.Descending, row)
	}
	k := r.ascendingKey(term.Field, row)
	if term.Descending {
		return sortKey{^k.hi, ^k.lo}
	}
	return k
}

// nameKey puts missing names last in both directions.
func (r *reading) nameKey(descending bool, row int) sortKey {
	rank := uint32(noRank)
	if name := r.nameOf(row); name != 0 && r.base.meters[r.slots[r.slotOf[row]].meter].Type.HasName() {
		rank = r.base.rank[name]
	}
	if descending && rank != noRank {
		rank = noRank - 1 - rank
	}
	return sortKey{lo: uint64(rank)}
}

func (r *reading) nameOf(row int) uint32 {
	if !r.whole && r.to[row] != 0 && r.future(row) {
		if piece, _, ok := r.recut(row); ok {
			return r.base.seg.name[piece]
		}
	}
	return r.name[row]
}

func (r *reading) ascendingKey(field report.OrderField, row int) sortKey {
	switch field {
	case report.ByProject:
		return sortKey{lo: uint64(r.groupAt(row).group.project)}
	case report.ByRegion:
		return sortKey{lo: uint64(r.slots[r.slotOf[row]].region)}
	case report.ByType:
		return sortKey{lo: uint64(r.base.meters[r.slots[r.slotOf[row]].meter].Type)}
	case report.ByValue:
		return r.valueKey(row)
	}
	f, _ := r.figures(row)
	if field == report.ByFirstSeen {
		return sortKey{lo: uint64(f.first / metering.Second)}
	}
	return sortKey{lo: uint64(f.last / metering.Second)}
}

// valueKey brings values of all units to nine decimal places.
func (r *reading) valueKey(row int) sortKey {
	v := metering.Amount{}
	if !r.whole && r.future(row) {
		f, _ := r.figures(row)
		v = f.value
	} else {
		v = r.value(row)
	}
	var factor uint64
	switch r.base.meters[r.slots[r.slotOf[row]].meter].Type.Measure() {
	case metering.Present:
		factor = 1e9
	case metering.Sized:
		return sortKey{v.Hi, v.Lo}
	case metering.Counted:
		factor = 1e3
	}
	carry, lo := bits.Mul64(v.Lo, factor)
	over, hi := bits.Mul64(v.Hi, factor)
	hi, more := bits.Add64(hi, carry, 0)
	if over != 0 || more != 0 {
		metering.Bug("value %v of one line does not fit 128 bits at nine places", v)
	}
	return sortKey{hi, lo}
}

// compareRows orders two rows by all terms, then by their place.
func (r *reading) compareRows(order []report.OrderTerm, x, y uint32) int {
	for _, term := range order {
		if c := r.key(term, int(x)).compare(r.key(term, int(y))); c != 0 {
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
		term := order[i]
		for _, row := range rows {
			keys[row] = r.key(term, int(row)).lo
		}
		radixSort(rows, spare, keys)
		if term.Field != report.ByValue {
			continue
		}
		for _, row := range rows {
			keys[row] = r.key(term, int(row)).hi
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
