package ledger_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/ledger"
)

// TestHalfARestoreNeverLooksLikeAStore crashes a restore before each operation
// that changes the file system: what is left is either no store, or all of it.
func TestHalfARestoreNeverLooksLikeAStore(t *testing.T) {
	t.Parallel()
	l := playScript(t, 3, vfs.NewMem())
	archive, want := l.backup(t), l.answers(t)
	l.close(t)
	disk, rng := vfs.NewCrashableMem(), rand.New(rand.NewPCG(3, 3))
	var left []*vfs.MemFS
	crashing := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite || op.Kind == errorfs.OpOpen {
			left = append(left, disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(2) * 60, RNG: rng}))
		}
		return nil
	}))
	err := ledger.Restore(t.Context(), ledger.Options{Dir: "store", FS: crashing}, bytes.NewReader(archive), ignoreProgress)
	if err != nil {
		t.Fatal(err)
	}
	left = append(left, disk.CrashClone(vfs.CrashCloneCfg{}))
	whole := 0
	for _, fs := range left {
		if _, err := fs.Stat("store/FORMAT"); err == nil {
			whole++
			checkWhole(t, l, fs, want)
			continue
		}
		names, err := fs.List("store")
		if err != nil || len(names) == 0 {
			continue // an empty folder
		}
		options := l.options
		options.FS = fs
		if opened, err := ledger.Open(t.Context(), options); err == nil {
			t.Errorf("half a restore was opened as a store: %v", names)
			l.ledger = opened
			l.close(t)
		}
	}
	if whole < 1 || whole == len(left) {
		t.Errorf("%d of %d crashes left a whole store", whole, len(left))
	}
}

func checkWhole(t *testing.T, l *life, fs *vfs.MemFS, want string) {
	t.Helper()
	wantClean(t, verifyAtRest(t, fs))
	restored := l.reopened(t, fs)
	if got := restored.answers(t); got != want {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
	restored.close(t)
}
