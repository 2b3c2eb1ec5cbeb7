package columns

import (
	"iter"
	"slices"
	"sort"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Silence says which resources are silent: those that count in the last minute of
// the period, or of the counted ones in the period, and that were last heard of
// before an instant.
type Silence struct {
	Period metering.Period
	From   metering.Minute  // the period's first
	Last   metering.Minute  // the period's last that counts now; before From: none does
	Before metering.Instant // exclusive
}

// OfTimeline reports whether a timeline is silent, and since when: the start of
// the minute from which its last state holds.
func (s *Silence) OfTimeline(t *metering.Timeline) (heard metering.Instant, silent bool) {
	heard = t.LastBoundary.Start()
	runs := slices.ContainsFunc(t.Segments, func(g metering.Segment) bool { return g.From <= s.Last && s.Last < g.To })
	return heard, s.Last >= s.From && heard < s.Before && runs
}

// OfDays reports whether the sums of a counted resource, in any order, are silent,
// and since when: the end of its latest window.
func (s *Silence) OfDays(sums []metering.DaySum) (heard metering.Instant, silent bool) {
	used := false
	for i := range sums {
		if d := &sums[i]; d.Day >= s.Period.From {
			heard, used = max(heard, d.Last), used || d.Day < s.Period.To
		}
	}
	return heard, used && heard < s.Before
}

// Silent yields the silent resources of the base within the scope, by index, in
// canonical order. It looks at a few numbers of each, and makes nothing of what
// is not silent.
func (b *Base) Silent(s *Silence, scope report.Scope) iter.Seq2[int, metering.Instant] {
	q := report.Query{Projects: scope.Projects, Regions: scope.Regions, Types: scope.Types}
	return func(yield func(int, metering.Instant) bool) {
		for g := range b.groupsOf(newPicker(&q)) {
			of := b.silentState
			if b.groups[g].resourceType().Measure() == metering.Counted {
				of = b.silentCells
			}
			for res := int(b.groups[g].first); res < b.groupEnd(g); res++ {
				if heard, silent := of(s, &b.groups[g], res); silent && !yield(res, heard) {
					return
				}
			}
		}
	}
}

func (b *Base) silentState(s *Silence, g *group, res int) (metering.Instant, bool) {
	heard := metering.Minute(b.boundary[res]).Start()
	if heard >= s.Before || s.Last < s.From {
		return 0, false
	}
	for from, i := b.items(g, res); i > from; i-- { // the last one, mostly
		if metering.Minute(b.seg.from[i-1]) <= s.Last {
			return heard, s.Last < metering.Minute(b.seg.to[i-1])
		}
	}
	return 0, false
}

func (b *Base) silentCells(s *Silence, g *group, res int) (heard metering.Instant, silent bool) {
	from, to := b.items(g, res)
	from += sort.Search(to-from, func(i int) bool { return b.cell.day[from+i] >= int32(s.Period.From) })
	if from == to || b.cell.day[from] >= int32(s.Period.To) {
		return 0, false
	}
	for i := from; i < to; i++ {
		heard = max(heard, metering.Instant(b.cell.last[i]))
	}
	return heard, heard < s.Before
}
