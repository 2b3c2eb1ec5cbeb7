package ledger_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// flipsVariable is how many bits are flipped in each file, instead of the
// default; METERBOOK_FLIP_SEED chooses which.
const (
	flipsVariable    = "METERBOOK_FLIPS"
	flipSeedVariable = "METERBOOK_FLIP_SEED"
	defaultFlips     = 6
)

// filesOf lists the files of a store with their sizes, the empty ones left out.
func filesOf(t *testing.T, fs vfs.FS) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	for _, dir := range []string{"store", "store/observations"} {
		names, err := fs.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			info, err := fs.Stat(path.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if !info.IsDir() && info.Size() > 0 {
				sizes[path.Join(dir, name)] = info.Size()
			}
		}
	}
	return sizes
}

// wholeStore is a store that was killed after it had fallen silent, with a base,
// an id filter, tables that hold most of the observations, and a log that holds
// the last ones; and the same one after it was stopped.
func wholeStore(t *testing.T) (l *life, killed, stopped *vfs.MemFS) {
	t.Helper()
	s, fs := mergedStore(t)
	fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40, AvailBytes: 1 << 39})
	l = &life{script: s, options: optionsOf(s, fs, slog.DiscardHandler)}
	synctest.Test(t, func(t *testing.T) {
		l.ledger = open(t, l.options) // which writes the log as tables
		for i := range 4 {
			late := step{batches: [][]report.Submission{machines(i*20, 20)}}
			if err := l.play(t.Context(), &late); err != nil {
				t.Fatal(err)
			}
			s.steps = append(s.steps, late)
		}
		<-time.After(2 * ledger.IdleMergeAfter)
		synctest.Wait()
		killed = fs.CrashClone(vfs.CrashCloneCfg{})
		l.close(t)
	})
	return l, killed, fs
}

// TestAFlippedBitOfAnyFileNeverChangesAFigure damages each file of a store at
// random places. Verify finds it, or a start refuses the store, or it does no
// harm; reports of a store that starts are right in any case, and what was stored
// is never taken for new.
func TestAFlippedBitOfAnyFileNeverChangesAFigure(t *testing.T) {
	t.Parallel()
	l, killed, stopped := wholeStore(t)
	want := l.reopened(t, killed.CrashClone(vfs.CrashCloneCfg{}))
	answers := want.answers(t)
	want.close(t)
	for name, fs := range map[string]*vfs.MemFS{"killed": killed, "stopped": stopped} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := flipEverywhere(t, l, fs, answers)
			for _, class := range []string{"FORMAT", "base-", "ids-", ".sst", ".log", "MANIFEST-", "OPTIONS-"} {
				if t.Logf("%-10s %v", class, seen[class]); len(seen[class]) == 0 {
					t.Errorf("the store has no file %s", class)
				}
			}
			if seen[".sst"]["found by verify"] == 0 {
				t.Error("verify found no damage of a table")
			}
		})
	}
}

// flipEverywhere counts what became of bits flipped in each kind of file.
func flipEverywhere(t *testing.T, l *life, fs *vfs.MemFS, answers string) (seen map[string]map[string]int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(numberIn(t, flipSeedVariable, 1)), 9))
	flips := numberIn(t, flipsVariable, max(1, defaultFlips/raceShare))
	seen = map[string]map[string]int{}
	sizes := filesOf(t, fs)
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		class := fileClass(name)
		if seen[class] == nil {
			seen[class] = map[string]int{}
		}
		for range flips {
			f := &flipped{T: t, life: l, fs: fs.CrashClone(vfs.CrashCloneCfg{}), want: answers, name: name, at: rng.Int64N(sizes[name]), bit: rng.IntN(8)}
			seen[class][f.judge()]++
		}
	}
	return seen
}

// TestAStoreThatLostItsEndIsRefused takes away what a log or a table held, as if
// it had never been written: nothing in what is left is damaged.
func TestAStoreThatLostItsEndIsRefused(t *testing.T) {
	t.Parallel()
	l, _, stopped := wholeStore(t)
	base := onlyFile(t, stopped, "base-")
	ahead := base[:len(base)-1] + "9" // of more observations than there are
	writeAll(t, stopped, "store/"+ahead, readAll(t, stopped, "store/"+base))
	found := verifyAtRest(t, stopped)
	if found.Total == 0 || !strings.Contains(fmt.Sprint(found.Differences), "sequence") {
		t.Errorf("verify does not tell: %+v", found)
	}
	opened, err := ledger.Open(t.Context(), optionsOf(l.script, stopped, slog.DiscardHandler))
	if err == nil {
		t.Fatalf("it was opened, closed with %v", opened.Close())
	}
	if !strings.Contains(err.Error(), ahead) || !strings.Contains(err.Error(), "restore a backup") {
		t.Errorf("the error names neither file nor remedy: %v", err)
	}
	if err := stopped.Remove("store/" + ahead); err != nil {
		t.Fatal(err)
	}
	l.ledger = open(t, optionsOf(l.script, stopped, slog.DiscardHandler))
	l.close(t)
}

// flipped is a store in which one bit of one file is another.
type flipped struct {
	*testing.T
	*life
	fs   *vfs.MemFS
	want string // what reports must answer
	name string
	at   int64
	bit  int
}

func (f *flipped) failf(format string, args ...any) {
	f.T.Helper()
	f.T.Errorf("%s, bit %d of byte %d is flipped: %s", f.name, f.bit, f.at, fmt.Sprintf(format, args...))
}

// judge says what became of the damage.
func (f *flipped) judge() string {
	f.T.Helper()
	data := readAll(f.T, f.fs, f.name)
	data[f.at] ^= 1 << f.bit
	writeAll(f.T, f.fs, f.name, data)
	found, err := ledger.Verify(f.T.Context(), ledger.Options{Dir: "store", FS: f.fs}, ignoreProgress)
	refused := f.start()
	switch {
	case err != nil || found.Total > 0:
		return "found by verify"
	case refused:
		return "refused by a start"
	}
	return "harmless"
}

// start reports whether a start refuses the store; if it does not, all must be
// as if nothing had happened, but that writes may be refused.
func (f *flipped) start() (refused bool) {
	f.T.Helper()
	var log lockedBuffer
	opened, err := ledger.Open(f.T.Context(), optionsOf(f.script, f.fs, slog.NewTextHandler(&log, nil)))
	if err != nil {
		return true
	}
	l := &life{script: f.script, ledger: opened}
	if got := l.answers(f.T); got != f.want {
		f.failf("the reports of a store that starts are wrong:\n%s\nlog: %s", firstDifference(f.want, got), log.String())
	}
	for i := range f.script.steps {
		for _, batch := range f.script.steps[i].batches {
			outcomes, err := submitTogether(f.T.Context(), opened, [][]report.Submission{batch})
			if err != nil {
				if metering.KindOf(err) != metering.KindUnavailable || !strings.Contains(log.String(), "takes no more writes") {
					f.failf("send again: %v; log: %s", err, log.String())
				}
				continue
			}
			if slices.ContainsFunc(outcomes[0], func(o report.Outcome) bool { return !o.Duplicate && o.Rejected == nil }) {
				f.failf("what was stored is taken for new: %v", outcomes[0])
			}
		}
	}
	if got := l.answers(f.T); got != f.want {
		f.failf("the reports are wrong after all was sent again:\n%s", firstDifference(f.want, got))
	}
	if err := opened.Close(); err != nil && !strings.Contains(log.String(), "takes no more writes") {
		f.failf("close: %v", err)
	}
	return false
}

func firstDifference(want, got string) string {
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	around := func(text string) string { return text[max(0, at-100):min(len(text), at+100)] }
	return fmt.Sprintf("want …%s…\ngot  …%s…", around(want), around(got))
}

// TestAFlippedBitOfABackupIsRefused flips bits anywhere in an archive: it is
// refused, or what is restored is the same to the byte.
func TestAFlippedBitOfABackupIsRefused(t *testing.T) {
	t.Parallel()
	l, _, fs := wholeStore(t)
	l = l.reopened(t, fs)
	archive, want := l.backup(t), l.answers(t)
	l.close(t)
	rng := rand.New(rand.NewPCG(uint64(numberIn(t, flipSeedVariable, 1)), 10))
	harmless := 0
	for range 10 * numberIn(t, flipsVariable, max(1, defaultFlips/raceShare)) {
		at, bit := rng.IntN(len(archive)), rng.IntN(8)
		spoilt := bytes.Clone(archive)
		spoilt[at] ^= 1 << bit
		fs := vfs.NewMem()
		if err := ledger.Restore(t.Context(), ledger.Options{Dir: "store", FS: fs}, bytes.NewReader(spoilt), ignoreProgress); err != nil {
			continue
		}
		harmless++
		restored := l.reopened(t, fs)
		if restored.answers(t) != want {
			t.Errorf("bit %d of byte %d is flipped, and the backup is restored with other figures", bit, at)
		}
		restored.close(t)
	}
	t.Logf("%d flips did no harm", harmless)
}
