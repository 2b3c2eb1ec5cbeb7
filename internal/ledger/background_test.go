package ledger

import (
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// overlapping opens a database whose compactions are scheduled by c, with more
// tables over each other than it should have. compacted gets a value for each
// compaction that ends.
func overlapping(t *testing.T, c *compactions) (db *pebble.DB, compacted chan struct{}) {
	t.Helper()
	compacted = make(chan struct{}, 100)
	options := &pebble.Options{FS: vfs.NewMem(), L0CompactionThreshold: 2, Logger: pebbleLogger{log: slog.New(slog.DiscardHandler)}}
	options.Experimental.CompactionScheduler = c
	options.EventListener = &pebble.EventListener{CompactionEnd: func(pebble.CompactionInfo) { compacted <- struct{}{} }}
	db, err := pebble.Open("db", options)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		for _, key := range []string{"a", "b"} {
			if err := db.Set([]byte(key), []byte("value"), pebble.Sync); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return db, compacted
}

func TestCompactionsWaitUntilTheStoreIsLoaded(t *testing.T) {
	t.Parallel()
	loaded := make(chan struct{})
	db, compacted := overlapping(t, newCompactions(loaded, newCourtesy(never, loaded)))
	if m := db.Metrics(); m.Compact.Count > 0 || m.Levels[0].Sublevels < 4 {
		t.Errorf("before the store is loaded: %d compactions, %d tables over each other", m.Compact.Count, m.Levels[0].Sublevels)
	}
	close(loaded)
	<-compacted
	for db.Metrics().Levels[0].Sublevels > 1 {
		<-compacted
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func TestAStoreThatIsNotLoadedCanBeClosed(t *testing.T) {
	t.Parallel()
	loaded := make(chan struct{})
	c := newCompactions(loaded, newCourtesy(never, loaded))
	db, _ := overlapping(t, c)
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	c.Unregister()
	if may, _ := c.TrySchedule(); may {
		t.Error("a compaction may begin though the store is closed")
	}
}
