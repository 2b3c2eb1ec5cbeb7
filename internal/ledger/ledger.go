package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// observationsDir is the folder of Pebble in the store's folder.
const observationsDir = "observations"

// Limits that an operator may want to know; Options changes some of them.
const (
	// QueueLength is the number of batches that may wait for the sequencer.
	QueueLength = 64
	// DefaultGroupObservations is the number of observations after which a group
	// is closed: enough to share an fsync, few enough to answer soon.
	DefaultGroupObservations = 16_384
	// GroupBytes is the size after which a group is closed: far below what
	// Pebble takes in one batch.
	GroupBytes = 64 << 20
	// DefaultMergeUnits is the number of changed resources (or days of counted
	// resources) that are condensed in memory, or merged into a new base where that
	// is worth more.
	DefaultMergeUnits = 32_768
	// DefaultMergeObservations bounds the journal, which a start reads: after so
	// many observations all is merged, though little may have changed, again and
	// again.
	DefaultMergeObservations = 16 << 20
	// DefaultCondensedDaySums of counted resources may be copied whenever something
	// is condensed, some 100 MB and a tenth of a second; more only where a merge
	// would copy more than twice as much.
	DefaultCondensedDaySums = 1 << 20
	// IdleMergeUnits and 1/idleMergeShare of the base are worth a merge when
	// nothing has come for IdleMergeAfter.
	IdleMergeUnits = 1024
	idleMergeShare = 64
	IdleMergeAfter = 2 * time.Second
	// DefaultMinFreeBytes of disk are left free: below, writes get a 503.
	DefaultMinFreeBytes = 256 << 20
)

// Options say where a ledger is and how it behaves. Only Dir and Clock are
// required.
type Options struct {
	Dir    string
	FS     vfs.FS // nil: the machine's own
	Clock  func() metering.Instant
	Logger *slog.Logger // nil: none
	// StrictProjects refuses observations of projects and regions that nobody
	// registered.
	StrictProjects bool
	// Retention, when positive, refuses observations of what is longer ago.
	Retention time.Duration
	// These replace DefaultMergeUnits, DefaultMergeObservations,
	// DefaultGroupObservations and DefaultCondensedDaySums when positive.
	MergeUnits, MergeObservations, GroupObservations, CondensedDaySums int
	// CacheBytes and MemTableBytes replace DefaultCacheBytes and
	// DefaultMemTableBytes when positive.
	CacheBytes, MemTableBytes int64
	// MinFreeBytes replaces DefaultMinFreeBytes when positive.
	MinFreeBytes uint64
	// OnSync is told how long each group that begins with observations waited for
	// the disk.
	OnSync func(time.Duration)
	// OnRest is called, in a goroutine of its own, when nothing has come for
	// IdleMergeAfter and nothing is left to be merged.
	OnRest func()
	// OnFatal is called when Pebble cannot go on in the background, once that is
	// logged; it should end the process, which loses nothing. If it is nil or
	// returns, that is a panic.
	OnFatal func()
}

// Ledger is a report.Store on one machine's disk.
type Ledger struct {
	options Options
	db      *pebble.DB

	directory *directory
	sequencer *sequencer
	views     *views
	counters  counters
	courtesy  *courtesy

	mu struct {
		sync.RWMutex      // held for reading while Pebble is read outside of the sequencer
		closed       bool // Pebble is
	}
	// pointing is held while the pointer changes, and while a checkpoint is made of
	// it and of the files that it names.
	pointing struct{ sync.Mutex }

	stuck     atomic.Bool   // Pebble gave up and holds its locks: it cannot even be closed
	failure   failure       // of a write, in the background or not
	verifying atomic.Bool   // a verification is going on
	copying   atomic.Bool   // a backup is
	retaining atomic.Bool   // a retention is
	closing   chan struct{} // closed by Close: Submit refuses from then on
	abandoned chan struct{} // closed when Open was given up
	closeOnce sync.Once
	closed    error

	failOnce         sync.Once
	backgroundFailed chan struct{} // closed when Pebble could not flush or compact
}

var _ report.Store = (*Ledger)(nil)

// Open opens the ledger in a folder, which is created if need be. When it
// returns, the ledger holds all that was ever acknowledged. A folder of another
// format, or one that another process uses, is refused with an error that says
// so.
func Open(ctx context.Context, o Options) (_ *Ledger, err error) {
	o.fill()
	if err := checkFormat(o.FS, o.Dir); err != nil {
		return nil, err
	}
	manifest, err := checkManifest(o.FS, o.Dir)
	if err != nil {
		return nil, openError(o.Dir, err)
	}
	l := &Ledger{options: o, closing: make(chan struct{}), abandoned: make(chan struct{}), backgroundFailed: make(chan struct{})}
	l.courtesy = newCourtesy(o.Clock, l.closing)
	spare.change(+1)
	defer func() {
		if err != nil {
			spare.change(-1)
		}
	}()
	defer context.AfterFunc(ctx, func() { close(l.abandoned) })()
	loaded := make(chan struct{})
	scheduler := newCompactions(loaded, l.courtesy)
	db, err := pebble.Open(o.FS.PathJoin(o.Dir, observationsDir), l.watched(pebbleOptions(&o), scheduler))
	if err != nil {
		scheduler.Unregister() // Pebble may have failed before or behind its registration
		return nil, openError(o.Dir, ofSettings(o.FS, o.Dir, err))
	}
	l.db = db
	err = manifest.explain(l.start(ctx))
	close(loaded)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return l, nil
}

// fill gives a value to each option that has none.
func (o *Options) fill() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	positive(&o.MergeUnits, DefaultMergeUnits)
	positive(&o.MergeObservations, DefaultMergeObservations)
	positive(&o.GroupObservations, DefaultGroupObservations)
	positive(&o.CondensedDaySums, DefaultCondensedDaySums)
	positive(&o.CacheBytes, DefaultCacheBytes)
	positive(&o.MemTableBytes, DefaultMemTableBytes)
	if o.MinFreeBytes == 0 {
		o.MinFreeBytes = DefaultMinFreeBytes
	}
}

func positive[T int | int64](option *T, otherwise T) {
	if *option <= 0 {
		*option = otherwise
	}
}

// start loads what is derived from the observations and begins to take more.
func (l *Ledger) start(ctx context.Context) (err error) {
	l.removeBackupStage()
	if l.directory, err = loadDirectory(l.db); err != nil {
		return err
	}
	if l.sequencer, err = l.recover(ctx); err != nil {
		return fmt.Errorf("load %s: %w", l.options.Dir, err)
	}
	go l.sequencer.run()
	go l.sequencer.publish()
	return nil
}

// Close finishes what was submitted, merges what changed, so that the next
// start is quick, and closes the store. Reports that were begun must be closed
// before.
func (l *Ledger) Close() error {
	l.closeOnce.Do(func() {
		close(l.closing)
		l.sequencer.stop()
		l.closed = errors.Join(l.views.close(), l.closeDB())
		spare.change(-1)
	})
	return l.closed
}

func (l *Ledger) closeDB() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.closed = true
	if l.stuck.Load() {
		return errors.New("the store could not be closed after a write had failed; the process must end before it is opened again")
	}
	return l.db.Close()
}

// reading runs a function that reads Pebble, which stays open meanwhile.
func (l *Ledger) reading(read func(*pebble.DB) error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.mu.closed {
		return errStopped()
	}
	return read(l.db)
}

// Report implements report.Reader.
func (l *Ledger) Report(ctx context.Context, q report.Query) (*report.Report, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.courtesy.reportAsked()
	v, err := l.views.acquire()
	if err != nil {
		return nil, err
	}
	r := v.report(&q)
	r.CompleteUntil = q.Now
	r.Close = sync.OnceFunc(func() { l.release(v) })
	return r, nil
}

func (l *Ledger) release(v *view) {
	if err := v.base.Release(); err != nil {
		l.options.Logger.Error("unmap base", "error", err)
	}
}

// openError names the remedy where another ledger has the folder. Pebble's lock
// tells that by one of these errors, or by this text within one process.
func openError(dir string, err error) error {
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "lock held by current process") {
		return fmt.Errorf("store %s is in use by another meterbook: stop that one, or choose another folder: %w", dir, err)
	}
	return fmt.Errorf("open store %s: %w", dir, err)
}

// ofSettings names the file with Pebble's settings where they are what Pebble
// cannot read: it does not say so itself.
func ofSettings(fsys vfs.FS, dir string, err error) error {
	if text := err.Error(); !strings.Contains(text, "invalid key=value syntax") && !strings.Contains(text, "name from file") {
		return err
	}
	names, _ := fsys.List(fsys.PathJoin(dir, observationsDir)) // without them the error is as it was
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasPrefix(name, "OPTIONS-") })
	if len(names) == 0 {
		return err
	}
	return fmt.Errorf("%s/%s is damaged: %w", observationsDir, slices.Max(names), err)
}

// view is one consistent state of the store. It never changes.
type view struct {
	settled
	log   []change // of the delta
	slots int      // distinct units in log
	seq   layout.Seq
}

// views holds the view that reports read now.
type views struct {
	mu struct {
		sync.RWMutex
		now    *view
		closed bool
	}
}

func newViews(v *view) *views {
	vs := &views{}
	vs.mu.now = v
	return vs
}

// acquire returns the present view with its base acquired.
func (vs *views) acquire() (*view, error) {
	vs.mu.RLock()
	defer vs.mu.RUnlock()
	if vs.mu.closed {
		return nil, errStopped()
	}
	vs.mu.now.base.Acquire()
	return vs.mu.now, nil
}

// publish makes v the view of all reports that begin from now on. When its base
// is another one, the old base is given up.
func (vs *views) publish(v *view) error {
	vs.mu.Lock()
	old := vs.mu.now
	vs.mu.now = v
	vs.mu.Unlock()
	if old.base != v.base {
		return old.base.Release()
	}
	return nil
}

func (vs *views) close() error {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.mu.closed = true
	return vs.mu.now.base.Release()
}

func errStopped() error {
	return metering.Errorf(metering.KindUnavailable, "the store is stopping; try again in a moment")
}
