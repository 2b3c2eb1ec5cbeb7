package ledger_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/report"
)

// onlyFile returns the name of the only file that begins so.
func onlyFile(t *testing.T, fs vfs.FS, prefix string) string {
	t.Helper()
	names, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, prefix) })
	if len(names) != 1 {
		t.Fatalf("files %s*: %v", prefix, names)
	}
	return names[0]
}

// mergedStore is a closed store with states and quantities of all kinds, some of
// them behind the base.
func mergedStore(t *testing.T) (*script, *vfs.MemFS) {
	t.Helper()
	s, fs := newScript(3, 6), vfs.NewCrashableMem()
	for i := range s.steps { // nothing but batches
		s.steps[i].merge, s.steps[i].reopen = false, false
	}
	l := &life{script: s, ledger: open(t, optionsOf(s, fs, slog.DiscardHandler))}
	for i := range s.steps {
		if i == len(s.steps)-3 {
			if err := l.ledger.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.play(t.Context(), &s.steps[i]); err != nil {
			t.Fatal(err)
		}
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40}) // Close must not merge: the last steps stay in the journal
	if err := l.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	return s, fs
}

// damage is one way to spoil a file.
type damage struct {
	what  string
	spoil func(data []byte) []byte
}

func flip(at int) damage {
	return damage{fmt.Sprintf("byte %d is flipped", at), func(data []byte) []byte {
		data[at] ^= 0x10
		return data
	}}
}

func cutTo(n int) damage {
	return damage{fmt.Sprintf("cut to %d bytes", n), func(data []byte) []byte { return data[:n] }}
}

// baseDamages spoils every field of the header and every section, at its begin,
// in its middle and at its end.
func baseDamages(data []byte) (all []damage) {
	const header, sections = 16 + 8 + 8, 33
	for at := 0; at < header+sections*24+8; at += 4 {
		all = append(all, flip(at))
	}
	end := 0
	for i := range sections {
		at := int(binary.LittleEndian.Uint64(data[header+24*i:]))
		length := int(binary.LittleEndian.Uint64(data[header+24*i+8:]))
		if length == 0 {
			continue
		}
		all = append(all, flip(at), flip(at+length/2), flip(at+length-1))
		end = at + length
	}
	return append(all, cutTo(0), cutTo(10), cutTo(header), cutTo(len(data)/2), cutTo(end-1))
}

func idsDamages(data []byte) []damage {
	all := []damage{cutTo(0), cutTo(3), cutTo(len(data) / 2), cutTo(len(data) - 1)}
	for _, at := range []int{0, 7, 8, 15, 16, 24, 32, 40, len(data) / 3, len(data) / 2, len(data) - 5, len(data) - 4, len(data) - 1} {
		all = append(all, flip(at))
	}
	return all
}

func TestDamagedDerivedFilesAreNoticedAndMadeAgain(t *testing.T) {
	t.Parallel()
	s, fs := mergedStore(t)
	for prefix, damages := range map[string]func([]byte) []damage{"base-": baseDamages, "ids-": idsDamages} {
		name := onlyFile(t, fs, prefix)
		for i, d := range damages(readAll(t, fs, "store/"+name)) {
			if i%raceShare != 0 {
				continue
			}
			spoilt := fs.CrashClone(vfs.CrashCloneCfg{})
			writeAll(t, spoilt, "store/"+name, d.spoil(readAll(t, spoilt, "store/"+name)))
			healed(t, s, spoilt, name, d.what)
		}
		missing := fs.CrashClone(vfs.CrashCloneCfg{})
		if err := missing.Remove("store/" + name); err != nil {
			t.Fatal(err)
		}
		healed(t, s, missing, name, "missing")
	}
	both := fs.CrashClone(vfs.CrashCloneCfg{})
	base := onlyFile(t, fs, "base-")
	for _, name := range []string{base, onlyFile(t, fs, "ids-")} {
		if err := both.Remove("store/" + name); err != nil {
			t.Fatal(err)
		}
	}
	healed(t, s, both, base, "missing, as is the id filter")
}

func TestABaseOfAnotherMomentIsNoticed(t *testing.T) {
	t.Parallel()
	s, fs := mergedStore(t)
	elsewhere := newTested(t)
	elsewhere.store(machines(0, 3))
	elsewhere.close()
	name := onlyFile(t, fs, "base-")
	spoilt := fs.CrashClone(vfs.CrashCloneCfg{})
	writeAll(t, spoilt, "store/"+name, readAll(t, elsewhere.fs, "store/"+onlyFile(t, elsewhere.fs, "base-")))
	healed(t, s, spoilt, name, "another store's")
}

func optionsOf(s *script, fs vfs.FS, log slog.Handler) ledger.Options {
	return ledger.Options{Dir: "store", FS: fs, Clock: s.clock, Logger: slog.New(log)}
}

// healed opens a store with a damaged file, demands that the log names it, and
// that the answers are right: at once, after everything was sent again, and
// after the next start, which finds the file made again.
func healed(t *testing.T, s *script, fs *vfs.MemFS, name, what string) {
	t.Helper()
	var log bytes.Buffer
	l := open(t, optionsOf(s, fs, slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})))
	if !strings.Contains(log.String(), name) || !strings.Contains(log.String(), "made again") {
		t.Errorf("%s, %s: the log does not tell: %q", name, what, log.String())
	}
	v := &survivor{T: t, script: s, crash: &crash{at: name + ", " + what, acked: len(s.steps), begun: len(s.steps)}, ledger: l, want: newExpected(s.now)}
	v.compare()
	fresh := machines(0, 1)
	v.want.submit(t, fresh)
	v.send(fresh)
	if err := errors.Join(l.Merge(t.Context()), l.Close()); err != nil {
		t.Errorf("%s, %s: %v", name, what, err)
	}
	log.Reset()
	l = open(t, optionsOf(s, fs, slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError})))
	if log.Len() > 0 {
		t.Errorf("%s, %s: it was not made again: %q", name, what, log.String())
	}
	v.compareAnswers(v.ask(l), "made again")
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestAFolderThatIsNoStoreOfThisFormatIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, text, want string }{
		"newer":         {"FORMAT", "meterbook store format 3\n", "made by a newer meterbook; this one reads up to 2: use the newer program"},
		"much newer":    {"FORMAT", "meterbook store format 4000000000\n", "made by a newer meterbook"},
		"older":         {"FORMAT", "meterbook store format 0\n", "no longer reads: export it with the older program"},
		"no number":     {"FORMAT", "meterbook store format one\n", "is not a meterbook store: its file FORMAT says"},
		"empty":         {"FORMAT", "", "is not a meterbook store"},
		"of others":     {"FORMAT", "RIFF\x00\xff\xfe", "is not a meterbook store"},
		"endless":       {"FORMAT", strings.Repeat("9", 100_000), "is not a meterbook store"},
		"foreign":       {"holiday.jpg", "x", "is neither empty nor a meterbook store (it holds holiday.jpg): choose another folder"},
		"without label": {"base-0000000000000001", "x", "is neither empty nor a meterbook store"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs := vfs.NewMem()
			if err := fs.MkdirAll("store", 0o755); err != nil {
				t.Fatal(err)
			}
			writeAll(t, fs, "store/"+c.file, []byte(c.text))
			l, err := ledger.Open(t.Context(), ledger.Options{Dir: "store", FS: fs, Clock: noon})
			if err == nil {
				t.Fatalf("it was opened, closed with %v", l.Close())
			}
			if !strings.Contains(err.Error(), "store") || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 300 {
				t.Errorf("error %q", err)
			}
			if names, err := fs.List("store"); err != nil || len(names) != 1 || string(readAll(t, fs, "store/"+c.file)) != c.text {
				t.Errorf("the folder was changed: %v, %v", names, err)
			}
		})
	}
}

func TestAFolderWhoseMakingWasCutOffIsTaken(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	if err := fs.MkdirAll("store", 0o755); err != nil {
		t.Fatal(err)
	}
	writeAll(t, fs, "store/FORMAT.tmp", []byte("meterb"))
	if err := open(t, ledger.Options{Dir: "store", FS: fs, Clock: noon}).Close(); err != nil {
		t.Error(err)
	}
}

func TestAFileInThePlaceOfTheFolderIsRefused(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/file"
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := ledger.Open(t.Context(), ledger.Options{Dir: path, Clock: noon}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("ledger %v, error %v", l, err)
	}
}

// TestASecondLedgerOnAFolderIsToldWhatToDo opens it in this process and in
// another one, on disk and in memory.
func TestASecondLedgerOnAFolderIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(childVariable); dir != "" {
		_, err := ledger.Open(t.Context(), ledger.Options{Dir: dir, Clock: noon})
		t.Log(err)
		return
	}
	const want = "is in use by another meterbook: stop that one, or choose another folder"
	for _, o := range []ledger.Options{{Dir: t.TempDir(), Clock: noon}, {Dir: "store", FS: vfs.NewMem(), Clock: noon}} {
		first := open(t, o)
		if _, err := ledger.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), o.Dir) {
			t.Errorf("a second one: %v", err)
		}
		if o.FS == nil {
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
			child.Env = append(os.Environ(), childVariable+"="+o.Dir)
			if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
				t.Errorf("another process: %v\n%s", err, out)
			}
		}
		if _, err := submitTogether(t.Context(), first, [][]report.Submission{machines(0, 3)}); err != nil {
			t.Errorf("the first one suffers: %v", err)
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		again := open(t, o)
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestADamagedFilterOfATableIsNamed flips a bit of each filter, which nothing but a
// look-up for an id reads.
func TestADamagedFilterOfATableIsNamed(t *testing.T) {
	t.Parallel()
	s, fs := mergedStore(t)
	if err := open(t, optionsOf(s, fs, slog.DiscardHandler)).Close(); err != nil { // its log has become tables
		t.Fatal(err)
	}
	names, err := fs.List("store/observations")
	if err != nil {
		t.Fatal(err)
	}
	filters := 0
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		for _, at := range filtersOf(t, fs, "store/observations/"+name) {
			filters++
			damaged := fs.CrashClone(vfs.CrashCloneCfg{})
			path := "store/observations/" + name
			writeAll(t, damaged, path, flip(at).spoil(readAll(t, damaged, path)))
			found, err := ledger.Verify(t.Context(), ledger.Options{Dir: "store", FS: damaged}, ignoreProgress)
			if err != nil || found.Total == 0 || !strings.Contains(found.Differences[0].Of, name) {
				t.Errorf("byte %d of %s: %v, %+v", at, name, err, found)
			}
		}
	}
	if filters == 0 {
		t.Error("no table has a filter")
	}
}

// filtersOf returns where in a table a filter has its middle.
func filtersOf(t *testing.T, fs vfs.FS, path string) (at []int) {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := sstable.NewSimpleReadable(f)
	if err != nil {
		t.Fatal(err)
	}
	table, err := sstable.NewReader(t.Context(), file, sstable.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close() //nolint:errcheck // nothing was written
	l, err := table.Layout()
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range l.Filter {
		at = append(at, int(block.Offset+block.Length/2))
	}
	return at
}
