package storetest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// RunConservation plays random histories into stores and checks that nothing is
// lost or counted twice by asking in another way ([Conserved]), right away, after
// merging and after a restart.
func RunConservation(t *testing.T, open Open, histories int) {
	t.Helper()
	for seed := range uint64(histories) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			drawn := rand.New(rand.NewPCG(seed, 10))
			story := NewStory(drawn)
			b := newBench(t, open, story.Now)
			b.wait(b.submit(story.Submissions))
			queries := story.conservationQueries(drawn)
			before := b.askAll(queries)
			for _, q := range queries {
				Conserved(t, b.store, q)
			}
			for _, again := range []func() bool{b.merge, b.restart} {
				if !again() {
					continue
				}
				for i, a := range b.askAll(queries) {
					AssertEqualAnswers(t, before[i], a)
				}
				Conserved(t, b.store, queries[0])
			}
		})
	}
}

func (b *bench) askAll(queries []report.Query) (answers []*Answer) {
	b.t.Helper()
	for _, q := range queries {
		answers = append(answers, b.ask(q))
	}
	return answers
}

// conservationQueries asks for all that is told, within some months, and with
// filters; the first one has none.
func (s *Story) conservationQueries(drawn *rand.Rand) []report.Query {
	all := s.Queries[len(s.Queries)-1]
	all.Period, all.Now, all.Where, all.Tags = s.Periods[0], s.Now, nil, nil
	all.Regions, all.Types = report.Everything[metering.RegionID](), report.AllTypes
	queries := []report.Query{all}
	for range 2 {
		q := s.Queries[drawn.IntN(len(s.Queries))]
		q.Period, q.Limit, q.Offset = all.Period, math.MaxInt, 0
		queries = append(queries, q)
	}
	return queries
}

// Conserved fails unless the answer to q is the sum of the answers to the
// questions that q falls apart into: its pages in every order, its projects, its
// regions, its types, its series, and, where q asks for nothing that changes with
// time, its days and its months. Both sides come from the store, by different queries.
// Limit and Offset of q are not used.
func Conserved(t testing.TB, r report.Reader, q report.Query) {
	t.Helper()
	q.Limit, q.Offset, q.Order = math.MaxInt, 0, []report.OrderTerm{{Field: report.ByProject}}
	c := &conserving{t: t, r: r, q: q}
	c.whole = c.ask(q)
	c.totals()
	c.pages()
	c.scopes()
	AssertConservedSeries(t, r, q)
	if q.Tags == nil && (q.Where == nil || q.Where.Field == report.FilterID || q.Where.Field == report.FilterType) {
		c.times()
	}
}

type conserving struct {
	t     testing.TB
	r     report.Reader
	q     report.Query
	whole *Answer
}

func (c *conserving) ask(q report.Query) *Answer {
	c.t.Helper()
	a, err := Ask(context.WithoutCancel(c.t.Context()), c.r, q)
	if err != nil {
		c.t.Fatalf("report: %v", err)
	}
	return a
}

func (c *conserving) differ(what string, want, got []string) {
	c.t.Helper()
	var b strings.Builder
	if diffTexts(&b, what, want, got); b.Len() > 0 {
		c.t.Errorf("query %s\n%s", FormatQuery(&c.q), &b)
	}
}

// totals: each is the sum of its lines, and the count is their number.
func (c *conserving) totals() {
	c.t.Helper()
	sums := totalsBook{}
	for i := range c.whole.Lines {
		sums.addLine(&c.whole.Lines[i])
	}
	c.differ("total", sums.texts(), formatAll(c.whole.Totals, FormatTotal))
	if c.whole.Count != len(c.whole.Lines) {
		c.t.Errorf("query %s: count %d, %d lines", FormatQuery(&c.q), c.whole.Count, len(c.whole.Lines))
	}
}

// totalsBook sums by what a total is one of.
type totalsBook map[report.Total]metering.Amount // the key's Value is 0

func (b totalsBook) add(t report.Total) {
	value := t.Value
	t.Value = metering.Amount{}
	b[t] = b[t].Add(value)
}

func (b totalsBook) addLine(l *report.Line) {
	if l.Resource.Type.HasTotals() {
		b.add(report.Total{Region: l.Resource.Region, Meter: l.Meter, Value: l.Value})
	}
}

func (b totalsBook) texts() []string {
	var all []report.Total
	for t, value := range b {
		t.Value = value
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b report.Total) int { return a.Compare(&b) })
	return formatAll(all, FormatTotal)
}

// pages: put together they are the whole dump, in every order; and every order
// has the same lines, count and totals.
func (c *conserving) pages() {
	c.t.Helper()
	same := slices.Sorted(slices.Values(formatAll(c.whole.Lines, FormatLine)))
	for _, order := range everyOrder() {
		q := c.q
		q.Order = order
		dump := c.ask(q)
		lines := formatAll(dump.Lines, FormatLine)
		c.differ("line", same, slices.Sorted(slices.Values(lines)))
		var paged []string
		q.Limit = 1 + len(lines)/4
		for q.Offset = 0; q.Offset <= len(lines); q.Offset += q.Limit {
			page := c.ask(q)
			paged = append(paged, formatAll(page.Lines, FormatLine)...)
			c.differ("total", formatAll(c.whole.Totals, FormatTotal), formatAll(page.Totals, FormatTotal))
			if page.Count != c.whole.Count {
				c.t.Errorf("query %s: count %d, want %d", FormatQuery(&q), page.Count, c.whole.Count)
			}
		}
		c.differ("line", lines, paged)
	}
}

// everyOrder has each field in both directions, and one with several fields.
func everyOrder() (orders [][]report.OrderTerm) {
	for f := report.ByProject; f <= report.ByLastName; f++ {
		orders = append(orders, []report.OrderTerm{{Field: f}}, []report.OrderTerm{{Field: f, Descending: true}})
	}
	return append(orders, []report.OrderTerm{{Field: report.ByType, Descending: true}, {Field: report.ByLastName}, {Field: report.ByValue, Descending: true}})
}

// scopes: what projects, regions and types have apart is the whole together.
func (c *conserving) scopes() {
	c.t.Helper()
	var projects, regions, types []report.Query
	for _, id := range distinct(c.whole, func(l *report.Line) metering.ProjectID { return l.Resource.Project }) {
		q := c.q
		q.Projects = report.Only(id)
		projects = append(projects, q)
	}
	for _, id := range distinct(c.whole, func(l *report.Line) metering.RegionID { return l.Resource.Region }) {
		q := c.q
		q.Regions = report.Only(id)
		regions = append(regions, q)
	}
	for _, rt := range metering.ResourceTypes() {
		q := c.q
		q.Types &= report.TypesOf(rt)
		types = append(types, q)
	}
	for _, parts := range [][]report.Query{projects, regions, types} {
		var lines []string
		sums := totalsBook{}
		for _, q := range parts {
			part := c.ask(q)
			lines = append(lines, formatAll(part.Lines, FormatLine)...)
			for _, t := range part.Totals {
				sums.add(t)
			}
		}
		c.differ("line", slices.Sorted(slices.Values(formatAll(c.whole.Lines, FormatLine))), slices.Sorted(slices.Values(lines)))
		c.differ("total", formatAll(c.whole.Totals, FormatTotal), sums.texts())
	}
}

func distinct[T interface{ ~int64 }](a *Answer, of func(*report.Line) T) []T {
	var all []T
	for i := range a.Lines {
		all = append(all, of(&a.Lines[i]))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// times: the period is the sum of its days; its year the sum of its months.
func (c *conserving) times() {
	c.t.Helper()
	c.sumOver(c.q.Period, func(d metering.Day) metering.Day { return d + 1 })
	first := c.q.Period.From.Start().Time()
	year := metering.Period{From: metering.DayOf(first.Year(), time.January, 1), To: metering.DayOf(first.Year()+1, time.January, 1)}
	c.sumOver(year, func(d metering.Day) metering.Day {
		t := d.Start().Time()
		return metering.DayOf(t.Year(), t.Month()+1, 1)
	})
}

// sumOver compares a period with the parts that next divides it into.
func (c *conserving) sumOver(p metering.Period, next func(metering.Day) metering.Day) {
	c.t.Helper()
	q := c.q
	q.Period = p
	whole := c.ask(q)
	want, got := linesBook{}, linesBook{}
	want.add(whole)
	sums := totalsBook{}
	for d := p.From; d < p.To; d = next(d) {
		q.Period = metering.Period{From: d, To: min(next(d), p.To)}
		part := c.ask(q)
		got.add(part)
		for _, t := range part.Totals {
			sums.add(t)
		}
	}
	c.differ("line", want.texts(), got.texts())
	c.differ("total", formatAll(whole.Totals, FormatTotal), sums.texts())
}

// linesBook sums lines of several periods. A window that reaches into the next
// day counts where it begins, but is seen until the end of the period that was
// asked for: so of counted resources the last instant says nothing here.
type linesBook map[string]*report.Line

func (b linesBook) add(a *Answer) {
	for i := range a.Lines {
		l := a.Lines[i]
		key := fmt.Sprintf("%+v %+v", l.Resource, l.Meter)
		sum := b[key]
		if sum == nil {
			b[key] = &l
			continue
		}
		sum.Value = sum.Value.Add(l.Value)
		sum.First, sum.Last = min(sum.First, l.First), max(sum.Last, l.Last)
	}
}

func (b linesBook) texts() []string {
	var all []string
	for key, l := range b {
		text := fmt.Sprintf("%s: %s from %s", key, l.Value.Format(l.Resource.Type.Measure().Scale()), l.First)
		if l.Resource.Type.Measure() != metering.Counted {
			text += " to " + l.Last.String()
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}
