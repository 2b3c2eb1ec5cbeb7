package columns

import (
	"slices"
	"sort"
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
	highest := -1
	for _, r := range b.rank[1:] {
		highest = max(highest, int(r))
	}
	holder := make([]uint32, highest+1)
	for name := 1; name < len(b.rank); name++ {
		holder[b.rank[name]] = uint32(name)
	}
	return holder
}

// mergeRanks returns the ranks that the ranks of two bases have in one order;
// used tells which ranks of prev still have a name. Only the names of fresh are
// compared, each with a few of prev's.
func mergeRanks(prev, fresh *Base, used []bool) (ofPrev, ofFresh []uint32) {
	holders := prev.rankHolders()
	at := func(rank int) []byte { return prev.names.at(holders[rank]) }
	ofPrev = make([]uint32, len(used))
	next, old := uint32(0), 0
	upTo := func(end int) { // numbers the ranks of prev before end
		for ; old < end; old++ {
			if ofPrev[old] = next; used[old] {
				next++
			}
		}
	}
	for _, name := range fresh.rankHolders() {
		text := fresh.names.at(name)
		found := old + sort.Search(len(used)-old, func(i int) bool { return compareText(at(old+i), text) >= 0 })
		upTo(found)
		ofFresh = append(ofFresh, next)
		if found < len(used) && compareText(at(found), text) == 0 {
			ofPrev[found], old = next, found+1
		}
		next++
	}
	upTo(len(used))
	return ofPrev, ofFresh
}
