package ledger

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// compactions lets as many of Pebble's compactions run as Pebble allows, but none
// before the store is loaded: a start would take twice as long beside one, and
// pebble.Open waits for the end of those that it has begun. It implements
// pebble.CompactionScheduler, and is what each compaction is granted.
type compactions struct {
	db      pebble.DBForCompaction
	loaded  <-chan struct{} // closed when the store is loaded, or will not be
	changed chan struct{}   // it may be time for another one
	ended   chan struct{}
	end     sync.Once
	granter sync.WaitGroup
	running atomic.Int64
}

// compactionCheckInterval is how often Pebble is asked whether more may run, as its
// own scheduler does.
const compactionCheckInterval = 100 * time.Millisecond

func newCompactions(loaded <-chan struct{}) *compactions {
	return &compactions{loaded: loaded, changed: make(chan struct{}, 1), ended: make(chan struct{})}
}

// Register implements pebble.CompactionScheduler.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) {
	c.db = db
	c.granter.Go(c.grant)
}

// Unregister implements pebble.CompactionScheduler. It may be called again.
func (c *compactions) Unregister() {
	c.end.Do(func() { close(c.ended) })
	c.granter.Wait()
}

// TrySchedule implements pebble.CompactionScheduler.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	select {
	case <-c.ended:
		return false, nil
	case <-c.loaded:
		return c.begin(), c
	default:
		return false, nil
	}
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler.
func (c *compactions) UpdateGetAllowedWithoutPermission() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// begin counts one more compaction if Pebble allows another one.
func (c *compactions) begin() bool {
	if c.running.Add(1) <= int64(c.db.GetAllowedWithoutPermission()) {
		return true
	}
	c.running.Add(-1)
	return false
}

// grant lets those compactions run that had to wait.
func (c *compactions) grant() {
	select {
	case <-c.loaded:
	case <-c.ended:
		return
	}
	again := time.NewTicker(compactionCheckInterval)
	defer again.Stop()
	for {
		for c.begin() {
			if waiting, _ := c.db.GetWaitingCompaction(); !waiting || !c.db.Schedule(c) {
				c.running.Add(-1)
				break
			}
		}
		select {
		case <-again.C:
		case <-c.changed:
		case <-c.ended:
			return
		}
	}
}

// Started implements pebble.CompactionGrantHandle.
func (c *compactions) Started() {}

// MeasureCPU implements pebble.CompactionGrantHandle.
func (c *compactions) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements pebble.CompactionGrantHandle.
func (c *compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done implements pebble.CompactionGrantHandle.
func (c *compactions) Done() {
	c.running.Add(-1)
	c.UpdateGetAllowedWithoutPermission()
}

// What Pebble writes in the background, by the name that it gives it.
const (
	ofCompaction vfs.DiskWriteCategory = "pebble-compaction"
	ofFlush      vfs.DiskWriteCategory = "pebble-memtable-flush"
)

// backgroundFS is a file system in which compactions and flushes give way to
// others from block to block. A goroutine of theirs goes on for up to 10 ms
// otherwise, and a report waits.
type backgroundFS struct {
	vfs.FS
	courtesy *courtesy
}

// Create implements vfs.FS.
func (fs backgroundFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if err != nil || category != ofCompaction && category != ofFlush {
		return f, err
	}
	return backgroundFile{f, fs.courtesy}, nil
}

// Unwrap implements vfs.FS.
func (fs backgroundFS) Unwrap() vfs.FS { return fs.FS }

type backgroundFile struct {
	vfs.File
	courtesy *courtesy
}

// Write implements vfs.File. Pebble writes each block by itself.
func (f backgroundFile) Write(p []byte) (int, error) {
	f.courtesy.giveWay()
	return f.File.Write(p)
}

// courtesy lets reports have the processor while all of them are busy with what
// comes in.
//
// Go looks at the network when no goroutine is ready, and else each 10 ms. One that
// lets others go first stays ready; so with more of these than processors, nobody
// looks whether a request has come. One that sleeps for a moment is not ready. As
// that costs a fifth of what could come in, it is done only while reports are asked
// for.
type courtesy struct{ left atomic.Int64 }

const (
	// courtesiesOfReport is how often others give way after a report was asked for:
	// more often than they can before the next one of a hundred a second.
	courtesiesOfReport = 4000
	// moment is shorter than the scheduler takes to notice its end.
	moment = time.Microsecond
	// courtesiesBetweenSleeps is what gave the best median beside ingest for a fifth
	// of its rate.
	courtesiesBetweenSleeps = 4
)

// asked is called when a report is asked for.
func (c *courtesy) asked() { c.left.Store(courtesiesOfReport) }

// due reports whether a report was asked for a moment ago.
func (c *courtesy) due() bool { return c.left.Load() > 0 }

// giveWay is called now and then by what takes long.
func (c *courtesy) giveWay() {
	if c.due() && c.left.Add(-1)%courtesiesBetweenSleeps == 0 {
		<-time.After(moment)
		return
	}
	runtime.Gosched()
}

// GiveWay lets reports have the processor. What takes long besides the ledger calls
// it about each quarter of a millisecond.
func (l *Ledger) GiveWay() { l.courtesy.giveWay() }
