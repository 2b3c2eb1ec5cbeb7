package storetest

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// FormatSeries shows all that a series says, in rows of text. Two series are equal
// when their rows are.
func FormatSeries(s *report.Series) []string {
	var steps strings.Builder
	for _, day := range s.Starts {
		fmt.Fprintf(&steps, " %s", day)
	}
	rows := []string{"as of " + s.CompleteUntil.String(), "steps" + steps.String()}
	for i := range s.Units {
		u := &s.Units[i]
		unit := u.Unit
		if !u.InTotals {
			unit += " without totals"
		}
		rows = append(rows, unit+formatFlow(&u.Flow))
		for j := range u.Groups {
			rows = append(rows, unit+" of "+formatGroup(u.Groups[j].Key)+formatFlow(&u.Groups[j].Flow))
		}
		if u.OtherGroups != 0 {
			rows = append(rows, fmt.Sprint(unit, " of ", u.OtherGroups, " others")+formatFlow(&u.Others))
		}
	}
	return rows
}

func formatGroup(k report.GroupKey) string {
	if k.Name != "" {
		return k.Name
	}
	return fmt.Sprint(k.ID)
}

// formatFlow writes "(<lines>): <total> = <values>".
func formatFlow(f *report.Flow) string {
	var b strings.Builder
	fmt.Fprintf(&b, " (%d): %s =", f.Lines, f.Total.Format(report.SeriesScale))
	for _, v := range f.Values {
		b.WriteString(" " + v.Format(report.SeriesScale))
	}
	return b.String()
}

// compareSeries asks both for the series of a query and fails when they differ. By
// what it is grouped and how much is shown depends on the query, so that the draws
// of a seed stay what they are.
func (p *player) compareSeries(of report.Query) {
	p.t.Helper()
	// Any year would have too many steps; nothing happens so long before or after.
	of.Period.From = max(of.Period.From, dayOf(p.h.Start)-3)
	of.Period.To = max(min(of.Period.To, dayOf(p.h.End)+3), of.Period.From)
	q := report.SeriesQuery{
		Query: of, Step: report.Step(len(of.Order) % 2), By: report.Grouping(of.Order[0].Field) % (report.GroupByRegion + 1),
		Top: min(of.Limit, report.MaxSeriesTop),
	}
	want, err := p.model.Series(p.t.Context(), q)
	if err != nil {
		p.t.Fatalf("model: %v", err)
	}
	got, err := p.store.Series(p.t.Context(), q)
	if err != nil {
		p.t.Fatalf("series: %v", err)
	}
	var b strings.Builder
	if diffTexts(&b, "row", FormatSeries(want), FormatSeries(got)); b.Len() > 0 {
		p.failf("the store's series differs from the model's\nquery %s\n%s", FormatSeriesQuery(&q), &b)
	}
}

// FormatSeriesQuery shows what is asked.
func FormatSeriesQuery(q *report.SeriesQuery) string {
	return fmt.Sprintf("%s, step %s, by %s, top %d", FormatQuery(&q.Query), q.Step, q.By, q.Top)
}

// AssertConservedSeries fails unless the series of a query agree with its report,
// whatever they are divided by: with the count, with each total, and with the lines.
// The query must ask for all lines, and for few enough steps.
func AssertConservedSeries(t testing.TB, r report.Reader, q report.Query) {
	t.Helper()
	whole, err := Ask(context.WithoutCancel(t.Context()), r, q)
	if err != nil {
		t.Fatalf("report: %v", err)
	}
	for by := report.GroupByType; by <= report.GroupByRegion; by++ {
		want := linesByGroup(whole, by)
		check := func(step report.Step, top int) *report.Series {
			c := &conservedSeries{t: t, q: &report.SeriesQuery{Query: q, Step: step, By: by, Top: top}}
			c.ask(r)
			c.steps()
			c.sums()
			c.totals(whole)
			c.groups(want)
			c.count(whole.Count)
			return c.s
		}
		check(report.ByDay, 1)
		monthsOfDays(t, check(report.ByDay, report.MaxSeriesTop), check(report.ByMonth, report.MaxSeriesTop))
	}
}

type conservedSeries struct {
	t testing.TB
	q *report.SeriesQuery
	s *report.Series
}

func (c *conservedSeries) ask(r report.Reader) {
	c.t.Helper()
	var err error
	if c.s, err = r.Series(context.WithoutCancel(c.t.Context()), *c.q); err != nil {
		c.t.Fatalf("series %s: %v", FormatSeriesQuery(c.q), err)
	}
}

func (c *conservedSeries) failf(format string, args ...any) {
	c.t.Helper()
	c.t.Errorf("series %s: %s", FormatSeriesQuery(c.q), fmt.Sprintf(format, args...))
}

// steps: they are those of the period.
func (c *conservedSeries) steps() {
	c.t.Helper()
	var want []metering.Day
	for _, step := range modelSteps(c.q) {
		want = append(want, step.From)
	}
	if !slices.Equal(c.s.Starts, want) {
		c.failf("steps %v, want %v", c.s.Starts, want)
	}
}

// sums: the values of a flow sum to its total, those of the groups to the unit's.
func (c *conservedSeries) sums() {
	c.t.Helper()
	for i := range c.s.Units {
		u := &c.s.Units[i]
		sum := report.Flow{Values: make([]metering.Amount, len(c.s.Starts))}
		flows := []*report.Flow{&u.Flow}
		for j := range u.Groups {
			flows = append(flows, &u.Groups[j].Flow)
		}
		if u.OtherGroups > 0 {
			flows = append(flows, &u.Others)
		}
		for j, f := range flows {
			if len(f.Values) != len(c.s.Starts) || sumOf(f.Values) != f.Total {
				c.failf("%s: the values are not the total: %s", u.Unit, formatFlow(f))
				return
			}
			if j > 0 {
				addFlow(&sum, f)
			}
		}
		if want, got := formatFlow(&u.Flow), formatFlow(&sum); want != got {
			c.failf("the groups of %s sum to%s, not to%s", u.Unit, got, want)
		}
	}
}

func sumOf(values []metering.Amount) (sum metering.Amount) {
	for _, v := range values {
		sum = sum.Add(v)
	}
	return sum
}

func addFlow(to, f *report.Flow) {
	to.Lines += f.Lines
	to.Total = to.Total.Add(f.Total)
	for i, v := range f.Values {
		to.Values[i] = to.Values[i].Add(v)
	}
}

// totals: what the totals have of a unit is the unit's total.
func (c *conservedSeries) totals(whole *Answer) {
	c.t.Helper()
	want, got := map[string]metering.Amount{}, map[string]metering.Amount{}
	for i := range whole.Totals {
		t := &whole.Totals[i]
		want[t.Meter.Unit] = want[t.Meter.Unit].Add(atSeriesScale(t.Meter.Type, t.Value))
	}
	for i := range c.s.Units {
		if c.s.Units[i].InTotals {
			got[c.s.Units[i].Unit] = c.s.Units[i].Total
		}
	}
	if fmt.Sprint(want) != fmt.Sprint(got) {
		c.failf("the totals sum to %v, the series to %v", want, got)
	}
}

func atSeriesScale(t metering.ResourceType, v metering.Amount) metering.Amount {
	n := bigAmount(v)
	for range report.SeriesScale - t.Measure().Scale() {
		n.Mul(n, big.NewInt(10))
	}
	return amountOf(n)
}

// groups: each is the sum of its lines, and no group is missing.
func (c *conservedSeries) groups(want map[string]report.Flow) {
	c.t.Helper()
	known := 0
	for i := range c.s.Units {
		u := &c.s.Units[i]
		known += len(u.Groups) + u.OtherGroups
		for j := range u.Groups {
			g := &u.Groups[j]
			lines := want[groupName(u.Unit, u.InTotals, g.Key)]
			if g.Lines != lines.Lines || g.Total != lines.Total {
				c.failf("%s of %s: %d lines sum to %s, want %d and %s", u.Unit, formatGroup(g.Key), g.Lines, g.Total.Format(9), lines.Lines, lines.Total.Format(9))
			}
		}
	}
	if known != len(want) {
		c.failf("%d groups, want %d", known, len(want))
	}
}

func groupName(unit string, inTotals bool, k report.GroupKey) string {
	return fmt.Sprint(unit, inTotals, k)
}

func linesByGroup(whole *Answer, by report.Grouping) map[string]report.Flow {
	sums := map[string]report.Flow{}
	for i := range whole.Lines {
		l := &whole.Lines[i]
		name := groupName(l.Meter.Unit, l.Meter.Type.HasTotals(), by.Key(l.Resource.Project, l.Resource.Region, &l.Meter))
		sum := sums[name]
		addFlow(&sum, &report.Flow{Lines: 1, Total: atSeriesScale(l.Resource.Type, l.Value)})
		sums[name] = sum
	}
	return sums
}

func (c *conservedSeries) count(want int) {
	c.t.Helper()
	lines := 0
	for i := range c.s.Units {
		lines += c.s.Units[i].Lines
	}
	if lines != want {
		c.failf("%d lines, want %d", lines, want)
	}
}

// monthsOfDays: the steps of a month are the sums of its days.
func monthsOfDays(t testing.TB, days, months *report.Series) {
	t.Helper()
	for i := range days.Units {
		joinDays(&days.Units[i].Flow, days.Starts, months.Starts)
		for j := range days.Units[i].Groups {
			joinDays(&days.Units[i].Groups[j].Flow, days.Starts, months.Starts)
		}
	}
	days.Starts = months.Starts
	var b strings.Builder
	if diffTexts(&b, "row", FormatSeries(months), FormatSeries(days)); b.Len() > 0 {
		t.Errorf("the days of the months differ from the months\n%s", &b)
	}
}

func joinDays(f *report.Flow, days, months []metering.Day) {
	joined := make([]metering.Amount, len(months))
	for i, day := range days {
		month := 0
		for month+1 < len(months) && months[month+1] <= day {
			month++
		}
		joined[month] = joined[month].Add(f.Values[i])
	}
	f.Values = joined
}
