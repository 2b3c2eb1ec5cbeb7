package ledger_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// opener opens ledgers on file systems of their own, each on a disk when onDisk
// is set, otherwise in memory.
func opener(onDisk bool, mergeUnits int) storetest.Open {
	return func(t *testing.T, clock func() metering.Instant) storetest.Opened {
		options := ledger.Options{
			Dir: "store", FS: vfs.NewMem(), Clock: clock, MergeUnits: mergeUnits,
			CacheBytes: 4 << 20, MemTableBytes: 1 << 20, // a test opens many stores
		}
		if onDisk {
			options.Dir, options.FS = t.TempDir(), nil
		}
		now := open(t, options)
		return storetest.Opened{
			Store: now,
			Restart: func(t testing.TB) report.Store {
				if err := now.Close(); err != nil {
					t.Fatalf("close: %v", err)
				}
				now = open(t, options)
				return now
			},
			Strict: func(t testing.TB) report.Store {
				strict := options
				strict.Dir, strict.FS, strict.StrictProjects = "strict", vfs.NewMem(), true
				return open(t, strict)
			},
			Retaining: func(t testing.TB, age metering.Instant) report.Store {
				retaining := options
				retaining.Dir, retaining.FS, retaining.Retention = "retaining", vfs.NewMem(), age.Duration()
				return open(t, retaining)
			},
		}
	}
}

func open(t testing.TB, o ledger.Options) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return l
}

func TestLedgerBehavesAsEveryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, opener(false, 0))
}

func TestLedgerOnDiskBehavesAsEveryStore(t *testing.T) {
	t.Parallel()
	storetest.Run(t, opener(true, 0))
}

func TestLedgerAgreesWithTheModelOnRandomHistories(t *testing.T) {
	t.Parallel()
	storetest.RunRandom(t, opener(false, 0), storetest.DefaultHistories/2/raceShare)
}

func TestLedgerThatMergesAllTheTimeAgreesWithTheModel(t *testing.T) {
	t.Parallel()
	storetest.RunRandom(t, opener(false, 3), storetest.DefaultHistories/2/raceShare)
}
