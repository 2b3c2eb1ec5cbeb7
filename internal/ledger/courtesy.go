package ledger

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/meterbook/meterbook/internal/metering"
)

// courtesy lets reports come before what takes long. While reports are asked for,
// that goes on on threads of low priority: the operating system takes the processor
// from these as soon as a report, or whoever reads the network, has something to do.
//
// Go does not do so by itself. It looks at the network when one of its processors
// has nothing to do, and else each 10 ms; and a goroutine may go on for as long. So
// it has some processors more than there are, see spare.
type courtesy struct {
	clock func() metering.Instant
	asked atomic.Int64  // when a report was asked for last; 0: never
	idle  chan func()   // to workers that wait for more
	ended chan struct{} // closed when workers need not wait any more

	processors int // of the machine, as far as Go uses them
}

const (
	// courtesyLasts is how long after a report another one is expected.
	courtesyLasts = metering.Second
	// spareProcessors is how many processors more than the machine has Go gets, so
	// that mostly one has nothing to do: the sequencer, who commits, decodes,
	// condenses, and two compactions may be at work beside each other.
	spareProcessors = 6
)

// newCourtesy returns one whose workers go on until ended is closed.
func newCourtesy(clock func() metering.Instant, ended chan struct{}) *courtesy {
	return &courtesy{clock: clock, idle: make(chan func()), ended: ended, processors: spare.others()}
}

// reportAsked is called when a report is asked for.
func (c *courtesy) reportAsked() { c.asked.Store(int64(c.clock())) }

// due reports whether a report was asked for a moment ago.
func (c *courtesy) due() bool {
	asked, now := metering.Instant(c.asked.Load()), c.clock()
	return asked != 0 && asked <= now && now < asked+courtesyLasts
}

// behind calls a function and waits for it. While reports are asked for, the
// function goes on on a thread of low priority.
func (c *courtesy) behind(f func()) {
	if !c.due() {
		f()
		return
	}
	done := make(chan any, 1)
	work := func() {
		defer func() {
			p := recover()
			if p != nil {
				p = fmt.Sprintf("%v\n\n%s", p, debug.Stack())
			}
			done <- p
		}()
		f()
	}
	select {
	case c.idle <- work:
	default:
		go c.work(work)
	}
	if p := <-done; p != nil {
		panic(p) // as if f had been called here
	}
}

// work does one thing after the other at low priority.
func (c *courtesy) work(f func()) {
	takeLowThread()
	for {
		f()
		select {
		case f = <-c.idle:
		case <-c.ended:
			return
		}
	}
}

// takeLowThread lets the goroutine go on on a thread of its own, of low priority,
// which ends with it. Where that cannot be had, the thread is like the others.
func takeLowThread() {
	runtime.LockOSThread()
	lowerThread()
}

// lowerUntilItEnds lets the goroutine go on at low priority until it ends, if reports
// are asked for.
func (c *courtesy) lowerUntilItEnds() {
	if c.due() {
		takeLowThread()
	}
}

// spare are those of the process.
var spare = spareState{set: runtime.GOMAXPROCS}

// spareState is how many ledgers are open, which need spare processors, and how many
// processors Go had before the first one was.
type spareState struct {
	sync.Mutex
	users, before int
	set           func(int) (before int)
}

func (s *spareState) change(by int) {
	s.Lock()
	defer s.Unlock()
	was := s.users
	switch s.users += by; {
	case was == 0:
		s.before = s.set(0)
		s.set(s.before + spareProcessors)
	case s.users == 0:
		s.set(s.before)
	}
}

// others returns how many processors Go has but for the spare ones.
func (s *spareState) others() int {
	s.Lock()
	defer s.Unlock()
	if s.users > 0 {
		return s.before
	}
	return s.set(0)
}

// So many things are looked at by one goroutine in one go: they are worth an
// iterator, and no processor waits long for another one that has harder ones.
const leastShare, mostShare = 64, 256

// inShares calls do with the parts [from, to) of n things, on all processors,
// behind reports. do must change nothing but these.
func (c *courtesy) inShares(n int, do func(from, to int) error) error {
	var all errgroup.Group
	all.SetLimit(c.processors)
	share := min(max(leastShare, (n+c.processors-1)/c.processors), mostShare)
	if n <= share {
		return do(0, n)
	}
	for from := 0; from < n; from += share {
		all.Go(func() (err error) {
			c.behind(func() { err = do(from, min(from+share, n)) })
			return err
		})
	}
	return all.Wait()
}

// Behind calls a function that takes long, and waits for it. While reports are
// asked for, it goes on on a thread of low priority.
func (l *Ledger) Behind(f func()) { l.courtesy.behind(f) }
