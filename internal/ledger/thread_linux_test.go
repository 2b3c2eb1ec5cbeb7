package ledger

import (
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// nice returns the nice value of the thread that calls it.
func nice(t *testing.T) int {
	t.Helper()
	n, err := threadNice()
	if err != nil {
		t.Error(err)
	}
	return n
}

// lowNice is that of a thread of low priority, beside one of a nice value: 19 at most.
func lowNice(beside int) int { return min(beside+nicer, 19) }

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
	check("after a report", lowNice(before))
}

// TestPebblesOwnWorkGoesOnBehindReports shows that Pebble still tells of a flush and
// of a compaction in the goroutine that does it, which ends with that.
func TestPebblesOwnWorkGoesOnBehindReports(t *testing.T) {
	t.Parallel()
	reports, loaded, want := asked(t), make(chan struct{}), lowNice(nice(t))
	close(loaded)
	flushed, compacted := make(chan int, 100), make(chan int, 100)
	l := &Ledger{courtesy: reports}
	options := l.watched(&pebble.Options{FS: vfs.NewMem(), L0CompactionThreshold: 2, Logger: pebbleLogger{log: slog.New(slog.DiscardHandler)}, EventListener: &pebble.EventListener{
		FlushEnd:      func(pebble.FlushInfo) { flushed <- nice(t) },
		CompactionEnd: func(pebble.CompactionInfo) { compacted <- nice(t) },
	}}, newCompactions(loaded, reports))
	db, err := pebble.Open("db", options)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := db.Set([]byte("key"), []byte("value"), pebble.Sync); err != nil {
			t.Fatal(err)
		}
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	for what, ended := range map[string]chan int{"flush": flushed, "compaction": compacted} {
		if got := <-ended; got != want {
			t.Errorf("a %s goes on at nice %d, want %d", what, got, want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
