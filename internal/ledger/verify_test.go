package ledger_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// kept is a store that was closed, in memory, of which each test breaks a copy.
type kept struct {
	fs  *vfs.MemFS
	now metering.Instant
}

// keep plays a script and closes the store. With a great mergeUnits there is no
// base but what closing makes.
func keep(t *testing.T, seed uint64) *kept {
	t.Helper()
	k := &kept{fs: vfs.NewCrashableMem()}
	l := playScript(t, seed, k.fs)
	k.now = l.now
	if err := l.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	return k
}

// playScript plays a script with a merge every six units, and leaves the store
// open, with changes that were not merged.
func playScript(t *testing.T, seed uint64, fs vfs.FS) *life {
	t.Helper()
	s := newScript(seed, 8)
	l := &life{script: s, options: ledger.Options{
		Dir: "store", FS: fs, Clock: func() metering.Instant { return s.now }, MergeUnits: 6,
	}}
	var err error
	if l.ledger, err = ledger.Open(t.Context(), l.options); err != nil {
		t.Fatal(err)
	}
	for i := range s.steps {
		if err := l.play(t.Context(), &s.steps[i]); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	return l
}

func (k *kept) copy() *vfs.MemFS { return k.fs.CrashClone(vfs.CrashCloneCfg{}) }

func verifyAtRest(t *testing.T, fs vfs.FS) *report.Verification {
	t.Helper()
	v, err := ledger.Verify(t.Context(), ledger.Options{Dir: "store", FS: fs}, func(report.Progress) {})
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return v
}

func wantClean(t *testing.T, v *report.Verification) {
	t.Helper()
	if v.Total != 0 || v.Observations == 0 {
		t.Errorf("%d observations, %d differences: %+v", v.Observations, v.Total, v.Differences)
	}
}

func TestASoundStoreVerifies(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		k := keep(t, seed+1)
		v := verifyAtRest(t, k.fs)
		wantClean(t, v)
		if v.Timelines == 0 || v.IDs < v.Observations {
			t.Errorf("seed %d: %+v", seed, v)
		}
	}
}

func TestAStoreVerifiesWithWhatIsOnlyInTheJournal(t *testing.T) {
	t.Parallel()
	fs := vfs.NewCrashableMem()
	l := playScript(t, 3, fs)
	cut := fs.CrashClone(vfs.CrashCloneCfg{})
	if err := l.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	wantClean(t, verifyAtRest(t, cut))
}

func TestARunningStoreVerifies(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		l := playScript(t, seed+1, vfs.NewMem())
		for range 2 {
			v, err := l.ledger.Verify(t.Context(), func(report.Progress) {})
			if err != nil {
				t.Fatal(err)
			}
			wantClean(t, v)
			if err := l.ledger.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.ledger.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestVerifyListsTheFirstDifferencesAndCountsAll(t *testing.T) {
	t.Parallel()
	fs := keep(t, 7).copy()
	breakStore(t, fs, func(b *broken) {
		b.each(layout.IDs, func(key, _ []byte) bool { b.remove(key); return true })
	})
	v := verifyAtRest(t, fs)
	if len(v.Differences) != report.MaxListedDifferences || v.Total < v.Observations || v.Observations <= report.MaxListedDifferences {
		t.Errorf("%d listed of %d, %d observations", len(v.Differences), v.Total, v.Observations)
	}
}

func TestVerifyChangesNothing(t *testing.T) {
	t.Parallel()
	k := keep(t, 7)
	before := contents(t, k.fs)
	wantClean(t, verifyAtRest(t, k.fs))
	if after := contents(t, k.fs); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestVerifyRefusesAStoreInUse(t *testing.T) {
	t.Parallel()
	l := playScript(t, 1, vfs.NewMem())
	_, err := ledger.Verify(t.Context(), l.options, func(report.Progress) {})
	if metering.KindOf(err) != metering.KindUnavailable || !strings.Contains(fmt.Sprint(err), "--server") {
		t.Errorf("got %v", err)
	}
	if err := l.ledger.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyRefusesWhatIsNoStore(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("store", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "something else", "meterbook store format 99"} {
		if text != "" {
			writeAll(t, fs, "store/FORMAT", []byte(text))
		}
		if _, err := ledger.Verify(t.Context(), ledger.Options{Dir: "store", FS: fs}, func(report.Progress) {}); metering.KindOf(err) != metering.KindInvalid {
			t.Errorf("FORMAT %q: got %v", text, err)
		}
	}
	if names, err := fs.List("store"); err != nil || len(names) != 1 {
		t.Errorf("verify left %v, %v", names, err)
	}
}

func TestAStoreThatWasNeverWrittenToVerifies(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("store", 0o755); err != nil {
		t.Fatal(err)
	}
	writeAll(t, fs, "store/FORMAT", []byte("meterbook store format 1\n"))
	if v := verifyAtRest(t, fs); v.Total != 0 {
		t.Errorf("got %+v", v)
	}
	writeAll(t, fs, "store/base-0000000000000007", nil)
	wantDifference(t, verifyAtRest(t, fs), "store", "base-0000000000000007")
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	t.Parallel()
	k := keep(t, 7)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := ledger.Verify(ctx, ledger.Options{Dir: "store", FS: k.fs}, func(report.Progress) { cancel() })
	if err == nil || ctx.Err() == nil {
		t.Errorf("got %v", err)
	}
}

func TestOnlyOneVerificationGoesOnAtATime(t *testing.T) {
	t.Parallel()
	l := playScript(t, 1, vfs.NewMem())
	tried := false
	_, err := l.ledger.Verify(t.Context(), func(report.Progress) {
		if tried {
			return
		}
		tried = true
		if _, err := l.ledger.Verify(t.Context(), func(report.Progress) {}); metering.KindOf(err) != metering.KindConflict {
			t.Errorf("second: got %v", err)
		}
	})
	if err != nil || !tried {
		t.Errorf("first: %v, tried: %v", err, tried)
	}
	if err := l.ledger.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestClosingEndsAVerification(t *testing.T) {
	t.Parallel()
	l := playScript(t, 1, vfs.NewMem())
	closed := make(chan error, 1)
	begun := false
	_, err := l.ledger.Verify(t.Context(), func(report.Progress) {
		if !begun {
			begun = true
			go func() { closed <- l.ledger.Close() }()
			for l.ledger.Writable() == nil { // until it is closing
				runtime.Gosched()
			}
		}
	})
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if metering.KindOf(err) != metering.KindUnavailable {
		t.Errorf("verify: %v", err)
	}
}

func readAll(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

func writeAll(t *testing.T, fs vfs.FS, path string, data []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// contents lists all files of a store with a checksum.
func contents(t *testing.T, fs vfs.FS) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range []string{"store", "store/observations"} {
		names, err := fs.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		for _, name := range names {
			if name != "observations" {
				fmt.Fprintf(&b, "%s/%s %x\n", dir, name, sha256.Sum256(readAll(t, fs, fs.PathJoin(dir, name))))
			}
		}
	}
	return b.String()
}

func TestAStartMendsDerivedFilesForGood(t *testing.T) {
	t.Parallel()
	k := keep(t, 7)
	for _, prefix := range []string{"base-", "ids-"} {
		fs := k.copy()
		name := derivedFile(t, fs, prefix)
		writeAll(t, fs, fs.PathJoin("store", name), []byte("damaged"))
		l := open(t, ledger.Options{Dir: "store", FS: fs, Clock: func() metering.Instant { return k.now }})
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wantClean(t, verifyAtRest(t, fs))
	}
}
