// Package crash kills a real server with SIGKILL while events are sent to it,
// again and again on one data directory, and checks after each kill what the
// contract of receipts promises: what was acknowledged is stored, what was not
// is stored wholly or not at all, nothing counts twice, the first report equals
// that of the naive model, and "meterbook verify" finds nothing.
//
// The kills come under load, while the server merges, loads, stops, copies itself
// and drops observations of closed months. The events are random histories of seeded sources. A failure prints
// the seed, METERBOOK_SEED=<seed> sends the same events again; the moment of the
// kill is not replayed, as the machine's scheduling decides about it too.
// METERBOOK_CRASHES says how often a server is killed while events are sent to it;
// those that are killed while they load or drop observations come on top.
package crash

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/storetest"
)

const (
	defaultCrashes = 20
	// killsPerStore keeps stores small, so that a verification takes a moment.
	killsPerStore    = 10
	killsRetaining   = 2 // besides, when a store has many
	senders          = 4
	readers          = 2
	batchesPerRound  = 60
	historiesPerSend = 3
	// How long after the moment that its receipts decide a server is killed, and
	// one that is loading or stopping.
	killLateMost  = 3 * time.Millisecond
	killStartMost = 40 * time.Millisecond
)

func setting(t *testing.T, variable string, standard uint64) uint64 {
	t.Helper()
	text, given := os.LookupEnv(variable)
	if !given {
		return standard
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// tally counts over all stores.
type tally struct {
	kills      [kinds]atomic.Int64
	broken     atomic.Int64 // kills in the middle of a backup or a retention
	receipts   atomic.Int64 // events with a receipt
	unknown    atomic.Int64 // batches whose receipt was lost
	stored     atomic.Int64 // of those
	refused    atomic.Int64 // batches that a stopping server did not take
	reports    atomic.Int64 // that readers got meanwhile
	verified   atomic.Int64 // observations that a verification has read
	unverified atomic.Int64 // stores that were empty
}

// kind says what a server was doing when it was killed.
type kind int

const (
	underLoad kind = iota
	stopping
	copying
	loading
	retaining
	kinds
)

// ordeal is a data directory and the server on it, which is killed again and
// again.
type ordeal struct {
	*testing.T
	tally   *tally
	rng     *rand.Rand
	binary  string
	dir     string
	server  process
	killed  process  // the one before it
	seed    uint64   // of the next history
	asked   [][]byte // a request for each round's report
	reports [][]byte // what they were answered in the end
}

func TestKilledServerLosesNothingThatItAcknowledged(t *testing.T) {
	t.Parallel()
	seed := setting(t, "METERBOOK_SEED", rand.Uint64N(1<<40))
	crashes := setting(t, "METERBOOK_CRASHES", defaultCrashes)
	t.Logf("METERBOOK_SEED=%d", seed)
	binary, sum := build(t), &tally{}
	t.Run("store", func(t *testing.T) {
		for store := uint64(0); store*killsPerStore < crashes; store++ {
			t.Run(strconv.FormatUint(store, 10), func(t *testing.T) {
				t.Parallel()
				o := &ordeal{
					T: t, tally: sum, rng: rand.New(rand.NewPCG(seed, store)), binary: binary,
					dir: filepath.Join(t.TempDir(), "data"), seed: firstSeed(seed + store*seedPeriod),
				}
				o.live(min(killsPerStore, int(crashes-store*killsPerStore)))
			})
		}
	})
	sum.report(t, crashes)
}

// report tells what was done, and fails when it proves nothing.
func (s *tally) report(t *testing.T, crashes uint64) {
	t.Helper()
	total := int64(0)
	for i := range s.kills {
		total += s.kills[i].Load()
	}
	t.Logf("%d kills: %d under load, %d stopping, %d loading, %d copying and %d retaining (%d of these in the middle)",
		total, s.kills[underLoad].Load(), s.kills[stopping].Load(), s.kills[loading].Load(), s.kills[copying].Load(), s.kills[retaining].Load(), s.broken.Load())
	t.Logf("%d events with a receipt, none lost, none counted twice; of %d batches without one %d were stored, wholly; %d were refused; %d reports were read meanwhile",
		s.receipts.Load(), s.unknown.Load(), s.stored.Load(), s.refused.Load(), s.reports.Load())
	t.Logf("verify was clean after each kill: %d observations in all", s.verified.Load())
	if crashes < defaultCrashes || t.Failed() {
		return
	}
	if s.receipts.Load() == 0 || s.unknown.Load() == 0 || s.reports.Load() == 0 || s.verified.Load() == 0 {
		t.Error("no kill came while batches and reports were under way: the test proves nothing")
	}
}

// live kills the servers of one store so many times.
func (o *ordeal) live(kills int) {
	o.Helper()
	retentions := 0
	if kills > 2*killsRetaining {
		retentions = killsRetaining
	}
	o.start()
	for range kills {
		o.round()
	}
	for range retentions {
		o.killRetaining()
	}
	o.checkAll()
}

// killRetaining kills a server while it drops the observations of the month that
// all are of. No report changes, however often that is broken off.
func (o *ordeal) killRetaining() {
	o.Helper()
	ended := o.meanwhile("/v1/retain", `{"before":"2024-08"}`)
	<-time.After(time.Duration(o.rng.Int64N(int64(killLateMost))))
	o.server.Kill()
	ended()
	o.tally.kills[retaining].Add(1)
	o.verify()
	o.start()
	o.askAll("after a kill while observations were dropped")
}

// askAll asks for the reports of all rounds again.
func (o *ordeal) askAll(when string) {
	o.Helper()
	for i, question := range o.asked {
		o.compare(fmt.Sprintf("the report of round %d %s", i, when), o.reports[i], o.ask(question))
	}
}

func (o *ordeal) start() {
	o.Helper()
	o.server = start(o.T, o.binary, o.dir)
	o.server.AwaitReady()
}

// round sends batches until the server is killed, restarts it and checks what it
// knows. Now and then it is killed while it loads, too.
func (o *ordeal) round() {
	o.Helper()
	batches := make([]*batch, batchesPerRound)
	for i := range batches {
		batches[i] = o.nextBatch()
	}
	o.sendAndKill(batches)
	o.verify()
	for o.rng.IntN(4) == 0 {
		p := start(o.T, o.binary, o.dir)
		<-time.After(time.Duration(o.rng.Int64N(int64(killStartMost))))
		p.Kill()
		o.tally.kills[loading].Add(1)
		o.verify()
	}
	o.start()
	o.check(batches)
}

// check compares what the server knows after a kill with what it must.
func (o *ordeal) check(batches []*batch) {
	o.Helper()
	question := reportRequest(batches)
	first := o.ask(question)
	model := storetest.NewModel(func() metering.Instant { return metering.DayOf(2025, 1, 1).Start() })
	var late []*batch // not stored when the server was killed
	for _, b := range batches {
		switch b.fate {
		case acknowledged:
			tell(o.T, model, b)
			o.tally.receipts.Add(int64(len(b.submissions)))
		case unknown:
			o.tally.unknown.Add(1)
			if o.resend(b) {
				tell(o.T, model, b)
				o.tally.stored.Add(1)
				continue
			}
			late = append(late, b)
		case refused:
			o.tally.refused.Add(1)
			if late = append(late, b); o.resend(b) {
				o.Errorf("a batch was refused and is stored; the server's log:\n%s", &o.killed.Log)
			}
		}
	}
	o.compare("the first report after the kill", expected(o.T, model, question), first)
	o.resendAll(batches)
	for _, b := range late {
		tell(o.T, model, b)
	}
	last := o.ask(question)
	o.compare("the report after all was sent again", expected(o.T, model, question), last)
	o.asked, o.reports = append(o.asked, question), append(o.reports, last)
}

// resendAll sends everything once more: all of it must be known by now.
func (o *ordeal) resendAll(batches []*batch) {
	o.Helper()
	var sending sync.WaitGroup
	for i := range senders {
		sending.Go(func() {
			for k := i; k < len(batches); k += senders {
				if b := batches[k]; b.fate != unsent && !o.resend(b) {
					o.Errorf("a batch of %d observations was stored and is gone", len(b.submissions))
				}
			}
		})
	}
	sending.Wait()
}

// sendAndKill sends the batches from several goroutines, asks for reports from
// others, and kills the server once a random number of batches has its receipt.
func (o *ordeal) sendAndKill(batches []*batch) {
	o.Helper()
	var next, receipts atomic.Int64
	var sending, reading sync.WaitGroup
	enough, after := make(chan struct{}), int64(1+o.rng.IntN(len(batches)-senders))
	isEnough := sync.OnceFunc(func() { close(enough) })
	for range senders {
		sending.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(batches)); i = next.Add(1) - 1 {
				if !o.send(batches[i]) {
					return
				}
				if receipts.Add(1) == after {
					isEnough()
				}
			}
		})
	}
	for range readers {
		reading.Go(o.read)
	}
	go func() { // a server that takes no more is killed too
		sending.Wait()
		isEnough()
	}()
	<-enough
	o.kill()
	sending.Wait()
	reading.Wait()
}

// kill kills the server in one way or another.
func (o *ordeal) kill() {
	o.Helper()
	how, late := underLoad, time.Duration(o.rng.Int64N(int64(killLateMost)))
	switch o.rng.IntN(8) {
	case 0, 1:
		how, late = stopping, time.Duration(o.rng.Int64N(int64(killStartMost)))
		o.server.Terminate()
	case 2:
		how = copying
		defer o.meanwhile("/v1/backup", "")()
	}
	o.tally.kills[how].Add(1)
	<-time.After(late)
	o.server.Kill()
	o.killed = o.server
}

// checkAll asks for the reports of all rounds again, before and after a
// graceful stop.
func (o *ordeal) checkAll() {
	o.Helper()
	for range 2 {
		o.askAll("in the end")
		o.server.Stop()
		o.verify()
		o.start()
	}
	o.server.Stop()
}
