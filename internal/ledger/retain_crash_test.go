package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// TestACrashAtAnyWriteOfARetentionChangesNoFigure closes months on a simulated
// file system and, before each operation that changes it, takes what a crash
// would leave. A ledger opened on that shows what it showed before, and goes on
// dropping when it is told to.
func TestACrashAtAnyWriteOfARetentionChangesNoFigure(t *testing.T) {
	t.Parallel()
	for seed := uint64(1); seed <= max(1, 4/raceShare); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			crashWhileRetaining(t, seed)
		})
	}
}

func crashWhileRetaining(t *testing.T, seed uint64) {
	t.Helper()
	r := newRetaining(t, seed)
	c := &crasher{t: t, fs: r.fs, crashes: make(chan crash), stride: 1}
	c.mu.rng, c.mu.taken, c.mu.seen = rand.New(rand.NewPCG(seed, 5)), map[string]int{}, map[string]int{}
	var at sync.Mutex
	cutting := false // while at is held
	r.options.FS = errorfs.Wrap(r.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		at.Lock()
		defer at.Unlock()
		if !cutting {
			return nil
		}
		return c.before(op)
	}))
	if err := r.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	r.ledger = open(t, r.options)
	r.tell(len(r.told) / 2)
	if metering.MonthOf(r.queries[0].Period.From+2)+1 < r.latest() {
		r.retain(1)
	}
	r.tell(len(r.told))
	cut := func(on bool) {
		at.Lock()
		defer at.Unlock()
		cutting = on
	}
	var checked sync.WaitGroup
	checked.Go(func() {
		n := 0
		for cr := range c.crashes {
			n++
			r.survives(&cr)
		}
		if n < 10 {
			t.Errorf("only %d crashes were taken", n)
		}
	})
	cut(true)
	_, err := r.ledger.Retain(t.Context(), report.Retention{Before: r.latest()}, func(report.Progress) {})
	cut(false)
	close(c.crashes)
	checked.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ledger.Close(); err != nil {
		t.Error(err)
	}
}

// latest is the latest month before which all can be closed now.
func (r *retaining) latest() metering.Month { return metering.MonthOf(r.now.Day()) }

// survives opens what a crash left. The model is that of before the retention,
// whose figures are those of after it.
func (r *retaining) survives(cr *crash) {
	r.Helper()
	left := &retaining{T: r.T, Rand: r.Rand, fs: cr.left, options: r.options, model: r.model, now: r.now, queries: r.queries, before: r.before}
	left.options.FS = cr.left
	verify := func(when string) {
		v, err := ledger.Verify(r.Context(), left.options, func(report.Progress) {})
		if err != nil || v.Total != 0 {
			r.Errorf("operation %d (%s), %s: verification found %+v, %v", cr.operation, cr.at, when, v, err)
		}
	}
	verify("crashed")
	left.ledger = open(r.T, left.options)
	left.sameReports(fmt.Sprintf("operation %d (%s), opened", cr.operation, cr.at))
	done, err := left.ledger.Retain(r.Context(), report.Retention{Before: r.latest()}, func(report.Progress) {})
	if err != nil {
		r.Errorf("operation %d (%s): go on: %v", cr.operation, cr.at, err)
		return
	}
	again, err := left.ledger.Retain(r.Context(), report.Retention{Before: r.latest()}, func(report.Progress) {})
	if err != nil || !again.Closed || again.Observations != 0 {
		r.Errorf("operation %d (%s): after %+v was dropped, once more: %+v, %v", cr.operation, cr.at, done, again, err)
	}
	left.sameReports(fmt.Sprintf("operation %d (%s), gone on", cr.operation, cr.at))
	if err := left.ledger.Close(); err != nil {
		r.Error(err)
	}
	verify("gone on")
}

func (r *retaining) sameReports(when string) {
	r.Helper()
	for _, q := range r.queries {
		want, err := storetest.Ask(r.Context(), r.model, q)
		if err != nil {
			r.Fatal(err)
		}
		got, err := storetest.Ask(r.Context(), r.ledger, q)
		if err != nil {
			r.Errorf("%s: %v", when, err)
			return
		}
		if diff := storetest.Diff(want, got); diff != "" {
			r.Errorf("%s: report of %v:\n%s", when, q.Period, diff)
			return
		}
	}
}
