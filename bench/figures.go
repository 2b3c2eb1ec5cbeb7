package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// goalID names a row of the table of goals.
type goalID string

const (
	goalEngine   goalID = "engine"
	goalDuckDB   goalID = "duckdb"
	goalHTTP     goalID = "http"
	goalFirst    goalID = "first"
	goalProject  goalID = "project"
	goalFilter   goalID = "filter"
	goalYear     goalID = "year"
	goalHistory  goalID = "history"
	goalDump     goalID = "dump"
	goalIngest   goalID = "ingest"
	goalBound    goalID = "bound"
	goalLate     goalID = "late"
	goalBeside   goalID = "beside"
	goalStart    goalID = "start"
	goalMemory   goalID = "memory"
	goalDisk     goalID = "disk"
	goalColumns         = "| goal | target | measured | |\n|---|---|---|---|\n"
	figureColumn        = "| figure | measured |\n|---|---|\n"
)

// goalRow is what a goal is called in the document.
type goalRow struct {
	id   goalID
	name string
}

// goalRows are all goals in the order of the document; none may be missing.
func goalRows() []goalRow {
	return []goalRow{
		{goalEngine, "month, whole fleet, limit 10, every order, engine alone, on one core"},
		{goalDuckDB, "the same against DuckDB on both cores, over folded segments"},
		{goalHTTP, "the same over HTTP, one client"},
		{goalFirst, "first report of a month that was not asked for before, over HTTP"},
		{goalProject, "one project's month (500 resources) over HTTP"},
		{goalFilter, "exact tag or field filter over the whole fleet, engine, against a report that reads every line"},
		{goalYear, "a whole year, whole fleet, engine"},
		{goalHistory, "the same month after ten years of history instead of one, engine"},
		{goalDump, "all lines of a month as JSON over HTTP"},
		{goalIngest, "ingest over HTTP, fsync before the receipt, client on the same cores"},
		{goalBound, "the same against JSON decoding + Pebble commit alone"},
		{goalLate, "ingest of late events and corrections, random over all months"},
		{goalBeside, "ingest while readers ask 100 project months and 2 fleet months a second"},
		{goalStart, "start-up to ready"},
		{goalMemory, "memory (RssAnon) with the fleet loaded, after the benchmarks"},
		{goalDisk, "disk"},
	}
}

// check is one figure of a goal and its limit.
type check struct {
	what    string
	got     float64
	limit   float64
	atLeast bool // the limit is a lower one
	unit    string
	note    string // on the figure
}

func (c check) with(format string, args ...any) check {
	c.note = fmt.Sprintf(" ("+format+")", args...)
	return c
}

func atMost(what string, got, limit float64, unit string) check {
	return check{what: what, got: got, limit: limit, unit: unit}
}

func atLeast(what string, got, limit float64, unit string) check {
	return check{what: what, got: got, limit: limit, atLeast: true, unit: unit}
}

func (c *check) target() string {
	sign := "≤"
	if c.atLeast {
		sign = "≥"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s%s", c.what, sign, number(c.limit), c.unit))
}

func (c *check) measured() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s%s%s", c.what, number(c.got), c.unit, c.note))
}

// missed is by how many percent the figure must change to meet the limit, as a
// share of the limit; 0 when it is met.
func (c *check) missed() float64 {
	if c.atLeast {
		return max(0, (c.limit-c.got)/c.limit*100)
	}
	return max(0, (c.got-c.limit)/c.limit*100)
}

// number prints three significant digits, thousands apart.
func number(v float64) string {
	switch {
	case v >= 10_000:
		return thousands(int64(v + 0.5))
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v == float64(int64(v)):
		return fmt.Sprintf("%d", int64(v))
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// goal is a row of the table of goals.
type goal struct{ Target, Measured, Verdict string }

// figure is a row of the table of all figures.
type figure struct{ Name, Value string }

// point is a point of a chart.
type point struct{ X, Y float64 }

// results are what a run found. They are kept beside a store that is used again.
type results struct {
	Began   time.Time
	Took    time.Duration
	Machine string
	Args    []string
	Loaded  time.Time // when the full fleet was loaded: earlier than Began if it was kept
	Scale   scale
	Ingest  int64 // RssAnon of the server right after ingest, in bytes
	Rested  int64 // and once it had settled what it got in order, before late events
	Goals   map[goalID]goal
	Figures []figure
	Charts  map[chartID]map[string][]point // by series
	SQL     []figure                       // the statements that answered fastest, by order
	Lines   string                         // the statement that asks for lines of a page
	DuckDB  string                         // its version
}

// goal records a row of the table of goals.
func (r *results) goal(id goalID, checks ...check) {
	var g goal
	var targets, measured, missed []string
	for i := range checks {
		c := &checks[i]
		targets, measured = append(targets, c.target()), append(measured, c.measured())
		if by := c.missed(); by > 0 {
			missed = append(missed, strings.TrimSpace(fmt.Sprintf("%s by %.0f %%", c.what, max(by, 1))))
		}
	}
	g.Target, g.Measured, g.Verdict = strings.Join(targets, ", "), strings.Join(measured, ", "), "met"
	if len(missed) > 0 {
		g.Verdict = "**missed** " + strings.Join(missed, ", ")
	}
	if r.Goals == nil {
		r.Goals = map[goalID]goal{}
	}
	r.Goals[id] = g
	fmt.Fprintf(os.Stderr, "  %s: %s: %s (%s)\n", id, g.Measured, g.Verdict, g.Target)
}

// add records a figure.
func (r *results) add(name, format string, args ...any) {
	f := figure{name, fmt.Sprintf(format, args...)}
	r.Figures = append(r.Figures, f)
	fmt.Fprintf(os.Stderr, "  %s: %s\n", name, f.Value)
}

// plot records a point of a chart.
func (r *results) plot(chart chartID, series string, x, y float64) {
	if r.Charts == nil {
		r.Charts = map[chartID]map[string][]point{}
	}
	if r.Charts[chart] == nil {
		r.Charts[chart] = map[string][]point{}
	}
	r.Charts[chart][series] = append(r.Charts[chart][series], point{x, y})
}

// timings are durations of one repeated call.
type timings []time.Duration

// percentile is the smallest duration that p percent of the calls do not exceed.
func (t timings) percentile(p int) time.Duration {
	sorted := slices.Sorted(slices.Values(t))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func (t timings) p50() time.Duration { return t.percentile(50) }
func (t timings) p99() time.Duration { return t.percentile(99) }

func (t timings) String() string {
	return fmt.Sprintf("p50 %s, p99 %s (%d times)", ms(t.p50()), ms(t.p99()), len(t))
}

func ms(d time.Duration) string { return number(millis(d)) + " ms" }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// repeat times n calls, after one that is not counted.
func repeat(n int, call func() error) (timings, error) {
	t, err := alternate(n, call)
	return t[0], err
}

// alternate times n calls of each function in turn, after a round that is not
// counted, so that what else the machine does meets all of them alike.
func alternate(n int, calls ...func() error) ([]timings, error) {
	t := make([]timings, len(calls))
	for round := range n + 1 {
		for i, call := range calls {
			start := time.Now()
			if err := call(); err != nil {
				return t, err
			}
			if round > 0 {
				t[i] = append(t[i], time.Since(start))
			}
		}
	}
	return t, nil
}
