package columns

import (
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// ChangedLine is a selected line of a resource that has changed since the bases were
// built, and what it was summed from: the segments or the day sums of its resource,
// those of other meters too.
type ChangedLine struct {
	Line     report.Line
	Segments []metering.Segment
	Days     []metering.DaySum
}

// Series answers a series query from bases, the largest first, and what changed
// since. What it returns holds no memory of them.
//
// It passes over the selected lines twice: once to know how much each group counts,
// and once to divide what the groups that are shown count by steps. So its memory
// grows with what is shown, not with the number of groups times that of steps.
func Series(q *report.SeriesQuery, changed []ChangedLine, layers ...Layer) (*report.Series, error) {
	t := newTally(q)
	picked, rows := newPicker(&q.Query), make([]*tallyRows, len(layers))
	for i, l := range layers {
		rows[i] = t.rowsOf(newScan(&q.Query, l.Base.projectionFor(&q.Query, picked).readAt(q.Now), l.Mask))
	}
	for _, r := range rows {
		r.each(picked, r.sum)
	}
	for i := range changed {
		t.sum(&changed[i].Line)
	}
	if err := t.rank(); err != nil {
		return nil, err
	}
	for _, r := range rows {
		r.each(picked, r.divide)
	}
	for i := range changed {
		t.divide(&changed[i])
	}
	return t.series(), nil
}

// sum adds a line to its account.
func (t *tally) sum(l *report.Line) {
	t.accounts[t.accountOf(l)].add(times(l.Value, factorOf(l.Resource.Type.Measure())))
}

func (t *tally) accountOf(l *report.Line) uint32 {
	key := t.q.By.Key(l.Resource.Project, l.Resource.Region, &l.Meter)
	return t.open(accountKey{t.unitOf(&l.Meter), key})
}

// divide adds what a line was summed from to the curve of its account.
func (t *tally) divide(c *ChangedLine) {
	curve, factor := t.accounts[t.accountOf(&c.Line)].curve, factorOf(c.Line.Resource.Type.Measure())
	for i := range c.Segments {
		s := &c.Segments[i]
		from, to := max(uint32(s.From), t.grid.from), min(uint32(s.To), t.grid.until)
		if from < to && s.Is.Meter == c.Line.Meter {
			curve.span(t.grid, from, to, metering.Product(s.Is.Multiplier, factor))
		}
	}
	for i := range c.Days {
		d := &c.Days[i]
		if t.q.Period.Contains(d.Day) && d.Meter == c.Line.Meter {
			curve.day(t.grid, d.Day, times(d.Sum, factor))
		}
	}
}
