package columns

import (
	"slices"
)

// rankNames gives every name its place among all distinct names, by bytes, so
// that ordering by name compares integers. Name 0, the missing one, has noRank.
func rankNames(names *texts) []uint32 {
	sorted := make([]uint32, names.count()-1)
	for i := range sorted {
		sorted[i] = uint32(i + 1)
	}
	slices.SortFunc(sorted, func(a, b uint32) int { return compareText(names.at(a), names.at(b)) })
	ranks := make([]uint32, names.count())
	ranks[0] = noRank
	next := uint32(0)
	for i, name := range sorted {
		if i > 0 && compareText(names.at(sorted[i-1]), names.at(name)) != 0 {
			next++
		}
		ranks[name] = next
	}
	return ranks
}

// rankHolders returns for each rank of a base one name that has it.
func (b *Base) rankHolders() []uint32 {
	holder := make([]uint32, b.rankCount())
	for name := 1; name < len(b.rank); name++ {
		holder[b.rank[name]] = uint32(name)
	}
	return holder
}

// ranks returns the rank in the new base of each rank of prev and of fresh; nil:
// those of prev are as they were. Names are seldom compared with others than
// those that the same resources had before.
func (p *plan) ranks() (ofPrev, ofFresh []uint32) {
	m := rankMerge{plan: p, known: make([]uint32, p.fresh.rankCount())}
	for i := range m.known {
		m.known[i] = noRank
	}
	m.compareWithBefore()
	m.findLost()
	if !slices.Contains(m.known, noRank) && m.lost == nil {
		return nil, m.known
	}
	return m.merge()
}

// rankCount returns the number of distinct names.
func (b *Base) rankCount() int {
	highest := -1
	for _, r := range b.rank[1:] {
		highest = max(highest, int(r))
	}
	return highest + 1
}

// rankMerge brings the ranks of two bases into one order.
type rankMerge struct {
	*plan
	known []uint32 // by rank of fresh: that of the same name in prev, noRank where it is not known
	left  []uint32 // ranks of names that prev had, and that the same resources have no more
	lost  Mask     // ranks of prev that no name has any more; nil: none
}

// compareWithBefore looks for the names of fresh among those that it replaces.
func (m *rankMerge) compareWithBefore() {
	before, from, to := uint32(1), uint32(0), uint32(0) // names: of prev so far, of fresh behind those
	for i := range m.runs {
		switch r := &m.runs[i]; {
		case r.of == m.prev:
			m.compareNames(before, max(before, r.from[ofNames]), from, to)
			before, from, to = r.to[ofNames], 0, 0
		case from == 0:
			from, to = r.from[ofNames], r.to[ofNames]
		default:
			to = r.to[ofNames]
		}
	}
	m.compareNames(before, uint32(m.prev.names.count()), from, to)
}

// namesBefore is how many names of prev are compared with one of fresh: both are
// in the order of the resources.
const namesBefore = 4

// compareNames compares names of prev [at, end) with those of fresh [from, to)
// that stand in their place.
func (m *rankMerge) compareNames(at, end, from, to uint32) {
	for ; from < to; from++ {
		text := m.fresh.names.at(from)
		for old := at; old < min(at+namesBefore, end); old++ {
			if string(m.prev.names.at(old)) == string(text) {
				m.known[m.fresh.rank[from]] = m.prev.rank[old]
				m.left = append(m.left, m.prev.rank[at:old]...)
				at = old + 1
				break
			}
		}
	}
	m.left = append(m.left, m.prev.rank[at:end]...)
}

// findLost finds which of the ranks that were left have no name any more.
func (m *rankMerge) findLost() {
	if len(m.left) == 0 {
		return
	}
	lost := make(Mask, (m.prev.rankCount()+63)/64)
	for _, rank := range m.left {
		lost.Add(int(rank))
	}
	keep := func(rank uint32) { lost[rank/64] &^= 1 << (rank % 64) }
	for _, rank := range m.known {
		if rank != noRank {
			keep(rank)
		}
	}
	if !lost.any() {
		return
	}
	for i := range m.runs {
		if r := &m.runs[i]; r.of == m.prev {
			for _, rank := range m.prev.rank[r.from[ofNames]:r.to[ofNames]] {
				if lost.Has(int(rank)) {
					keep(rank)
				}
			}
		}
	}
	if lost.any() {
		m.lost = lost
	}
}

// any reports whether anything is in the mask.
func (m Mask) any() bool { return slices.ContainsFunc(m, func(word uint64) bool { return word != 0 }) }

// merge numbers the names of both in one order. A name of fresh that is not known
// lies between those that are.
func (m *rankMerge) merge() (ofPrev, ofFresh []uint32) {
	holders, fresh := m.prev.rankHolders(), m.fresh.rankHolders()
	ofPrev = make([]uint32, len(holders))
	next, old := uint32(0), 0
	upTo := func(end int) { // numbers the ranks of prev before end
		for ; old < end; old++ {
			if ofPrev[old] = next; m.lost == nil || !m.lost.Has(old) {
				next++
			}
		}
	}
	for rank, name := range fresh {
		at, text := int(m.known[rank]), m.fresh.names.at(name)
		same := m.known[rank] != noRank
		if !same {
			at = seek(len(holders), old, func(i int) bool { return compareText(m.prev.names.at(holders[i]), text) < 0 })
			same = at < len(holders) && string(m.prev.names.at(holders[at])) == string(text)
		}
		upTo(at)
		ofFresh = append(ofFresh, next)
		if same {
			ofPrev[at], old = next, at+1
		}
		next++
	}
	upTo(len(holders))
	return ofPrev, ofFresh
}
