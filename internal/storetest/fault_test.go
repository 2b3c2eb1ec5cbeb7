package storetest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// spoiler makes a small mistake in something; nil makes none.
type spoiler[T any] func(*T)

func (s spoiler[T]) spoil(thing *T) {
	if s != nil {
		s(thing)
	}
}

// fault is a mistake that a store could make.
type fault struct {
	state       spoiler[metering.State]
	window      spoiler[metering.Window]
	line        spoiler[report.Line]
	query       spoiler[report.Query]
	report      spoiler[report.Report]
	outcome     spoiler[report.Outcome]
	unretracted bool
}

// Submit implements [report.Writer].
func (f *folding) Submit(ctx context.Context, batch []report.Submission) (report.Pending, error) {
	pending, err := f.Model.Submit(ctx, batch)
	if err != nil {
		return nil, err
	}
	outcomes, err := pending.Wait(ctx)
	for i := range outcomes {
		f.fault.outcome.spoil(&outcomes[i])
	}
	return done(outcomes), err
}

// witness is a test that notes its failure and ends, instead of failing.
type witness struct {
	testing.TB
	saw string
}

func (w *witness) Helper()      {}
func (w *witness) Failed() bool { return w.saw != "" }
func (w *witness) Errorf(format string, args ...any) {
	w.saw = fmt.Sprintf(format, args...)
}
func (w *witness) Fatalf(format string, args ...any) {
	w.Errorf(format, args...)
	runtime.Goexit()
}

// TestRandomHistoriesNoticeFaults proves that the random suite is not blind:
// each of these mistakes is seen, and the failure names the seed.
func TestRandomHistoriesNoticeFaults(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"sequence ignored":            {state: func(s *metering.State) { s.Sequence = 0 }},
		"source ignored":              {state: func(s *metering.State) { s.Source = "" }},
		"id ignored":                  {state: func(s *metering.State) { s.ID = "" }},
		"whole seconds":               {state: func(s *metering.State) { s.At -= s.At % metering.Second }},
		"sampled after the 30th":      {state: func(s *metering.State) { s.At++ }},
		"midnight is late":            {state: func(s *metering.State) { s.At += 1000 * metering.Second * boolToInstant(s.At%86400e9 == 0) }},
		"correction by amount":        {window: func(w *metering.Window) { w.At = 0 }},
		"correction by id":            {window: func(w *metering.Window) { w.Source = "" }},
		"window cut to seconds":       {window: func(w *metering.Window) { w.To -= w.To % metering.Second }},
		"next day's window":           {window: func(w *metering.Window) { w.From += boolToInstant(w.From%86400e9 == 86400e9-1) }},
		"quantities rounded":          {window: func(w *metering.Window) { w.Quantity.Lo -= w.Quantity.Lo % 1000 }},
		"64-bit values":               {line: func(l *report.Line) { l.Value.Hi = 0 }},
		"last seen a nanosecond late": {line: func(l *report.Line) { l.Last++ }},
		"size of a line":              {line: func(l *report.Line) { l.SizeBytes >>= 1 }},
		"untagged":                    {line: func(l *report.Line) { l.Attributes = &metering.Attributes{Texts: l.Attributes.Texts} }},
		"retractions ignored":         {unretracted: true},
		"a minute too many":           {query: func(q *report.Query) { q.Now += 60 * metering.Second }},
		"now exclusive":               {query: func(q *report.Query) { q.Now-- }},
		"a day too many":              {query: func(q *report.Query) { q.Period.To++ }},
		"offset off by one":           {query: func(q *report.Query) { q.Offset = max(q.Offset-1, 0) }},
		"page too long":               {query: func(q *report.Query) { q.Limit = max(q.Limit, 2) }},
		"regions ignored":             {query: func(q *report.Query) { q.Regions.All = true }},
		"types ignored":               {query: func(q *report.Query) { q.Types = report.AllTypes }},
		"field filter ignored":        {query: func(q *report.Query) { q.Where = nil }},
		"tag filter ignored":          {query: func(q *report.Query) { q.Tags = nil }},
		"all conditions or any":       {query: func(q *report.Query) { q.Tags = spoiledTags(q.Tags) }},
		"order term lost":             {query: func(q *report.Query) { q.Order = q.Order[:1] }},
		"descending taken for reverse": {query: func(q *report.Query) {
			q.Order = append([]report.OrderTerm{}, report.OrderTerm{Field: q.Order[0].Field})
		}},
		"count of the page":   {report: func(r *report.Report) { r.Count = min(r.Count, 10) }},
		"a total lost":        {report: func(r *report.Report) { r.Totals = r.Totals[:max(len(r.Totals)-1, 0)] }},
		"duplicates accepted": {outcome: func(o *report.Outcome) { o.Duplicate = false }},
		"rejections accepted": {outcome: func(o *report.Outcome) { o.Rejected = nil }},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			saw := witnessFault(t, f)
			if !strings.Contains(saw, seedVariable) {
				t.Errorf("the fault must be seen, and the seed named, got %q", saw)
			}
		})
	}
}

func boolToInstant(b bool) metering.Instant {
	if b {
		return 1
	}
	return 0
}

func spoiledTags(f *report.TagFilter) *report.TagFilter {
	if f == nil {
		return nil
	}
	return &report.TagFilter{Conditions: f.Conditions, All: !f.All}
}

// witnessFault plays histories into a faulty store until the fault is seen.
func witnessFault(t *testing.T, f fault) string {
	return witnessed(t, func(clock func() metering.Instant) report.Store {
		return &folding{Model: NewModel(clock), fault: f}
	})
}

func witnessed(t *testing.T, open func(clock func() metering.Instant) report.Store) string {
	w := &witness{TB: t}
	ended := make(chan struct{})
	go func() { // that Fatalf can end
		defer close(ended)
		for first := uint64(0); first < 1000 && !w.Failed(); first += historiesPerStore {
			clock := NewClock(minInstant)
			b := &bench{t: w, store: open(clock.Now), clock: clock}
			playTogether(b, first, first+historiesPerStore-1)
		}
	}()
	<-ended
	return w.saw
}
