package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// TestExploredDeliveries: the bytes of all reports are those of the naive model,
// whatever the order of delivery, batches, copies, writers at once, restarts,
// crashes in the midst of writing, merges, compactions, sizes of memory and
// groups, clocks, and whether the events come as JSON or not. After it, the
// store verifies.
func TestExploredDeliveries(t *testing.T) {
	t.Parallel()
	explore(t, func(t *testing.T, told, sent []byte) {
		t.Helper()
		story := storetest.NewStory(storetest.Draw(told))
		err := deliver(t, story, sent)
		if err == nil {
			return
		}
		shrunk, why := shrink(t, story, sent)
		t.Errorf("%v\n%d of its %d observations are enough: %v\n%s", err, len(shrunk), len(story.Submissions), why, storetest.FormatSubmissions(shrunk))
	})
}

// deliver brings a story into two ledgers and compares what they report.
func deliver(t *testing.T, story *storetest.Story, sent []byte) error {
	t.Helper()
	want, ways := story.Expected(t), storetest.DrawOn(sent)
	for range 2 {
		d := newDelivery(story, ways)
		if err := errors.Join(d.run(t.Context(), want), d.end()); err != nil {
			return err
		}
	}
	return nil
}

// shrinkAttempts bounds the time that the search for fewer observations takes.
const shrinkAttempts = 300

// shrink leaves observations out as long as the delivery of the rest still goes
// wrong. What depends on the order in which goroutines run may not show again;
// then all are left.
func shrink(t *testing.T, story *storetest.Story, sent []byte) (left []report.Submission, why error) {
	t.Helper()
	left = story.Submissions
	attempts := shrinkAttempts
	for size := len(left) / 2; size > 0; size /= 2 {
		for at := 0; at < len(left) && attempts > 0; attempts-- {
			fewer := *story
			fewer.Submissions = slices.Delete(slices.Clone(left), at, min(at+size, len(left)))
			if err := deliver(t, &fewer, sent); err != nil {
				left, why = fewer.Submissions, err
			} else {
				at += size
			}
		}
	}
	return left, why
}

// delivery is one way to bring a story into a ledger.
type delivery struct {
	place
	story   *storetest.Story
	clock   *storetest.Clock
	rest    []report.Submission
	most    int // submissions in a batch
	writers int
	wire    bool // as JSON, through ingest
}

func newDelivery(story *storetest.Story, drawn *rand.Rand) *delivery {
	d := &delivery{
		place: place{fs: vfs.NewCrashableMem(), drawn: drawn, options: drawOptions(drawn)},
		story: story, clock: storetest.NewClock(story.Now), rest: slices.Clone(story.Submissions),
		most: draw(drawn, 5, 1, 2, 30, 1000), writers: draw(drawn, 1, 2, 4), wire: drawn.IntN(2) == 0,
	}
	d.options.Clock = d.clock.Now
	switch drawn.IntN(4) {
	case 0:
		slices.Reverse(d.rest)
	case 1, 2:
		drawn.Shuffle(len(d.rest), func(i, j int) { d.rest[i], d.rest[j] = d.rest[j], d.rest[i] })
	}
	if n := len(d.rest); n > 0 {
		for range drawn.IntN(1 + n/2) { // copies
			d.rest = append(d.rest, d.rest[drawn.IntN(n)])
		}
	}
	return d
}

// run sends everything, then compares the reports with those expected, before
// and after a restart, and verifies the store.
func (d *delivery) run(ctx context.Context, want [][]byte) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	for len(d.rest) > 0 {
		if err := d.step(ctx); err != nil {
			return err
		}
	}
	if err := d.compare(ctx, want); err != nil {
		return err
	}
	if v, err := d.ledger.Verify(ctx, func(report.Progress) {}); err != nil || v.Total > 0 {
		return fmt.Errorf("online: %v, %+v", err, v)
	}
	if err := d.restart(ctx); err != nil {
		return err
	}
	return d.compare(ctx, want)
}

// end closes the ledger and verifies what it left.
func (d *delivery) end() error {
	if d.ledger == nil {
		return nil
	}
	if err := d.ledger.Close(); err != nil {
		return err
	}
	if v, err := ledger.Verify(context.Background(), d.options, func(report.Progress) {}); err != nil || v.Total > 0 {
		return fmt.Errorf("at rest: %v, %+v", err, v)
	}
	return nil
}

// step sends some of the rest, often after or beside something else.
func (d *delivery) step(ctx context.Context) error {
	d.moveClock()
	round := d.deal()
	var err error
	switch d.drawn.IntN(12) {
	case 0:
		err = d.restart(ctx)
	case 1:
		err = d.ledger.Merge(ctx)
	case 2:
		return d.crashWhile(ctx, round)
	}
	if err != nil {
		return err
	}
	return d.send(ctx, round)
}

// moveClock lets time pass, or jump back: when something was received changes no
// report. What comes as JSON must not be ahead of the clock.
func (d *delivery) moveClock() {
	const day = 86400 * metering.Second
	now := d.story.Now + metering.Instant(d.drawn.Int64N(int64(40*day)))
	if !d.wire {
		now -= 400 * day
	}
	d.clock.Set(now)
}

// deal gives each writer a few batches.
func (d *delivery) deal() [][][]report.Submission {
	round := make([][][]report.Submission, d.writers)
	for w := range round {
		for range 1 + d.drawn.IntN(2) {
			n := min(len(d.rest), d.drawn.IntN(1+d.most)+d.drawn.IntN(2))
			round[w], d.rest = append(round[w], slices.Clone(d.rest[:n])), d.rest[n:]
		}
	}
	return round
}

// send lets the writers send their batches at once.
func (d *delivery) send(ctx context.Context, round [][][]report.Submission) error {
	var writers sync.WaitGroup
	errs := make([]error, len(round))
	for w, batches := range round {
		wire := d.newWire()
		writers.Go(func() {
			for _, batch := range batches {
				errs[w] = errors.Join(errs[w], wire.send(ctx, batch))
			}
		})
	}
	writers.Wait()
	return errors.Join(errs...)
}

// crashWhile lets a crash happen while the writers are at work; as they do not
// know what was stored, they send all of it again.
func (d *delivery) crashWhile(ctx context.Context, round [][][]report.Submission) error {
	left, err := d.doomed(func() error {
		err := d.send(ctx, round)
		if err == nil && d.drawn.IntN(2) == 0 { // closing merges, and the crash may be in the midst of that
			err = errors.Join(d.ledger.Close(), d.open(ctx))
		}
		return err
	})
	if err := errors.Join(err, d.ledger.Close()); err != nil {
		return err
	}
	d.fs = left
	if err := d.open(ctx); err != nil {
		return err
	}
	return d.send(ctx, round)
}

func (d *delivery) compare(ctx context.Context, want [][]byte) error {
	got, err := d.story.Reports(ctx, d.ledger)
	if err != nil {
		return err
	}
	for i := range want {
		if !bytes.Equal(want[i], got[i]) {
			return fmt.Errorf("query %s\nwant %s\ngot  %s", storetest.FormatQuery(&d.story.Queries[i]), want[i], got[i])
		}
	}
	return nil
}

// sender sends a batch and waits until it is stored. All of it must be.
type sender interface {
	send(context.Context, []report.Submission) error
}

func (d *delivery) newWire() sender {
	if !d.wire {
		return direct{d}
	}
	return newJSONSender(d, rand.New(rand.NewPCG(d.drawn.Uint64(), 8)))
}

// direct hands observations to the ledger as they are.
type direct struct{ *delivery }

func (s direct) send(ctx context.Context, batch []report.Submission) error {
	batch = slices.Clone(batch)
	for i := range batch {
		batch[i].ReceivedAt = s.clock.Now()
	}
	outcomes, err := submitTogether(ctx, s.ledger, [][]report.Submission{batch})
	if err != nil {
		return err
	}
	for i, o := range outcomes[0] {
		if o.Rejected != nil {
			return fmt.Errorf("%+v was refused: %v", batch[i].Observation, o.Rejected)
		}
	}
	return nil
}
