package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// What to explore, instead of the first seeds: METERBOOK_EXPLORE plays that seed
// (several: "1-17"), METERBOOK_EXPLORE_TIME ("10m") ends after that long.
const (
	exploreVariable     = "METERBOOK_EXPLORE"
	exploreTimeVariable = "METERBOOK_EXPLORE_TIME"
)

// seedsOfEachRun is what every run of the tests plays.
const seedsOfEachRun = 20 / raceShare

// explore plays seeds until one fails. It says how to play that one again.
//
// It is not a fuzz target: Go's fuzzer takes an input for hung that is played for
// more than a second, which a ledger with restarts may well be. The folds and the
// filters have one, FuzzFolds in package storetest.
func explore(t *testing.T, play func(t *testing.T, told, sent []byte)) {
	t.Helper()
	first, last, ctx := uint64(0), uint64(seedsOfEachRun-1), t.Context()
	if text := os.Getenv(exploreTimeVariable); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("%s must be a duration such as 10m: %v", exploreTimeVariable, err)
		}
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, d)
		defer end()
		first, last = seedsOfEachRun, math.MaxUint64
	}
	if text := os.Getenv(exploreVariable); text != "" {
		var err error
		if first, last, err = storetest.ParseSeeds(exploreVariable, text); err != nil {
			t.Fatal(err)
		}
	}
	seed := first
	for ; seed <= last && ctx.Err() == nil; seed++ {
		drawn := rand.New(rand.NewPCG(seed, 6))
		told, sent := randomBytes(drawn, 200+drawn.IntN(2000)), randomBytes(drawn, 50+drawn.IntN(500))
		if !t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { play(t, told, sent) }) {
			t.Fatalf("%s=%d go test -count=1 -run '^%s$' ./internal/ledger plays it again", exploreVariable, seed, t.Name())
		}
	}
	t.Logf("played seeds %d to %d", first, seed-1)
}

func randomBytes(drawn *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(drawn.UintN(256))
	}
	return b
}

// TestExploredHistories: a ledger agrees with the naive model on every outcome,
// report, audit and finding, whatever is told and how it is sent, merged, and
// started again (with and without a crash). See docs/reliability.md, "Exactness".
func TestExploredHistories(t *testing.T) {
	t.Parallel()
	explore(t, func(t *testing.T, told, sent []byte) {
		t.Helper()
		ways := storetest.DrawOn(sent)
		storetest.Explore(t, func(t *testing.T, clock func() metering.Instant) storetest.Opened {
			p := &place{fs: vfs.NewCrashableMem(), drawn: ways, options: drawOptions(ways)}
			p.options.Clock = clock
			if err := p.open(t.Context()); err != nil {
				t.Fatal(err)
			}
			return storetest.Opened{Store: p.ledger, Restart: func(testing.TB) report.Store {
				if err := p.restart(t.Context()); err != nil {
					t.Fatal(err)
				}
				return p.ledger
			}}
		}, told, sent)
	})
}

// drawOptions draws what must not change any report.
func drawOptions(drawn *rand.Rand) ledger.Options {
	return ledger.Options{
		Dir:               "store",
		MergeUnits:        draw(drawn, 0, 3, 7, 20, 1),
		GroupObservations: draw(drawn, 0, 1, 2, 10),
		CondensedDaySums:  draw(drawn, 0, 1, 4),
		CacheBytes:        draw[int64](drawn, 1<<20, 4<<20),
		MemTableBytes:     draw[int64](drawn, 1<<20, 16<<10, 64<<10),
	}
}

func draw[T any](drawn *rand.Rand, items ...T) T { return items[drawn.IntN(len(items))] }

// place is where a ledger lies, with a ledger on it.
type place struct {
	fs      *vfs.MemFS
	drawn   *rand.Rand
	options ledger.Options
	ledger  *ledger.Ledger

	doom struct {
		sync.Mutex
		after   int        // so many further operations of the file system, a crash is taken
		percent int        // of what is unsynced then survives
		left    *vfs.MemFS // what the crash left
	}
}

func (p *place) open(ctx context.Context) (err error) {
	p.options.FS = errorfs.Wrap(p.fs, errorfs.InjectorFunc(p.before))
	p.ledger, err = ledger.Open(ctx, p.options)
	return err
}

// before is told of each operation before it is done.
func (p *place) before(op errorfs.Op) error {
	p.doom.Lock()
	defer p.doom.Unlock()
	if op.Kind.ReadOrWrite() == errorfs.OpIsRead || p.doom.after == 0 {
		return nil
	}
	if p.doom.after--; p.doom.after == 0 {
		p.doom.left = p.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: p.doom.percent, RNG: rand.New(rand.NewPCG(1, 9))})
	}
	return nil
}

// doomed runs something during which a crash is taken, or else at its end, and
// returns what the crash left.
func (p *place) doomed(run func() error) (*vfs.MemFS, error) {
	p.doom.Lock()
	p.doom.after, p.doom.left, p.doom.percent = p.drawn.IntN(60), nil, survival(p.drawn)
	p.doom.Unlock()
	err := run()
	p.doom.Lock()
	defer p.doom.Unlock()
	if p.doom.after = 0; p.doom.left == nil {
		return p.crash(), err
	}
	return p.doom.left, err
}

// survival draws how much survives of what is not synced, in percent: all or
// nothing, since Pebble relies on an order that the file system in memory does
// not keep (see crasher.noteMarkerLocked).
func survival(drawn *rand.Rand) int { return draw(drawn, 0, 0, 100) }

// restart ends the ledger, in good order or by a crash, and opens it again,
// often as another operator would.
func (p *place) restart(ctx context.Context) error {
	left := p.fs
	kind := p.drawn.IntN(4)
	if kind > 1 {
		left = p.crash() // it knows nothing of what closing does
	}
	if err := p.ledger.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if p.fs = left; kind == 1 {
		if err := p.compact(ctx); err != nil {
			return fmt.Errorf("compact: %w", err)
		}
	}
	clock := p.options.Clock
	if p.drawn.IntN(2) == 0 {
		p.options = drawOptions(p.drawn)
		p.options.Clock = clock
	}
	return p.open(ctx)
}

// crash returns what a crash at this moment leaves.
func (p *place) crash() *vfs.MemFS {
	return p.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: survival(p.drawn), RNG: p.drawn})
}

// compact brings all that Pebble holds into its lowest level.
func (p *place) compact(ctx context.Context) error {
	db, err := pebble.Open("store/observations", &pebble.Options{FS: p.fs, Logger: quiet{}})
	if err != nil {
		return err
	}
	return errors.Join(db.Flush(), db.Compact(ctx, []byte{0}, []byte{255}, p.drawn.IntN(2) == 0), db.Close())
}
