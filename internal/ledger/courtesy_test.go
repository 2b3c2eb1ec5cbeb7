package ledger

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// never is a clock that stands still.
func never() metering.Instant { return 1 }

// asked is a courtesy of which a report was asked a moment ago.
func asked(t *testing.T) *courtesy {
	t.Helper()
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	c := newCourtesy(never, ended)
	c.reportAsked()
	return c
}

func TestCourtesyEndsAMomentAfterTheLastReport(t *testing.T) {
	t.Parallel()
	now := metering.Instant(1000)
	c := newCourtesy(func() metering.Instant { return now }, make(chan struct{}))
	if c.due() {
		t.Error("due before any report")
	}
	for range 3 {
		c.reportAsked()
		if now += courtesyLasts - 1; !c.due() {
			t.Errorf("not due within %v of a report", courtesyLasts.Duration())
		}
	}
	if now++; c.due() {
		t.Errorf("due %v after a report", courtesyLasts.Duration())
	}
	c.reportAsked()
	if now -= 3600 * metering.Second; c.due() {
		t.Error("due for an hour after the clock jumped back")
	}
}

// TestSpareProcessorsAreGivenBack counts how many Go has while ledgers need more.
func TestSpareProcessorsAreGivenBack(t *testing.T) {
	t.Parallel()
	const few, more = 3, 3 + spareProcessors
	processors := few
	s := spareState{set: func(n int) (before int) {
		if before = processors; n > 0 {
			processors = n
		}
		return before
	}}
	for i, step := range []struct{ by, processors int }{{+1, more}, {+1, more}, {-1, more}, {-1, few}, {+1, more}, {-1, few}} {
		if s.change(step.by); processors != step.processors {
			t.Errorf("step %d: %d processors, want %d", i, processors, step.processors)
		}
	}
}

func TestWhatGoesOnBehindReportsHasEndedWhenItReturns(t *testing.T) {
	t.Parallel()
	c := asked(t)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for n := range 20 {
				done := 0
				c.behind(func() {
					c.behind(func() { done = n + 1 }) // one may need another
				})
				if done != n+1 {
					t.Errorf("%d, want %d", done, n+1)
				}
			}
		})
	}
	all.Wait()
}

// TestAPanicBehindReportsIsTheCallers: who serves a request ends that with a panic,
// not the process.
func TestAPanicBehindReportsIsTheCallers(t *testing.T) {
	t.Parallel()
	c := asked(t)
	panicked := func() (p any) {
		defer func() { p = recover() }()
		c.behind(func() { panic("out of beans") })
		return nil
	}
	if text, _ := panicked().(string); !strings.HasPrefix(text, "out of beans") || !strings.Contains(text, "courtesy_test.go") {
		t.Errorf("panic with %q, want the reason and where it was", text)
	}
	done := false
	if c.behind(func() { done = true }); !done {
		t.Error("nothing goes on behind reports any more")
	}
}

func TestSharesBehindReportsAreAllDone(t *testing.T) {
	t.Parallel()
	c := asked(t)
	seen := make([]int, 10*mostShare+1)
	err := c.inShares(len(seen), func(from, to int) error {
		for i := from; i < to; i++ {
			seen[i]++
		}
		if from == 0 {
			return errors.New("the first share is bad")
		}
		return nil
	})
	if err == nil || err.Error() != "the first share is bad" {
		t.Errorf("error %v", err)
	}
	for i, n := range seen {
		if n != 1 {
			t.Fatalf("thing %d was looked at %d times", i, n)
		}
	}
}
