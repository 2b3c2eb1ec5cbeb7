package storetest

import (
	"context"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Open makes an empty store for one test. The clock is the only one that the
// store may read. The suite closes the store that was opened last; all else is
// left to t.Cleanup.
type Open func(t *testing.T, clock func() metering.Instant) Opened

// Opened is a store under test.
type Opened struct {
	Store report.Store

	// Restart ends the current store and opens another one on the same data.
	// It may as well simulate a crash, for all that was acknowledged must be
	// there. Nil for a store that keeps nothing.
	Restart func(t testing.TB) report.Store

	// Strict opens another, empty store that refuses observations of projects
	// and regions that nobody registered. Nil if there is no such setting.
	Strict func(t testing.TB) report.Store

	// Retaining opens another, empty store that refuses what is older than the
	// given age. Nil if there is no such setting.
	Retaining func(t testing.TB, age metering.Instant) report.Store
}

// Merger is a store with work of its own to do in the background: merging what
// was written into what is read, compacting. The suite makes it do that work at
// unexpected moments; no report may change by it.
type Merger interface {
	Merge(ctx context.Context) error
}

// bench is an opened store with its clock, on which a test works.
type bench struct {
	t      testing.TB
	opened Opened
	store  report.Store
	clock  *Clock
	closed bool
}

// newBench opens a store that is closed at the end of the test.
func newBench(t *testing.T, open Open, now metering.Instant) *bench {
	t.Helper()
	clock := NewClock(now)
	opened := open(t, clock.Now)
	b := &bench{t: t, opened: opened, store: opened.Store, clock: clock}
	t.Cleanup(b.close)
	return b
}

// close closes the store, once.
func (b *bench) close() {
	b.t.Helper()
	if b.closed {
		return
	}
	b.closed = true
	if err := b.store.Close(); err != nil {
		b.t.Errorf("close: %v", err)
	}
}

// restart reports whether the store could be restarted.
func (b *bench) restart() bool {
	b.t.Helper()
	if b.opened.Restart == nil {
		return false
	}
	b.store = b.opened.Restart(b.t)
	return true
}

// merge reports whether the store had anything to merge with.
func (b *bench) merge() bool {
	b.t.Helper()
	m, ok := b.store.(Merger)
	if !ok {
		return false
	}
	if err := m.Merge(b.t.Context()); err != nil {
		b.t.Fatalf("merge: %v", err)
	}
	return true
}

func (b *bench) ask(q report.Query) *Answer {
	b.t.Helper()
	a, err := Ask(b.t.Context(), b.store, q)
	if err != nil {
		b.t.Fatalf("report: %v", err)
	}
	return a
}

// submit queues a batch as received now.
func (b *bench) submit(batch []report.Submission) report.Pending {
	b.t.Helper()
	for i := range batch {
		batch[i].ReceivedAt = b.clock.Now()
	}
	pending, err := b.store.Submit(b.t.Context(), batch)
	if err != nil {
		b.t.Fatalf("submit: %v", err)
	}
	return pending
}

func (b *bench) wait(p report.Pending) []report.Outcome {
	b.t.Helper()
	outcomes, err := p.Wait(b.t.Context())
	if err != nil {
		b.t.Fatalf("wait: %v", err)
	}
	return outcomes
}

// word names an outcome: "accepted", "duplicate", or the code of the rejection.
func word(o report.Outcome) string {
	switch {
	case o.Rejected != nil && o.Duplicate:
		return "both duplicate and rejected"
	case o.Rejected != nil:
		return o.Rejected.Code.String()
	case o.Duplicate:
		return "duplicate"
	}
	return "accepted"
}
