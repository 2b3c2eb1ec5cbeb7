package columns

import (
	"math/bits"
	"slices"
	"sync"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// digest is what a projection of a whole base knows of its rows beforehand, so
// that a report over all projects reads few of them: what each slot counts, and
// what the rows of each block are ordered by. It is derived in memory, a
// thousandth of the projection, and never stored.
type digest struct {
	sums  []slotSum // by slot
	zones []zone    // by block

	// kept are the sums without the rows of resources that a base above this one
	// has: they are the same in many reports.
	kept struct {
		sync.Mutex
		over Mask
		sums []slotSum
	}
}

// slotSum is what the rows of a slot count, as a function of the clock:
//
//	full - rate * (minutes from now to the period's end)
//
// which holds once each of them has begun and none ends between now and the
// period's end.
type slotSum struct {
	full, rate metering.Amount
	rows       uint32
}

// digested makes the digest of a projection, with so many goroutines.
func digested(p *Projection, workers int) *digest {
	blocks := (p.rows() + blockRows - 1) / blockRows
	d := &digest{sums: make([]slotSum, len(p.slots)), zones: make([]zone, blocks)}
	parts := make([][]slotSum, max(1, min(workers, blocks)))
	inParallel(len(parts), func(part int) {
		sums := make([]slotSum, len(p.slots))
		first, end := part*blocks/len(parts), (part+1)*blocks/len(parts)
		if first < end {
			group := (&reading{Projection: p}).groupIndex(first * blockRows)
			for block := first; block < end; block++ {
				group = p.digest1(&d.zones[block], sums, block*blockRows, group)
			}
		}
		parts[part] = sums
	})
	for _, sums := range parts {
		for slot := range sums {
			d.sums[slot].add(&sums[slot])
		}
	}
	return d
}

func (s *slotSum) add(t *slotSum) {
	s.full, s.rate, s.rows = s.full.Add(t.full), s.rate.Add(t.rate), s.rows+t.rows
}

// digest1 makes the zone of the block that begins at a row of the given group,
// and adds its rows to sums. It returns the group of the row behind it.
func (p *Projection) digest1(z *zone, sums []slotSum, from, group int) int {
	to := min(from+blockRows, p.rows())
	z.begin(group)
	for ; group < len(p.groups); group++ {
		if p.groups[group].from >= to {
			break
		}
		z.addGroup(p.groups[group].group)
		if p.groups[group].to > to {
			break
		}
	}
	p.addTimes(z, p.row[from:to])
	p.addValues(z, sums, p.row[from:to])
	ranks := p.base.rank
	for _, name := range p.name[from:to] {
		if name != 0 {
			z.rank.include(uint64(ranks[name]))
		}
	}
	return group
}

// addTimes bounds when rows begin and end.
func (p *Projection) addTimes(z *zone, rows []row) {
	from, to := noSpan(), noSpan()         // minutes
	settled, ended := uint32(0), uint32(0) // ended: the last end before the period's
	for i := range rows {
		at := &rows[i]
		if at.before != 0 {
			before := &p.priors[at.before]
			z.first.include(uint64(before.first / metering.Second))
			if at.to == 0 {
				z.last.include(uint64(before.last / metering.Second))
				continue
			}
		} else {
			from.include(uint64(at.from))
		}
		settled = max(settled, at.from+1)
		to.include(uint64(at.to))
		end := at.to
		if end == p.minTo {
			end = 0
		}
		ended = max(ended, end)
	}
	z.settled, z.running = max(settled, ended), to.max == uint64(p.minTo)
	if from.min <= from.max {
		z.first.include(sampleSecond(uint32(from.min)))
		z.first.include(sampleSecond(uint32(from.max)))
	}
	if ended != 0 {
		z.last.include(sampleSecond(uint32(to.min) - 1))
		z.last.include(sampleSecond(ended - 1))
	}
}

// addValues bounds the values of a block whose times are known, and sums them.
func (p *Projection) addValues(z *zone, sums []slotSum, rows []row) {
	left := uint64(0)
	if z.running {
		left = uint64(p.minTo - z.settled)
	}
	early, late, slots := noSpan(), noSpan(), p.slots
	for i := range rows {
		at := &rows[i]
		f := p.wholePiece(at)
		if at.before != 0 {
			f.value = f.value.Add(p.priors[at.before].value)
		}
		sum := &sums[at.slot]
		sum.full, sum.rate.Lo, sum.rows = sum.full.Add(f.value), sum.rate.Lo+f.rate, sum.rows+1
		if sum.rate.Lo < f.rate {
			sum.rate.Hi++
		}
		factor := slots[at.slot].factor
		key := roughly(f.value, factor)
		late.include(key)
		if key < roughFrom { // exact, and so is what is a part of it
			key -= f.rate * left * factor
		} else {
			key = roughly(lessThan(f.value, metering.Product(f.rate, left)), factor)
		}
		early.include(key)
	}
	z.early, z.late = early, late
}

// wholeRow is what a row counts when the clock stands behind the period, and each
// minute, if it lasts up to the period's end.
type wholeRow struct {
	value metering.Amount
	rate  uint64
}

func (p *Projection) whole(at *row) wholeRow {
	f := p.wholePiece(at)
	if at.before != 0 {
		f.value = f.value.Add(p.priors[at.before].value)
	}
	return f
}

// wholePiece is whole for the last piece alone.
func (p *Projection) wholePiece(at *row) (f wholeRow) {
	f.value = metering.Product(at.mult, uint64(at.to-at.from))
	if at.to == p.minTo {
		f.rate = at.mult // 0 where it is counted
	}
	return f
}

// drop leaves a row out again.
func (s *slotSum) drop(f wholeRow) {
	s.full, s.rate = lessThan(s.full, f.value), lessThan(s.rate, metering.AmountOf(f.rate))
	s.rows--
}

// at returns what is counted when so many minutes of the period are to come.
func (s *slotSum) at(left uint32) sum {
	hi, lo := bits.Mul64(s.rate.Lo, uint64(left))
	hi += s.rate.Hi * uint64(left)
	return sum{value: lessThan(s.full, metering.Amount{Hi: hi, Lo: lo}), rows: s.rows}
}

// lessThan returns a - b, where b is a part of a.
func lessThan(a, b metering.Amount) metering.Amount {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, under := bits.Sub64(a.Hi, b.Hi, borrow)
	if under != 0 {
		metering.Bug("%v less %v", a, b)
	}
	return metering.Amount{Hi: hi, Lo: lo}
}

// without returns the sums without the resources of a mask. They are not to be
// changed.
func (d *digest) without(over Mask, p *Projection) []slotSum {
	if len(over) == 0 {
		return d.sums
	}
	d.kept.Lock()
	defer d.kept.Unlock()
	if len(d.kept.over) == 0 || &d.kept.over[0] != &over[0] {
		sums := slices.Clone(d.sums)
		p.drop(sums, []Mask{over}, nil)
		d.kept.over, d.kept.sums = over, sums
	}
	return d.kept.sums
}

// drop leaves out of sums what is masked and not in already, which may be nil.
// It walks the masks and looks the rows up, since most often few are masked.
func (p *Projection) drop(sums []slotSum, masks []Mask, already Mask) {
	row := 0
	for i := range masks[0] {
		word := uint64(0)
		for _, mask := range masks {
			word |= mask[i]
		}
		if already != nil {
			word &^= already[i]
		}
		for ; word != 0; word &= word - 1 {
			res := uint32(i*64 + bits.TrailingZeros64(word))
			for row = firstFrom(p.res, row, res); row < len(p.res) && p.res[row] == res; row++ {
				sums[p.row[row].slot].drop(p.whole(&p.row[row]))
			}
		}
	}
}

// firstFrom returns the first index from the given one on that has at least a
// number, among sorted ones. It looks nearby first.
func firstFrom(sorted []uint32, from int, number uint32) int {
	to, step := from, 1
	for to < len(sorted) && sorted[to] < number {
		from, to, step = to+1, to+step, 2*step
	}
	at, _ := slices.BinarySearch(sorted[from:min(to, len(sorted))], number)
	return from + at
}

// sumUp counts and sums all rows that are selected without reading them, and
// reports whether it could: a row's slot must decide about it.
func (s *scan) sumUp(p picker) bool {
	r, m := s.read, s.match
	if m.tags != nil || m.where != nil {
		return false
	}
	var over Mask
	changed := m.masks
	if s.lasting {
		over, changed = m.masks[0], m.masks[1:]
	}
	sums := r.digest.without(over, r.Projection)
	unsettled := r.digest.unsettled(r.until)
	if len(changed)+len(unsettled) > 0 {
		sums = slices.Clone(sums)
	}
	if len(changed) > 0 {
		r.drop(sums, changed, over)
	}
	for _, block := range unsettled {
		s.sumUnsettled(block, sums)
	}
	for slot := range sums {
		sum := &s.sums[slot]
		if !p.takesSlot(r, slot) || m.slots != nil && !m.slots[slot] {
			sum.rows = 0
			continue
		}
		known := sums[slot].at(r.minTo - r.until)
		sum.value, sum.rows = sum.value.Add(known.value), sum.rows+known.rows
		s.count += int(sum.rows)
	}
	return true
}

// unsettled lists the blocks in which some row has not begun yet, or ends
// between now and the period's end.
func (d *digest) unsettled(until uint32) (blocks []int) {
	for i := range d.zones {
		if d.zones[i].settled > until {
			blocks = append(blocks, i)
		}
	}
	return blocks
}

// sumUnsettled sums the rows of a block as they are, and leaves them out of
// sums.
func (s *scan) sumUnsettled(block int, sums []slotSum) {
	r := s.read
	for row := block * blockRows; row < min((block+1)*blockRows, r.rows()); row++ {
		res := int(r.res[row])
		if slices.ContainsFunc(s.match.masks, func(m Mask) bool { return m.Has(res) }) {
			continue
		}
		at := &r.row[row]
		sums[at.slot].drop(r.Projection.whole(at))
		if is, ok := r.figures(row); ok {
			s.sums[at.slot].add(is.value)
		}
	}
}

// takesSlot reports whether the rows of a slot are of a region and a type that
// are selected.
func (p picker) takesSlot(r *reading, slot int) bool {
	s := &r.slots[slot]
	return p.types.Contains(r.base.meters[s.meter].Type) && p.q.Regions.Contains(s.region)
}

// everything reports whether all groups are selected.
func (p picker) everything() bool {
	return p.q.Projects.All && p.q.Regions.All && p.types&report.AllTypes == report.AllTypes
}
