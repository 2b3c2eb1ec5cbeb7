package columns

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
)

// Audit holds a base against what its resources should be: each is asked for,
// in any order, and in the end it names what nobody asked for. It takes a bit a
// resource and a bit a day sum.
type Audit struct {
	base         *Base
	seen, counts Mask // resources with states; day sums
}

// NewAudit begins an audit of a base, which must stay acquired.
func NewAudit(b *Base) *Audit {
	return &Audit{base: b, seen: b.NewMask(), counts: make(Mask, (b.DaySumCount()+63)/64)}
}

// Timeline returns the timeline of a resource, the zero one when it is not in
// the base.
func (a *Audit) Timeline(key metering.ResourceKey) metering.Timeline {
	res := a.base.Find(key)
	if res == NotFound {
		return metering.Timeline{}
	}
	a.seen.Add(res)
	return a.base.Timeline(res)
}

// DaySums returns the sums of one day of a counted resource, with what is known of
// their windows.
func (a *Audit) DaySums(key metering.ResourceKey, day metering.Day) []metering.DaySum {
	res := a.base.Find(key)
	if res == NotFound {
		return nil
	}
	from, to := a.base.items(&a.base.groups[a.base.groupOf(res)], res)
	days := a.base.cell.day[from:to]
	for i, _ := slices.BinarySearch(days, int32(day)); i < len(days) && days[i] == int32(day); i++ {
		a.counts.Add(from + i)
	}
	return Rest{Base: a.base, Res: res}.Sums(metering.Period{From: day, To: day + 1}, Rest{})
}

// Unseen visits what was not asked for: resources with states, whose day is 0,
// and days of counted resources.
func (a *Audit) Unseen(visit func(metering.ResourceKey, metering.Day)) {
	b := a.base
	for g := range b.groups {
		gr := &b.groups[g]
		for res := int(gr.first); res < b.groupEnd(g); res++ {
			if gr.resourceType().Measure() != metering.Counted {
				if !a.seen.Has(res) {
					visit(gr.key(b.ids[res]), 0)
				}
				continue
			}
			from, to := b.items(gr, res)
			for i := from; i < to; i++ {
				if !a.counts.Has(i) && (i == from || b.cell.day[i] != b.cell.day[i-1]) {
					visit(gr.key(b.ids[res]), metering.Day(b.cell.day[i]))
				}
			}
		}
	}
}

// Loaded reports whether the base was loaded from a file, not just built.
func (b *Base) Loaded() bool { return b.file != nil }

// Flaw is a place where a base breaks its own rules.
type Flaw struct{ Of, Stored, Want string }

// Flaws visits where the base breaks its rules: checksums of the mapped file,
// the canonical order, distinct meters, and the ranks of the names. When it
// returns false, what the base holds cannot even be read.
func (b *Base) Flaws(visit func(Flaw)) (readable bool) {
	if b.file != nil {
		var seq uint64
		if _, err := split(b.file, &seq, asFound); err != nil {
			visit(Flaw{"the file", err.Error(), "the checksums of when it was written"})
			return false // what is in it means nothing
		}
	}
	if err := errors.Join(b.checkStructure(), b.checkTexts()); err != nil {
		visit(Flaw{"the columns", err.Error(), "columns whose numbers lead to something"})
		return false
	}
	b.checkOrder(visit)
	meters := map[metering.Meter]int{}
	for i, m := range b.meters {
		if first, twice := meters[m]; twice {
			visit(Flaw{fmt.Sprintf("meter %q of %v", m.Metric, m.Type), fmt.Sprintf("numbers %d and %d", first, i), "one number"})
		}
		meters[m] = i
	}
	b.checkRanks(visit)
	return true
}

func (b *Base) checkOrder(visit func(Flaw)) {
	var last metering.ResourceKey
	for g := range b.groups {
		gr := &b.groups[g]
		for res := int(gr.first); res < b.groupEnd(g); res++ {
			key := gr.key(b.ids[res])
			if res > 0 && last.Compare(key) >= 0 {
				visit(Flaw{fmt.Sprintf("resource number %d", res), fmt.Sprintf("%v behind %v", key, last), "the canonical order"})
			}
			last = key
		}
	}
}

// checkRanks compares the ranks with the order of the names' bytes: equal names
// have one rank, and the ranks leave none out.
func (b *Base) checkRanks(visit func(Flaw)) {
	holder := make([]uint32, len(b.rank)) // by rank: a name that has it
	for id := 1; id < len(b.rank); id++ {
		switch r := b.rank[id]; {
		case holder[r] == 0:
			holder[r] = uint32(id)
		case !bytes.Equal(b.names.at(uint32(id)), b.names.at(holder[r])):
			visit(b.rankFlaw(id, fmt.Sprintf("another rank than %q", b.names.at(holder[r]))))
		}
	}
	if b.rank[0] != noRank {
		visit(b.rankFlaw(0, "no rank: it is the missing name"))
	}
	b.checkRankOrder(holder, visit)
}

func (b *Base) checkRankOrder(holder []uint32, visit func(Flaw)) {
	end := len(holder)
	for end > 0 && holder[end-1] == 0 {
		end--
	}
	for r := range end {
		switch {
		case holder[r] == 0:
			visit(Flaw{fmt.Sprintf("rank %d", r), "no name", "a name, since higher ranks have one"})
		case r > 0 && holder[r-1] != 0 && compareText(b.names.at(holder[r-1]), b.names.at(holder[r])) >= 0:
			visit(b.rankFlaw(int(holder[r]), fmt.Sprintf("a rank in the order of the bytes: it follows %q", b.names.at(holder[r-1]))))
		}
	}
}

func (b *Base) rankFlaw(name int, want string) Flaw {
	return Flaw{fmt.Sprintf("name %q", b.names.at(uint32(name))), fmt.Sprintf("rank %d", b.rank[name]), want}
}
