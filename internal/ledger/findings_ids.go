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
	s := idScan{view: v, period: in}
	s.from, s.to = in.Minutes(now)
	changes := v.changesByID(in, scope)
	for _, t := range metering.ResourceTypes() {
		n, _ := slices.BinarySearchFunc(changes, t+1, func(c *change, t metering.ResourceType) int {
			return cmp.Compare(c.is.unit.Resource.Type, t)
		})
		s.base, s.changes, changes = v.base.ByID(t, scope), changes[:n], changes[n:]
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
	v.latest(outside, func(c *change) { changes = append(changes, c) })
	slices.SortFunc(changes, func(a, b *change) int {
		k, l := &a.is.unit.Resource, &b.is.unit.Resource
		return cmp.Or(cmp.Compare(k.Type, l.Type), k.ID.Compare(l.ID), k.Compare(*l), cmp.Compare(a.is.unit.Day, b.is.unit.Day))
	})
	return changes
}

// idScan walks the resources of one type in the base and in the delta, side by
// side in the order of their ids.
type idScan struct {
	view     *view
	period   metering.Period
	from, to metering.Minute // of the period, as far as they count
	base     *columns.IDCursor
	changes  []*change
	same     []candidate // the resources of the id in hand
}

// candidate is a resource with what the delta says of it.
type candidate struct {
	key     metering.ResourceKey
	base    int // index in the base, or columns.NotFound
	changed []*folded
}

func (s *idScan) visitType(ctx context.Context, visit func(*report.Finding) error) error {
	for n := 0; s.base.Valid() || len(s.changes) > 0; n++ {
		if n%stepSize == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.gather()
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
	return nil
}

// gather takes all resources of the next id, in canonical order.
func (s *idScan) gather() {
	s.same = s.same[:0]
	id := s.nextID()
	for s.base.Valid() {
		res, key := s.base.Resource()
		if key.ID != id {
			break
		}
		s.same = append(s.same, candidate{key: key, base: res})
		s.base.Next()
	}
	known := len(s.same)
	for len(s.changes) > 0 && s.changes[0].is.unit.Resource.ID == id {
		c := s.changes[0]
		s.changes = s.changes[1:]
		m := s.candidateOf(c, known)
		m.changed = append(m.changed, c.is)
	}
	slices.SortFunc(s.same, func(a, b candidate) int { return a.key.Compare(b.key) })
}

func (s *idScan) nextID() metering.UUID {
	if !s.base.Valid() {
		return s.changes[0].is.unit.Resource.ID
	}
	_, key := s.base.Resource()
	if len(s.changes) > 0 && s.changes[0].is.unit.Resource.ID.Compare(key.ID) < 0 {
		return s.changes[0].is.unit.Resource.ID
	}
	return key.ID
}

// candidateOf returns the resource that a change is of. The first known ones are
// in canonical order, as are those that the delta adds.
func (s *idScan) candidateOf(c *change, known int) *candidate {
	key := c.is.unit.Resource
	i, found := slices.BinarySearchFunc(s.same[:known], key, func(m candidate, k metering.ResourceKey) int { return m.key.Compare(k) })
	if found {
		return &s.same[i]
	}
	if last := len(s.same) - 1; last < known || s.same[last].key != key {
		s.same = append(s.same, candidate{key: key, base: columns.NotFound})
	}
	return &s.same[len(s.same)-1]
}

// counted returns what of the period a resource counts now.
func (s *idScan) counted(m *candidate) []metering.MinuteSpan {
	if m.key.Type.Measure() == metering.Counted {
		var sums []metering.DaySum
		if m.base != columns.NotFound {
			sums = s.view.base.DaySums(m.base, s.period)
		}
		return metering.CountedDays(withDays(sums, m.changed), s.period)
	}
	if len(m.changed) > 0 {
		return m.changed[0].timeline.Counted(s.from, s.to)
	}
	return s.view.base.Timeline(m.base).Counted(s.from, s.to)
}
