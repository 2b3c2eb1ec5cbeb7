package ledger_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/report"
)

// fatal is a fault after which Pebble ends the process.
type fatal struct {
	name  string
	fault func(errorfs.Op) bool
	exit  int
	says  string
}

func fatals() []fatal {
	return []fatal{
		{"MANIFEST", func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSync && strings.HasPrefix(path.Base(op.Path), "MANIFEST-") || op.Kind == errorfs.OpFileSyncData && strings.HasPrefix(path.Base(op.Path), "MANIFEST-")
		}, 1, "the store cannot go on"},
		// Go's runtime ends the process: Pebble panics where it has given up a lock
		// that it gives up once more.
		{"new log", func(op errorfs.Op) bool {
			return (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite) && path.Ext(op.Path) == ".log"
		}, 2, "rotateWAL"},
	}
}

// TestAProcessThatPebbleEndsLosesNothing writes from a child until its disk fails
// in a way that Pebble cannot bear, and opens what it left.
func TestAProcessThatPebbleEndsLosesNothing(t *testing.T) {
	t.Parallel()
	if child, dir, isChild := strings.Cut(os.Getenv(childVariable), "|"); isChild {
		writeUntilFatal(t, child, dir)
		return
	}
	for _, f := range fatals() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			v := newTested(t)
			v.close()
			v.options.Dir, v.options.FS = t.TempDir(), nil
			out := endedBy(t, &f, v.options.Dir)
			v.reopen()
			stored := v.recount(out)
			if stored == 0 {
				t.Error("nothing had been stored before: the test proves nothing")
			}
			v.store(bulky(stored, 1)) // which was on its way
			v.agrees()
			v.close()
			found, err := ledger.Verify(t.Context(), ledger.Options{Dir: v.options.Dir}, ignoreProgress)
			if err != nil {
				t.Fatal(err)
			}
			wantClean(t, found)
		})
	}
}

// endedBy runs a child until a fault ends it, and returns what it said.
func endedBy(t *testing.T, f *fatal, dir string) string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAProcessThatPebbleEndsLosesNothing$")
	child.Env = append(os.Environ(), childVariable+"="+f.name+"|"+dir)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != f.exit || !strings.Contains(string(out), f.says) {
		t.Fatalf("want exit code %d with %q, got %v\n%s", f.exit, f.says, err, out)
	}
	return string(out)
}

// recount sends again what a child said that it had stored, tells the model, and
// returns how many there were.
func (v *tested) recount(out string) (stored int) {
	v.Helper()
	for line := range strings.Lines(out) {
		text, ok := strings.CutPrefix(line, "stored ")
		if !ok {
			continue
		}
		first, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil {
			v.Fatal(err)
		}
		outcomes, err := submitTogether(v.Context(), v.ledger, [][]report.Submission{bulky(first, 1)})
		if err != nil || !outcomes[0][0].Duplicate {
			v.Errorf("batch %d had its receipt and is gone: %v, %v", first, outcomes, err)
		}
		if _, err := submitTogether(v.Context(), v.model, [][]report.Submission{bulky(first, 1)}); err != nil {
			v.Fatal(err)
		}
		stored = first + 1
	}
	return stored
}

// writeUntilFatal ends with its process.
func writeUntilFatal(t *testing.T, name, dir string) {
	t.Helper()
	var failing atomic.Bool
	fs := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		for _, f := range fatals() {
			if f.name == name && failing.Load() && f.fault(op) {
				return errDisk
			}
		}
		return nil
	}))
	l := open(t, ledger.Options{
		Dir: dir, FS: fs, Clock: noon, MemTableBytes: 1 << 20, Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)), OnFatal: func() { os.Exit(1) },
	})
	failing.Store(true)
	for first := 0; ; first++ {
		if _, err := submitTogether(t.Context(), l, [][]report.Submission{bulky(first, 1)}); err != nil {
			t.Fatal(err)
		}
		fmt.Println("stored", first)
	}
}
