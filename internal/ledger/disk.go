package ledger

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger/layout"
)

const (
	// LogMaxBytes is the size of Pebble's log from which on it is written as
	// tables when nothing has come for IdleMergeAfter: a start reads some 50 MiB of
	// log a second, and each smaller table costs a compaction.
	LogMaxBytes = 8 << 20
	// sealBytes is more than a block of Pebble's log.
	sealBytes = 33 << 10
	// roomCheckInterval is how often a write that met a full disk looks for room.
	roomCheckInterval = time.Second
)

// watched lets the ledger hear of what befalls Pebble in the background, and have a
// say in it.
func (l *Ledger) watched(p *pebble.Options, scheduler pebble.CompactionScheduler) *pebble.Options {
	p.FS = vfs.OnDiskFull(p.FS, l.awaitRoom)
	p.Experimental.CompactionScheduler = scheduler
	p.EventListener.BackgroundError = l.backgroundError
	p.EventListener.FlushBegin = func(pebble.FlushInfo) { l.courtesy.lowerUntilItEnds() }
	return p
}

// onCorruption names the file that is damaged. Whoever reads it gets an error;
// Pebble alone would end the process.
func onCorruption(log *slog.Logger) *pebble.EventListener {
	return &pebble.EventListener{DataCorruption: func(info pebble.DataCorruptionInfo) {
		log.Error("a file of the store is damaged: stop, and restore a backup", "file", info.Path, "error", info.Details)
	}}
}

// backgroundError is told of a flush or compaction that failed. Pebble tries it
// again and again; writes stop, or they would pile up in memory until they hang.
func (l *Ledger) backgroundError(err error) {
	l.failOnce.Do(func() {
		l.options.Logger.Error("the store takes no more writes until it is opened again", "error", fmt.Errorf("pebble in the background: %w", err))
		l.failure.set(errNotStored())
		close(l.backgroundFailed)
	})
}

// awaitRoom holds a write of Pebble that met a full disk, until there is room or
// the ledger closes: an error would stop all writes until the next start, or end
// the process. Other writes are refused meanwhile, see checkRoom.
func (l *Ledger) awaitRoom() {
	l.options.Logger.Error("the disk is full: a write waits until an operator makes room")
	again := time.NewTicker(roomCheckInterval)
	defer again.Stop()
	for l.checkRoom() != nil {
		select {
		case <-again.C:
		case <-l.closing:
			return
		case <-l.abandoned:
			return
		}
	}
	l.options.Logger.Info("there is room on the disk again")
}

// rest makes the log of a ledger that fell silent short and safe.
func (s *sequencer) rest() {
	if s.merge.running != nil {
		return
	}
	if s.shortenLog(LogMaxBytes) == nil {
		s.seal()
	}
	if s.ledger.options.OnRest != nil {
		go s.ledger.options.OnRest()
	}
}

// seal writes to the end of the log that all before it is synced, which matters
// after a kill: Pebble takes damage of what nothing such follows, in a later
// block of the log, for a write that was cut off.
func (s *sequencer) seal() {
	if s.failure.get() != nil || s.ledger.checkRoom() != nil {
		return
	}
	batch := s.db.NewBatch()
	err := batch.LogData(make([]byte, sealBytes), nil)
	if err == nil {
		err = s.commit(batch)
	}
	if err == nil {
		err = errors.Join(batch.SyncWait(), batch.Close())
	}
	if err != nil {
		s.fail(fmt.Errorf("seal the log: %w", err))
	}
}

// shortenLog has Pebble write a log of at least so many bytes as tables, so that
// the next start has little of it to read; nil: there is nothing to wait for.
// Only the sequencer may call it, and only while nothing is on its way to the
// disk: when the log cannot be synced just then, Pebble ends the process.
func (s *sequencer) shortenLog(least uint64) (done <-chan struct{}) {
	if s.failure.get() != nil || s.ledger.checkRoom() != nil || s.db.Metrics().WAL.Size < least {
		return nil
	}
	done, err := s.db.AsyncFlush()
	if err != nil {
		s.fail(fmt.Errorf("flush: %w", err))
		return nil
	}
	return done
}

// emptyLog is for a ledger that closes. It waits; what cannot be written stays in
// the log. The seal shows before whether the log can be synced at all.
func (s *sequencer) emptyLog() {
	if s.db.Metrics().WAL.Size == 0 {
		return
	}
	s.seal()
	if done := s.shortenLog(1); done != nil {
		select {
		case <-done:
		case <-s.ledger.backgroundFailed:
		}
	}
}

// newestBase returns the greatest number up to which a base in the store's folder
// was made. All of that was on the disk before, so a store whose observations end
// sooner has lost some: Pebble takes damage at the end of its files for something
// that a crash cut off.
func newestBase(o *Options) (newest layout.Seq, file string, err error) {
	names, err := o.FS.List(o.Dir)
	if err != nil {
		return 0, "", fmt.Errorf("list %s: %w", o.Dir, err)
	}
	for _, name := range names {
		number, isBase := strings.CutPrefix(name, basePrefix)
		if n, err := strconv.ParseUint(number, 10, 64); isBase && err == nil && layout.Seq(n) > newest {
			newest, file = layout.Seq(n), name
		}
	}
	return newest, file, nil
}

// refuseLoss is an error when observations that were there are not any more.
func (l *Ledger) refuseLoss(last layout.Seq) error {
	newest, file, err := newestBase(&l.options)
	if err != nil || newest <= last {
		return err
	}
	return fmt.Errorf("the observations end with number %d, and %s was made of those up to %d: its files are damaged, and what was acknowledged is lost: "+
		"restore a backup (or remove %s, to go on with what is left)", last, file, newest, file)
}
