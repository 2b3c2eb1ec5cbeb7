package storetest

import (
	"math"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestModelConserves(t *testing.T) {
	t.Parallel()
	RunConservation(t, openModel, 12)
}

// TestConservationNoticesFaults proves that the identities are not blind.
func TestConservationNoticesFaults(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]fault{
		"a total lost":       {report: func(r *report.Report) { r.Totals = r.Totals[:max(len(r.Totals)-1, 0)] }},
		"count of the page":  {report: func(r *report.Report) { r.Count = min(r.Count, 3) }},
		"offset off by one":  {query: func(q *report.Query) { q.Offset = max(q.Offset-1, 0) }},
		"page too long":      {query: func(q *report.Query) { q.Limit = min(q.Limit, math.MaxInt-1) + 1 }},
		"a day too many":     {query: func(q *report.Query) { q.Period.To++ }},
		"regions ignored":    {query: func(q *report.Query) { q.Regions.All = true }},
		"projects ignored":   {query: func(q *report.Query) { q.Projects.All = true }},
		"types ignored":      {query: func(q *report.Query) { q.Types = report.AllTypes }},
		"quantities rounded": {report: func(r *report.Report) { roundTotals(r.Totals) }},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			if saw := witnessConservation(t, f); saw == "" {
				t.Error("nobody noticed")
			}
		})
	}
}

func roundTotals(totals []report.Total) {
	for i := range totals {
		totals[i].Value.Lo &^= 1
	}
}

func witnessConservation(t *testing.T, f fault) string {
	t.Helper()
	return witnessedConservation(t, func(clock func() metering.Instant) report.Store {
		return &folding{Model: NewModel(clock), fault: f}
	})
}

func witnessedConservation(t *testing.T, open func(clock func() metering.Instant) report.Store) string {
	t.Helper()
	w := &witness{TB: t}
	for seed := byte(1); seed < 40 && !w.Failed(); seed++ {
		ended := make(chan struct{})
		go func() { // that Fatalf can end
			defer close(ended)
			bytes := make([]byte, 900)
			for i := range bytes {
				bytes[i] = byte(i*i) * seed
			}
			story := NewStory(Draw(bytes))
			store := open(func() metering.Instant { return story.Now })
			if _, err := store.Submit(t.Context(), story.Submissions); err != nil {
				w.Fatalf("submit: %v", err)
			}
			Conserved(w, store, story.conservationQueries(DrawOn(bytes))[0])
		}()
		<-ended
	}
	return w.saw
}

// TestFiltersByWhatChangesDoNotAddUpOverTime shows why [Conserved] leaves time
// out where a filter asks for a tag or a name: a line is judged by what it was
// like when it was last seen in the period.
func TestFiltersByWhatChangesDoNotAddUpOverTime(t *testing.T) {
	t.Parallel()
	m := NewModel(func() metering.Instant { return At("2024-07-03T00:00:00Z") })
	s := &scene{bench: &bench{t: t, store: m, clock: NewClock(At("2024-07-03T00:00:00Z"))}}
	red, blue := s.state(instance(1), "2024-07-01T00:00:00Z"), s.state(instance(1), "2024-07-02T00:00:00Z")
	red.Attributes.Tags, blue.Attributes.Tags = metering.Tags{{Key: "team", Value: "red"}}, metering.Tags{{Key: "team", Value: "blue"}}
	s.accept(red, blue)
	value := "red"
	count := func(from, to string) int {
		q := s.query(period(from, to))
		q.Tags = &report.TagFilter{Conditions: []report.TagCondition{{Value: &value, Strict: true}}}
		return s.ask(q).Count
	}
	first, second, both := count("2024-07-01", "2024-07-02"), count("2024-07-02", "2024-07-03"), count("2024-07-01", "2024-07-03")
	if first != 1 || second != 0 || both != 0 {
		t.Errorf("lines with the tag: %d on the first day, %d on the second, %d on both; want 1, 0, 0", first, second, both)
	}
}
