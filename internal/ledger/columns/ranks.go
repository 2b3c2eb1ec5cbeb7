package columns

import "slices"

// rankNames gives every name its place among all distinct names, by bytes, so
// that ordering by name compares integers. Names that come from prev bring
// their old rank; only the others are sorted, and merged into the old order.
// Name 0, the missing one, has noRank.
func rankNames(names *texts, oldRank []uint32, prev *Base) []uint32 {
	fresh := sortFresh(names, oldRank)
	places := placeFresh(names, fresh, prev)
	ranks := make([]uint32, names.count())
	newOf := mergeRanks(names, fresh, places, usedRanks(oldRank, prev), ranks)
	ranks[0] = noRank
	for id := 1; id < len(ranks); id++ {
		if old := oldRank[id]; old != noRank {
			ranks[id] = newOf[old]
		}
	}
	return ranks
}

// sortFresh returns the names without an old rank, sorted.
func sortFresh(names *texts, oldRank []uint32) []uint32 {
	var fresh []uint32
	for id := 1; id < names.count(); id++ {
		if oldRank[id] == noRank {
			fresh = append(fresh, uint32(id))
		}
	}
	slices.SortFunc(fresh, func(a, b uint32) int { return compareText(names.at(a), names.at(b)) })
	return fresh
}

// place is where a fresh name stands among the old ranks: before rank at, or,
// when equal, on it.
type place struct {
	at    uint32
	equal bool
}

func placeFresh(names *texts, fresh []uint32, prev *Base) []place {
	places := make([]place, len(fresh))
	if prev == nil || len(fresh) == 0 {
		return places
	}
	holder := rankHolders(prev)
	for i, id := range fresh {
		at, equal := slices.BinarySearchFunc(holder, names.at(id), func(h uint32, want []byte) int {
			return compareText(prev.names.at(h), want)
		})
		places[i] = place{uint32(at), equal}
	}
	return places
}

// rankHolders returns for each rank of a base one name that has it.
func rankHolders(b *Base) []uint32 {
	highest := -1
	for _, r := range b.rank[1:] {
		highest = max(highest, int(r))
	}
	holder := make([]uint32, highest+1)
	for id := 1; id < len(b.rank); id++ {
		holder[b.rank[id]] = uint32(id)
	}
	return holder
}

// usedRanks tells which old ranks are still in use.
func usedRanks(oldRank []uint32, prev *Base) []bool {
	if prev == nil {
		return nil
	}
	used := make([]bool, len(prev.rank))
	for _, r := range oldRank {
		if r != noRank {
			used[r] = true
		}
	}
	return used
}

// mergeRanks walks old ranks and fresh names in one order, numbers them, writes
// the fresh ones' ranks, and returns the new rank of each old one.
func mergeRanks(names *texts, fresh []uint32, places []place, used []bool, ranks []uint32) []uint32 {
	newOf := make([]uint32, len(used))
	next, f := uint32(0), 0
	for old := 0; old <= len(used); old++ {
		for f < len(fresh) && int(places[f].at) == old && !places[f].equal {
			ranks[fresh[f]] = next
			f++
			if f == len(fresh) || compareText(names.at(fresh[f-1]), names.at(fresh[f])) != 0 {
				next++
			}
		}
		taken := old < len(used) && used[old]
		for f < len(fresh) && int(places[f].at) == old && places[f].equal {
			ranks[fresh[f]] = next
			taken = true
			f++
		}
		if taken {
			if old < len(used) {
				newOf[old] = next
			}
			next++
		}
	}
	return newOf
}
