package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func openStore(ctx context.Context, dir string) (*ledger.Ledger, error) {
	return ledger.Open(ctx, ledger.Options{Dir: dir, Clock: func() metering.Instant { return metering.InstantOf(time.Now()) }})
}

// query is a report of the first ten lines of whole months, as the server would
// parse it from a body.
func (f *fleetRun) query(body []byte) (report.Query, error) {
	return report.Parse(body, metering.InstantOf(time.Now()), report.FullScope())
}

// timedEngine times a report in this process: until its last line is read.
func timedEngine(ctx context.Context, l *ledger.Ledger, q report.Query, times int) (t timings, count int, err error) {
	err = onOneCore(func() error {
		t, err = repeat(times, func() error {
			r, err := l.Report(ctx, q)
			if err != nil {
				return err
			}
			for range r.Lines {
			}
			count = r.Count
			r.Close()
			return nil
		})
		return err
	})
	return t, count, err
}

// engine times a report that is asked for by a body.
func (f *fleetRun) engine(ctx context.Context, l *ledger.Ledger, times int, body []byte) (timings, int, error) {
	q, err := f.query(body)
	if err != nil {
		return nil, 0, err
	}
	return timedEngine(ctx, l, q, times)
}

// compare times the engine and DuckDB, which must give the same answers.
func (f *fleetRun) compare(ctx context.Context) error {
	fmt.Fprintln(os.Stderr, "folding into DuckDB")
	p, err := newPeer(ctx, f.store(), filepath.Join(f.dir, "folded.duckdb"))
	if err != nil {
		return err
	}
	if err := p.conn.QueryRowContext(ctx, "SELECT version()").Scan(&f.DuckDB); err != nil {
		return errors.Join(err, p.close())
	}
	l, err := openStore(ctx, f.store())
	if err != nil {
		return errors.Join(err, p.close())
	}
	err = f.profiled(func() error {
		for _, measure := range []func(context.Context, *ledger.Ledger) error{f.engineFilters, f.periods} {
			if err := measure(ctx, l); err != nil {
				return err
			}
		}
		return f.againstDuckDB(ctx, l, p)
	})
	s := l.Stats()
	f.add("resources, segments, day sums in columns", "%s, %s, %s in %.0f MB", thousands(int64(s.Resources)), thousands(int64(s.Segments)), thousands(int64(s.DaySums)), float64(s.ColumnBytes)/1e6)
	return errors.Join(err, l.Close(), p.close())
}

// contest is one order, measured on both sides.
type contest struct {
	order          string
	engine, duckdb timings
}

func (c *contest) factor() float64 { return ratio(c.duckdb.p50(), c.engine.p50()) }

// againstDuckDB asks for the month in every order.
func (f *fleetRun) againstDuckDB(ctx context.Context, l *ledger.Ledger, p *peer) error {
	var slowest, closest *contest
	in := f.lastMonth()
	if err := p.exec(ctx, peerReport{in: in}.fill(clippedSQL)); err != nil {
		return err
	}
	for _, order := range orders() {
		c, err := f.contest(ctx, l, p, peerReport{in, order})
		if err != nil {
			return err
		}
		if slowest == nil || c.engine.p50() > slowest.engine.p50() {
			slowest = c
		}
		if closest == nil || c.factor() < closest.factor() {
			closest = c
		}
	}
	f.goal(goalEngine, atMost("p50 of the slowest order ("+slowest.order+")", millis(slowest.engine.p50()), 15, " ms"))
	f.goal(goalDuckDB, atLeast("in the order where it is closest ("+closest.order+")", closest.factor(), 15, " × faster"))
	f.plot(chartSize, "Meterbook, one core", float64(f.Resources), millis(slowest.engine.p50()))
	f.plot(chartSize, "DuckDB, all cores", float64(f.Resources), millis(slowest.duckdb.p50()))
	return nil
}

func (f *fleetRun) lastMonth() metering.Period {
	from, to := period(f.plan.End(), 1, 0)
	return metering.Period{From: metering.InstantOf(from).Day(), To: metering.InstantOf(to).Day()}
}

// contest measures one order on both sides and compares the answers.
func (f *fleetRun) contest(ctx context.Context, l *ledger.Ledger, p *peer, r peerReport) (*contest, error) {
	q, err := f.query(f.question(1, 0, "order_by", []string{r.order}))
	if err != nil {
		return nil, err
	}
	got, err := l.Report(ctx, q)
	if err != nil {
		return nil, err
	}
	want := answerOf(got)
	got.Close()
	c := &contest{order: r.order}
	best, t, err := p.fastest(ctx, r, r.variants(), f.times(20), want)
	if err != nil {
		return nil, err
	}
	c.duckdb = t
	_, clipped, err := p.fastest(ctx, r, map[string]string{"clipped": r.projected()}, f.times(10), want)
	if err != nil {
		return nil, err
	}
	if c.engine, _, err = timedEngine(ctx, l, q, f.times(200)); err != nil {
		return nil, err
	}
	f.add("engine: month, whole fleet, by "+r.order, "%v; DuckDB, %s: %v (%.0f ×); over a table of the month's lines made before: p50 %s (%.1f ×); %s lines, equal",
		c.engine, best.variant, c.duckdb, c.factor(), ms(clipped.p50()), ratio(clipped.p50(), c.engine.p50()), thousands(int64(want.count)))
	if r.order == "billing_value.desc" || r.order == "last_name.asc" {
		f.SQL = append(f.SQL, figure{r.order + ", " + best.variant, best.text})
	}
	return c, nil
}

// engineFilters times the month with and without filters.
func (f *fleetRun) engineFilters(ctx context.Context, l *ledger.Ledger) error {
	without, all, err := f.engine(ctx, l, f.times(200), f.question(1, 0))
	if err != nil {
		return err
	}
	var worst float64
	var worstName string
	for _, filter := range filters() {
		t, count, err := f.engine(ctx, l, f.times(200), f.question(1, 0, filter.member, filter.value))
		if err != nil {
			return err
		}
		share := 100 * float64(count) / float64(all)
		f.add("engine: month, "+filter.name, "%v, %.2f × without, %.1f %% of the lines", t, ratio(t.p50(), without.p50()), share)
		series := "tags"
		if filter.member != "tags" {
			series = "a field of a type"
		}
		f.plot(chartHits, series, share, millis(t.p50()))
		if by := ratio(t.p50(), without.p50()); by > worst {
			worst, worstName = by, filter.name
		}
	}
	f.plot(chartHits, "without filter", 0, millis(without.p50()))
	f.plot(chartHits, "without filter", 100, millis(without.p50()))
	f.goal(goalFilter, atMost(worstName, worst, 1.25, " × without"))
	return nil
}

// periods times periods of several lengths that end with the last month.
func (f *fleetRun) periods(ctx context.Context, l *ledger.Ledger) error {
	end := f.plan.End().Time()
	var month, whole timings
	for _, p := range []struct {
		name         string
		months, days int
	}{{"1 day", 0, 1}, {"7 days", 0, 7}, {"1 month", 1, 0}, {"2 months", 2, 0}, {"3 months", 3, 0}, {"6 months", 6, 0}, {"9 months", 9, 0}, {"12 months", 12, 0}} {
		if p.months > f.Months {
			break
		}
		from := end.AddDate(0, -p.months, -p.days)
		t, count, err := f.engine(ctx, l, f.times(100), f.question(1, 0, "time_from", from))
		if err != nil {
			return err
		}
		f.add("engine: "+p.name+", whole fleet", "%v, %s lines", t, thousands(int64(count)))
		f.plot(chartPeriod, "Meterbook, one core", end.Sub(from).Hours()/24, millis(t.p50()))
		if p.months == 1 {
			month = t
		}
		whole = t
	}
	what := "× the month"
	if f.Months < 12 {
		what += fmt.Sprintf(", only %d months", f.Months)
	}
	f.goal(goalYear, atMost("", ratio(whole.p50(), month.p50()), 8, " "+what))
	return nil
}

// sweep measures a smaller fleet, as a point of the chart of sizes.
func sweep(ctx context.Context, s *settings, size scale, r *results) error {
	part := &results{}
	f := newFleetRun(s, size, filepath.Join(s.dir, fmt.Sprint("sweep-", size.Resources)), part)
	fmt.Fprintf(os.Stderr, "fleet of %+v\n", size)
	l, err := openStore(ctx, f.store())
	if err != nil {
		return err
	}
	w := &directWriter{ledger: l}
	for o := range f.plan.Events() {
		if err := w.put(ctx, o); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	if err := errors.Join(w.wait(ctx), l.Close()); err != nil {
		return err
	}
	if err := f.compare(ctx); err != nil {
		return err
	}
	for series, points := range part.Charts[chartSize] {
		for _, p := range points {
			r.plot(chartSize, series, p.X, p.Y)
		}
	}
	for _, figure := range part.Figures {
		if strings.Contains(figure.Name, "by billing_value.desc") {
			r.add(figure.Name+", fleet of "+thousands(int64(size.Resources)), "%s", figure.Value)
		}
	}
	return os.RemoveAll(f.dir)
}

// directWriter submits observations to a ledger without HTTP and JSON.
type directWriter struct {
	ledger *ledger.Ledger
	batch  []report.Submission
	last   report.Pending
}

func (w *directWriter) put(ctx context.Context, o *metering.Observation) error {
	w.batch = append(w.batch, report.Submission{Observation: o, AnyClient: true, ReceivedAt: o.Time})
	if len(w.batch) < batchSize {
		return nil
	}
	return w.flush(ctx)
}

func (w *directWriter) flush(ctx context.Context) (err error) {
	w.last, err = w.ledger.Submit(ctx, w.batch)
	w.batch = nil
	return err
}

// wait returns when all that was put is durable.
func (w *directWriter) wait(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	_, err := w.last.Wait(ctx)
	return err
}

// historyYears are the years after which the month is asked for.
func historyYears() []int { return []int{1, 2, 3, 5, 7, 10} }

// history loads ten years of one fleet, and asks for the last month after some of
// them. The fleet is in its steady state all the time, so the months are alike.
func history(ctx context.Context, s *settings, r *results) error {
	f := newFleetRun(s, scaleOf(s.history, 120), filepath.Join(s.dir, "history"), r)
	fmt.Fprintf(os.Stderr, "ten years of %+v\n", f.scale)
	if err := os.RemoveAll(f.dir); err != nil {
		return err
	}
	l, err := openStore(ctx, f.store())
	if err != nil {
		return err
	}
	if err := f.historyOf(ctx, l); err != nil {
		return errors.Join(err, l.Close())
	}
	return errors.Join(l.Close(), os.RemoveAll(f.dir))
}

func (f *fleetRun) historyOf(ctx context.Context, l *ledger.Ledger) error {
	took := map[int]timings{}
	w := &directWriter{ledger: l}
	years := historyYears()
	after := func(year int) error {
		if err := errors.Join(w.wait(ctx), l.Merge(ctx)); err != nil {
			return err
		}
		ago := 120 - 12*year
		t, count, err := f.engine(ctx, l, 300, f.question(ago+1, ago))
		if err != nil {
			return err
		}
		took[year] = t
		s := l.Stats()
		f.add(fmt.Sprintf("engine: month after %d years, fleet of %s", year, thousands(int64(f.Resources))), "%v, %s lines; %s observations, %s resources in all",
			t, thousands(int64(count)), thousands(int64(s.Observations)), thousands(int64(s.Resources)))
		f.plot(chartHistory, "Meterbook, one core", float64(year), millis(t.p50()))
		return nil
	}
	for o := range f.plan.Events() {
		if boundary := metering.InstantOf(f.plan.Start().Time().AddDate(years[0], 0, 0)); o.Time >= boundary {
			if err := after(years[0]); err != nil {
				return err
			}
			years = years[1:]
		}
		if err := w.put(ctx, o); err != nil {
			return err
		}
	}
	if err := after(10); err != nil {
		return err
	}
	f.goal(goalHistory, atMost(fmt.Sprintf("fleet of %s:", thousands(int64(f.Resources))), ratio(took[10].p50(), took[1].p50()), 1.1, " × after one year"))
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// newFleetRun plans the fleet once.
func newFleetRun(s *settings, size scale, dir string, r *results) *fleetRun {
	return &fleetRun{settings: s, scale: size, dir: dir, results: r, plan: size.fleet()}
}
