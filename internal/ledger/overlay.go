package ledger

import (
	"slices"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// report answers a query from what is settled and the delta over it.
func (v *view) report(q *report.Query) *report.Report {
	overlay := columns.NewOverlay(q)
	layers := v.overlay(q, func(c *columns.ChangedLine) { overlay.Add(&c.Line) })
	return columns.Report(q, overlay, layers...)
}

// overlay calls add with the selected lines of what the delta has changed, each
// valid until the next, and returns the layers below it.
func (v *view) overlay(q *report.Query, add func(*columns.ChangedLine)) []columns.Layer {
	b := overlayBuilder{view: v, q: q, selected: add}
	b.from, b.to = q.Period.Minutes(q.Now)
	v.logged(b.irrelevant, b.add)
	b.addCounted()
	layers := []columns.Layer{{Base: v.base, Mask: masks(v.over, b.base), Lasting: v.over != nil}}
	if v.recent != nil {
		layers = append(layers, columns.Layer{Base: v.recent, Mask: masks(b.recent)})
	}
	return layers
}

// masks returns those that there are.
func masks(all ...columns.Mask) []columns.Mask {
	return slices.DeleteFunc(all, func(m columns.Mask) bool { return m == nil })
}

type overlayBuilder struct {
	view     *view
	q        *report.Query
	from, to metering.Minute
	selected func(*columns.ChangedLine)
	// The resources that have changed, by where they stood.
	base, recent columns.Mask
	usages       []metering.Usage    // memory of the resource in hand
	of           columns.ChangedLine // the line in hand
	// days collects the changed days of counted resources, which are summed
	// together with the days that did not change.
	days map[metering.ResourceKey]*changedDays
}

type changedDays struct {
	at   standing
	days []*folded
}

// irrelevant reports whether no line of the change's resource is selected, or all
// are as they were settled.
func (b *overlayBuilder) irrelevant(c *change) bool {
	if c.since > 0 && c.since >= b.to || !b.q.Projects.Contains(c.project) {
		return true
	}
	u := &c.is.unit
	return u.Resource.Type.Measure() == metering.Counted && !b.q.Period.Contains(u.Day)
}

func (b *overlayBuilder) add(c *change) {
	mask(&b.base, b.view.base, c.at.base)
	mask(&b.recent, b.view.recent, c.at.recent)
	key := c.is.unit.Resource
	if key.Type.Measure() != metering.Counted {
		b.usages = c.is.timeline.UsageIn(b.usages, b.from, b.to)
		b.of.Segments = c.is.timeline.Segments
		b.addLines(key, b.usages)
		return
	}
	if b.days == nil {
		b.days = map[metering.ResourceKey]*changedDays{}
	}
	if b.days[key] == nil {
		b.days[key] = &changedDays{at: c.at}
	}
	b.days[key].days = append(b.days[key].days, c.is)
}

// mask adds a resource of a base to a mask, which is made when it is needed.
func mask(m *columns.Mask, of *columns.Base, res int32) {
	if res == columns.NotFound {
		return
	}
	if *m == nil {
		*m = of.NewMask()
	}
	m.Add(int(res))
}

func (b *overlayBuilder) addCounted() {
	for key, changed := range b.days {
		sums := withDays(b.view.daySums(changed.at, b.q.Period), changed.days)
		b.of.Segments, b.of.Days = nil, sums
		b.addLines(key, metering.SumDays(sums, b.q.Period))
	}
}

// withDays replaces the sums of the given days.
func withDays(sums []metering.DaySum, days []*folded) []metering.DaySum {
	replaced := make(map[metering.Day]bool, len(days))
	for _, f := range days {
		replaced[f.unit.Day] = true
	}
	sums = slices.DeleteFunc(sums, func(s metering.DaySum) bool { return replaced[s.Day] })
	for _, f := range days {
		sums = append(sums, f.sums...)
	}
	slices.SortStableFunc(sums, func(a, b metering.DaySum) int { return int(a.Day) - int(b.Day) })
	return sums
}

func (b *overlayBuilder) addLines(key metering.ResourceKey, usages []metering.Usage) {
	for i := range usages {
		b.of.Line = report.LineOf(key, &usages[i])
		if b.q.Selects(&b.of.Line) {
			b.selected(&b.of)
		}
	}
}
