package columns

import (
	"cmp"
	"slices"
)

// visits are the blocks of a projection in the order in which they are worth
// reading: those first that may have the first row.
type visits struct {
	blocks []int
	keys   int
	bounds []uint64 // so many a block as there are keys
}

// visits puts the blocks in order. What is not settled yet comes first, since
// nothing is known of it.
func (s *scan) visits() *visits {
	r := s.read
	zones, bounds := r.digest.zones, r.boundsOf(s.order)
	v := &visits{blocks: make([]int, len(zones)), keys: len(bounds), bounds: make([]uint64, 0, len(zones)*len(bounds))}
	for i := range zones {
		v.blocks[i] = i
		for _, bound := range bounds {
			first := uint64(0)
			if zones[i].settled <= r.until {
				first = bound(&zones[i])
			}
			v.bounds = append(v.bounds, first)
		}
	}
	slices.SortFunc(v.blocks, func(x, y int) int {
		return cmp.Or(slices.Compare(v.of(x), v.of(y)), cmp.Compare(x, y))
	})
	return v
}

// of returns the bounds of a block.
func (v *visits) of(block int) []uint64 { return v.bounds[block*v.keys:][:v.keys] }

// bestFirst reads the blocks whose rows may come before those that are kept,
// the best ones first, and the other ones if they have not been summed.
func (s *scan) bestFirst(p picker, top *topRows) {
	v := s.visits()
	for i, block := range v.blocks {
		if top.admits(v.of(block), block*blockRows) {
			s.block(p, block, top.take)
			continue
		}
		if s.summed {
			return // all behind it are no better
		}
		for _, block := range v.blocks[i:] {
			s.block(p, block, func([]uint32) {})
		}
		return
	}
}

// block reads the selected rows of a block.
func (s *scan) block(p picker, block int, keep func(rows []uint32)) {
	z := &s.read.digest.zones[block]
	from, to := block*blockRows, min((block+1)*blockRows, s.read.rows())
	switch {
	case p.everything():
		s.through(from, to, keep)
		return
	case z.types&p.types == 0:
		return
	}
	groups, run := s.read.groups, rowRun{}
	for i := int(z.group); i < len(groups) && groups[i].from < to; i++ {
		if !p.takes(groups[i].group) {
			continue
		}
		if next := max(groups[i].from, from); next != run.to {
			s.through(run.from, run.to, keep)
			run.from = next
		}
		run.to = min(groups[i].to, to)
	}
	s.through(run.from, run.to, keep)
}
