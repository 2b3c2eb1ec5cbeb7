package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// eachObservation visits what can be read under a prefix, with its key and
// whether a mark follows it, and hands what cannot be read to damaged. The key
// is valid during the call only.
func eachObservation(r pebble.Reader, prefix byte, visit func(key []byte, s *layout.Stored, marked bool) error, damaged func(key []byte, err error)) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: layout.PrefixEnd([]byte{prefix})})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var key []byte
	for it.First(); it.Valid(); {
		key = append(key[:0], it.Key()...)
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("read observation %x: %w", key, err)
		}
		stored, wrong := layout.Decode(key, value)
		it.Next()
		marked := it.Valid() && layout.IsMarkOf(it.Key(), key)
		if marked {
			if value, err := it.ValueAndErr(); err != nil || len(value) > 0 {
				damaged(it.Key(), errors.Join(errors.New("a mark holds nothing"), err))
			}
			it.Next()
		}
		if wrong != nil {
			damaged(key, wrong)
			continue
		}
		if err := visit(key, stored, marked); err != nil {
			return err
		}
	}
	return it.Error()
}

// observations checks all observations under a prefix, and folds each unit.
func (v *verifier) observations(ctx context.Context, prefix byte) (err error) {
	f, closed := &unitFold{}, &closedCursor{}
	if prefix != layout.Retractions {
		if closed, err = v.newClosedCursor(closedPrefix(prefix)); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closed.it.Close()) }()
	}
	stage := map[byte]string{layout.States: "states", layout.Quantities: "quantities", layout.Retractions: "retractions"}[prefix]
	err = eachObservation(v.r, prefix, func(key []byte, s *layout.Stored, marked bool) error {
		v.observation(key, s, marked)
		if s.Kind != metering.RetractionMade {
			if err := v.gather(f, closed, s, marked); err != nil {
				return err
			}
		}
		return v.step(ctx, stage)
	}, v.damaged)
	if err != nil {
		return err
	}
	v.settle(f)
	return closed.rest()
}

func (v *verifier) damaged(key []byte, err error) {
	if layout.IsMark(key) {
		v.differ(checkMarks, fmt.Sprintf("mark %x", key), "of an observation that is not there", "no mark")
		return
	}
	v.differ(checkObservation, fmt.Sprintf("observation at %x", key), err.Error(), "an observation")
}

// observation checks one observation by itself.
func (v *verifier) observation(key []byte, s *layout.Stored, marked bool) {
	v.Observations++
	var err error
	if s.Name.Source, err = v.sources.text(s.Source); err != nil {
		v.differOnce(checkSources, fmt.Sprintf("source number %d", s.Source), "not in the table of sources", "in the table: observations name it")
	}
	v.number(s)
	v.registered(s.Name.Project, s.Resource.Region, func() string { return observationText(s) })
	v.key = layout.AppendID(v.key[:0], s.Name.Project, s.Source, s.Name.ID)
	if s.Kind == metering.RetractionMade {
		v.balance.add(s.Seq, fingerprint(v.key, key, false))
		v.noteTarget(s)
		return
	}
	if marked {
		v.Retracted++
	}
	v.balance.add(s.Seq, fingerprint(v.key, key, marked))
}

// registered checks that the directory knows the project and the region, and
// that they have observations.
func (v *verifier) registered(p metering.ProjectID, r metering.RegionID, who func() string) {
	if seen, known := v.projects[p]; !seen {
		v.differOnce(checkDirectory, fmt.Sprintf("project %d", p), unseenText(known), "registered as seen: "+who()+" names it")
	}
	if r == 0 {
		return // a retraction
	}
	if seen, known := v.regions[r]; !seen {
		v.differOnce(checkDirectory, fmt.Sprintf("region %d", r), unseenText(known), "registered as seen: "+who()+" names it")
	}
}

func unseenText(known bool) string {
	if known {
		return "registered, but as never seen"
	}
	return "not registered"
}

// unitFold gathers the observations of one unit.
type unitFold struct {
	unit    layout.Unit
	begun   bool
	closed  closedRecord
	kept    *metering.State // of those the record stands for, the greatest
	states  []metering.State
	windows []metering.Window
}

// gather adds an observation to the unit at hand, and settles that one when a
// new one begins.
func (v *verifier) gather(f *unitFold, cursor *closedCursor, s *layout.Stored, retracted bool) error {
	unit := layout.UnitOf(&s.Observation)
	if !f.begun || unit != f.unit {
		v.settle(f)
		closed, err := cursor.at(unit)
		if err != nil {
			return err
		}
		*f = unitFold{unit: unit, begun: true, closed: closed, states: f.states[:0], windows: f.windows[:0]}
	}
	switch {
	case retracted:
	case f.closed.standsFor(&s.Observation):
		if state := s.State(); f.kept == nil || f.kept.Compare(&state) < 0 {
			f.kept = &state
		}
	case s.Kind == metering.QuantityObserved:
		f.windows = append(f.windows, s.Window())
	default:
		f.states = append(f.states, s.State())
	}
	return nil
}

// settle folds a unit whose observations are complete and compares it with what
// is stored and shown.
func (v *verifier) settle(f *unitFold) {
	switch {
	case !f.begun:
	case f.unit.Resource.Type.Measure() != metering.Counted:
		v.Timelines++
		if f.closed.found {
			v.inEffect(f)
		}
		v.compareTimeline(f.unit, f.closed.Timeline.Continue(f.states), f.closed.found)
	case !f.closed.found: // otherwise its days were compared with the record
		v.Days++
		v.compareDay(f.unit, metering.FoldDay(f.unit.Day, f.windows))
	}
}

// compareTimeline compares a timeline with the one that reports show. A closed record
// does not say which boundary is hidden.
func (v *verifier) compareTimeline(u layout.Unit, want metering.Timeline, closed bool) {
	var stored metering.Timeline
	if v.audit != nil {
		stored = v.audit.Timeline(u.Resource)
	}
	if f, changed := v.takeChanged(u); changed && f != nil {
		stored = f.timeline
	} else if changed || v.audit == nil {
		return
	}
	if closed && want.Hidden == metering.ManyHidden && stored.Hidden != metering.NoneHidden {
		want.Hidden = stored.Hidden
	}
	if is, should, differs := timelineDifference(&stored, &want); differs {
		v.differ(checkUsage, resourceText(u.Resource), is, should)
	}
}

func (v *verifier) compareDay(u layout.Unit, want []metering.DaySum) {
	var stored []metering.DaySum
	if v.audit != nil {
		stored = v.audit.DaySums(u.Resource, u.Day)
	}
	if f, changed := v.takeChanged(u); changed && f != nil {
		stored = f.sums
	} else if changed || v.audit == nil {
		return
	}
	if !slices.EqualFunc(stored, want, sameDaySum) {
		v.differ(checkUsage, unitText(u), sumsText(stored), sumsText(want))
		return
	}
	for i := range want {
		if !stored[i].Agrees(&want[i]) {
			v.differ(checkUsage, unitText(u), windowsText(&stored[i]), windowsText(&want[i]))
		}
	}
}

func sameDaySum(a, b metering.DaySum) bool {
	return a.Day == b.Day && a.Meter == b.Meter && a.Sum == b.Sum && a.First == b.First && a.Last == b.Last && a.Attributes.Equal(b.Attributes)
}

// takeChanged returns how a unit is that the base does not show as it is now,
// nil when a restart folds it anew, and forgets it: what is left in the end has
// no observation.
func (v *verifier) takeChanged(u layout.Unit) (f *folded, changed bool) {
	f, changed = v.changed[u]
	delete(v.changed, u)
	return f, changed
}

// unseen names what reports show although nothing of it was observed.
func (v *verifier) unseen() {
	const want = "nothing: there is no observation"
	if v.audit != nil {
		v.audit.Unseen(func(key metering.ResourceKey, day metering.Day) {
			u := layout.Unit{Resource: key, Day: day}
			if _, changed := v.changed[u]; !changed {
				v.differ(checkUsage, unitText(u), "usage in the base", want)
			}
		})
	}
	for u, f := range v.changed {
		if f != nil && (f.timeline.Known || len(f.sums) > 0) {
			v.differ(checkUsage, unitText(u), "usage among the changes since the base", want)
		}
	}
}
