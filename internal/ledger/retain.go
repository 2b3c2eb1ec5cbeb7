package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Retain implements report.Maintainer.
//
// First the boundary moves, in its turn among the observations and durably: from
// then on nothing changes what lies before it. Then, a few resources at a time,
// one batch each writes what they came to and deletes what led to it. A resource
// is folded from both, so figures are the same before, between and after, and a
// crash at any moment only leaves more to be dropped.
func (l *Ledger) Retain(ctx context.Context, q report.Retention, progress func(report.Progress)) (*report.Retained, error) {
	if err := checkRetention(&q, l.options.Clock()); err != nil {
		return nil, err
	}
	ctx, end, err := l.alone(ctx, &l.retaining, "retention")
	if err != nil {
		return nil, err
	}
	defer end()
	r := &retention{Retention: q, progress: progress}
	if err := l.reading(func(*pebble.DB) error { return r.run(ctx, l) }); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return &r.Retained, nil
}

// ExamineRetention is a dry run on the store in a folder, which no server may be
// using, and does not change it. Of the options, Dir, FS, Clock and Logger
// count. Errors are those of Verify, and of a month that cannot be closed.
func ExamineRetention(ctx context.Context, o Options, before metering.Month, progress func(report.Progress)) (found *report.Retained, err error) {
	q := report.Retention{Before: before, DryRun: true}
	if err := checkRetention(&q, o.Clock()); err != nil {
		return nil, err
	}
	s, err := openAtRest(o, "ask that one, with meterbook retain --server URL, or stop it")
	var damage *damageError
	if errors.As(err, &damage) {
		return nil, &metering.Error{Kind: metering.KindInvalid, Message: "the store in " + o.Dir + " is damaged and cannot be opened", Cause: err}
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r := &retention{Retention: q, progress: progress}
	if s.db == nil {
		return &r.Retained, nil
	}
	return &r.Retained, r.examine(ctx, s.db)
}

// checkRetention refuses a month that has not begun by now, or before which
// there is nothing.
func checkRetention(q *report.Retention, now metering.Instant) error {
	switch first := metering.MonthOf(metering.MinEventTime.Day()); {
	case q.Before > metering.MonthOf(now.Day()):
		return refusedMonth("%s has not begun: the latest month before which all can be closed is the present one, %s", q.Before, metering.MonthOf(now.Day()))
	case q.Before <= first:
		return refusedMonth("%s: there is nothing before %s that could be closed", q.Before, first)
	}
	return nil
}

func refusedMonth(format string, args ...any) error {
	err := metering.Errorf(metering.KindInvalid, "Cannot close the months before "+format, args...)
	err.Fields = metering.FieldErrors{}
	err.Fields.Add("before", "Input should be a month that has begun, and not before one that is closed")
	return err
}

// retention is one that is going on, or a dry run.
type retention struct {
	report.Retention
	report.Retained
	progress func(report.Progress)
	read     int64 // observations so far
	total    int64 // observations in the store, about
}

// run closes the months and drops what it can.
func (r *retention) run(ctx context.Context, l *Ledger) error {
	if r.DryRun {
		f, err := l.freezeBy(ctx, (*sequencer).hold)
		if err != nil {
			return err
		}
		return errors.Join(r.examine(ctx, f.snapshot), f.release())
	}
	was, err := readClosing(l.db)
	if err != nil {
		return err
	}
	if err := r.judge(&was); err != nil || r.Closed {
		return err
	}
	if err := r.closeMonths(ctx, l); err != nil {
		return err
	}
	drop := func(d *drops) error { return l.do(ctx, d.write) }
	if err := r.dropAll(ctx, l.db, drop); err != nil {
		return fmt.Errorf("drop the observations before %s: %w", r.Before, err)
	}
	if err := l.do(ctx, finishClosing); err != nil {
		return err
	}
	return l.shrink(ctx, r.Before)
}

// judge compares with what is closed already.
func (r *retention) judge(was *closing) error {
	if r.Before < was.Before {
		return refusedMonth("%s: all before %s are closed already, and closed months stay closed", r.Before, was.Before)
	}
	r.Closed = r.Before == was.Before && !was.Unfinished
	return nil
}

// closeMonths moves the boundary.
func (r *retention) closeMonths(ctx context.Context, l *Ledger) error {
	if err := raiseFormat(l.options.FS, l.options.Dir); err != nil {
		return fmt.Errorf("raise the store's format: %w", err)
	}
	return l.do(ctx, func(g *group) error {
		c := g.s.closing
		if c.Before < r.Before {
			c = closing{Before: r.Before, At: max(c.At, l.options.Clock())}
		}
		c.Unfinished = true
		g.putClosing(c)
		return nil
	})
}

func finishClosing(g *group) error {
	c := g.s.closing
	c.Unfinished = false
	g.putClosing(c)
	return nil
}

// examine is the dry run.
func (r *retention) examine(ctx context.Context, from pebble.Reader) error {
	was, err := readClosing(from)
	if err != nil {
		return err
	}
	if err := r.judge(&was); err != nil || r.Closed {
		return err
	}
	return r.dropAll(ctx, from, func(*drops) error { return nil })
}

// dropAll hands what is to be dropped to drop, a few resources at a time.
func (r *retention) dropAll(ctx context.Context, from pebble.Reader, drop func(*drops) error) error {
	sources, err := loadSources(from)
	if err != nil {
		return err
	}
	if r.total, err = observationsOf(from); err != nil {
		return err
	}
	for _, of := range []struct {
		stage string
		first []byte
		end   []byte
	}{
		{"quantities", []byte{layout.Quantities}, layout.AppendMonth(nil, r.Before.Start())},
		{"states", []byte{layout.States}, layout.PrefixEnd([]byte{layout.States})},
	} {
		for at := of.first; at != nil; {
			d := &drops{retention: r, stage: of.stage, sources: sources}
			next, err := d.gather(ctx, from, at, of.end)
			if err == nil && d.size > 0 {
				err = drop(d)
			}
			if err != nil {
				return err
			}
			at = next
		}
	}
	return nil
}

// observationsOf returns how many observations were stored ever.
func observationsOf(r pebble.Reader) (n int64, err error) {
	v := newVerifier(r, nil)
	if err := errors.Join(v.readPointer(), v.readJournal(func(uint64) {})); err != nil {
		return 0, err
	}
	return int64(v.last), nil
}

// shrink has Pebble give the room of what was dropped back to the disk. It does
// so by itself too, sooner or later.
func (l *Ledger) shrink(ctx context.Context, before metering.Month) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-l.backgroundFailed:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := l.compact(ctx, []byte{layout.Quantities}, layout.AppendMonth(nil, before.Start()))
	if err == nil {
		err = l.compact(ctx, []byte{layout.States}, layout.PrefixEnd([]byte{layout.States}))
	}
	if err != nil {
		return fmt.Errorf("the observations are dropped, and the disk will have their room later: %w", err)
	}
	return nil
}

// compact is commit for what Pebble may do besides: when it cannot go on, it
// panics with its locks held.
func (l *Ledger) compact(ctx context.Context, first, end []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.stuck.Store(true)
			l.failure.set(errNotStored())
			err = fmt.Errorf("pebble cannot go on: %v", p)
		}
	}()
	return l.db.Compact(ctx, first, end, false)
}
