package ledger

import (
	"cmp"
	"context"
	"slices"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// sharedIDs visits the ids that count in two or more projects at once.
func (v *view) sharedIDs(ctx context.Context, in metering.Period, now metering.Instant, scope report.Scope, visit func(*report.Finding) error) error {
	s := idScan{period: in}
	s.from, s.to = in.Minutes(now)
	changes := v.changesByID(in, scope)
	settled := []*columns.Base{v.base}
	if v.recent != nil {
		settled = append(settled, v.recent)
	}
	for _, t := range metering.ResourceTypes() {
		n, _ := slices.BinarySearchFunc(changes, t+1, func(c *change, t metering.ResourceType) int {
			return cmp.Compare(c.is.unit.Resource.Type, t)
		})
		s.changes, changes = changes[:n], changes[n:]
		s.settled = s.settled[:0]
		for _, base := range settled {
			s.settled = append(s.settled, layer{base, base.ByID(t, scope)})
		}
		if err := s.visitType(ctx, visit); err != nil {
			return err
		}
	}
	return nil
}

// changesByID returns what the delta says of the period within the scope, by
// type, id, project, region and day.
func (v *view) changesByID(in metering.Period, scope report.Scope) []*change {
	var changes []*change
	outside := func(c *change) bool {
		k := &c.is.unit.Resource
		return !scope.Projects.Contains(k.Project) || !scope.Regions.Contains(k.Region) || !scope.Types.Contains(k.Type) ||
			k.Type.Measure() == metering.Counted && !in.Contains(c.is.unit.Day)
	}
	v.logged(outside, func(c *change) { changes = append(changes, c) })
	slices.SortFunc(changes, func(a, b *change) int {
		k, l := &a.is.unit.Resource, &b.is.unit.Resource
		return cmp.Or(cmp.Compare(k.Type, l.Type), k.ID.Compare(l.ID), k.Compare(*l), cmp.Compare(a.is.unit.Day, b.is.unit.Day))
	})
	return changes
}

// idScan walks the resources of one type in what is settled and in the delta, side
// by side in the order of their ids.
type idScan struct {
	period   metering.Period
	from, to metering.Minute // of the period, as far as they count
	settled  []layer         // each over the one before
	changes  []*change
	same     []candidate // the resources of the id in hand
}

// layer is a base and where the scan is in it.
type layer struct {
	base *columns.Base
	at   *columns.IDCursor
}

// candidate is a resource with what the delta says of it.
type candidate struct {
	key     metering.ResourceKey
	settled columns.Rest
	changed []*folded
}

func (s *idScan) visitType(ctx context.Context, visit func(*report.Finding) error) error {
	for n := 0; ; n++ {
		if n%stepSize == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		id, ok := s.nextID()
		if !ok {
			return nil
		}
		s.gather(id)
		if s.same[0].key.Project == s.same[len(s.same)-1].key.Project {
			continue
		}
		claims := make([]metering.Claim, len(s.same))
		for i := range s.same {
			claims[i] = metering.Claim{Resource: s.same[i].key, Counted: s.counted(&s.same[i])}
		}
		if sharing, ok := metering.Shared(claims); ok {
			if err := visit(report.FindingOfSharing(&sharing)); err != nil {
				return err
			}
		}
	}
}

// gather takes all resources of an id, in canonical order.
func (s *idScan) gather(id metering.UUID) {
	s.same = s.same[:0]
	for _, l := range s.settled {
		for known := len(s.same); l.at.Valid(); l.at.Next() {
			res, key := l.at.Resource()
			if key.ID != id {
				break
			}
			s.candidateOf(key, known).settled = columns.Rest{Base: l.base, Res: res}
		}
		s.sort()
	}
	for known := len(s.same); len(s.changes) > 0 && s.changes[0].is.unit.Resource.ID == id; s.changes = s.changes[1:] {
		is := s.changes[0].is
		m := s.candidateOf(is.unit.Resource, known)
		m.changed = append(m.changed, is)
	}
	s.sort()
}

func (s *idScan) sort() {
	slices.SortFunc(s.same, func(a, b candidate) int { return a.key.Compare(b.key) })
}

// nextID returns the least id that is left; false at the end.
func (s *idScan) nextID() (id metering.UUID, ok bool) {
	least := func(other metering.UUID) {
		if !ok || other.Compare(id) < 0 {
			id, ok = other, true
		}
	}
	for _, l := range s.settled {
		if l.at.Valid() {
			_, key := l.at.Resource()
			least(key.ID)
		}
	}
	if len(s.changes) > 0 {
		least(s.changes[0].is.unit.Resource.ID)
	}
	return id, ok
}

// candidateOf returns the candidate of a resource. The first known ones are in
// canonical order, as are those that are added behind them.
func (s *idScan) candidateOf(key metering.ResourceKey, known int) *candidate {
	i, found := slices.BinarySearchFunc(s.same[:known], key, func(m candidate, k metering.ResourceKey) int { return m.key.Compare(k) })
	if found {
		return &s.same[i]
	}
	if last := len(s.same) - 1; last < known || s.same[last].key != key {
		s.same = append(s.same, candidate{key: key})
	}
	return &s.same[len(s.same)-1]
}

// counted returns what of the period a resource counts now.
func (s *idScan) counted(m *candidate) []metering.MinuteSpan {
	if m.key.Type.Measure() == metering.Counted {
		var sums []metering.DaySum
		if m.settled.Base != nil {
			sums = m.settled.Base.DaySums(m.settled.Res, s.period)
		}
		return metering.CountedDays(withDays(sums, m.changed), s.period)
	}
	if len(m.changed) > 0 {
		return m.changed[0].timeline.Counted(s.from, s.to)
	}
	return m.settled.Base.Timeline(m.settled.Res).Counted(s.from, s.to)
}
