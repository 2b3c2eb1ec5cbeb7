package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Audit implements report.Auditor. It computes the lines from the observations
// themselves, so it does not rest on what is derived from them.
func (l *Ledger) Audit(ctx context.Context, q report.AuditQuery) (*metering.Account, error) {
	a := auditor{ctx: ctx, q: q, sources: map[layout.SourceNumber]string{}}
	err := l.reading(func(db *pebble.DB) (err error) {
		v, err := l.views.acquire()
		if err != nil {
			return err
		}
		a.last = v.seq
		l.release(v)
		// Pebble shows what is not on the disk yet; what the view has is.
		snapshot := db.NewSnapshot()
		defer func() { err = errors.Join(err, snapshot.Close()) }()
		a.r = snapshot
		return a.read()
	})
	if err != nil {
		return nil, err
	}
	account := metering.ExplainClosed(a.closed, a.found, q.Period, q.AsOf)
	return &account, nil
}

// auditor reads what was told of one resource and bears on a period.
type auditor struct {
	ctx     context.Context
	r       pebble.Reader
	q       report.AuditQuery
	last    layout.Seq // what has a greater number is not known to be on the disk
	closing closing
	closed  *metering.Closed // nil: all observations are still there
	found   []metering.Received
	marked  []int // of found: those that a retraction names
	sources map[layout.SourceNumber]string
	steps   int
}

func (a *auditor) read() (err error) {
	if a.closing, err = readClosing(a.r); err != nil {
		return err
	}
	it, err := a.r.NewIter(nil)
	if err != nil {
		return fmt.Errorf("read observations of %v: %w", a.q.Resource, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if a.q.Resource.Type.Measure() == metering.Counted {
		err = a.quantities(it)
	} else {
		err = a.states(it)
	}
	if err != nil {
		return err
	}
	return a.retractions()
}

// states reads the states of the period, and before it those from the one on
// that is certainly in effect at its start. When that is none of an open month,
// what the closed ones came to is read as well.
func (a *auditor) states(it *pebble.Iterator) error {
	closed, err := a.closing.read(it, layout.Unit{Resource: a.q.Resource})
	if err != nil {
		return err
	}
	open := metering.Instant(math.MinInt64) // from here on all states are there
	if closed.found {
		open = closed.Before.FirstOpen()
	}
	start, end := layout.StatesBounds(a.q.Resource, max(a.q.Period.From.Start(), open), a.q.Period.To.Start())
	first, behind := layout.StatesBounds(a.q.Resource, open, math.MaxInt64)
	it.SetBounds(first, behind)
	since, inEffect, err := a.since(it, start)
	if err != nil {
		return err
	}
	if closed.found && !inEffect {
		if err := a.restOn(&metering.Closed{Before: closed.Before, Timeline: closed.Timeline}); err != nil {
			return err
		}
		since, _ = layout.StatesBounds(a.q.Resource, math.MinInt64, 0) // the one that was kept
	}
	if bytes.Compare(end, since) < 0 {
		end = since // the period ends before the open months begin
	}
	it.SetBounds(since, end)
	if err := a.visit(it, a.keep); err != nil || len(a.found) > 0 || a.closed != nil {
		return err
	}
	it.SetBounds(first, behind)
	return known(a.visit(it, one))
}

// restOn notes that the account rests on closed months. How they stood before
// they were closed nobody knows any more.
func (a *auditor) restOn(c *metering.Closed) error {
	a.closed = c
	if a.q.AsOf >= a.closing.At {
		return nil
	}
	err := metering.Errorf(metering.KindInvalid,
		"How it stood at %s is not known any more: the period rests on months before %s, which were closed at %s, and their observations dropped", a.q.AsOf, c.Before, a.closing.At)
	err.Fields = metering.FieldErrors{}
	err.Fields.Add("as_of", "Input should not be before %s, when the months before %s were closed", a.closing.At, c.Before)
	return err
}

// since goes back from a key to the first state of the minute of the last state
// that is visible and not retracted; inEffect is false when there is none.
func (a *auditor) since(it *pebble.Iterator, start []byte) (since []byte, inEffect bool, err error) {
	since = start
	marked := false
	var minute metering.Minute // of the one in effect
	for ok := it.SeekLT(start); ok; ok = it.Prev() {
		if err := a.step(); err != nil {
			return nil, false, err
		}
		if layout.IsMark(it.Key()) {
			marked = true
			continue
		}
		s, err := decodeAt(it)
		if err != nil {
			return nil, false, err
		}
		if inEffect && metering.FirstMinute(s.Time) < minute {
			return since, true, nil
		}
		if !marked && a.visible(s) {
			inEffect, minute = true, metering.FirstMinute(s.Time)
		}
		marked = false
		since = slices.Clone(it.Key())
	}
	return since, inEffect, it.Error()
}

// quantities reads the quantities that begin in the period.
func (a *auditor) quantities(it *pebble.Iterator) error {
	if err := a.months(it, a.q.Period, a.keep, a.closedMonth); err != nil || len(a.found) > 0 || a.closed != nil {
		return err
	}
	return known(a.months(it, reach(), one, func(*closedRecord, metering.Day) error { return errSeen }))
}

// reach is all days on which something can begin.
func reach() metering.Period {
	return metering.Period{From: metering.MinEventTime.Day(), To: metering.Instant(math.MaxInt64).Day()}
}

// months visits the quantities that begin in a period; their keys are apart by
// month. Of closed months it visits what they came to.
func (a *auditor) months(it *pebble.Iterator, in metering.Period, visit func(*layout.Stored, bool) error, visitClosed func(*closedRecord, metering.Day) error) error {
	in.From, in.To = max(in.From, reach().From), min(in.To, reach().To)
	for in.From < in.To {
		closed, err := a.closing.read(it, layout.Unit{Resource: a.q.Resource, Day: in.From})
		if err != nil {
			return err
		}
		first, end, rest := layout.QuantitiesBounds(a.q.Resource, in)
		if closed.found {
			err = visitClosed(&closed, in.From)
		} else {
			it.SetBounds(first, end)
			err = a.visit(it, visit)
		}
		if err != nil {
			return err
		}
		in = rest
	}
	return nil
}

// closedMonth adds what a month came to.
func (a *auditor) closedMonth(c *closedRecord, day metering.Day) error {
	all := &metering.Closed{Before: metering.MonthOf(day) + 1, Sums: c.sums}
	if a.closed != nil {
		all.Sums = append(a.closed.Sums, c.sums...)
	}
	return a.restOn(all)
}

// errSeen ends a search for any visible observation.
var errSeen = errors.New("one is enough")

func one(*layout.Stored, bool) error { return errSeen }

// known gives KindNotFound when the search for one found none.
func known(err error) error {
	switch {
	case err == nil:
		return metering.Errorf(metering.KindNotFound, "Nobody has observed such a resource")
	case errors.Is(err, errSeen):
		return nil
	}
	return err
}

// visit hands what is visible within the iterator's bounds to a function.
func (a *auditor) visit(it *pebble.Iterator, visit func(s *layout.Stored, marked bool) error) error {
	for it.First(); it.Valid(); {
		if err := a.step(); err != nil {
			return err
		}
		s, err := decodeAt(it)
		if err != nil {
			return err
		}
		key := slices.Clone(it.Key())
		marked := it.Next() && layout.IsMarkOf(it.Key(), key)
		if marked {
			it.Next()
		}
		if !a.visible(s) {
			continue
		}
		if err := visit(s, marked); err != nil {
			return err
		}
	}
	return it.Error()
}

// visible reports whether an observation had been received, and is on the disk.
func (a *auditor) visible(s *layout.Stored) bool {
	return s.Seq <= a.last && s.ReceivedAt <= a.q.AsOf
}

// keep adds an observation to what was found.
func (a *auditor) keep(s *layout.Stored, marked bool) (err error) {
	if len(a.found) == report.MaxAudited {
		return report.TooMuchToAudit()
	}
	if s.Name.Source, err = a.source(s); err != nil {
		return err
	}
	if marked {
		a.marked = append(a.marked, len(a.found))
	}
	a.found = append(a.found, metering.Received{Observation: s.Observation, Number: uint64(s.Seq), ReceivedAt: s.ReceivedAt})
	return nil
}

// retractions looks up who took back what is marked. A mark alone is not enough:
// its retraction may not have been received.
func (a *auditor) retractions() error {
	if len(a.marked) == 0 {
		return nil
	}
	targets := map[metering.ObservationName]*metering.Received{}
	for _, i := range a.marked {
		targets[a.found[i].Name] = &a.found[i]
	}
	return scan(a.r, layout.RetractionsOf(a.q.Resource.Project), func(key, value []byte) error {
		if err := a.step(); err != nil {
			return err
		}
		s, err := layout.Decode(key, value)
		if err != nil || !a.visible(s) {
			return err
		}
		target := targets[metering.ObservationName{Project: s.Name.Project, Source: s.TargetSource, ID: s.TargetID}]
		if target == nil || target.Retracted != nil && target.Retracted.ReceivedAt <= s.ReceivedAt {
			return nil
		}
		source, err := a.source(s)
		target.Retracted = &metering.Retraction{Source: source, ID: s.Name.ID, Reason: s.Reason, ReceivedAt: s.ReceivedAt}
		return err
	})
}

// source returns the text of an observation's source. The sequencer's table is
// its own, so this asks Pebble, once for each.
func (a *auditor) source(s *layout.Stored) (string, error) {
	text, known := a.sources[s.Source]
	if known {
		return text, nil
	}
	value, found, err := get(a.r, layout.AppendSeqKey(nil, layout.Sources, uint64(s.Source)))
	if err == nil && !found {
		err = fmt.Errorf("source number %d of observation %d is not in the table of sources", s.Source, s.Seq)
	}
	a.sources[s.Source] = string(value)
	return string(value), err
}

// step notices every now and then that nobody waits any more.
func (a *auditor) step() error {
	if a.steps++; a.steps%stepSize != 0 {
		return nil
	}
	return a.ctx.Err()
}

// decodeAt reads the observation at the iterator, but for the text of its source.
func decodeAt(it *pebble.Iterator) (*layout.Stored, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, fmt.Errorf("read observation %x: %w", it.Key(), err)
	}
	return layout.Decode(it.Key(), value)
}
