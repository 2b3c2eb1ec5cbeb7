package storetest

import (
	"bytes"
	"cmp"
	"context"
	"math/big"
	"slices"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Series implements [report.Reader]: the lines are those of the whole period, and
// what each of them counts in a step is its value in a report of that step alone.
func (m *Model) Series(ctx context.Context, q report.SeriesQuery) (*report.Series, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return nil, err
	}
	steps := modelSteps(&q)
	groups := modelGroups{}
	for _, told := range m.resourcesLocked(&q.Query) {
		flows := map[metering.Meter]*modelFlow{} // of the selected lines
		for _, l := range told.lines(&q.Query) {
			if selects(&q.Query, l) {
				flows[l.meter] = groups.add(&q, l, len(steps))
			}
		}
		if len(flows) > 0 {
			told.divide(&q, steps, flows)
		}
	}
	s := &report.Series{CompleteUntil: q.Now}
	for _, step := range steps {
		s.Starts = append(s.Starts, step.From)
	}
	rows := 0
	for unit, all := range groups {
		u := unit.series(all, q.Top, len(steps))
		s.Units = append(s.Units, u)
		rows += 1 + len(u.Groups) + min(u.OtherGroups, 1)
	}
	if values := rows * len(steps); values > report.MaxSeriesValues {
		return nil, report.TooManyValues(values)
	}
	slices.SortFunc(s.Units, func(a, b report.UnitSeries) int {
		return cmp.Or(cmp.Compare(a.Unit, b.Unit), -compareBools(a.InTotals, b.InTotals))
	})
	return s, nil
}

func compareBools(a, b bool) int { return cmp.Compare(boolAsInt(a), boolAsInt(b)) }

func boolAsInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// modelSteps walks the days of the period one by one.
func modelSteps(q *report.SeriesQuery) (steps []metering.Period) {
	month := func(d metering.Day) string { return time.Unix(int64(d)*daySeconds, 0).UTC().Format("2006-01") }
	for d := q.Period.From; d < q.Period.To; d++ {
		if n := len(steps); n > 0 && q.Step == report.ByMonth && month(steps[n-1].From) == month(d) {
			steps[n-1].To = d + 1
			continue
		}
		steps = append(steps, metering.Period{From: d, To: d + 1})
	}
	return steps
}

type modelUnit struct {
	name     string
	inTotals bool
}

// modelGroups are the groups of each unit, and in each the lines by the step.
type modelGroups map[modelUnit]map[report.GroupKey]*modelFlow

// modelFlow is in billionths.
type modelFlow struct {
	lines  int
	total  *big.Int
	values []*big.Int
}

func newModelFlow(steps int) *modelFlow {
	f := &modelFlow{total: new(big.Int)}
	for range steps {
		f.values = append(f.values, new(big.Int))
	}
	return f
}

func (g modelGroups) add(q *report.SeriesQuery, l *modelLine, steps int) *modelFlow {
	unit := modelUnit{l.meter.Unit, l.resource.Type.String() != "backup"}
	key := report.GroupKey{}
	switch q.By {
	case report.GroupByType:
		key.Name = l.resource.Type.String()
	case report.GroupByMetric:
		key.Name = l.meter.Metric
	case report.GroupByProject:
		key.ID = int64(l.resource.Project)
	case report.GroupByRegion:
		key.ID = int64(l.resource.Region)
	}
	if g[unit] == nil {
		g[unit] = map[report.GroupKey]*modelFlow{}
	}
	if g[unit][key] == nil {
		g[unit][key] = newModelFlow(steps)
	}
	f := g[unit][key]
	f.lines++
	f.total.Add(f.total, billionths(l))
	return f
}

// divide adds to the flow of each meter what it counts in each step.
func (r *told) divide(q *report.SeriesQuery, steps []metering.Period, flows map[metering.Meter]*modelFlow) {
	for i, step := range steps {
		part := q.Query
		part.Period = step
		for _, l := range r.lines(&part) {
			if f := flows[l.meter]; f != nil {
				f.values[i].Add(f.values[i], billionths(l))
			}
		}
	}
}

func billionths(l *modelLine) *big.Int {
	n := new(big.Int).Set(l.value)
	for range 9 - l.resource.Type.Measure().Scale() {
		n.Mul(n, big.NewInt(10))
	}
	return n
}

func (u modelUnit) series(groups map[report.GroupKey]*modelFlow, top, steps int) report.UnitSeries {
	var keys []report.GroupKey
	for key := range groups {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b report.GroupKey) int {
		if c := groups[b].total.Cmp(groups[a].total); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.ID, b.ID), bytes.Compare([]byte(a.Name), []byte(b.Name)))
	})
	is, whole, others := report.UnitSeries{Unit: u.name, InTotals: u.inTotals}, newModelFlow(steps), newModelFlow(steps)
	for i, key := range keys {
		whole.include(groups[key])
		if i < top {
			is.Groups = append(is.Groups, report.GroupSeries{Key: key, Flow: groups[key].print()})
			continue
		}
		others.include(groups[key])
		is.OtherGroups++
	}
	is.Flow = whole.print()
	if is.OtherGroups > 0 {
		is.Others = others.print()
	}
	return is
}

func (f *modelFlow) include(g *modelFlow) {
	f.lines += g.lines
	f.total.Add(f.total, g.total)
	for i, v := range g.values {
		f.values[i].Add(f.values[i], v)
	}
}

func (f *modelFlow) print() report.Flow {
	flow := report.Flow{Lines: f.lines, Total: amountOf(f.total)}
	for _, v := range f.values {
		flow.Values = append(flow.Values, amountOf(v))
	}
	return flow
}
