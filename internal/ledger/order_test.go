package ledger

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

func memoryDB(t *testing.T) *pebble.DB {
	t.Helper()
	db, err := pebble.Open("db", &pebble.Options{FS: vfs.NewMem(), Logger: pebbleLogger{log: slog.New(slog.DiscardHandler)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// TestAGroupInOrderIsTheSameGroup writes keys twice, some alike in the part that
// is sorted by: the value that came last stands.
func TestAGroupInOrderIsTheSameGroup(t *testing.T) {
	t.Parallel()
	db := memoryDB(t)
	batch := db.NewBatch()
	const keys = 200
	for round := range 2 {
		for n := range keys {
			key := fmt.Appendf(nil, "%03d/%d", (n*37)%keys/2, n)
			if err := batch.Set(key, fmt.Appendf(nil, "%d of round %d", n, round), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	ordered, err := new(workspace).inKeyOrder(db, batch)
	if err != nil || ordered == nil || ordered.Count() != batch.Count() {
		t.Fatalf("ordered: %v, %v", ordered, err)
	}
	checkAscends(t, ordered)
	if err := ordered.Commit(pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	for n := range keys {
		value, closer, err := db.Get(fmt.Appendf(nil, "%03d/%d", (n*37)%keys/2, n))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%d of round 1", n); string(value) != want {
			t.Errorf("got %q, want %q", value, want)
		}
		if err := closer.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := batch.Close(); err != nil {
		t.Error(err)
	}
}

func checkAscends(t *testing.T, b *pebble.Batch) {
	t.Helper()
	var before uint64
	for r := b.Reader(); len(r) > 0; {
		_, key, _, ok, err := r.Next()
		if err != nil || !ok {
			t.Fatalf("read: %t, %v", ok, err)
		}
		if prefixOf(key) < before {
			t.Errorf("%q is out of order", key)
		}
		before = prefixOf(key)
	}
}

// TestAGroupThatDeletesStaysAsItIs deletes ranges, whose place among the other
// pairs matters.
func TestAGroupThatDeletesStaysAsItIs(t *testing.T) {
	t.Parallel()
	db := memoryDB(t)
	for _, pairs := range []int{pairsWorthOrdering - 1, 3 * pairsWorthOrdering} {
		batch := db.NewBatch()
		for n := range pairs {
			if err := batch.Set(fmt.Appendf(nil, "%d", -n), nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		if pairs >= pairsWorthOrdering {
			if err := batch.DeleteRange([]byte("1"), []byte("2"), nil); err != nil {
				t.Fatal(err)
			}
		}
		if ordered, err := new(workspace).inKeyOrder(db, batch); ordered != nil || err != nil {
			t.Errorf("%d pairs: %v, %v", pairs, ordered, err)
		}
		if err := batch.Close(); err != nil {
			t.Error(err)
		}
	}
}
