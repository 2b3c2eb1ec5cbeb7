package storetest

import (
	"cmp"
	"context"
	"slices"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// folding is the smallest store on the folds of package metering and on the
// filters and orders of package report: it stores as the model does, and folds
// every resource anew for every report. So these are held against the model
// without any store's own machinery in between.
type folding struct {
	*Model
	fault fault
}

func TestFoldsAgreeWithTheModel(t *testing.T) {
	t.Parallel()
	RunRandom(t, func(_ *testing.T, clock func() metering.Instant) Opened {
		return Opened{Store: &folding{Model: NewModel(clock)}}
	}, 400)
}

func TestFoldsBehaveAsEveryStore(t *testing.T) {
	t.Parallel()
	Run(t, func(_ *testing.T, clock func() metering.Instant) Opened {
		return Opened{Store: &folding{Model: NewModel(clock)}}
	})
}

// Report implements [report.Reader].
func (f *folding) Report(_ context.Context, q report.Query) (*report.Report, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.openLocked(); err != nil {
		return nil, err
	}
	f.fault.query.spoil(&q)
	var lines []*report.Line
	for _, l := range f.linesLocked(&q) {
		if q.Selects(l) {
			lines = append(lines, l)
		}
	}
	slices.SortFunc(lines, func(a, b *report.Line) int { return report.Compare(q.Order, a, b) })
	from, to := q.Page(len(lines))
	page := lines[from:to]
	r := &report.Report{
		Count: len(lines), Totals: foldTotals(lines), CompleteUntil: q.Now, Close: func() {},
		Lines: slices.Values(page),
	}
	f.fault.report.spoil(r)
	return r, nil
}

func (f *folding) linesLocked(q *report.Query) []*report.Line {
	states := map[metering.ResourceKey][]metering.State{}
	windows := map[metering.ResourceKey]map[metering.Day][]metering.Window{}
	for name, o := range f.mu.stored {
		if o.Kind == metering.RetractionMade || f.mu.retracted[name] && !f.fault.unretracted {
			continue
		}
		if o.Kind == metering.StateObserved {
			state := o.State()
			f.fault.state.spoil(&state)
			states[o.Resource] = append(states[o.Resource], state)
			continue
		}
		window := o.Window()
		f.fault.window.spoil(&window)
		if windows[o.Resource] == nil {
			windows[o.Resource] = map[metering.Day][]metering.Window{}
		}
		day := window.From.Day()
		windows[o.Resource][day] = append(windows[o.Resource][day], window)
	}
	var lines []*report.Line
	add := func(k metering.ResourceKey, usages []metering.Usage) {
		for _, u := range usages {
			l := &report.Line{Resource: k, Meter: u.Meter, Value: u.Value, First: u.First, Last: u.Last, SizeBytes: u.Multiplier, Attributes: u.Attributes}
			f.fault.line.spoil(l)
			lines = append(lines, l)
		}
	}
	from, to := q.Period.Minutes(q.Now)
	for k, told := range states {
		add(k, metering.FoldStates(told).Usage(from, to))
	}
	for k, days := range windows {
		var sums []metering.DaySum
		for day, told := range days {
			sums = append(sums, metering.FoldDay(day, told)...)
		}
		slices.SortFunc(sums, func(a, b metering.DaySum) int { return cmp.Compare(a.Day, b.Day) })
		add(k, metering.SumDays(sums, q.Period))
	}
	return lines
}

func foldTotals(lines []*report.Line) []report.Total {
	var totals []report.Total
	for _, l := range lines {
		if !l.Resource.Type.HasTotals() {
			continue
		}
		sum := report.Total{Region: l.Resource.Region, Meter: l.Meter, Value: l.Value}
		i, found := slices.BinarySearchFunc(totals, sum, func(a, b report.Total) int { return a.Compare(&b) })
		if found {
			totals[i].Value = totals[i].Value.Add(l.Value)
		} else {
			totals = slices.Insert(totals, i, sum)
		}
	}
	return totals
}
