package ledger

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// request is a batch on its way through the sequencer, or a command that must
// take its turn among them.
type request struct {
	items    []item
	size     int                // of the items' values, in bytes
	command  func(*group) error // instead of items
	outcomes []report.Outcome
	err      error
	done     chan struct{} // closed when outcomes or err are final
	stopped  <-chan struct{}
}

// item is a submission with its value as it will be stored, encoded by the
// caller's goroutine so that the sequencer need not.
type item struct {
	report.Submission
	value []byte
	id    soughtID // once its source has a number
}

// usualValue is more than the value of most observations takes, in bytes.
const usualValue = 160

// Submit implements report.Writer.
func (l *Ledger) Submit(ctx context.Context, batch []report.Submission) (report.Pending, error) {
	if err := l.checkRoom(); err != nil {
		return nil, err
	}
	r := &request{items: make([]item, len(batch)), outcomes: make([]report.Outcome, len(batch))}
	arena := make([]byte, 0, len(batch)*usualValue)
	for i, s := range batch {
		if s.Refused != nil {
			r.items[i].Submission = s
			continue
		}
		start := len(arena)
		arena = layout.AppendValue(arena, s.Observation, s.ReceivedAt)
		r.items[i] = item{Submission: s, value: arena[start:len(arena):len(arena)]}
	}
	r.size = len(arena)
	return r, l.enqueue(ctx, r)
}

func (l *Ledger) enqueue(ctx context.Context, r *request) error {
	r.done, r.stopped = make(chan struct{}), l.sequencer.stopped
	select {
	case <-l.closing:
		return errStopped()
	default:
	}
	select {
	case l.sequencer.queue <- r:
		return nil
	case <-l.closing:
		return errStopped()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// do runs a command in its turn and waits until it is durable.
func (l *Ledger) do(ctx context.Context, command func(*group) error) error {
	r := &request{command: command}
	if err := l.enqueue(ctx, r); err != nil {
		return err
	}
	_, err := r.Wait(ctx)
	return err
}

// Wait implements report.Pending.
func (r *request) Wait(ctx context.Context) ([]report.Outcome, error) {
	select {
	case <-r.done:
		return r.outcomes, r.err
	default:
	}
	select {
	case <-r.done:
		return r.outcomes, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.stopped:
	}
	select { // the sequencer may have answered just before it stopped
	case <-r.done:
		return r.outcomes, r.err
	default:
		return nil, errStopped()
	}
}

func (r *request) finish(err error) {
	if r.err == nil {
		r.err = err
	}
	close(r.done)
}

// Writable implements report.Writer.
func (l *Ledger) Writable() error {
	select {
	case <-l.closing:
		return errStopped()
	default:
	}
	if err := l.sequencer.failure.get(); err != nil {
		return err
	}
	if len(l.sequencer.queue) == cap(l.sequencer.queue) {
		return metering.Errorf(metering.KindRateLimited, "more observations are waiting for the disk than the queue holds; send again in a moment")
	}
	return l.checkRoom()
}

// checkRoom refuses writes before the disk is full, so that nothing is stored
// by half and there is room to go on.
func (l *Ledger) checkRoom() error {
	usage, err := l.options.FS.GetDiskUsage(l.options.Dir)
	if err != nil {
		if err == vfs.ErrUnsupported {
			return nil // a file system in memory has no limit to speak of
		}
		l.options.Logger.Warn("free disk space is unknown", "error", err)
		return nil
	}
	if usage.AvailBytes < l.options.MinFreeBytes {
		// How much is free is the operator's to know: the cause goes to the log.
		return &metering.Error{
			Kind: metering.KindUnavailable, Message: "the disk is full: an operator must make room; send this again then",
			Cause: fmt.Errorf("%d MiB are free, %d are kept free", usage.AvailBytes>>20, l.options.MinFreeBytes>>20),
		}
	}
	return nil
}
