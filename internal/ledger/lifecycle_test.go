package ledger_test

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// gate holds operations back until it is opened, and tells of the first.
type gate struct {
	reached chan struct{}
	open    chan struct{}
	once    sync.Once
}

func newGate() *gate { return &gate{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) pass() {
	g.once.Do(func() { close(g.reached) })
	<-g.open
}

// holdAt makes matching operations wait at the gate.
func (v *tested) holdAt(g *gate, matches func(errorfs.Op) bool) {
	v.fs.fail(func(op errorfs.Op) bool {
		if matches(op) {
			g.pass()
		}
		return false
	})
}

func writesBase(op errorfs.Op) bool {
	return op.Kind == errorfs.OpCreate && strings.HasPrefix(path.Base(op.Path), "base-")
}

func TestAfterCloseEverythingSaysThatTheStoreIsStopping(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.store(machines(0, 5))
	v.close()
	_, err := v.ledger.Submit(t.Context(), machines(5, 1))
	v.unavailable("submit", err)
	_, err = v.ledger.Report(t.Context(), allLines())
	v.unavailable("report", err)
	_, err = v.ledger.Records().Load(t.Context())
	v.unavailable("load records", err)
	v.unavailable("delete project", v.ledger.DeleteProject(t.Context(), 1))
	v.refusesWrites()
	if s := v.ledger.Stats(); s.Observations != 0 {
		t.Errorf("a closed store has stats: %+v", s)
	}
	if err := v.ledger.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func TestCloseTwiceAtOnceClosesOnce(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.store(machines(0, 5))
	var closers sync.WaitGroup
	for range 4 {
		closers.Go(v.close)
	}
	closers.Wait()
	v.reopen()
	v.agrees()
	v.close()
}

func TestCloseWaitsForAMergeThatIsRunning(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.close()
	v.options.MergeUnits = 20
	v.reopen()
	g := newGate()
	v.holdAt(g, writesBase)
	v.store(machines(0, 30))
	<-g.reached
	v.store(machines(20, 30)) // what comes meanwhile is not lost
	v.agrees()
	closed := make(chan error, 1)
	go func() { closed <- v.ledger.Close() }()
	close(g.open)
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	v.reopen()
	v.agrees()
	if s := v.ledger.Stats(); s.ChangedUnits != 0 || s.Resources != 50 {
		t.Errorf("%d resources are in the base and %d beside it; want 50 and none", s.Resources, s.ChangedUnits)
	}
	v.close()
}

func TestCloseAnswersWhatIsQueued(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	g := newGate()
	v.holdAt(g, logIsLost)
	var pending []report.Pending
	var all []report.Submission
	for i := range 40 {
		batch := machines(i*2, 2)
		p, err := v.ledger.Submit(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		pending, all = append(pending, p), append(all, batch...)
	}
	<-g.reached
	closed := make(chan error, 1)
	go func() { closed <- v.ledger.Close() }()
	close(g.open)
	for _, p := range pending {
		outcomes, err := p.Wait(t.Context())
		if err != nil || len(outcomes) != 2 || outcomes[0].Duplicate {
			t.Errorf("a queued batch: %v, %v", outcomes, err)
		}
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if _, err := submitTogether(t.Context(), v.model, [][]report.Submission{all}); err != nil {
		t.Fatal(err)
	}
	v.reopen()
	v.agrees()
	v.close()
}

// TestSubmittingWhileClosingIsStoredOrRefused races writers against Close: each
// batch is stored or its sender is told, and nobody waits for ever.
func TestSubmittingWhileClosingIsStoredOrRefused(t *testing.T) {
	t.Parallel()
	for range 20 {
		v := newTested(t)
		var stored [8]atomic.Bool
		var writers sync.WaitGroup
		for i := range stored {
			writers.Go(func() {
				_, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{machines(i, 1)})
				if stored[i].Store(err == nil); err != nil {
					v.unavailable("submit", err)
				}
				v.ledger.Stats()
				if _, err := v.ledger.Records().Load(t.Context()); err != nil {
					v.unavailable("load", err)
				}
			})
		}
		v.close()
		writers.Wait()
		v.reopen()
		for i := range stored {
			outcomes, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{machines(i, 1)})
			if err != nil || outcomes[0][0].Duplicate != stored[i].Load() {
				t.Fatalf("batch %d was stored: %v; sent again: %v, %v", i, stored[i].Load(), outcomes, err)
			}
		}
		v.close()
	}
}

func TestAnEndedContextEndsWaitingOnly(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	g := newGate()
	v.holdAt(g, logIsLost)
	ctx, cancel := context.WithCancel(t.Context())
	first, err := v.ledger.Submit(ctx, machines(0, 5))
	if err != nil {
		t.Fatal(err)
	}
	<-g.reached
	cancel()
	if _, err := first.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v", err)
	}
	if err := v.ledger.PutProject(ctx, report.Project{ID: 900}); !errors.Is(err, context.Canceled) {
		t.Errorf("put project: %v", err)
	}
	if _, err := v.ledger.Report(ctx, allLines()); !errors.Is(err, context.Canceled) {
		t.Errorf("report: %v", err)
	}
	close(g.open)
	if outcomes, err := first.Wait(t.Context()); err != nil || len(outcomes) != 5 {
		t.Errorf("the batch did not go on: %v, %v", outcomes, err)
	}
	if outcomes, err := first.Wait(ctx); err != nil || len(outcomes) != 5 {
		t.Errorf("what is known is not told: %v, %v", outcomes, err)
	}
	v.store(machines(0, 5))
	v.agrees()
	v.close()
}

// TestAFullQueueBlocksUntilTheContextEnds fills the queue and all that lies
// behind it while the disk stands still. A queue that is full because the
// sequencer has not had the processor yet would be emptied again: each batch goes
// as far as it can before the next one.
func TestAFullQueueBlocksUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newTested(t)
		g := newGate()
		v.holdAt(g, logIsLost)
		var pending []report.Pending
		for v.ledger.Writable() == nil {
			p, err := v.ledger.Submit(t.Context(), machines(len(pending), 1))
			if err != nil {
				t.Fatal(err)
			}
			pending = append(pending, p)
			synctest.Wait()
		}
		if err := v.ledger.Writable(); metering.KindOf(err) != metering.KindRateLimited {
			t.Errorf("writable: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := v.ledger.Submit(ctx, machines(0, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("submit to a full queue: %v", err)
		}
		close(g.open)
		for _, p := range pending {
			if _, err := p.Wait(t.Context()); err != nil {
				t.Errorf("wait: %v", err)
			}
		}
		v.close()
	})
}

func TestReportsOutliveMergesAndClose(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.close()
	v.options.Dir, v.options.FS = t.TempDir(), nil // mapped, so that reading it too late would be a fault
	v.reopen()
	v.store(machines(0, 50))
	if err := v.ledger.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := v.ledger.Report(t.Context(), allLines())
	if err != nil {
		t.Fatal(err)
	}
	want, err := storetest.Ask(t.Context(), v.model, allLines())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		v.store(machines(50+i*10, 10))
		if err := v.ledger.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	v.close()
	storetest.AssertEqualAnswers(t, want, storetest.Collect(r))
}

func TestOpenGivesUpWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.store(machines(0, 50))
	v.fs.under.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40}) // so that Close does not merge
	v.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ledger.Open(ctx, v.options); !errors.Is(err, context.Canceled) {
		t.Errorf("open: %v", err)
	}
	v.reopen()
	v.agrees()
	v.close()
}

// TestALedgerThatFallsSilentMergesWhatIsLeft falls silent while a merge is
// running and other changes are left. The clock of the bubble stands still but
// when all wait.
func TestALedgerThatFallsSilentMergesWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newTested(t)
		v.close()
		var rests atomic.Int32
		v.options.MergeUnits, v.options.OnRest = 20, func() { rests.Add(1) }
		v.reopen()
		first := newGate()
		v.holdAt(first, writesBase)
		v.store(machines(0, 20))
		<-first.reached
		v.store(machines(20, 30))
		<-time.After(2 * ledger.IdleMergeAfter) // the ledger has looked for something to merge meanwhile
		if rests.Load() != 0 {
			t.Error("a ledger rests that merges")
		}
		close(first.open)
		<-time.After(4 * ledger.IdleMergeAfter)
		synctest.Wait()
		if rests.Load() != 1 {
			t.Errorf("the ledger has been told to rest %d times after one load", rests.Load())
		}
		if s := v.ledger.Stats(); s.Resources != 50 || s.Merges != 2 {
			t.Errorf("%d resources are in the base after %d merges; want 50 after 2", s.Resources, s.Merges)
		}
		v.agrees()
		v.close()
	})
}
