package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Verify implements report.Maintainer. It verifies what reports show at this
// moment, and what a restart would find. Ingest and reports go on; Close ends it
// with KindUnavailable.
func (l *Ledger) Verify(ctx context.Context, progress func(report.Progress)) (found *report.Verification, err error) {
	ctx, end, err := l.alone(ctx, &l.verifying, "verification")
	if err != nil {
		return nil, err
	}
	defer end()
	err = l.reading(func(*pebble.DB) (err error) {
		f, err := l.freeze(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.release()) }()
		v := newVerifier(f.snapshot, progress)
		v.closing = l.closing
		found = &v.Verification
		return v.frozen(ctx, f)
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// alone begins something of which one may go on at a time, and which ends when
// the ledger closes. The caller calls end.
func (l *Ledger) alone(ctx context.Context, busy *atomic.Bool, what string) (_ context.Context, end func(), err error) {
	if !busy.CompareAndSwap(false, true) {
		return nil, nil, metering.Errorf(metering.KindConflict, "another %s is going on; wait until it has ended", what)
	}
	ctx, cancel := l.untilClosing(ctx)
	return ctx, func() { cancel(); busy.Store(false) }, nil
}

// untilClosing returns a context that ends when the ledger begins to close. The
// caller calls end.
func (l *Ledger) untilClosing(ctx context.Context) (_ context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-l.closing:
			cancel(errStopped())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// frozen is what the sequencer knows and what Pebble holds at one moment.
type frozen struct {
	snapshot *pebble.Snapshot
	view     *view  // acquired
	ids      []byte // of the filter; nil when nobody asked for them
}

// freeze takes a consistent picture between two groups, with the ids.
func (l *Ledger) freeze(ctx context.Context) (*frozen, error) {
	return l.freezeBy(ctx, (*sequencer).freeze)
}

// freezeBy takes a consistent picture between two groups. What is in it is on the
// disk when it returns.
func (l *Ledger) freezeBy(ctx context.Context, take func(*sequencer) *frozen) (*frozen, error) {
	var f *frozen
	r := &request{command: func(g *group) error {
		g.applied = append(g.applied, func() { f = take(g.s) })
		return nil
	}}
	if err := l.enqueue(ctx, r); err != nil {
		return nil, err
	}
	_, err := r.Wait(context.WithoutCancel(ctx)) // its turn comes soon
	if err != nil && f != nil {
		err = errors.Join(err, f.release())
	}
	return f, err
}

// hold is called between two groups. What Pebble holds may not be on the disk
// yet; the view is the one that will be shown once it is.
func (s *sequencer) hold() *frozen {
	f := &frozen{snapshot: s.db.NewSnapshot(), view: s.delta.view(s.seq)}
	f.view.base.Acquire()
	return f
}

// freeze is hold with the ids, which takes time.
func (s *sequencer) freeze() *frozen {
	f := s.hold()
	f.ids = s.ids.snapshot()
	return f
}

func (f *frozen) release() error {
	return errors.Join(f.snapshot.Close(), f.view.base.Release())
}

// frozen verifies what the view shows.
func (v *verifier) frozen(ctx context.Context, f *frozen) error {
	v.base = f.view.base
	err := v.part(ctx, "tables", func() (err error) {
		if v.ids, err = parseIDFilter(f.ids); err != nil {
			return err
		}
		return errors.Join(v.readSources(), v.readDirectory(), v.readPointer(), v.readClosing(), v.readJournal(func(uint64) {}))
	})
	if err != nil || v.unread {
		return err
	}
	if v.last != f.view.seq {
		v.differ(checkSequence, "the last number", fmt.Sprintf("%d in the pointer and the journal", v.last), fmt.Sprintf("%d, which was given out last", f.view.seq))
		v.last = max(v.last, f.view.seq)
	}
	if v.pointer.Base != "" && !v.base.Loaded() {
		v.differ(checkBase, v.pointer.Base, "unreadable when the store was opened: it was made again in memory", "a file that a start can load")
	}
	f.view.latest(func(c *change) { v.changed[c.is.unit] = c.is })
	f.view.logged(nothing, func(c *change) {
		if _, noted := v.journal[c.is.unit]; !noted && layout.Seq(v.base.Seq) == v.pointer.Seq {
			v.differ(checkJournal, unitText(c.is.unit), "not in the journal", "in the journal: it changed since the base, and a restart must fold it anew")
		}
	})
	return v.verify(ctx)
}
