package ledger

import (
	"syscall"
	"testing"
)

// nice returns the nice value of the thread that calls it.
func nice(t *testing.T) int {
	t.Helper()
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - raw // Linux answers with 20 less the nice value
}

func TestOnlyBehindReportsIsPriorityLow(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	defer close(ended)
	c := newCourtesy(never, ended)
	before := nice(t)
	check := func(when string, want int) {
		t.Helper()
		var during int
		if c.behind(func() { during = nice(t) }); during != want {
			t.Errorf("%s: nice %d, want %d", when, during, want)
		}
		if now := nice(t); now != before {
			t.Errorf("%s: the caller goes on at nice %d, was %d", when, now, before)
		}
	}
	check("before any report", before)
	c.reportAsked()
	check("after a report", lowNice)
}
