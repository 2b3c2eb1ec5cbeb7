package ledger

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	// LogMaxBytes is the size of Pebble's log from which on it is written as
	// tables, when nothing has come for IdleMergeAfter and on closing: a start
	// reads some 50 MiB of log a second, and each smaller table costs a compaction.
	LogMaxBytes = 8 << 20
	// roomCheckInterval is how often a write that met a full disk looks for room.
	roomCheckInterval = time.Second
)

// watched lets the ledger hear of what befalls Pebble in the background.
func (l *Ledger) watched(p *pebble.Options) *pebble.Options {
	p.FS = vfs.OnDiskFull(p.FS, l.awaitRoom)
	p.EventListener.BackgroundError = l.backgroundError
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

// shortenLog has Pebble write its log as tables, so that the next start has
// little of it to read; nil: there is nothing to wait for. Only the sequencer
// may call it, and only while nothing is on its way to the disk: when the log
// cannot be synced just then, Pebble ends the process.
func (s *sequencer) shortenLog() (done <-chan struct{}) {
	if s.failure.get() != nil || s.ledger.checkRoom() != nil || s.db.Metrics().WAL.Size < LogMaxBytes {
		return nil
	}
	done, err := s.db.AsyncFlush()
	if err != nil {
		s.fail(fmt.Errorf("flush: %w", err))
		return nil
	}
	return done
}

// shortenLastLog is for a ledger that closes. It waits; what cannot be written
// stays in the log.
func (s *sequencer) shortenLastLog() {
	if done := s.shortenLog(); done != nil {
		select {
		case <-done:
		case <-s.ledger.backgroundFailed:
		}
	}
}
