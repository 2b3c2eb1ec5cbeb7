package ledger

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// sequencer decides, one after the other, what becomes of each observation. It
// alone writes the delta, the id filter and the numbers; its fields belong to
// its goroutine but for the channels.
type sequencer struct {
	ledger  *Ledger
	db      *pebble.DB
	queue   chan *request
	jobs    chan *job     // applied groups on their way to the disk
	stopped chan struct{} // closed when nothing more will be answered

	delta   *delta
	ids     *idFilter
	sources *sourceTable
	book    *sourceBook
	seq     layout.Seq // the last one given out
	pointer pointer    // that is in force
	closing closing

	workspace workspace      // of groups
	inflight  sync.WaitGroup // jobs that are not published yet
	merge     mergeState
	failure   *failure // the ledger's
	mergeNow  bool     // a command asks for a merge after its group
	remade    bool     // what a start made again of the derived files is not on the disk yet
}

// failure is the error after which nothing more is written.
type failure struct {
	mu struct {
		sync.Mutex
		err error
	}
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.err == nil {
		f.mu.err = err
	}
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.err
}

// commit gives a batch to Pebble, which orders it, begins to write it, and shows
// it to its readers; SyncWait of the batch waits for the disk. Only the sequencer
// commits: when Pebble cannot go on it panics with its locks held, and whoever
// committed next would wait for ever.
func (s *sequencer) commit(batch *pebble.Batch) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.ledger.stuck.Store(true)
			err = fmt.Errorf("pebble cannot go on: %v", p)
		}
	}()
	return s.db.ApplyNoSyncWait(batch, pebble.Sync)
}

// job is a group that Pebble has taken and the disk has not confirmed yet.
type job struct {
	batch    *pebble.Batch
	requests []*request
	view     *view
	publish  []func() // of the group
}

// run is the sequencer's goroutine.
func (s *sequencer) run() {
	idle := time.NewTimer(IdleMergeAfter)
	defer idle.Stop()
	for {
		select {
		case r := <-s.queue:
			s.ledger.courtesy.behind(func() { s.process(s.gather(r)) })
			idle.Reset(IdleMergeAfter)
		case <-idle.C:
			s.mergeWhenIdle()
			s.rest()
		case m := <-s.merge.finished:
			s.finishMerge(m)
			idle.Reset(IdleMergeAfter) // what came meanwhile may be worth another one
		case <-s.ledger.closing:
			s.drain()
			close(s.jobs)
			return
		}
	}
}

// drain finishes what was submitted before the ledger began to close.
func (s *sequencer) drain() {
	for {
		select {
		case r := <-s.queue:
			s.process(s.gather(r))
		default:
			s.inflight.Wait()
			s.lastMerge()
			s.emptyLog()
			return
		}
	}
}

// stop waits until the sequencer and the publisher have ended.
func (s *sequencer) stop() { <-s.stopped }

// gather takes what else is waiting, as far as a group goes.
func (s *sequencer) gather(first *request) []*request {
	requests, n, size := []*request{first}, len(first.items), first.size
	for n < s.ledger.options.GroupObservations && size < GroupBytes {
		select {
		case r := <-s.queue:
			requests, n, size = append(requests, r), n+len(r.items), size+r.size
		default:
			return requests
		}
	}
	return requests
}

// process takes one group through dedup, numbering, Pebble and the fold, and
// hands it to the publisher.
func (s *sequencer) process(requests []*request) {
	if err := s.failure.get(); err != nil {
		answer(requests, err)
		return
	}
	g := s.newGroup(requests)
	defer s.workspace.giveBack(g)
	for _, r := range requests {
		if r.command != nil {
			r.err = r.command(g)
			continue
		}
		g.fetch(r.items)
		for i := range r.items {
			r.outcomes[i] = g.take(&r.items[i])
		}
		g.tally(r)
	}
	if err := g.apply(); err != nil {
		s.fail(err)
		answer(requests, errNotStored())
		return
	}
	for _, next := range g.applied {
		next()
	}
	s.inflight.Add(1)
	s.jobs <- &job{batch: g.batch, requests: requests, view: s.delta.view(s.seq), publish: g.publish}
	s.considerMerge()
}

// answer gives every request the same error.
func answer(requests []*request, err error) {
	for _, r := range requests {
		r.finish(err)
	}
}

func (s *sequencer) fail(err error) {
	s.ledger.options.Logger.Error("the store takes no more writes until it is opened again", "error", err)
	s.failure.set(errNotStored())
}

func errNotStored() error {
	return metering.Errorf(metering.KindUnavailable, "the store could not write to its disk and takes nothing more until it is opened again; send this request again then")
}

// publish is the publisher's goroutine: in the order of the groups it waits for
// the disk, makes what is on it visible, and answers.
func (s *sequencer) publish() {
	defer close(s.stopped)
	clock := s.ledger.options.Clock
	for j := range s.jobs {
		start := clock()
		err := j.batch.SyncWait()
		if s.ledger.options.OnSync != nil && len(j.requests[0].items) > 0 {
			s.ledger.options.OnSync((clock() - start).Duration())
		}
		if err == nil {
			err = s.failure.get()
		}
		if err != nil {
			s.fail(err)
			err = errNotStored()
		} else {
			s.show(j)
		}
		if closeErr := j.batch.Close(); closeErr != nil {
			s.ledger.options.Logger.Error("close batch", "error", closeErr)
		}
		answer(j.requests, err)
		s.inflight.Done()
	}
}

// show lets everybody see what is on the disk now.
func (s *sequencer) show(j *job) {
	for _, publish := range j.publish {
		publish()
	}
	if err := s.ledger.views.publish(j.view); err != nil {
		s.ledger.options.Logger.Error("unmap base", "error", err)
	}
}
