package columns

import (
	"cmp"
	"math/bits"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// sortKey writes a number for each of rows into keys, which is as long; smaller
// ones come first. It takes rows in blocks, so that no call stands in the way of
// the inner loop.
type sortKey func(rows []uint32, keys []uint64)

// of returns the key of one row.
func (k sortKey) of(row uint32) uint64 {
	var key [1]uint64
	k([]uint32{row}, key[:])
	return key[0]
}

// keysOf returns the keys that order rows, the first one deciding.
func (r *reading) keysOf(order []report.OrderTerm) []sortKey {
	return r.keys(order, r.valueHigh, r.valueLow)
}

// pageKeys returns keys of the same order, of which the one number that nearly
// always decides about a value comes before the exact ones.
func (r *reading) pageKeys(order []report.OrderTerm) []sortKey {
	return r.keys(order, r.valueRoughly, r.valueHigh, r.valueLow)
}

func (r *reading) keys(order []report.OrderTerm, value ...sortKey) (keys []sortKey) {
	for _, term := range order {
		switch term.Field {
		case report.ByLastName:
			keys = append(keys, r.nameKey(term.Descending))
		case report.ByValue:
			for _, key := range value {
				keys = append(keys, directed(term, key))
			}
		default:
			keys = append(keys, directed(term, r.ascendingKey(term.Field)))
		}
	}
	return keys
}

// directed turns a key round where the term is descending.
func directed(term report.OrderTerm, key sortKey) sortKey {
	if !term.Descending {
		return key
	}
	return func(rows []uint32, keys []uint64) {
		key(rows, keys)
		for i := range keys {
			keys[i] = ^keys[i]
		}
	}
}

// nameKey puts missing names last in both directions.
func (r *reading) nameKey(descending bool) sortKey {
	return func(rows []uint32, keys []uint64) {
		names, ranks := r.name, r.base.rank
		for i, row := range rows {
			name := names[row]
			if !r.whole {
				name = r.nameOf(int(row))
			}
			rank := ranks[name] // noRank of name 0, the missing one
			if descending && name != 0 {
				rank = noRank - 1 - rank
			}
			keys[i] = uint64(rank)
		}
	}
}

func (r *reading) nameOf(row int) uint32 {
	if r.future(row) {
		if piece, _, ok := r.recut(row); ok {
			return r.base.seg.name[piece]
		}
	}
	return r.name[row]
}

func (r *reading) ascendingKey(field report.OrderField) sortKey {
	switch field {
	case report.ByProject:
		return r.projectKey
	case report.ByRegion:
		return r.slotKey(func(s *slot) uint64 { return uint64(s.region) })
	case report.ByType:
		return r.slotKey(func(s *slot) uint64 { return uint64(r.base.meters[s.meter].Type) })
	case report.ByFirstSeen:
		return r.firstSeenKey
	case report.ByLastSeen:
		return r.lastSeenKey
	}
	metering.Bug("no key for order field %d", field)
	return nil
}

// projectKey looks for each row's group from the one before: rows are in order,
// unless they have been sorted by another key.
func (r *reading) projectKey(rows []uint32, keys []uint64) {
	at := 0
	for i, row := range rows {
		switch {
		case i == 0 || int(row) < r.groups[at].from:
			at = r.groupIndex(int(row))
		case int(row) >= r.groups[at].to:
			at = seek(len(r.groups), at, func(i int) bool { return r.groups[i].to <= int(row) })
		}
		keys[i] = uint64(r.groups[at].group.project)
	}
}

// slotKey is a key that all rows of a slot share.
func (r *reading) slotKey(of func(*slot) uint64) sortKey {
	bySlot := make([]uint64, len(r.slots))
	for i := range r.slots {
		bySlot[i] = of(&r.slots[i])
	}
	return func(rows []uint32, keys []uint64) {
		for i, row := range rows {
			keys[i] = bySlot[r.row[row].slot]
		}
	}
}

// firstSeenKey and lastSeenKey are in whole seconds, as reports show them.
func (r *reading) firstSeenKey(rows []uint32, keys []uint64) {
	for i, n := range rows {
		at := &r.row[n]
		keys[i] = sampleSecond(at.from)
		if at.before != 0 {
			keys[i] = uint64(r.priors[at.before].first / metering.Second)
		}
	}
}

func (r *reading) lastSeenKey(rows []uint32, keys []uint64) {
	for i, n := range rows {
		if end := r.row[n].to; end != 0 && (r.whole || !r.future(int(n))) {
			keys[i] = sampleSecond(min(end, r.until) - 1)
			continue
		}
		f, _ := r.figures(int(n))
		keys[i] = uint64(f.last / metering.Second)
	}
}

// sampleSecond is the second at which a minute is sampled.
func sampleSecond(minute uint32) uint64 { return uint64(minute)*60 + 30 }

// Values of all units are compared at nine decimal places, where they take up
// to 128 bits: valueHigh has the upper half of them, valueLow the lower one.
func (r *reading) valueHigh(rows []uint32, keys []uint64) {
	for i, row := range rows {
		keys[i], _ = r.scaled(row)
	}
}

func (r *reading) valueLow(rows []uint32, keys []uint64) {
	for i, row := range rows {
		_, keys[i] = r.scaled(row)
	}
}

// valueRoughly orders values by one number, in which few different ones are
// alike.
func (r *reading) valueRoughly(rows []uint32, keys []uint64) {
	for i, n := range rows {
		at := &r.row[n]
		v := metering.Amount{}
		if at.before != 0 || !r.whole {
			v = r.counts(int(n))
		} else {
			v = metering.Product(at.mult, uint64(min(at.to, r.until)-at.from))
		}
		keys[i] = roughly(v, r.slots[at.slot].factor)
	}
}

// roughFrom is where numbers of roughly begin that are not exact.
const roughFrom = 1 << 63

// roughly returns v * factor, if it is below 2^63. A greater one becomes 1, its
// length over 64 bits as 7 bits, and the 56 bits behind its first one: such
// numbers compare as the values do, as far as they differ.
func roughly(v metering.Amount, factor uint64) uint64 {
	if hi, lo := bits.Mul64(v.Lo, factor); hi|v.Hi == 0 && lo < roughFrom {
		return lo
	}
	return roughlyLarge(v, factor)
}

func roughlyLarge(v metering.Amount, factor uint64) uint64 {
	carry, lo := bits.Mul64(v.Lo, factor)
	over, hi := bits.Mul64(v.Hi, factor)
	hi, more := bits.Add64(hi, carry, 0)
	if over|more != 0 {
		return 1<<64 - 1
	}
	length, first := 0, lo // the first 64 bits from the first one on
	if hi != 0 {
		length = bits.Len64(hi)
		first = hi<<(64-length) | lo>>length
	}
	return roughFrom | uint64(length)<<56 | first<<1>>8
}

// scaled returns what a row counts at nine decimal places.
func (r *reading) scaled(row uint32) (hi, lo uint64) {
	v, factor := r.counts(int(row)), r.slots[r.row[row].slot].factor
	carry, lo := bits.Mul64(v.Lo, factor)
	if v.Hi == 0 {
		return carry, lo
	}
	over, hi := bits.Mul64(v.Hi, factor)
	hi, more := bits.Add64(hi, carry, 0)
	if over != 0 || more != 0 {
		metering.Bug("value %v of one line does not fit 128 bits at nine places", v)
	}
	return hi, lo
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
func compareRows(keys []sortKey, x, y uint32) int {
	for _, key := range keys {
		if c := cmp.Compare(key.of(x), key.of(y)); c != 0 {
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

// sortRows sorts rows that stand in canonical order: stably by each half of each
// key, the last one first. It takes 8 bytes a row besides the rows themselves.
func (r *reading) sortRows(order []report.OrderTerm, rows []uint32) {
	halves, spare := make([]uint32, r.rows()), make([]uint32, len(rows))
	keys := r.keysOf(order)
	for i := len(keys) - 1; i >= 0; i-- {
		for _, shift := range []int{0, 32} {
			if differ := keys[i].half(shift, rows, halves); differ != 0 {
				radixSort(rows, spare, halves, differ)
			}
		}
	}
}

// half writes 32 bits of each row's key to halves[row], and returns the bits in
// which not all agree.
func (k sortKey) half(shift int, rows, halves []uint32) (differ uint32) {
	var keys [blockRows]uint64
	for from := 0; from < len(rows); from += blockRows {
		block := rows[from:min(from+blockRows, len(rows))]
		k(block, keys[:len(block)])
		for i, row := range block {
			halves[row] = uint32(keys[i] >> shift)
			differ |= halves[row] ^ halves[rows[0]]
		}
	}
	return differ
}

// radixSort sorts rows stably by keys[row], 11 bits a pass from the lowest;
// passes whose bits do not differ are left out.
func radixSort(rows, spare, keys []uint32, differ uint32) {
	const digit = 11
	from, to := rows, spare
	for shift := 0; shift < 32; shift += digit {
		if differ>>shift&(1<<digit-1) == 0 {
			continue
		}
		var starts [1<<digit + 1]uint32
		for _, row := range from {
			starts[keys[row]>>shift&(1<<digit-1)+1]++
		}
		for i := range len(starts) - 1 {
			starts[i+1] += starts[i]
		}
		for _, row := range from {
			at := &starts[keys[row]>>shift&(1<<digit-1)]
			to[*at] = row
			*at++
		}
		from, to = to, from
	}
	if len(rows) > 0 && &from[0] != &rows[0] {
		copy(rows, from)
	}
}
