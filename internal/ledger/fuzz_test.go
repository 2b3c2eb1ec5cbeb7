package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// addStories gives a fuzzer that takes what is told and how it is sent its first
// inputs. They are played by every run of the tests, too.
func addStories(f *testing.F, stories int) {
	f.Helper()
	f.Add([]byte{}, []byte{})
	for seed := range uint64(stories) {
		rng := rand.New(rand.NewPCG(seed, 6))
		told, sent := make([]byte, 200+rng.IntN(2000)), make([]byte, 50+rng.IntN(500))
		for _, b := range [][]byte{told, sent} {
			for i := range b {
				b[i] = byte(rng.UintN(256))
			}
		}
		f.Add(told, sent)
	}
}

// FuzzHistories: a ledger agrees with the naive model on every outcome, report,
// audit and finding, whatever is told and how it is sent, merged, and started
// again (with and without a crash). See docs/reliability.md, "Exactness".
func FuzzHistories(f *testing.F) {
	addStories(f, 30/raceShare)
	f.Fuzz(func(t *testing.T, told, sent []byte) {
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
