package ledger

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Findings implements report.Inspector. It reads the columns of one type after
// the other in the order of the ids, and the quantities of the period a day of a
// resource at a time, so its memory does not grow with the store. Close ends it
// with KindUnavailable, and so does a store whose disk failed.
func (l *Ledger) Findings(ctx context.Context, q report.FindingQuery, visit func(*report.Finding) error) error {
	ctx, end := l.untilClosing(ctx)
	defer end()
	look := func(f *report.Finding) error {
		if err := visit(f); err != nil {
			return err
		}
		select {
		case <-l.closing: // ctx hears of it later
			return errStopped()
		default:
			return context.Cause(ctx)
		}
	}
	err := l.reading(func(*pebble.DB) (err error) {
		f, err := l.freezeBy(ctx, (*sequencer).hold)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, f.release()) }()
		return l.findingsIn(ctx, f, &q, look)
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// findingsIn looks for one kind after the other in what is frozen.
func (l *Ledger) findingsIn(ctx context.Context, f *frozen, q *report.FindingQuery, visit func(*report.Finding) error) error {
	now := l.options.Clock()
	if q.Kinds.Has(report.OverlappingWindows) {
		if err := openForFindings(f.snapshot, q.Period, q.Scope); err != nil {
			return err
		}
	}
	if q.Kinds.Has(report.IDInTwoProjects) {
		if err := f.view.sharedIDs(ctx, q.Period, now, q.Scope, visit); err != nil {
			return err
		}
	}
	if q.Kinds.Has(report.OverlappingWindows) {
		if err := overlaps(ctx, f.snapshot, q.Period, q.Scope, visit); err != nil {
			return err
		}
	}
	if q.Kinds.Has(report.ReusedIDs) {
		if err := l.sequencer.book.reusedIDs(q.Period, q.Scope, visit); err != nil {
			return err
		}
	}
	if q.Kinds.Has(report.SilentResources) {
		return f.view.silent(ctx, q, now, visit)
	}
	return nil
}

// openForFindings refuses a period that reaches into closed months, unless no
// counted type is asked for: their windows are gone, and nobody could tell that
// there is no finding from that nobody looked.
func openForFindings(r pebble.Reader, in metering.Period, scope report.Scope) error {
	c, err := readClosing(r)
	if err != nil || c.Before == 0 || in.From >= c.Before.Start() || in.From >= in.To {
		return err
	}
	counted := func(t metering.ResourceType) bool {
		return t.Measure() == metering.Counted && scope.Types.Contains(t)
	}
	if !slices.ContainsFunc(metering.ResourceTypes(), counted) {
		return nil
	}
	refused := metering.Errorf(metering.KindInvalid,
		"The months before %s are closed and their quantities dropped, so windows that overlap cannot be found there; ask from %s on", c.Before, c.Before.Start())
	refused.Fields = metering.FieldErrors{}
	refused.Fields.Add("from", "Input should not be before %s: the months before are closed", c.Before.Start())
	return refused
}
