package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// seriesFault is a store whose series have a mistake.
type seriesFault struct {
	*Model
	query  spoiler[report.SeriesQuery]
	series spoiler[report.Series]
}

// Series implements [report.Reader].
func (f *seriesFault) Series(ctx context.Context, q report.SeriesQuery) (*report.Series, error) {
	f.query.spoil(&q)
	s, err := f.Model.Series(ctx, q)
	if err == nil {
		f.series.spoil(s)
	}
	return s, err
}

// seriesFaults are mistakes that a store could make.
func seriesFaults() map[string]seriesFault {
	first := func(spoil func(*report.UnitSeries)) spoiler[report.Series] {
		return func(s *report.Series) {
			for i := range s.Units {
				spoil(&s.Units[i])
			}
		}
	}
	return map[string]seriesFault{
		"a value of the wrong step": {series: first(func(u *report.UnitSeries) { slices.Reverse(u.Groups[0].Values) })},
		"a group lost":              {series: first(func(u *report.UnitSeries) { u.Groups = u.Groups[1:] })},
		"others lost":               {series: first(func(u *report.UnitSeries) { u.OtherGroups = 0 })},
		"64-bit totals":             {series: first(func(u *report.UnitSeries) { u.Total.Hi = 0 })},
		"rounded values":            {series: first(func(u *report.UnitSeries) { u.Groups[0].Values[0].Lo &^= 1 })},
		"lines counted twice":       {series: first(func(u *report.UnitSeries) { u.Lines++ })},
		"backups in totals":         {series: first(func(u *report.UnitSeries) { u.InTotals = true })},
		"days for months":           {query: func(q *report.SeriesQuery) { q.Step = report.ByDay }},
		"a day too many":            {query: func(q *report.SeriesQuery) { q.Period.To++ }},
		"types for metrics":         {query: func(q *report.SeriesQuery) { q.By = report.GroupByType }},
		"more than the top":         {query: func(q *report.SeriesQuery) { q.Top++ }},
		"a minute too many":         {query: func(q *report.SeriesQuery) { q.Now += 60 * metering.Second }},
		"field filter ignored":      {query: func(q *report.SeriesQuery) { q.Where = nil }},
		"tag filter ignored":        {query: func(q *report.SeriesQuery) { q.Tags = nil }},
		"projects ignored":          {query: func(q *report.SeriesQuery) { q.Projects.All = true }},
	}
}

// TestRandomHistoriesNoticeFaultsOfSeries proves that comparing with the model is
// not blind to mistakes of series.
func TestRandomHistoriesNoticeFaultsOfSeries(t *testing.T) {
	t.Parallel()
	for name, f := range seriesFaults() {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			saw := witnessed(t, func(clock func() metering.Instant) report.Store {
				f.Model = NewModel(clock)
				return &f
			})
			if !strings.Contains(saw, "series") || !strings.Contains(saw, seedVariable) {
				t.Errorf("the fault must be seen, and the seed named, got %q", saw)
			}
		})
	}
}

// TestConservationNoticesFaultsOfSeries proves that the sums alone tell of a mistake,
// without a model.
func TestConservationNoticesFaultsOfSeries(t *testing.T) {
	t.Parallel()
	for name, f := range seriesFaults() {
		switch name {
		case "a value of the wrong step", "more than the top": // which change no sum
			continue
		case "projects ignored", "field filter ignored", "tag filter ignored", "a minute too many": // of what was not asked for
			continue
		}
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			saw := witnessedConservation(t, func(clock func() metering.Instant) report.Store {
				f.Model = NewModel(clock)
				return &f
			})
			if saw == "" {
				t.Error("nobody noticed")
			}
		})
	}
}
