package ledger_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// faultyFS is a file system in memory whose operations fail when told to.
type faultyFS struct {
	vfs.FS
	under *vfs.MemFS
	fails atomic.Pointer[func(errorfs.Op) error]
}

var errDisk = fmt.Errorf("injected: %w", syscall.EIO)

func newFaultyFS() *faultyFS {
	f := &faultyFS{under: vfs.NewCrashableMem()}
	f.FS = errorfs.Wrap(f.under, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if fails := f.fails.Load(); fails != nil {
			return (*fails)(op)
		}
		return nil
	}))
	return f
}

func (f *faultyFS) fail(when func(errorfs.Op) bool) { f.failWith(errDisk, when) }

func (f *faultyFS) failWith(err error, when func(errorfs.Op) bool) {
	fails := func(op errorfs.Op) error {
		if when(op) {
			return err
		}
		return nil
	}
	f.fails.Store(&fails)
}

func (f *faultyFS) heal() { f.fails.Store(nil) }

// logIsLost matches what brings a write to Pebble's log to the disk.
func logIsLost(op errorfs.Op) bool {
	sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
	return sync && path.Ext(op.Path) == ".log"
}

func logIsUnwritable(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileWrite && path.Ext(op.Path) == ".log"
}

// noon is the time of the tests that do not care.
func noon() metering.Instant { return storetest.At("2024-07-10T12:00:00Z") }

// machines returns a state for each of n instances, the first one being number
// first, each told under the id of its number.
func machines(first, n int) []report.Submission {
	typ, _ := metering.ResourceTypeNamed("instance")
	batch := make([]report.Submission, n)
	for i := range batch {
		number := first + i
		o := &metering.Observation{
			Kind: metering.StateObserved, Name: metering.ObservationName{Project: metering.ProjectID(1 + number%3), Source: "/test", ID: fmt.Sprint("id-", number)},
			Time: noon() - 3600*metering.Second, Multiplier: 1,
		}
		o.Resource = metering.ResourceKey{Project: o.Name.Project, Region: 76, Type: typ, ID: metering.UUID{byte(number >> 16), byte(number >> 8), byte(number)}}
		o.Attributes.Texts[metering.Flavor] = "g1"
		o.Attributes.Texts[metering.Name] = fmt.Sprint("machine ", number)
		o.Meter = typ.Meter("", "", &o.Attributes)
		batch[i] = report.Submission{Observation: o, Client: "client-a", AnyClient: true, ReceivedAt: noon()}
	}
	return batch
}

// allLines asks for everything on the day of noon.
func allLines() report.Query {
	return report.Query{
		Period: metering.Period{From: noon().Day(), To: noon().Day() + 1}, Now: noon(), Limit: math.MaxInt, Order: []report.OrderTerm{{Field: report.ByProject}},
		Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
	}
}

// tested is a ledger with the model of what it must show.
type tested struct {
	*testing.T
	fs      *faultyFS
	options ledger.Options
	ledger  *ledger.Ledger
	model   *storetest.Model
}

func newTested(t *testing.T) *tested {
	t.Helper()
	v := &tested{T: t, fs: newFaultyFS(), model: storetest.NewModel(noon)}
	v.options = ledger.Options{Dir: "store", FS: v.fs, Clock: noon}
	v.ledger = open(t, v.options)
	return v
}

// store sends batches that must be stored.
func (v *tested) store(batches ...[]report.Submission) {
	v.Helper()
	for _, w := range []report.Writer{v.ledger, v.model} {
		if _, err := submitTogether(v.Context(), w, batches); err != nil {
			v.Fatalf("store: %v", err)
		}
	}
}

// agrees compares a report with the model's.
func (v *tested) agrees() {
	v.Helper()
	v.agreesAt(noon())
}

// agreesAt compares a report that is asked at another time.
func (v *tested) agreesAt(now metering.Instant) {
	v.Helper()
	q := allLines()
	q.Now = now
	want, err := storetest.Ask(v.Context(), v.model, q)
	if err != nil {
		v.Fatal(err)
	}
	got, err := storetest.Ask(v.Context(), v.ledger, q)
	if err != nil {
		v.Fatalf("report: %v", err)
	}
	storetest.AssertEqualAnswers(v.T, want, got)
}

func (v *tested) close() {
	v.Helper()
	if err := v.ledger.Close(); err != nil {
		v.Fatalf("close: %v", err)
	}
}

func (v *tested) reopen() {
	v.Helper()
	v.ledger = open(v.T, v.options)
}

// unavailable fails unless the error says that the store cannot write now.
func (v *tested) unavailable(what string, err error) {
	v.Helper()
	if err == nil || metering.KindOf(err) != metering.KindUnavailable {
		v.Errorf("%s: want KindUnavailable, got %v", what, err)
	}
}

// refusesWrites tries every way to write.
func (v *tested) refusesWrites() {
	v.Helper()
	_, err := submitTogether(v.Context(), v.ledger, [][]report.Submission{machines(1000, 1)})
	v.unavailable("submit", err)
	v.unavailable("writable", v.ledger.Writable())
	v.unavailable("put project", v.ledger.PutProject(v.Context(), report.Project{ID: 77}))
	v.unavailable("put region", v.ledger.PutRegion(v.Context(), report.Region{ID: 77}))
	v.unavailable("put record", v.ledger.Records().Put(v.Context(), "k", []byte("v")))
	v.unavailable("delete record", v.ledger.Records().Delete(v.Context(), "k"))
	v.unavailable("merge", v.ledger.Merge(v.Context()))
}

func TestAfterAFailedWriteNobodyGetsAReceiptAndReportsGoOn(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(errorfs.Op) bool{"sync": logIsLost, "write": logIsUnwritable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newTested(t)
			v.store(machines(0, 10))
			if err := v.ledger.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
			v.store(machines(10, 10))
			v.fs.fail(fault)
			_, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{machines(5, 10), machines(20, 5), nil})
			v.unavailable("submit", err)
			v.agrees()
			v.refusesWrites()
			v.agrees()
			if s := v.ledger.Stats(); s.Observations != 20 {
				t.Errorf("stats: %d observations, want 20", s.Observations)
			}
			if err := v.ledger.Close(); err == nil {
				t.Error("close does not say that the log could not be written")
			}
			v.options.FS = v.fs.under.CrashClone(vfs.CrashCloneCfg{})
			v.reopen()
			v.agrees()
			v.store(machines(0, 30))
			v.agrees()
			v.close()
		})
	}
}

// TestAFailureUnderLoadAnswersEverybody lets the disk fail while many write.
// Each gets an outcome or an error, and no outcome is wrong.
func TestAFailureUnderLoadAnswersEverybody(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	const writers, each = 8, 20
	acknowledged := make([][]report.Submission, writers)
	var began, ended sync.WaitGroup
	began.Add(writers)
	for w := range writers {
		ended.Go(func() {
			began.Done()
			for i := range each {
				batch := machines((w*each+i)*3, 3)
				if _, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{batch}); err != nil {
					v.unavailable("submit", err)
					return
				}
				acknowledged[w] = append(acknowledged[w], batch...)
			}
		})
	}
	began.Wait()
	var count atomic.Int64
	v.fs.fail(func(op errorfs.Op) bool { return logIsLost(op) && count.Add(1) > 20 })
	ended.Wait()
	for first := 1000; v.ledger.Writable() == nil; first++ { // all were done before
		if _, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{machines(first, 1)}); err == nil {
			acknowledged[0] = append(acknowledged[0], machines(first, 1)...)
		}
	}
	var all []report.Submission
	for _, batch := range acknowledged {
		all = append(all, batch...)
	}
	if _, err := submitTogether(t.Context(), v.model, [][]report.Submission{all}); err != nil {
		t.Fatal(err)
	}
	v.agrees()
	if err := v.ledger.Close(); err == nil && count.Load() > 20 {
		t.Error("close does not say that the log could not be synced")
	}
	v.options.FS = v.fs.under.CrashClone(vfs.CrashCloneCfg{})
	v.reopen()
	outcomes, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{all})
	if err != nil || slices.ContainsFunc(outcomes[0], func(o report.Outcome) bool { return !o.Duplicate }) {
		t.Errorf("what was acknowledged is not there: %v, %v", outcomes, err)
	}
	v.close()
}

// childVariable tells the test binary that it was started to fail in its own
// process: a Pebble that gave up keeps its goroutines.
const childVariable = "METERBOOK_TEST_CHILD"

// TestAPebbleThatGivesUpStopsWritesOnly makes Pebble panic: its log refuses a
// group after one that could not be synced, whose failure nobody has seen yet.
func TestAPebbleThatGivesUpStopsWritesOnly(t *testing.T) {
	t.Parallel()
	if os.Getenv(childVariable) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), childVariable+"=1")
		if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "reports went on, the store could not be closed") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	v := newTested(t)
	v.store(machines(0, 10))
	v.close()
	synced, held := make(chan struct{}), make(chan struct{})
	var once sync.Once
	v.options.OnSync = func(time.Duration) {
		once.Do(func() { close(synced) })
		<-held
	}
	v.reopen()
	v.fs.fail(logIsLost)
	var pending []report.Pending
	for i := range 4 { // more than a block of Pebble's log, less than its memory
		batch := machines(100+i*150, 150)
		for len(batch) < ledger.DefaultGroupObservations {
			batch = append(batch, batch[0]) // a group of its own
		}
		p, err := v.ledger.Submit(t.Context(), batch)
		if err != nil {
			t.Fatal(err)
		}
		pending = append(pending, p)
		if i == 0 {
			<-synced // in vain, which the publisher is kept from telling
		}
	}
	last, err := v.ledger.Submit(t.Context(), machines(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	for v.ledger.Writable() == nil { // until Pebble has given up
		runtime.Gosched()
	}
	close(held)
	for _, p := range append(pending, last) {
		_, err := p.Wait(t.Context())
		v.unavailable("submit", err)
	}
	v.agrees()
	v.refusesWrites()
	if err = v.ledger.Close(); err == nil {
		t.Error("close says nothing")
	}
	if t.Failed() {
		os.Exit(1)
	}
	fmt.Println("reports went on,", err)
	os.Exit(0)
}

func TestAMergeThatCannotBeWrittenIsPutOff(t *testing.T) {
	t.Parallel()
	for _, kind := range []errorfs.OpKind{errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpRename, errorfs.OpOpenDir, errorfs.OpOpen, errorfs.OpFileRead} {
		for _, file := range []string{"base-", "ids-", "store"} {
			t.Run(kindName(kind)+" of "+file, func(t *testing.T) {
				t.Parallel()
				putOffMerge(newTested(t), func(op errorfs.Op) bool { return op.Kind == kind && strings.HasPrefix(path.Base(op.Path), file) })
			})
		}
	}
}

func putOffMerge(v *tested, fault func(errorfs.Op) bool) {
	v.store(machines(0, 10))
	if err := v.ledger.Merge(v.Context()); err != nil {
		v.Fatal(err)
	}
	v.store(machines(5, 10))
	var hit atomic.Bool
	v.fs.fail(func(op errorfs.Op) bool {
		if fault(op) {
			hit.Store(true)
			return true
		}
		return false
	})
	if err := v.ledger.Merge(v.Context()); (err != nil) != hit.Load() {
		v.Errorf("merge: the fault happened: %v, the error is %v", hit.Load(), err)
	}
	v.agrees()
	v.store(machines(12, 10))
	v.agrees()
	v.fs.heal()
	v.close()
	v.reopen()
	v.agrees()
	v.store(machines(20, 10))
	if err := v.ledger.Merge(v.Context()); err != nil {
		v.Errorf("merge once the disk is well: %v", err)
	}
	v.agrees()
	names, err := v.fs.List("store")
	if err != nil || len(names) != 4 {
		v.Errorf("the store's folder holds %v, %v; want FORMAT, observations and one base with its ids", names, err)
	}
	v.close()
}

// TestMergesThatFailAreNotTriedAtEachGroup counts what a merge begins with.
func TestMergesThatFailAreNotTriedAtEachGroup(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.close()
	v.options.MergeUnits = 50
	v.reopen()
	tries := make(chan bool, 1000)
	v.fs.fail(func(op errorfs.Op) bool {
		create := op.Kind == errorfs.OpCreate && strings.HasPrefix(path.Base(op.Path), "base-")
		if create {
			tries <- true
		}
		return create
	})
	for i := range 200 {
		v.store(machines(i, 1))
		if i == v.options.MergeUnits {
			<-tries
		}
	}
	v.agrees()
	if n := 1 + len(tries); n > 4 {
		t.Errorf("a merge that fails was tried %d times for 4 times as many changes as it takes", n)
	}
	v.fs.heal()
	v.close()
}

// TestAReadErrorWhenOpeningIsReportedOrHealed fails each read of an opening in
// turn. Either Open says so, or the ledger is right.
func TestAReadErrorWhenOpeningIsReportedOrHealed(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.store(machines(0, 40))
	if err := v.ledger.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.store(machines(30, 30))
	life := v.fs.under.CrashClone(vfs.CrashCloneCfg{}) // a journal that must be replayed
	v.close()
	for n, reached := int64(1), true; reached; n++ {
		reached = openWithReadError(t, v, life, n)
	}
}

// openWithReadError reports whether there were n reads.
func openWithReadError(t *testing.T, v *tested, store *vfs.MemFS, n int64) bool {
	t.Helper()
	faulty := newFaultyFS()
	faulty.under = store.CrashClone(vfs.CrashCloneCfg{})
	var reads atomic.Int64
	faulty.FS = errorfs.Wrap(faulty.under, errorfs.InjectorFunc(func(op errorfs.Op) error {
		// Pebble 2.1 ends the process when it cannot list its own folder after it
		// has replayed its log; that is left out.
		list := op.Kind == errorfs.OpList && path.Base(op.Path) == "observations"
		read := op.Kind.ReadOrWrite() == errorfs.OpIsRead && op.Kind != errorfs.OpGetDiskUsage && !list
		if read && reads.Add(1) == n {
			return errDisk
		}
		return nil
	}))
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: "store", FS: faulty, Clock: noon})
	if err != nil {
		if !errors.Is(err, errDisk) && !strings.Contains(err.Error(), "injected") {
			t.Errorf("read %d: the error hides its cause: %v", n, err)
		}
		return reads.Load() >= n
	}
	healed := &tested{T: t, ledger: l, model: v.model}
	healed.agrees()
	healed.close()
	return reads.Load() >= n
}

func TestAReadErrorStopsWritesAndNothingElse(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.store(machines(0, 40))
	v.close()
	v.reopen() // Pebble writes its tables when it opens
	v.fs.fail(func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileReadAt && path.Ext(op.Path) == ".sst" })
	_, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{machines(0, 10)})
	v.unavailable("submit", err)
	v.agrees()
	v.refusesWrites()
	v.agrees()
	v.fs.heal()
	v.close()
	v.reopen()
	v.agrees()
	v.store(machines(0, 50))
	v.agrees()
	v.close()
}

func TestAFullDiskRefusesWritesUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.store(machines(0, 10))
	free := func(bytes uint64) {
		v.fs.under.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: bytes, TotalBytes: 1 << 40})
	}
	free(ledger.DefaultMinFreeBytes - 1)
	_, err := v.ledger.Submit(t.Context(), machines(10, 1))
	v.unavailable("submit", err)
	if err == nil || !strings.Contains(err.Error(), "make room") {
		t.Errorf("the error names no remedy: %v", err)
	}
	v.unavailable("writable", v.ledger.Writable())
	v.unavailable("merge", v.ledger.Merge(t.Context()))
	v.agrees()
	if err := v.ledger.PutProject(t.Context(), report.Project{ID: 500, Client: "c"}); err != nil {
		t.Errorf("small documents have room: %v", err)
	}
	free(ledger.DefaultMinFreeBytes)
	if err := v.ledger.Writable(); err != nil {
		t.Errorf("there is room: %v", err)
	}
	v.store(machines(5, 10))
	if err := v.ledger.Merge(t.Context()); err != nil {
		t.Errorf("there is room to merge: %v", err)
	}
	v.agrees()
	free(0)
	v.close() // the last merge is put off
	v.reopen()
	v.agrees()
	v.close()
}

// TestAMergeThatEndsAfterAFailedWriteShowsNothingOfIt lets a write fail while a
// merge is running, which then goes over to its base and what came meanwhile.
func TestAMergeThatEndsAfterAFailedWriteShowsNothingOfIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newTested(t)
		v.close()
		v.options.MergeUnits = 20
		v.reopen()
		g := newGate()
		var failing atomic.Bool
		v.fs.fail(func(op errorfs.Op) bool {
			if writesBase(op) {
				g.pass()
			}
			return failing.Load() && logIsLost(op)
		})
		v.store(machines(0, 20))
		<-g.reached
		failing.Store(true)
		_, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{machines(100, 5)})
		v.unavailable("submit", err)
		close(g.open)
		synctest.Wait()
		v.agrees()
		if err := v.ledger.Close(); err == nil {
			t.Error("close does not say that the log could not be written")
		}
		v.options.FS = v.fs.under.CrashClone(vfs.CrashCloneCfg{})
		v.reopen()
		v.agrees()
		v.close()
	})
}
