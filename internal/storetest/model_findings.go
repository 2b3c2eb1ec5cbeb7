package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Findings implements [report.Inspector].
func (m *Model) Findings(_ context.Context, q report.FindingQuery, visit func(*report.Finding) error) error {
	found, err := m.findings(&q, &report.Query{
		Period: q.Period, Now: m.clock(), Projects: q.Scope.Projects, Regions: q.Scope.Regions, Types: q.Scope.Types,
	})
	if err != nil {
		return err
	}
	for _, f := range found {
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}

func (m *Model) findings(of *report.FindingQuery, q *report.Query) (found []*report.Finding, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return nil, err
	}
	resources := slices.SortedFunc(maps.Values(m.resourcesLocked(q)), func(a, b *told) int { return a.resource.Compare(b.resource) })
	for kind, look := range map[report.FindingKind]func() []*report.Finding{
		report.IDInTwoProjects:    func() []*report.Finding { return idsInTwoProjects(q, resources) },
		report.OverlappingWindows: func() []*report.Finding { return overlappingWindows(q, resources) },
		report.ReusedIDs:          func() []*report.Finding { return m.reusedIDsLocked(q) },
		report.SilentResources:    func() []*report.Finding { return silentResources(of, q, resources) },
	} {
		if of.Kinds.Has(kind) {
			found = append(found, look()...)
		}
	}
	slices.SortStableFunc(found, func(a, b *report.Finding) int { return cmp.Compare(a.Kind, b.Kind) })
	return found, nil
}

// idsInTwoProjects asks each minute of the resources of one type and id whether
// two projects count it.
func idsInTwoProjects(q *report.Query, resources []*told) (found []*report.Finding) {
	type name struct {
		typ metering.ResourceType
		id  metering.UUID
	}
	named := map[name][]*told{}
	for _, r := range resources {
		n := name{r.resource.Type, r.resource.ID}
		named[n] = append(named[n], r)
	}
	for _, same := range named {
		if same[0].resource.Project != same[len(same)-1].resource.Project {
			found = append(found, shared(q, same)...)
		}
	}
	slices.SortFunc(found, func(a, b *report.Finding) int {
		k, l := &a.Resources[0], &b.Resources[0]
		return cmp.Or(cmp.Compare(k.Type, l.Type), slices.Compare(k.ID[:], l.ID[:]))
	})
	return found
}

// shared is the finding about resources of one type and id, if there is one.
func shared(q *report.Query, same []*told) []*report.Finding {
	counting := map[int64][]metering.ResourceKey{} // by minute
	for _, r := range same {
		for minute := range r.countedMinutes(q) {
			counting[minute] = append(counting[minute], r.resource)
		}
	}
	f := &report.Finding{Kind: report.IDInTwoProjects}
	taking := map[metering.ResourceKey]bool{}
	for _, minute := range slices.Sorted(maps.Keys(counting)) {
		keys := counting[minute]
		if keys[0].Project == keys[len(keys)-1].Project {
			continue
		}
		for _, k := range keys {
			taking[k] = true
		}
		if f.Minutes == 0 {
			f.From = metering.Instant(minute * minuteSeconds * secondNanos)
		}
		f.To = metering.Instant((minute + 1) * minuteSeconds * secondNanos)
		f.Minutes++
	}
	if f.Minutes == 0 {
		return nil
	}
	f.Resources = slices.SortedFunc(maps.Keys(taking), metering.ResourceKey.Compare)
	return []*report.Finding{f}
}

// countedMinutes is the minutes of the period that the resource counts: those at
// whose sample it is there, or all of the days on which quantities begin.
func (r *told) countedMinutes(q *report.Query) map[int64]bool {
	minutes := map[int64]bool{}
	for _, o := range r.quantities {
		if day := floorDivide(int64(o.From), daySeconds*secondNanos); q.Period.Contains(metering.Day(day)) {
			for i := range dayMinutes {
				minutes[day*dayMinutes+i] = true
			}
		}
	}
	if len(r.states) == 0 {
		return minutes
	}
	slices.SortFunc(r.states, compareStates)
	first := max(int64(q.Period.From)*dayMinutes, int64(r.states[0].Time)/(minuteSeconds*secondNanos))
	last := min(int64(q.Period.To)*dayMinutes-1, int64(q.Now)/(minuteSeconds*secondNanos))
	for minute := first; minute <= last; minute++ {
		if r.isThereAt(minute, q) {
			minutes[minute] = true
		}
	}
	return minutes
}

// isThereAt reports whether the state that holds at the sample of a minute of the
// period, and is not in the future, says that the resource is there.
func (r *told) isThereAt(minute int64, q *report.Query) bool {
	sample := metering.Instant((minute*minuteSeconds + sampleSecond) * secondNanos)
	if sample > q.Now || minute < int64(q.Period.From)*dayMinutes || minute >= int64(q.Period.To)*dayMinutes {
		return false
	}
	var holds *metering.Observation
	for _, o := range r.states {
		if o.Time <= sample && (holds == nil || compareStates(holds, o) < 0) {
			holds = o
		}
	}
	return holds != nil && !holds.Deleted
}

// overlappingWindows asks of each counted window that begins in the period which
// of those before it reaches into it, and ends last.
func overlappingWindows(q *report.Query, resources []*told) (found []*report.Finding) {
	for _, r := range resources {
		counted := slices.DeleteFunc(slices.Clone(r.quantities), r.corrected)
		for _, o := range counted {
			if !q.Period.Contains(o.From.Day()) {
				continue
			}
			var reaching *metering.Observation
			for _, p := range counted {
				if p.Meter == o.Meter && beginsBefore(p, o) && p.To > o.From &&
					(reaching == nil || p.To > reaching.To || p.To == reaching.To && beginsBefore(p, reaching)) {
					reaching = p
				}
			}
			if reaching != nil {
				found = append(found, &report.Finding{
					Kind: report.OverlappingWindows, Resources: []metering.ResourceKey{r.resource},
					From: o.From, To: min(o.To, reaching.To), Windows: []metering.Window{reaching.Window(), o.Window()},
				})
			}
		}
	}
	slices.SortFunc(found, func(a, b *report.Finding) int {
		v, w := &a.Windows[1], &b.Windows[1]
		return cmp.Or(cmp.Compare(monthOf(v.From), monthOf(w.From)), a.Resources[0].Compare(b.Resources[0]),
			cmp.Compare(v.From.Day(), w.From.Day()), v.Meter.Compare(w.Meter), cmp.Compare(v.From, w.From), cmp.Compare(v.To, w.To))
	})
	return found
}

func beginsBefore(a, b *metering.Observation) bool {
	return a.From < b.From || a.From == b.From && a.To < b.To
}

func monthOf(i metering.Instant) string { return i.Time().Format("2006-01") }
