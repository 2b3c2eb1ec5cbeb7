package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// What to cut, instead of the default: METERBOOK_CRASH_SEED plays that seed
// (several: "1-9"), METERBOOK_CRASH_OPERATION cuts at that operation only, and
// METERBOOK_CRASH_STRIDE=1 cuts at every operation, as is usual without the race
// detector; of those of one kind on one kind of file the first is cut always.
const (
	crashSeedVariable      = "METERBOOK_CRASH_SEED"
	crashOperationVariable = "METERBOOK_CRASH_OPERATION"
	crashStrideVariable    = "METERBOOK_CRASH_STRIDE"
)

// TestACrashAtAnyWriteLosesNothingAcknowledged plays scripts on a simulated file
// system and, before each operation that changes it, takes what a crash would
// leave at that moment: only what was synced, or some of the rest too. A ledger
// opened on that must hold all that was acknowledged.
func TestACrashAtAnyWriteLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	first, last := seedRange(t)
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			cutEverywhere(t, seed)
		})
	}
}

func seedRange(t *testing.T) (first, last uint64) {
	t.Helper()
	text := os.Getenv(crashSeedVariable)
	if text == "" {
		return 1, max(1, 2/raceShare)
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	var errs [2]error
	first, errs[0] = strconv.ParseUint(from, 10, 64)
	last, errs[1] = strconv.ParseUint(to, 10, 64)
	if errs[0] != nil || errs[1] != nil || last < first {
		t.Fatalf("%s must be a seed such as 17, or a range such as 1-17, got %q", crashSeedVariable, text)
	}
	return first, last
}

func numberIn(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s must be a positive number, got %q", variable, text)
	}
	return n
}

// crash is what is left after a crash, and what the store owes to its clients.
type crash struct {
	operation int
	at        string // kind of operation and file
	percent   int    // of unsynced data that survived
	left      *vfs.MemFS
	acked     int // steps acknowledged before it
	begun     int // steps begun before it
}

// crasher takes crashes while a script is played.
type crasher struct {
	t       *testing.T
	fs      *vfs.MemFS
	crashes chan crash
	stride  int
	only    int // 0: all
	acked   atomic.Int64
	begun   atomic.Int64
	mu      struct {
		sync.Mutex
		rng   *rand.Rand
		count int
		taken map[string]int // cuts by kind and file
		seen  map[string]int
		// inOrder is set while names must reach the disk in their order.
		inOrder bool
	}
}

// before is told of each operation before it is done.
func (c *crasher) before(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead && op.Kind != errorfs.OpOpen {
		return nil // OpOpen may create a file
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.count++
	defer c.noteMarkerLocked(op)
	class := fmt.Sprintf("%s of %s", kindName(op.Kind), fileClass(op.Path))
	c.mu.seen[class]++
	wanted := c.mu.seen[class] == 1 || c.mu.count%c.stride == 0
	if c.only != 0 {
		wanted = c.mu.count == c.only
	}
	if !wanted {
		return nil
	}
	c.mu.taken[class]++
	cr := crash{operation: c.mu.count, at: fmt.Sprintf("%s of %s", kindName(op.Kind), op.Path), acked: int(c.acked.Load())}
	switch c.mu.rng.IntN(8) {
	case 0, 1, 2:
		cr.percent = []int{10, 50, 90}[c.mu.rng.IntN(3)]
		if c.mu.inOrder {
			cr.percent = 0
		}
	case 3:
		cr.percent = 100
	}
	cr.left = c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: cr.percent, RNG: c.mu.rng})
	cr.begun = int(c.begun.Load())
	c.crashes <- cr
	return nil
}

// noteMarkerLocked notes the time from Pebble's moving of a marker to its syncing
// of the folder. In it Pebble relies on what journalling file systems keep: that
// names reach the disk in the order in which they were made. The simulated one
// does not, so there all that is unsynced survives or nothing of it.
func (c *crasher) noteMarkerLocked(op errorfs.Op) {
	switch {
	case op.Kind == errorfs.OpCreate && strings.HasPrefix(path.Base(op.Path), "marker."):
		c.mu.inOrder = true
	case op.Kind == errorfs.OpFileSync && path.Base(op.Path) == "observations":
		// Sync it now, so that no other goroutine's crash comes in between.
		d, err := c.fs.OpenDir(op.Path)
		if err != nil {
			c.t.Errorf("open folder: %v", err)
			return
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			c.t.Errorf("sync folder: %v", err)
		}
		c.mu.inOrder = false
	}
}

func kindName(k errorfs.OpKind) string {
	names := map[errorfs.OpKind]string{
		errorfs.OpCreate: "create", errorfs.OpLink: "link", errorfs.OpOpen: "open", errorfs.OpRemove: "remove",
		errorfs.OpRemoveAll: "remove all", errorfs.OpRename: "rename", errorfs.OpReuseForWrite: "reuse", errorfs.OpMkdirAll: "mkdir",
		errorfs.OpLock: "lock", errorfs.OpFileWrite: "write", errorfs.OpFileWriteAt: "write at", errorfs.OpFileSync: "sync",
		errorfs.OpFileSyncData: "sync data", errorfs.OpFileSyncTo: "sync to", errorfs.OpFilePreallocate: "preallocate",
	}
	if name, ok := names[k]; ok {
		return name
	}
	return fmt.Sprint("operation ", int(k))
}

// fileClass leaves the digits out of a file's name.
func fileClass(name string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, path.Base(name))
}

// cutEverywhere plays the script of a seed once, and checks what each crash
// leaves.
func cutEverywhere(t *testing.T, seed uint64) {
	t.Helper()
	s := newScript(seed, 8)
	c := &crasher{
		t: t, fs: vfs.NewCrashableMem(), crashes: make(chan crash),
		stride: numberIn(t, crashStrideVariable, crashStride), only: numberIn(t, crashOperationVariable, 0),
	}
	if os.Getenv(crashOperationVariable) == "" {
		c.only = 0
	}
	c.mu.rng, c.mu.taken, c.mu.seen = rand.New(rand.NewPCG(seed, 5)), map[string]int{}, map[string]int{}
	var checked sync.WaitGroup
	for range 2 {
		checked.Go(func() {
			for cr := range c.crashes {
				check(t, s, &cr)
			}
		})
	}
	err := c.play(t.Context(), s)
	close(c.crashes)
	checked.Wait()
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	cuts := 0
	for _, n := range c.mu.taken {
		cuts += n
	}
	t.Logf("seed %d: %d steps, %d operations, %d cuts, at %v", seed, len(s.steps), c.mu.count, cuts, c.mu.taken)
	if os.Getenv(crashOperationVariable) != "" {
		return
	}
	for _, class := range []string{"write of .log", "sync of .log", "rename of base-.tmp", "rename of ids-.tmp", "rename of FORMAT.tmp", "sync of store", "remove of base-", "create of .sst", "create of MANIFEST-", "remove all of backup.tmp"} {
		if c.mu.taken[class] == 0 && !(class == "sync of .log" && c.mu.taken["sync data of .log"] > 0) {
			t.Errorf("seed %d: no crash was taken at: %s", seed, class)
		}
	}
}

// play plays the whole script and closes the store.
func (c *crasher) play(ctx context.Context, s *script) (err error) {
	l := &life{script: s, options: ledger.Options{
		Dir: "parent/store", FS: errorfs.Wrap(c.fs, errorfs.InjectorFunc(c.before)), Clock: s.clock, MergeUnits: 6,
	}}
	if l.ledger, err = ledger.Open(ctx, l.options); err != nil {
		return err
	}
	for i := range s.steps {
		c.begun.Store(int64(i + 1))
		if err := l.play(ctx, &s.steps[i]); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
		c.acked.Store(int64(i + 1))
	}
	return l.ledger.Close()
}

// survivor is a ledger opened on what a crash left.
type survivor struct {
	*testing.T
	script *script
	crash  *crash
	ledger *ledger.Ledger
	want   *expected
	failed bool
}

// failf reports the first thing that is wrong; the others follow from it.
func (v *survivor) failf(format string, args ...any) {
	v.Helper()
	if v.failed {
		return
	}
	v.failed = true
	v.Errorf("seed %d, operation %d (%s, %d %% of the unsynced survive, steps %d acknowledged, %d begun): %s\n%s=%d %s=1 plays it again, %s=%d cuts there only",
		v.script.seed, v.crash.operation, v.crash.at, v.crash.percent, v.crash.acked, v.crash.begun, fmt.Sprintf(format, args...),
		crashSeedVariable, v.script.seed, crashStrideVariable, crashOperationVariable, v.crash.operation)
}

// check opens what a crash left and compares it with what must be there.
func check(t *testing.T, s *script, cr *crash) {
	t.Helper()
	v := &survivor{T: t, script: s, crash: cr, want: newExpected(s.now)}
	var log bytes.Buffer
	options := ledger.Options{Dir: "parent/store", FS: cr.left, Clock: s.clock, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))}
	if cr.operation%3 == 0 {
		options.MergeUnits = 6
	}
	v.isClean()
	var err error
	if v.ledger, err = ledger.Open(t.Context(), options); err != nil {
		v.failf("open: %v", err)
		return
	}
	if log.Len() > 0 {
		v.failf("a crash alone damages nothing: %s", log.String())
	}
	if _, err := cr.left.Stat("parent/store/backup.tmp"); !errors.Is(err, fs.ErrNotExist) {
		v.failf("what a backup left is not removed: %v", err)
	}
	v.compare()
	if err := v.ledger.Close(); err != nil {
		v.failf("close: %v", err)
	}
	if cr.operation%4 != 0 || v.failed {
		return
	}
	v.isClean()
	if v.ledger, err = ledger.Open(t.Context(), options); err != nil {
		v.failf("open again: %v", err)
		return
	}
	v.compareAnswers(v.ask(v.ledger), "opened again")
	if err := v.ledger.Close(); err != nil {
		v.failf("close again: %v", err)
	}
}

// isClean verifies the store while nobody uses it.
func (v *survivor) isClean() {
	v.Helper()
	if _, err := v.crash.left.Stat("parent/store/FORMAT"); v.failed || errors.Is(err, fs.ErrNotExist) {
		return // it was not made yet
	}
	found, err := ledger.Verify(v.Context(), ledger.Options{Dir: "parent/store", FS: v.crash.left}, ignoreProgress)
	if err != nil || found.Total != 0 {
		v.failf("verify: %v, %+v", err, found)
	}
}

// compare asks before anything is sent again, then finds out by sending again
// what of the step on its way has survived, then sends all the rest.
func (v *survivor) compare() {
	v.Helper()
	answers, found := v.ask(v.ledger), v.list()
	for i := range v.crash.acked {
		v.want.apply(v.T, &v.script.steps[i])
		for _, batch := range v.script.steps[i].batches {
			v.want.submit(v.T, batch)
		}
	}
	without := listing(v.want.model, v.want.records)
	var rest [][]report.Submission
	if v.crash.begun > v.crash.acked {
		on := &v.script.steps[v.crash.acked]
		v.want.apply(v.T, on)
		rest = v.resendBegun(on.batches)
	}
	if with := listing(v.want.model, v.want.records); found != with && found != without {
		v.failf("directory and records\nwant %s\nor   %s\ngot  %s", with, without, found)
	}
	v.compareAnswers(answers, "opened")
	for _, batch := range rest {
		v.want.submit(v.T, batch)
	}
	v.resendAll()
	v.compareAnswers(v.ask(v.ledger), "all sent again")
}

// resendBegun sends again what was on its way, and returns the batches that had
// not survived. Batches survive as a whole, and none does when one before it did
// not.
func (v *survivor) resendBegun(batches [][]report.Submission) (rest [][]report.Submission) {
	v.Helper()
	probe := v.want // knows what survived so far
	lost := false
	for i, batch := range batches {
		got := v.send(batch)
		all := !slices.ContainsFunc(got, func(o report.Outcome) bool { return !o.Duplicate })
		if all && !lost {
			probe.submit(v.T, batch)
			continue
		}
		if !lost {
			probe = v.copyOf(v.crash.acked, batches[:i])
		}
		lost, rest = true, append(rest, batch)
		if want := probe.submit(v.T, batch); !sameOutcomes(want, got) {
			v.failf("batch %d of the step on its way survived in part, or without one before it: want %v, got %v", i, want, got)
		}
	}
	return rest
}

// copyOf returns what must be there after so many steps and these batches.
func (v *survivor) copyOf(steps int, batches [][]report.Submission) *expected {
	e := newExpected(v.script.now)
	for i := range steps {
		e.apply(v.T, &v.script.steps[i])
		for _, batch := range v.script.steps[i].batches {
			e.submit(v.T, batch)
		}
	}
	for _, batch := range batches {
		e.submit(v.T, batch)
	}
	return e
}

// resendAll sends everything: what was sent before is a duplicate.
func (v *survivor) resendAll() {
	v.Helper()
	for i := range v.script.steps {
		for _, batch := range v.script.steps[i].batches {
			if want, got := v.want.submit(v.T, batch), v.send(batch); !sameOutcomes(want, got) {
				v.failf("step %d sent again: want %v, got %v", i, want, got)
			}
		}
	}
}

func sameOutcomes(want, got []report.Outcome) bool {
	return slices.EqualFunc(want, got, func(a, b report.Outcome) bool {
		return a.Duplicate == b.Duplicate && (a.Rejected == nil) == (b.Rejected == nil)
	})
}

func (v *survivor) send(batch []report.Submission) []report.Outcome {
	v.Helper()
	outcomes, err := submitTogether(v.Context(), v.ledger, [][]report.Submission{batch})
	if err != nil {
		v.failf("send again: %v", err)
		return nil
	}
	return outcomes[0]
}

func (v *survivor) list() string {
	v.Helper()
	loaded, err := v.ledger.Records().Load(v.Context())
	if err != nil {
		v.failf("records: %v", err)
	}
	records := map[string]string{}
	for key, value := range loaded {
		records[key] = string(value)
	}
	return listing(v.ledger, records)
}

func (v *survivor) ask(r report.Reader) (answers []*storetest.Answer) {
	v.Helper()
	for _, q := range v.script.queries() {
		a, err := storetest.Ask(v.Context(), r, q)
		if err != nil {
			v.failf("report: %v", err)
			return nil
		}
		answers = append(answers, a)
	}
	return answers
}

func (v *survivor) compareAnswers(got []*storetest.Answer, when string) {
	v.Helper()
	for i, want := range v.ask(v.want.model) {
		if i >= len(got) {
			return
		}
		if diff := storetest.Diff(want, got[i]); diff != "" {
			v.failf("%s: query %d\n%s", when, i, diff)
			return
		}
	}
}
