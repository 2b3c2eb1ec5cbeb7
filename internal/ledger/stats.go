package ledger

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// counters count what happened since the ledger was opened.
type counters struct {
	merges atomic.Int64
}

// Stats is the ledger's size and state at one moment.
type Stats struct {
	Writable       bool   // false after a write has failed: only reports go on
	Observations   uint64 // stored ever, retractions among them
	Resources      int    // in the base
	Segments       int    // in the base
	DaySums        int    // in the base
	ChangedUnits   int    // since the base: resources (what changed again after it was condensed counts twice), and days of counted ones that are not condensed
	ProjectionRows int    // of the periods that are kept for reports
	ColumnBytes    int64  // of the base, mapped
	DiskBytes      uint64 // of the observations in Pebble
	CacheBytes     int64  // of Pebble's block cache
	MemTableBytes  uint64 // of Pebble's memtables
	QueuedBatches  int    // that wait for the sequencer
	Merges         int64  // since the ledger was opened
}

// Stats returns the ledger's present size and state.
func (l *Ledger) Stats() Stats {
	s := Stats{Writable: l.sequencer.failure.get() == nil, QueuedBatches: len(l.sequencer.queue), Merges: l.counters.merges.Load()}
	v, err := l.views.acquire()
	if err != nil {
		return s
	}
	defer l.release(v)
	s.Observations = uint64(v.seq)
	s.Resources, s.Segments, s.DaySums = v.base.Resources(), v.base.Segments(), v.base.DaySumCount()
	s.ChangedUnits = v.slots + v.recentResources()
	if s.ProjectionRows, s.ColumnBytes = v.base.ProjectionRows(), v.base.Size(); v.recent != nil {
		s.ProjectionRows += v.recent.ProjectionRows()
	}
	if err := l.reading(func(db *pebble.DB) error {
		m := db.Metrics()
		s.DiskBytes, s.CacheBytes, s.MemTableBytes = m.DiskSpaceUsage(), m.BlockCache.Size, m.MemTable.Size
		return nil
	}); err != nil {
		return s // it was closed just now
	}
	return s
}
