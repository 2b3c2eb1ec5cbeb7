package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// directWriter submits observations to a ledger without HTTP and JSON.
type directWriter struct {
	ledger *ledger.Ledger
	batch  []report.Submission
	last   report.Pending
	n      uint64
}

func (w *directWriter) put(ctx context.Context, o *metering.Observation) error {
	w.batch = append(w.batch, report.Submission{Observation: o, AnyClient: true, ReceivedAt: o.Time})
	w.n++
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

// wait returns when all that was put is durable; it fails when something was
// refused.
func (w *directWriter) wait(ctx context.Context) error {
	if err := w.flush(ctx); err != nil {
		return err
	}
	if _, err := w.last.Wait(ctx); err != nil {
		return err
	}
	if stored := w.ledger.Stats().Observations; stored != w.n {
		return fmt.Errorf("%d observations were put, %d are stored", w.n, stored)
	}
	return nil
}

// sweep measures a smaller fleet, as a point of the chart of sizes.
func sweep(ctx context.Context, s *settings, size scale, r *results) error {
	part := &results{}
	f := newFleetRun(s, size, filepath.Join(s.dir, fmt.Sprint("sweep-", size.Resources)), part)
	fmt.Fprintf(os.Stderr, "fleet of %+v\n", size)
	if err := os.RemoveAll(f.dir); err != nil {
		return err
	}
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
		if strings.Contains(figure.Name, sizeOrder) {
			r.add(figure.Name+", fleet of "+thousands(int64(size.Resources)), "%s", figure.Value)
		}
	}
	return os.RemoveAll(f.dir)
}

// tenYears is one fleet that is loaded year by year. It is in its steady state
// all the time, so that its Decembers are alike.
type tenYears struct {
	*fleetRun
	ledger *ledger.Ledger
	writer *directWriter
}

const (
	longHistory       = 10 // years
	historyRepetition = 300
)

// history loads ten years of a fleet and asks for the last month after some of
// them; at the end by turns in the store as it was after one year, and as it is.
func history(ctx context.Context, s *settings, r *results) (err error) {
	h := &tenYears{fleetRun: newFleetRun(s, scaleOf(s.history, 12*longHistory), filepath.Join(s.dir, "history"), r)}
	fmt.Fprintf(os.Stderr, "ten years of %+v\n", h.scale)
	if err := os.RemoveAll(h.dir); err != nil {
		return err
	}
	if h.ledger, err = openStore(ctx, h.store()); err != nil {
		return err
	}
	h.writer = &directWriter{ledger: h.ledger}
	err = h.load(ctx)
	if err == nil {
		err = h.againstFirstYear(ctx)
	}
	return errors.Join(err, h.ledger.Close(), os.RemoveAll(h.dir))
}

// load puts the events, and stops after some years.
func (h *tenYears) load(ctx context.Context) error {
	start := h.plan.Start().Time()
	years := []int{1, 2, 3, 5, 7}
	for o := range h.plan.Events() {
		if len(years) > 0 && o.Time >= metering.InstantOf(start.AddDate(years[0], 0, 0)) {
			if err := h.after(ctx, years[0]); err != nil {
				return err
			}
			years = years[1:]
		}
		if err := h.writer.put(ctx, o); err != nil {
			return err
		}
	}
	return h.after(ctx, longHistory)
}

// december is the body that asks for the last month of a year.
func (h *tenYears) december(year int) []byte {
	ago := 12 * (longHistory - year)
	return h.question(ago+1, ago)
}

// after asks for the last month of the year that is complete now.
func (h *tenYears) after(ctx context.Context, year int) error {
	if err := errors.Join(h.writer.wait(ctx), h.ledger.Merge(ctx)); err != nil {
		return err
	}
	a, err := h.asking(h.ledger, h.december(year))
	if err != nil {
		return err
	}
	t, err := timeEngine(ctx, historyRepetition, a)
	if err != nil {
		return err
	}
	s := h.ledger.Stats()
	h.add(fmt.Sprintf("engine: month after years of history: %d", year), "%v, %s lines; fleet of %s; %s observations, %s resources in all",
		t[0], thousands(int64(a.count)), thousands(int64(h.Resources)), thousands(int64(s.Observations)), thousands(int64(s.Resources)))
	h.plot(chartHistory, "Meterbook, one core", float64(year), millis(t[0].p50()))
	if year == 1 {
		return h.copyFirstYear(ctx)
	}
	return nil
}

func (h *tenYears) firstYear() string { return filepath.Join(h.dir, "first-year") }

// copyFirstYear keeps the store as it is now.
func (h *tenYears) copyFirstYear(ctx context.Context) (err error) {
	if err := h.ledger.Close(); err != nil {
		return err
	}
	if err := os.CopyFS(h.firstYear(), os.DirFS(h.store())); err != nil {
		return err
	}
	h.ledger, err = openStore(ctx, h.store())
	h.writer.ledger = h.ledger
	return err
}

// againstFirstYear asks by turns for the last December of one year and of ten.
func (h *tenYears) againstFirstYear(ctx context.Context) error {
	first, err := openStore(ctx, h.firstYear())
	if err != nil {
		return err
	}
	before, err := h.asking(first, h.december(1))
	if err != nil {
		return errors.Join(err, first.Close())
	}
	now, err := h.asking(h.ledger, h.december(longHistory))
	if err != nil {
		return errors.Join(err, first.Close())
	}
	t, err := timeEngine(ctx, historyRepetition, before, now)
	if err != nil {
		return errors.Join(err, first.Close())
	}
	h.goal(goalHistory, atMost("", ratio(t[1].p50(), t[0].p50()), 1.1, " × after one year").with("fleet of %s; p50 %s for %s lines, then %s for %s",
		thousands(int64(h.Resources)), ms(t[0].p50()), thousands(int64(before.count)), ms(t[1].p50()), thousands(int64(now.count))))
	return first.Close()
}
