package main

import (
	"strings"
	"testing"
	"time"
)

func TestGoalsTellByHowMuchTheyAreMissed(t *testing.T) {
	t.Parallel()
	var r results
	r.goal(goalHTTP, atMost("p50", 20, 25, " ms"), atMost("p99", 90, 60, " ms").with("of any order"))
	r.goal(goalIngest, atLeast("batches", 80_000, 100_000, " events/s"))
	r.goal(goalDuckDB, atLeast("", 15, 15, " × faster"))
	for id, want := range map[goalID]goal{
		goalHTTP:   {"p50 ≤ 25 ms, p99 ≤ 60 ms", "p50 20 ms, p99 90 ms (of any order)", "**missed** p99 by 50 %"},
		goalIngest: {"batches ≥ 100,000 events/s", "batches 80,000 events/s", "**missed** batches by 20 %"},
		goalDuckDB: {"≥ 15 × faster", "15 × faster", "met"},
	} {
		if got := r.Goals[id]; got != want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", id, got, want)
		}
	}
}

func TestADocumentNeedsEveryGoal(t *testing.T) {
	t.Parallel()
	var r results
	for _, row := range goalRows()[1:] {
		r.goal(row.id, atMost("", 1, 2, " s"))
	}
	missing := goalRows()[0]
	if _, err := generated(&r, "charts"); err == nil || !strings.Contains(err.Error(), missing.name) {
		t.Errorf("without the goal %q: %v", missing.name, err)
	}
	r.goal(missing.id, atMost("", 1, 2, " s"))
	if text, err := generated(&r, "charts"); err != nil || !strings.Contains(text, "| "+missing.name+" | ≤ 2 s | 1 s | met |\n") {
		t.Errorf("got %v:\n%s", err, text)
	}
}

func TestOnlyWhatIsBetweenTheMarksIsGenerated(t *testing.T) {
	t.Parallel()
	const around = "# By hand\n" + generatedBegin + "old\n" + generatedEnd + "more\n"
	if got, want := splice(around, "new\n"), "# By hand\n"+generatedBegin+"new\n"+generatedEnd+"more\n"; got != want {
		t.Errorf("got %q", got)
	}
	if got, want := splice("", "new\n"), generatedBegin+"new\n"+generatedEnd; got != want {
		t.Errorf("without marks: %q", got)
	}
}

func TestPercentilesAreThoseOfTheSortedTimes(t *testing.T) {
	t.Parallel()
	var times timings
	for i := 200; i > 0; i-- {
		times = append(times, time.Duration(i))
	}
	if times.p50() != 100 || times.p99() != 198 || times.percentile(100) != 200 || times[:1].p50() != 200 {
		t.Errorf("p50 %d, p99 %d, greatest %d, of one %d", times.p50(), times.p99(), times.percentile(100), times[:1].p50())
	}
}

func TestFiguresHaveThreeDigits(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]string{0.123: "0.12", 1.234: "1.23", 8: "8", 12.34: "12.3", 123.4: "123", 12_345.6: "12,346", 1_234_567: "1,234,567"} {
		if got := number(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}
