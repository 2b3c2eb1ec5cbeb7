package ledger_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"path"
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
)

// bulky returns n states that take some 60 KiB of log each.
func bulky(first, n int) []report.Submission {
	batch := machines(first, n)
	for i := range batch {
		var tags []metering.Tag
		for k := range 120 {
			tags = append(tags, metering.Tag{Key: fmt.Sprintf("key %03d", k), Value: strings.Repeat(fmt.Sprint(first+i, " "), 250)[:500]})
		}
		batch[i].Observation.Attributes.Tags = tags
	}
	return batch
}

// logReads counts how often an opening reads Pebble's log, which it does 32 KiB
// at a time.
func (v *tested) logReads(fs *vfs.MemFS) int64 {
	v.Helper()
	var reads atomic.Int64
	options := v.options
	options.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileRead && path.Ext(op.Path) == ".log" {
			reads.Add(1)
		}
		return nil
	}))
	v.ledger = open(v.T, options)
	n := reads.Load()
	v.agrees()
	v.close()
	return n
}

const (
	longLog  = 3 * ledger.LogMaxBytes / 2
	shortLog = ledger.LogMaxBytes / (32 << 10) // reads of what may be left
)

// storeLong stores enough that the log is worth to be written as tables.
func (v *tested) storeLong() {
	v.Helper()
	for first := 0; first*(60<<10) < longLog; first += 20 {
		v.store(bulky(first, 20))
	}
}

func TestAStopLeavesAShortLog(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.storeLong()
	killed := v.fs.under.CrashClone(vfs.CrashCloneCfg{})
	v.close()
	if n := v.logReads(v.fs.under); n > shortLog {
		t.Errorf("a start after a stop reads the log %d times", n)
	}
	if n := v.logReads(killed); n <= shortLog {
		t.Errorf("a start after a kill reads the log %d times only: the test proves nothing", n)
	}
}

func TestALedgerThatFallsSilentLeavesAShortLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newTested(t)
		v.storeLong()
		<-time.After(4 * ledger.IdleMergeAfter)
		synctest.Wait()
		killed := v.fs.under.CrashClone(vfs.CrashCloneCfg{})
		v.close()
		if n := v.logReads(killed); n > shortLog {
			t.Errorf("a start after a kill reads the log %d times", n)
		}
	})
}

// tablesUnwritable matches what a flush or compaction begins with.
func tablesUnwritable(op errorfs.Op) bool {
	return op.Kind == errorfs.OpCreate && path.Ext(op.Path) == ".sst"
}

func TestAStopThatCannotShortenTheLogLosesNothing(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.storeLong()
	v.fs.fail(tablesUnwritable)
	if err := v.ledger.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	v.options.FS = v.fs.under.CrashClone(vfs.CrashCloneCfg{})
	v.reopen()
	v.agrees()
	v.store(machines(0, 10))
	v.close()
}

// TestWritesStopWhenPebbleCannotFlush fills a small table of recent writes, which
// cannot be written. Without an end the tables would pile up until writes hang.
func TestWritesStopWhenPebbleCannotFlush(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.close()
	var log lockedBuffer
	v.options.MemTableBytes, v.options.Logger = 1<<20, slog.New(slog.NewTextHandler(&log, nil))
	v.reopen()
	v.fs.fail(tablesUnwritable)
	var batch []report.Submission
	for first := 0; ; first += 5 {
		batch = bulky(first, 5)
		if _, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{batch}); err != nil {
			v.unavailable("submit", err)
			break
		}
		if _, err := submitTogether(t.Context(), v.model, [][]report.Submission{batch}); err != nil {
			t.Fatal(err)
		}
	}
	v.agrees()
	v.refusesWrites()
	if !strings.Contains(log.String(), "pebble in the background") || !strings.Contains(log.String(), "takes no more writes") {
		t.Errorf("the log does not tell: %s", log.String())
	}
	if err := v.ledger.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	v.fs.heal()
	v.reopen()
	v.store(batch) // which may have been stored before
	v.agrees()
	v.store(machines(1000, 10))
	v.agrees()
	v.close()
}

// lockedBuffer may be written by several goroutines.
type lockedBuffer struct {
	mu struct {
		sync.Mutex
		text bytes.Buffer
	}
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.text.String()
}

// fillDisk lets the disk be full from the next write on that matches: then the
// file system says so.
func (v *tested) fillDisk(matches func(errorfs.Op) bool) {
	v.fs.failWith(syscall.ENOSPC, func(op errorfs.Op) bool {
		if !matches(op) {
			return false
		}
		v.fs.under.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40})
		return true
	})
}

func (v *tested) makeRoom() {
	v.fs.heal()
	v.fs.under.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40, AvailBytes: 1 << 39})
}

// TestAWriteThatMeetsAFullDiskWaitsForRoom lets others fill the disk, below what
// the ledger keeps free, while a batch is on its way.
func TestAWriteThatMeetsAFullDiskWaitsForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newTested(t)
		v.store(machines(0, 10))
		v.fillDisk(logIsUnwritable)
		p, err := v.ledger.Submit(t.Context(), machines(10, 10))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		v.agrees()
		_, err = v.ledger.Submit(t.Context(), machines(20, 1))
		v.unavailable("submit to a full disk", err)
		<-time.After(time.Hour)
		v.makeRoom()
		if _, err := p.Wait(t.Context()); err != nil {
			t.Fatalf("the batch that waited for room: %v", err)
		}
		v.store(machines(10, 20))
		v.agrees()
		v.close()
		v.reopen()
		v.agrees()
		v.close()
	})
}

func TestAStopDoesNotWaitForRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newTested(t)
		v.store(machines(0, 10))
		v.fillDisk(logIsUnwritable)
		p, err := v.ledger.Submit(t.Context(), machines(10, 10))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := v.ledger.Close(); err == nil {
			t.Error("close does not say that the log could not be written")
		}
		_, err = p.Wait(t.Context())
		v.unavailable("the batch that waited for room", err)
		v.makeRoom()
		v.options.FS = v.fs.under.CrashClone(vfs.CrashCloneCfg{})
		v.reopen()
		v.agrees()
		v.close()
	})
}

// TestAClockThatJumpsBackChangesNoFigure runs a ledger whose clock is two days
// behind from the middle on, and a year behind after it was opened again.
func TestAClockThatJumpsBackChangesNoFigure(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	var back atomic.Int64
	v.close()
	v.options.Clock = func() metering.Instant { return noon() - metering.Instant(back.Load()) }
	v.reopen()
	const day = 86400 * metering.Second
	for i, behind := range []metering.Instant{0, 2 * day, 365 * day, -day, 30 * 365 * day, 0} {
		back.Store(int64(behind))
		batch := machines(i*10, 20) // half of them are known
		for k := range batch {
			batch[k].ReceivedAt = noon() - behind
		}
		v.store(batch)
		v.agrees()
		if i%2 == 1 {
			if err := v.ledger.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		v.close()
		v.reopen()
		for _, now := range []metering.Instant{noon(), noon() - 3601*metering.Second, noon() - 1800*metering.Second, noon() - 365*day, noon() + 365*day} {
			v.agreesAt(now)
		}
	}
	v.close()
	wantClean(t, verifyAtRest(t, v.fs.under))
}
