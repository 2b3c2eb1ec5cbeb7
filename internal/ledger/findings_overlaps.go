package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// overlaps visits the windows that begin in the period within an earlier one of
// their meter.
func overlaps(ctx context.Context, r pebble.Reader, in metering.Period, scope report.Scope, visit func(*report.Finding) error) (err error) {
	in = storable(in)
	if in.From >= in.To {
		return nil
	}
	sources, err := loadSources(r)
	if err != nil {
		return err
	}
	it, err := r.NewIter(nil)
	if err != nil {
		return fmt.Errorf("read quantities: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	s := windowScan{it: it, sources: sources, period: in, scope: scope, visit: visit}
	at := layout.AppendMonth(nil, in.From)
	for {
		unit, ok, err := unitAt(ctx, it, at, layout.Quantities)
		if err != nil {
			return err
		}
		if !ok || layout.Month(unit.Day) > layout.Month(in.To-1) {
			return nil
		}
		if at, err = s.unit(unit); err != nil {
			return err
		}
	}
}

// storable cuts a period to the days on which quantities can be stored.
func storable(in metering.Period) metering.Period {
	return metering.Period{From: max(in.From, metering.MinEventTime.Day()), To: min(in.To, metering.Instant(1<<63-1).Day()+1)}
}

// windowScan walks the days of counted resources in the order of their keys:
// month, resource, day.
type windowScan struct {
	it      *pebble.Iterator
	sources *sourceTable
	period  metering.Period
	scope   report.Scope
	visit   func(*report.Finding) error

	day  layout.Unit       // that was looked at last
	last []metering.Window // of each of its meters the one that ends last
}

// unit looks at one day of a resource, the next one at the iterator, and returns
// the key to go on from.
func (s *windowScan) unit(u layout.Unit) (next []byte, err error) {
	k := u.Resource
	switch {
	case !s.scope.Projects.Contains(k.Project):
		return layout.PrefixEnd(layout.AppendQuantitiesOf(nil, k.Project, u.Day)), nil
	case !s.scope.Regions.Contains(k.Region) || !s.scope.Types.Contains(k.Type) || u.Day >= s.period.To:
		return layout.PrefixEnd(layout.AppendQuantities(nil, k, u.Day)), nil
	case u.Day < s.period.From:
		next, _ = layout.Unit{Resource: k, Day: s.period.From}.Bounds()
		return next, nil
	}
	before, err := s.before(u)
	if err != nil {
		return nil, err
	}
	windows, err := s.windows(u)
	if err != nil {
		return nil, err
	}
	found, last := metering.Overlaps(before, windows)
	s.day, s.last = u, last
	for i := range found {
		if err := s.visit(report.FindingOfOverlap(k, &found[i])); err != nil {
			return nil, err
		}
	}
	_, next = u.Bounds()
	return next, nil
}

// before returns the windows of the day before, of each meter the one that ends
// last: they may reach into the day, and not beyond it, as no window is longer
// than a day. That day is the one that was looked at last, unless it lies in
// another month, among other keys, or before the period.
func (s *windowScan) before(u layout.Unit) ([]metering.Window, error) {
	before := layout.Unit{Resource: u.Resource, Day: u.Day - 1}
	if s.day == before {
		return s.last, nil
	}
	if u.Day > s.period.From && layout.Month(before.Day) == layout.Month(u.Day) {
		return nil, nil
	}
	windows, err := s.windows(before)
	if err != nil {
		return nil, err
	}
	_, last := metering.Overlaps(nil, windows)
	return last, nil
}

// windows reads the windows of one day of a resource.
func (s *windowScan) windows(u layout.Unit) ([]metering.Window, error) {
	from, to := u.Bounds()
	s.it.SetBounds(from, to)
	s.it.First()
	_, windows, err := told(s.it, s.sources, u)
	return windows, err
}
