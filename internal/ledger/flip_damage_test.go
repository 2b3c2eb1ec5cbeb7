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

// condensedStore is a store that was killed when part of what it holds had been
// condensed beside its base, and what was played of it.
func condensedStore(t *testing.T, before *life, killed *vfs.MemFS) (l *life, store *vfs.MemFS) {
	t.Helper()
	s, fs := *before.script, killed.CrashClone(vfs.CrashCloneCfg{})
	fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40, AvailBytes: 1 << 39})
	l = &life{script: &s, options: optionsOf(&s, fs, slog.DiscardHandler)}
	l.options.MergeUnits = 20
	synctest.Test(t, func(t *testing.T) {
		l.ledger = open(t, l.options)
		for _, from := range []int{80, 100} { // the second writes down what was condensed of the first
			more := step{batches: [][]report.Submission{machines(from, 20)}}
			if err := l.play(t.Context(), &more); err != nil {
				t.Fatal(err)
			}
			s.steps = append(slices.Clip(s.steps), more)
			synctest.Wait()
		}
		store = fs.CrashClone(vfs.CrashCloneCfg{})
		l.close(t)
	})
	return l, store
}

// demand is what flipped bits in the files of a class must come to.
type demand struct {
	// checked: a checksum, or the only form that it may have, covers each byte, so
	// that each flip is found.
	checked bool
	// derived: a start goes on without the file, and its log names it.
	derived bool
	// kind is what Pebble calls such a file where it does not name it.
	kind string
}

// demands holds every class of files that have bytes.
var demands = map[string]demand{
	"FORMAT":    {checked: true},
	"base-":     {checked: true, derived: true},
	"recent-":   {checked: true, derived: true},
	"ids-":      {checked: true, derived: true},
	".sst":      {checked: true},
	".log":      {kind: "replaying WAL"},
	"MANIFEST-": {},
	"OPTIONS-":  {},
}

// tally is what became of flipped bits: found by verify, refused by a start, and
// neither.
type tally struct{ flips, found, refused, harmless int }

// TestAFlippedBitOfAnyFileNeverChangesAFigure damages each file of a store at
// random places. Verify finds it and names it, or a start refuses the store and
// says why, or it does no harm, which it must not seem to do where checksums cover
// each byte; reports of a store that starts are right in any case, and what was
// stored is never taken for new.
func TestAFlippedBitOfAnyFileNeverChangesAFigure(t *testing.T) {
	t.Parallel()
	l, killed, stopped := wholeStore(t)
	later, condensed := condensedStore(t, l, killed)
	for _, store := range []struct {
		name    string
		life    *life
		fs      *vfs.MemFS
		classes []string
		sealed  bool
	}{
		{"killed", l, killed, []string{"FORMAT", "base-", "ids-", ".sst", ".log", "MANIFEST-", "OPTIONS-"}, true},
		{"stopped", l, stopped, []string{"FORMAT", "base-", "ids-", ".sst", ".log", "MANIFEST-", "OPTIONS-"}, false},
		{"condensed", later, condensed, []string{"recent-"}, false},
	} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			whole := store.life.reopened(t, store.fs.CrashClone(vfs.CrashCloneCfg{}))
			pattern := flipped{T: t, life: store.life, fs: store.fs, want: whole.answers(t)}
			whole.close(t)
			if store.sealed {
				pattern.sealed = lastLog(t, store.fs)
			}
			seen := flipEverywhere(&pattern, store.classes)
			for _, class := range store.classes {
				if t.Logf("%-10s %+v", class, seen[class]); seen[class].flips == 0 {
					t.Errorf("the store has no file %s", class)
				}
			}
		})
	}
}

// lastLog returns the log that was written last.
func lastLog(t *testing.T, fs vfs.FS) string {
	t.Helper()
	logs := slices.DeleteFunc(slices.Sorted(maps.Keys(filesOf(t, fs))), func(name string) bool { return path.Ext(name) != ".log" })
	if len(logs) == 0 {
		t.Fatal("the store has no log")
	}
	return logs[len(logs)-1]
}

// flipEverywhere counts what became of bits flipped in each file of some classes.
func flipEverywhere(pattern *flipped, classes []string) (seen map[string]tally) {
	pattern.Helper()
	rng := rand.New(rand.NewPCG(uint64(numberIn(pattern.T, flipSeedVariable, 1)), 9))
	flips := numberIn(pattern.T, flipsVariable, max(1, defaultFlips/raceShare))
	seen = map[string]tally{}
	sizes := filesOf(pattern.T, pattern.fs)
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		class := fileClass(name)
		demand, known := demands[class]
		if !known {
			pattern.Errorf("of damage of %s nothing is demanded", name)
		}
		if !slices.Contains(classes, class) {
			continue
		}
		for range flips {
			f := *pattern
			f.fs, f.name, f.demand = pattern.fs.CrashClone(vfs.CrashCloneCfg{}), name, demand
			f.at, f.bit = rng.Int64N(sizes[name]), rng.IntN(8)
			of := seen[class]
			f.judge(&of)
			seen[class] = of
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
	fs     *vfs.MemFS
	want   string // what reports must answer
	sealed string // the log behind whose observations a seal stands
	name   string
	demand demand
	at     int64
	bit    int
}

func (f *flipped) failf(format string, args ...any) {
	f.T.Helper()
	f.T.Errorf("%s, bit %d of byte %d is flipped: %s", f.name, f.bit, f.at, fmt.Sprintf(format, args...))
}

// judge counts what became of the damage.
func (f *flipped) judge(of *tally) {
	f.T.Helper()
	before := readAll(f.T, f.fs, f.name)
	data := bytes.Clone(before)
	data[f.at] ^= 1 << f.bit
	writeAll(f.T, f.fs, f.name, data)
	verification, err := ledger.Verify(f.T.Context(), ledger.Options{Dir: "store", FS: f.fs}, ignoreProgress)
	refused, said := f.start()
	of.flips++
	found := err != nil || verification.Total > 0
	switch {
	case err != nil:
		f.names("verify", err.Error())
	case found: // the difference that is read first
		if follows := fmt.Sprintf("%+v", verification.Differences); strings.HasSuffix(f.name, ".sst") && strings.Contains(follows, "no retraction names it") {
			f.failf("verify lists what only follows from what it could not read: %s", follows)
		}
		f.names("verify", fmt.Sprintf("%+v", verification.Differences[0]))
	}
	if said != "" {
		f.names("a start", said)
	}
	if found {
		of.found++
	}
	if refused {
		of.refused++
	}
	if !found && !refused {
		of.harmless++
	}
	switch blank := fileClass(f.name) == "FORMAT" && bytes.Equal(bytes.TrimSpace(before), bytes.TrimSpace(data)); {
	case !found && f.demand.checked && !blank:
		f.failf("verify does not find it")
	case !found && f.name == f.sealed && f.at < int64(len(data)-sealOfLog):
		f.failf("verify does not find it, although it is before the seal")
	case found && f.demand.derived && (refused || said == ""):
		f.failf("a start does not go on without it, or says nothing: refused %v, %q", refused, said)
	}
}

// sealOfLog is what a seal takes at the end of a log, at the most.
const sealOfLog = 33<<10 + 128

// names fails when a text does not say where the damage lies.
func (f *flipped) names(who, text string) {
	f.T.Helper()
	within := func(part string) bool { return strings.Contains(text, part) }
	file := path.Base(f.name)
	number, isTable := strings.CutSuffix(file, ".sst")
	if !within(file) && !(isTable && within("file "+number)) && !(f.demand.kind != "" && within(f.demand.kind)) {
		f.failf("%s does not say where: %s", who, text)
	}
}

// start reports whether a start refuses the store, and what it says; if it does
// not, all must be as if nothing had happened, but that writes may be refused.
func (f *flipped) start() (refused bool, said string) {
	f.T.Helper()
	var log lockedBuffer
	opened, err := ledger.Open(f.T.Context(), optionsOf(f.script, f.fs, slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return true, err.Error()
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
	return false, log.String()
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
// refused as a damaged backup, or what is restored is the same to the byte.
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
			if !strings.Contains(err.Error(), "the backup") {
				t.Errorf("bit %d of byte %d is flipped, and the error does not name the backup: %v", bit, at, err)
			}
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
