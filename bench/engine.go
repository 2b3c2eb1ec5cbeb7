package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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

// asking is a report that is asked for in this process, until its last line is
// read.
type asking struct {
	ledger *ledger.Ledger
	query  report.Query
	count  int // of lines, once it was asked for
}

func (f *fleetRun) asking(l *ledger.Ledger, body []byte) (*asking, error) {
	q, err := f.query(body)
	return &asking{ledger: l, query: q}, err
}

func (a *asking) ask(ctx context.Context) error {
	r, err := a.ledger.Report(ctx, a.query)
	if err != nil {
		return err
	}
	for range r.Lines {
	}
	a.count = r.Count
	r.Close()
	return nil
}

// timeEngine times reports in turn, on one core.
func timeEngine(ctx context.Context, times int, reports ...*asking) (t []timings, err error) {
	var calls []func() error
	for _, a := range reports {
		calls = append(calls, func() error { return a.ask(ctx) })
	}
	err = onOneCore(func() error {
		t, err = alternate(times, calls...)
		return err
	})
	return t, err
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

// sizeOrder is the order in which fleets of several sizes are compared.
const sizeOrder = "billing_value.desc"

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
		if c.order == sizeOrder {
			f.plot(chartSize, "Meterbook, one core", float64(f.Resources), millis(c.engine.p50()))
			f.plot(chartSize, "DuckDB, all cores", float64(f.Resources), millis(c.duckdb.p50()))
		}
		if slowest == nil || c.engine.p50() > slowest.engine.p50() {
			slowest = c
		}
		if closest == nil || c.factor() < closest.factor() {
			closest = c
		}
	}
	f.goal(goalEngine, atMost("p50", millis(slowest.engine.p50()), 15, " ms").with("slowest order: %s", slowest.order))
	f.goal(goalDuckDB, atLeast("", closest.factor(), 15, " × faster").with("by p50, in the order where DuckDB is closest: %s", closest.order))
	return nil
}

func (f *fleetRun) lastMonth() metering.Period {
	from, to := period(f.plan.End(), 1, 0)
	return metering.Period{From: metering.InstantOf(from).Day(), To: metering.InstantOf(to).Day()}
}

// contest measures one order on both sides and compares the answers.
func (f *fleetRun) contest(ctx context.Context, l *ledger.Ledger, p *peer, r peerReport) (*contest, error) {
	a, err := f.asking(l, f.question(1, 0, "order_by", []string{r.order}))
	if err != nil {
		return nil, err
	}
	got, err := l.Report(ctx, a.query)
	if err != nil {
		return nil, err
	}
	want := answerOf(got)
	got.Close()
	best, err := p.fastest(ctx, r, r.variants(), want)
	if err != nil {
		return nil, err
	}
	projected, err := p.fastest(ctx, r, map[string]string{"month": r.projected()}, want)
	if err != nil {
		return nil, err
	}
	c := &contest{order: r.order}
	var clipped timings
	for range 4 { // by turns, so that what else the machine does meets both
		engine, err := timeEngine(ctx, f.times(50), a)
		if err != nil {
			return nil, err
		}
		duckdb, err := alternate(f.times(5), func() error { return best.fetchOnly(ctx) }, func() error { return projected.fetchOnly(ctx) })
		if err != nil {
			return nil, err
		}
		c.engine, c.duckdb, clipped = append(c.engine, engine[0]...), append(c.duckdb, duckdb[0]...), append(clipped, duckdb[1]...)
	}
	f.add("engine: month, whole fleet, by "+r.order, "%v; DuckDB %s: %v, %.0f × as long; from a table of the month's lines: p50 %s, %.1f × as long; %s lines, equal",
		c.engine, best.variant, c.duckdb, c.factor(), ms(clipped.p50()), ratio(clipped.p50(), c.engine.p50()), thousands(int64(want.count)))
	if r.order == sizeOrder {
		f.Lines = r.page([]string{"7", "42"})
	}
	if r.order == sizeOrder || r.order == "last_name.asc" {
		f.SQL = append(f.SQL, figure{"`" + r.order + "`, " + best.variant, best.text})
	}
	return c, nil
}

// engineFilters times the month with filters and without, by turns. Without a
// filter nearly nothing is read, since counts and sums are kept; so filters are
// compared with a report whose lines are all read, because all projects are
// named.
func (f *fleetRun) engineFilters(ctx context.Context, l *ledger.Ledger) error {
	named := []metering.ProjectID{}
	for _, p := range f.plan.Projects() {
		named = append(named, p.ID)
	}
	all, err := f.asking(l, f.question(1, 0))
	if err != nil {
		return err
	}
	read, err := f.asking(l, f.question(1, 0, "projects", named))
	if err != nil {
		return err
	}
	var worst float64
	var worstName string
	var plain, scan timings
	for _, filter := range filters() {
		some, err := f.asking(l, f.question(1, 0, filter.member, filter.value))
		if err != nil {
			return err
		}
		t, err := timeEngine(ctx, f.times(200), all, read, some)
		if err != nil {
			return err
		}
		by, share := ratio(t[2].p50(), t[1].p50()), 100*float64(some.count)/float64(all.count)
		f.add("engine: month, "+filter.name, "%v, %.2f × reading every line, %.1f × without, %.1f %% of the lines", t[2], by, ratio(t[2].p50(), t[0].p50()), share)
		series := "tags"
		if filter.member != "tags" {
			series = "a field of a type"
		}
		f.plot(chartHits, series, share, millis(t[2].p50()))
		plain, scan = append(plain, t[0]...), append(scan, t[1]...)
		if by > worst {
			worst, worstName = by, filter.name
		}
	}
	for _, share := range []float64{0, 100} {
		f.plot(chartHits, "without filter", share, millis(plain.p50()))
		f.plot(chartHits, "all projects named: every line read", share, millis(scan.p50()))
	}
	f.add("engine: month, all projects named", "%v", scan)
	f.goal(goalFilter, atMost("", worst, 1.25, " × reading every line").with("the slowest: %s; without filters nothing needs reading, p50 %s", worstName, ms(plain.p50())))
	return nil
}

// periods times periods of several lengths that end with the last month, each
// by turns with that month.
func (f *fleetRun) periods(ctx context.Context, l *ledger.Ledger) error {
	end := f.plan.End().Time()
	month, err := f.asking(l, f.question(1, 0))
	if err != nil {
		return err
	}
	var longest check
	for _, p := range []struct {
		name         string
		months, days int
	}{{"1 day", 0, 1}, {"7 days", 0, 7}, {"1 month", 1, 0}, {"2 months", 2, 0}, {"3 months", 3, 0}, {"6 months", 6, 0}, {"9 months", 9, 0}, {"12 months", 12, 0}} {
		if p.months > f.Months {
			break
		}
		from := end.AddDate(0, -p.months, -p.days)
		a, err := f.asking(l, f.question(1, 0, "time_from", from))
		if err != nil {
			return err
		}
		t, err := timeEngine(ctx, f.times(100), month, a)
		if err != nil {
			return err
		}
		f.add("engine: "+p.name+", whole fleet", "%v, %.2f × the month, %s lines", t[1], ratio(t[1].p50(), t[0].p50()), thousands(int64(a.count)))
		f.plot(chartPeriod, "Meterbook, one core", end.Sub(from).Hours()/24, millis(t[1].p50()))
		longest = atMost("", ratio(t[1].p50(), t[0].p50()), 8, " × the month").with("%s, p50 %s", p.name, ms(t[1].p50()))
	}
	f.goal(goalYear, longest)
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// newFleetRun plans the fleet once.
func newFleetRun(s *settings, size scale, dir string, r *results) *fleetRun {
	return &fleetRun{settings: s, scale: size, dir: dir, results: r, plan: size.fleet()}
}
