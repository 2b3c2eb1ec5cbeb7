package ledger

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactions lets as many of Pebble's compactions run as Pebble allows, but none
// before the store is loaded: a start would take twice as long beside one, and
// pebble.Open waits for the end of those that it has begun. It implements
// pebble.CompactionScheduler, and is what each compaction is granted.
type compactions struct {
	db      pebble.DBForCompaction
	loaded  <-chan struct{} // closed when the store is loaded, or will not be
	reports *courtesy
	changed chan struct{} // it may be time for another one
	ended   chan struct{}
	end     sync.Once
	granter sync.WaitGroup
	running atomic.Int64
}

// compactionCheckInterval is how often Pebble is asked whether more may run, as its
// own scheduler does.
const compactionCheckInterval = 100 * time.Millisecond

func newCompactions(loaded <-chan struct{}, reports *courtesy) *compactions {
	return &compactions{loaded: loaded, reports: reports, changed: make(chan struct{}, 1), ended: make(chan struct{})}
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

// Started implements pebble.CompactionGrantHandle. Pebble calls it in the goroutine
// of the compaction, which ends with that.
func (c *compactions) Started() { c.reports.lowerUntilItEnds() }

// MeasureCPU implements pebble.CompactionGrantHandle.
func (c *compactions) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements pebble.CompactionGrantHandle.
func (c *compactions) CumulativeStats(pebble.CompactionGrantHandleStats) {}

// Done implements pebble.CompactionGrantHandle.
func (c *compactions) Done() {
	c.running.Add(-1)
	c.UpdateGetAllowedWithoutPermission()
}
