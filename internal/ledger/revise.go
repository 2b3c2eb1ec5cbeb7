package ledger

import (
	"fmt"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// refold says what of a group a unit, as the delta has it, has not taken in.
type refold struct {
	was    *tracked
	listed bool // among the group's runs
	// whole: only all its observations say what it is now.
	whole bool
	// added are the observations that came late or correct others, retracted those
	// that were taken back, begins when they begin.
	added, retracted []layout.Seq
	begins           []metering.Instant
	since            metering.Instant // when the first of all these begins
}

// newRefold returns one of nothing yet.
func newRefold() *refold { return &refold{since: math.MaxInt64} }

// maxRevisions of a unit are looked at one by one; more fold it anew.
const maxRevisions = 16

// add notes an observation that the unit cannot take in without others.
func (r *refold) add(o *metering.Observation, seq layout.Seq) {
	if r.revises(o.Begins()) {
		r.added = append(r.added, seq)
	}
}

// retract notes an observation that was taken back.
func (r *refold) retract(e *layout.IDEntry) {
	if r.revises(e.At) {
		r.retracted = append(r.retracted, e.Seq)
	}
}

func (r *refold) revises(begin metering.Instant) bool {
	r.since = min(r.since, begin)
	if len(r.added)+len(r.retracted) == maxRevisions {
		r.whole = true
	} else if !slices.Contains(r.begins, begin) {
		r.begins = append(r.begins, begin)
	}
	return !r.whole
}

// revise reads only what lies beside what was added or retracted, and says what the
// unit has become; nil when that takes all of it.
func (r *refold) revise(it *pebble.Iterator, sources *sourceTable, unit layout.Unit) (*folded, error) {
	switch {
	case r.whole:
		return nil, nil
	case unit.Resource.Type.Measure() == metering.Counted:
		return r.reviseDay(it, sources, unit)
	}
	return r.reviseTimeline(it, sources, unit)
}

// reviseTimeline reads the states that hold from the same minutes on as those that
// were added or retracted, and the next ones behind them.
func (r *refold) reviseTimeline(it *pebble.Iterator, sources *sourceTable, unit layout.Unit) (*folded, error) {
	f, ok := &folded{unit: unit, timeline: r.was.now.timeline}, false
	_, end := unit.Bounds()
	slices.Sort(r.begins)
	for i, begin := range r.begins {
		at := metering.FirstMinute(begin)
		if i > 0 && at == metering.FirstMinute(r.begins[i-1]) {
			continue
		}
		first, _ := layout.StatesBounds(unit.Resource, at.Since(), 0)
		it.SetBounds(first, end)
		states, err := statesOf(at, cursor{it: it, sources: sources})
		if err != nil {
			return nil, fmt.Errorf("read observations of %v: %w", unit, err)
		}
		if f.timeline, ok = f.timeline.Revise(at, states); !ok {
			return nil, nil
		}
	}
	return f, nil
}

// statesOf reads the states that hold from a minute on, which are the first within
// the iterator's bounds, and the next one behind them.
func statesOf(at metering.Minute, c cursor) (states []metering.State, err error) {
	for c.it.First(); c.it.Valid(); {
		stored, retracted, err := c.next()
		if err != nil {
			return nil, err
		}
		if retracted {
			continue
		}
		states = append(states, stored.State())
		if metering.FirstMinute(stored.Time) > at {
			return states, nil
		}
	}
	return states, c.it.Error()
}

// reviseDay reads the windows that begin when those do that were added or retracted.
func (r *refold) reviseDay(it *pebble.Iterator, sources *sourceTable, unit layout.Unit) (*folded, error) {
	windows := revision{refold: r, cursor: cursor{it: it, sources: sources}}
	for _, begin := range r.begins {
		first, end := unit.Beginning(begin)
		if len(r.retracted) > 0 {
			_, end = unit.Bounds()
		}
		it.SetBounds(first, end)
		if err := windows.read(begin); err != nil {
			return nil, fmt.Errorf("read observations of %v: %w", unit, err)
		}
	}
	sums, ok := metering.ReviseDay(r.was.now.sums, windows.was, windows.is)
	if !ok {
		return nil, nil
	}
	return &folded{unit: unit, sums: sums}, nil
}

// revision is what a unit had taken in of some windows, and what there is now.
type revision struct {
	*refold
	cursor
	was, is []metering.Window
}

// read reads the windows within the iterator's bounds, up to the first behind an
// instant that stays: it shows that what is gone before it was not the latest.
func (r *revision) read(begin metering.Instant) error {
	for r.it.First(); r.it.Valid(); {
		stored, retracted, err := r.next()
		if err != nil {
			return err
		}
		w := stored.Window()
		// The unit has taken in all but what it could not, and what was retracted
		// before.
		if !slices.Contains(r.added, stored.Seq) && (!retracted || slices.Contains(r.retracted, stored.Seq)) {
			r.was = append(r.was, w)
		}
		if retracted {
			continue
		}
		r.is = append(r.is, w)
		if w.From > begin {
			return nil
		}
	}
	return r.it.Error()
}
