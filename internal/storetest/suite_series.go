package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// serieses is what series say of the same lines as a report.
func serieses() []behaviour {
	return []behaviour{
		{"what lines count is divided by days", dividedByDays},
		{"months of a series are cut to the period", cutMonths},
		{"lines of a series are selected over the whole period", selectedAsAWhole},
		{"a line with several meters is divided by meter", dividedByMeter},
		{"no minute after now is in a series", countedUntilNow},
		{"a corrected day of many is divided anew", correctedDays},
		{"what has no totals is apart in a series", withoutTotals},
		{"measures that share a unit are summed in a series", mixedMeasures},
		{"a series shows the largest groups and sums the others", largestGroups},
		{"a series without lines has steps and no units", emptySeries},
		{"a series is refused when it has too many values", tooManyValues},
		{"a series is not begun when nobody waits", unwaitedSeries},
	}
}

// series asks for a period by day and type.
func (s *scene) series(p metering.Period) report.SeriesQuery {
	return report.SeriesQuery{Query: s.query(p), Top: 10}
}

// expectSeries demands rows as [FormatSeries] writes them, without the first, which
// says when; the same again after merging, and again after a restart.
func (s *scene) expectSeries(q report.SeriesQuery, want ...string) {
	s.t.Helper()
	s.checkSeries("", q, want)
	if s.merge() {
		s.checkSeries(" after merging", q, want)
	}
	if s.restart() {
		s.checkSeries(" after a restart", q, want)
	}
}

func (s *scene) checkSeries(when string, q report.SeriesQuery, want []string) {
	s.t.Helper()
	got, err := s.store.Series(s.t.Context(), q)
	if err != nil {
		s.t.Fatalf("series%s: %v", when, err)
	}
	rows := FormatSeries(got)
	if !slices.Equal(rows[1:], want) {
		s.t.Fatalf("series%s:\nwant %s\ngot  %s", when, strings.Join(want, "\n     "), strings.Join(rows[1:], "\n     "))
	}
	if got.CompleteUntil != q.Now {
		s.t.Fatalf("complete until%s: want %s, got %s", when, q.Now, got.CompleteUntil)
	}
}

func dividedByDays(s *scene) {
	s.accept(
		s.state(instance(1), "2024-07-01T12:00:00Z"), s.gone(instance(1), "2024-07-03T06:00:00Z"),
		s.state(instance(2), "2024-07-02T00:00:00Z", multiplied(3)), s.gone(instance(2), "2024-07-02T00:10:00Z"),
		s.state(volume(1), "2024-07-02T23:59:00Z", multiplied(1)), s.gone(volume(1), "2024-07-03T00:01:00Z"),
		s.quantity(functions(1), "2024-07-01T23:00:00Z", "2024-07-02T02:00:00Z", "0.5"),
		s.quantity(functions(1), "2024-07-03T00:00:00Z", "2024-07-03T01:00:00Z", "2"),
	)
	q := s.series(period("2024-07-01", "2024-07-04"))
	s.expectSeries(q,
		"steps 2024-07-01 2024-07-02 2024-07-03",
		"GBS (1): 2.5 = 0.5 0 2", "GBS of functions (1): 2.5 = 0.5 0 2",
		"gbminutes (1): 0.000000002 = 0 0.000000001 0.000000001", "gbminutes of volume (1): 0.000000002 = 0 0.000000001 0.000000001",
		"minutes (2): 2550 = 720 1470 360", "minutes of instance (2): 2550 = 720 1470 360",
	)
	AssertConservedSeries(s.t, s.store, q.Query)
}

func cutMonths(s *scene) {
	s.clock.Set(At("2024-08-03T00:00:00Z"))
	s.accept(s.state(instance(1), "2024-06-01T00:00:00Z"))
	q := s.series(period("2024-06-29", "2024-08-02"))
	q.Step, q.By = report.ByMonth, report.GroupByProject
	s.expectSeries(q,
		"steps 2024-06-29 2024-07-01 2024-08-01",
		"minutes (1): 48960 = 2880 44640 1440", "minutes of 10 (1): 48960 = 2880 44640 1440")
}

func selectedAsAWhole(s *scene) {
	s.accept(
		s.state(instance(1), "2024-07-01T00:00:00Z", tagged("team", "red")), s.state(instance(1), "2024-07-02T00:00:00Z", tagged("team", "blue")),
		s.state(instance(2), "2024-07-01T00:00:00Z", tagged("team", "red")),
	)
	q := s.series(period("2024-07-01", "2024-07-03"))
	blue := "blue"
	q.Tags = &report.TagFilter{Conditions: []report.TagCondition{{Value: &blue, Strict: true}}}
	s.expectSeries(q, "steps 2024-07-01 2024-07-02",
		"minutes (1): 2880 = 1440 1440", "minutes of instance (1): 2880 = 1440 1440")
}

func dividedByMeter(s *scene) {
	s.accept(
		s.state(instance(1), "2024-07-01T00:00:00Z", metered("small")), s.state(instance(1), "2024-07-01T06:00:00Z", metered("large")),
		s.state(instance(1), "2024-07-02T12:00:00Z", metered("small")), s.gone(instance(1), "2024-07-03T01:00:00Z"),
	)
	q := s.series(period("2024-07-01", "2024-07-04"))
	q.By = report.GroupByMetric
	s.expectSeries(q, "steps 2024-07-01 2024-07-02 2024-07-03",
		"minutes (2): 2940 = 1440 1440 60",
		"minutes of large (1): 1800 = 1080 720 0", "minutes of small (1): 1140 = 360 720 60")
}

func countedUntilNow(s *scene) {
	s.clock.Set(At("2024-07-02T10:00:29Z"))
	s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.state(instance(2), "2024-07-02T09:59:00Z"), s.state(instance(3), "2024-07-02T10:30:00Z"),
		s.state(volume(1), "2024-07-02T09:00:00Z"), s.gone(volume(1), "2024-07-02T10:30:00Z"))
	s.expectSeries(s.series(period("2024-07-01", "2024-07-05")), "steps 2024-07-01 2024-07-02 2024-07-03 2024-07-04",
		"gbminutes (1): 60 = 0 60 0 0", "gbminutes of volume (1): 60 = 0 60 0 0",
		"minutes (2): 2041 = 1440 601 0 0", "minutes of instance (2): 2041 = 1440 601 0 0")
}

func correctedDays(s *scene) {
	s.accept(
		s.quantity(functions(1), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "1"), s.quantity(functions(1), "2024-07-02T00:00:00Z", "2024-07-02T01:00:00Z", "2"),
		s.quantity(functions(1), "2024-07-02T00:00:00Z", "2024-07-02T01:00:00Z", "5", inUnit("other")),
	)
	q := s.series(period("2024-07-01", "2024-07-03"))
	s.expectSeries(q, "steps 2024-07-01 2024-07-02",
		"GBS (1): 3 = 1 2", "GBS of functions (1): 3 = 1 2", "other (1): 5 = 0 5", "other of functions (1): 5 = 0 5")
	s.accept(s.quantity(functions(1), "2024-07-02T00:00:00Z", "2024-07-02T01:00:00Z", "0.25", toldAt("2024-07-04T00:00:00Z")))
	s.expectSeries(q, "steps 2024-07-01 2024-07-02",
		"GBS (1): 1.25 = 1 0.25", "GBS of functions (1): 1.25 = 1 0.25", "other (1): 5 = 0 5", "other of functions (1): 5 = 0 5")
}

func withoutTotals(s *scene) {
	s.accept(s.state(thing(typeNamed("backup"), 1), "2024-07-01T23:00:00Z"), s.state(volume(1), "2024-07-01T22:00:00Z"))
	q := s.series(period("2024-07-01", "2024-07-02"))
	s.expectSeries(q, "steps 2024-07-01",
		"gbminutes (1): 120 = 120", "gbminutes of volume (1): 120 = 120",
		"gbminutes without totals (1): 60 = 60", "gbminutes without totals of backup (1): 60 = 60")
	AssertConservedSeries(s.t, s.store, q.Query)
}

func mixedMeasures(s *scene) {
	s.accept(s.state(instance(1), "2024-07-01T23:59:00Z"),
		s.quantity(thing(typeNamed("inference"), 1), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "0.5", metered("m"), inUnit("minutes")))
	q := s.series(period("2024-07-01", "2024-07-02"))
	q.By = report.GroupByRegion
	s.expectSeries(q, "steps 2024-07-01", "minutes (2): 1.5 = 1.5", "minutes of 76 (2): 1.5 = 1.5")
	AssertConservedSeries(s.t, s.store, q.Query)
}

func largestGroups(s *scene) {
	for project, minutes := range map[metering.ProjectID]string{11: "01", 9: "02", 100: "02", 20: "05", 21: "01"} {
		k := elsewhere(instance(1), project, 76)
		s.accept(s.state(k, "2024-07-01T00:00:00Z"), s.gone(k, "2024-07-01T00:"+minutes+":00Z"))
	}
	q := s.series(period("2024-07-01", "2024-07-02"))
	q.By, q.Top = report.GroupByProject, 3
	s.expectSeries(q, "steps 2024-07-01", "minutes (5): 11 = 11",
		"minutes of 20 (1): 5 = 5", "minutes of 9 (1): 2 = 2", "minutes of 100 (1): 2 = 2", "minutes of 2 others (2): 2 = 2")
	q.Top = 5
	s.expectSeries(q, "steps 2024-07-01", "minutes (5): 11 = 11",
		"minutes of 20 (1): 5 = 5", "minutes of 9 (1): 2 = 2", "minutes of 100 (1): 2 = 2", "minutes of 11 (1): 1 = 1", "minutes of 21 (1): 1 = 1")
}

func emptySeries(s *scene) {
	s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"))
	s.expectSeries(s.series(period("2024-06-01", "2024-06-02")), "steps 2024-06-01")
	s.expectSeries(s.series(period("2024-07-01", "2024-07-01")), "steps")
	s.expectSeries(s.series(period("0001-01-01", "0001-01-03")), "steps 0001-01-01 0001-01-02")
	early := s.series(period("0001-01-01", "9999-12-31"))
	early.Period.To, early.Step = early.Period.From+40, report.ByMonth
	s.expectSeries(early, "steps 0001-01-01 0001-02-01")
	late := s.series(period("9999-11-30", "9999-12-02"))
	late.Step = report.ByMonth
	s.expectSeries(late, "steps 9999-11-30 9999-12-01")
}

// tooManyValues asks for a series of a thousand rows, that of the unit and one each
// of 999 metrics, and then for one more.
func tooManyValues(s *scene) {
	var observations []*metering.Observation
	for n := range 999 {
		observations = append(observations, s.quantity(functions(1), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "1", metered(fmt.Sprint("m", n))))
	}
	s.accept(observations...)
	q := s.series(period("2024-07-01", "2024-07-02"))
	q.By, q.Top, q.Period.From = report.GroupByMetric, 1000, q.Period.To-report.MaxSeriesValues/1000
	if _, err := s.store.Series(s.t.Context(), q); err != nil {
		s.t.Fatalf("a series of %d values: %v", report.MaxSeriesValues, err)
	}
	s.accept(s.quantity(functions(2), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "1", metered("one more")))
	if _, err := s.store.Series(s.t.Context(), q); metering.KindOf(err) != metering.KindInvalid {
		s.t.Errorf("a series of more than %d values: want an error of KindInvalid, got %v", report.MaxSeriesValues, err)
	}
	q.Top = 998
	if _, err := s.store.Series(s.t.Context(), q); err != nil {
		s.t.Errorf("998 groups, the others and the unit have %d values: %v", report.MaxSeriesValues, err)
	}
}

func unwaitedSeries(s *scene) {
	q := s.series(period("2024-07-01", "2024-07-02"))
	ended, end := context.WithCancel(s.t.Context())
	end()
	if _, err := s.store.Series(ended, q); !errors.Is(err, context.Canceled) {
		s.t.Errorf("a call that has ended: want %v, got %v", context.Canceled, err)
	}
	s.close()
	if _, err := s.store.Series(s.t.Context(), q); metering.KindOf(err) != metering.KindUnavailable {
		s.t.Errorf("a store that is closed: want KindUnavailable, got %v", err)
	}
}
