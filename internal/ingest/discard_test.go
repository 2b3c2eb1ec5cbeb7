package ingest

import (
	"context"
	"runtime"
	"sync"
	"weak"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// discard is a store that forgets everything; it counts how much was submitted
// and not yet waited for.
type discard struct {
	watched bool // remember, without holding them, which observations there were
	mu      struct {
		sync.Mutex
		inFlight, most, events int
		given                  []weak.Pointer[metering.Observation]
	}
}

type discarded struct {
	store         *discard
	events, given int
}

func (d *discard) Submit(_ context.Context, batch []report.Submission) (report.Pending, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	valid := 0 // what was refused before stands behind
	for valid < len(batch) && batch[valid].Refused == nil {
		valid++
	}
	d.mu.inFlight += valid
	d.mu.most = max(d.mu.most, d.mu.inFlight)
	d.mu.events += valid
	if d.watched {
		for i := range batch[:valid] {
			d.mu.given = append(d.mu.given, weak.Make(batch[i].Observation))
		}
	}
	return discarded{d, valid, len(batch)}, nil
}

func (p discarded) Wait(context.Context) ([]report.Outcome, error) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.mu.inFlight -= p.events
	return make([]report.Outcome, p.given), nil
}

func (d *discard) Writable() error { return nil }

// alive counts the observations that something still holds.
func (d *discard) alive() int {
	runtime.GC()
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, o := range d.mu.given {
		if o.Value() != nil {
			n++
		}
	}
	return n
}
