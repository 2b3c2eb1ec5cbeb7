package ledger

import (
	"context"
	"iter"
	"slices"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// heardOf is a silent resource, and when it was last heard of.
type heardOf struct {
	key metering.ResourceKey
	at  metering.Instant
}

// silent visits the resources that are silent. A timeline remembers from which
// minute on its last state holds, also when that changed nothing, so the columns
// tell all, and no observation is read.
func (v *view) silent(ctx context.Context, q *report.FindingQuery, now metering.Instant, visit func(*report.Finding) error) error {
	end, before := q.SilentBefore(now)
	s := columns.Silence{Period: q.Period, Before: before}
	from, to := q.Period.Minutes(now)
	if s.From = from; to == from {
		s.From, to = 1, 1 // no minute counts
	}
	s.Last = to - 1
	changed, among := v.silentChanges(&s, q.Scope)
	sources := []iter.Seq[heardOf]{v.silentIn(v.base, v.over, among, &s, q.Scope), slices.Values(changed)}
	if v.recent != nil {
		sources = append(sources, v.silentIn(v.recent, nil, among, &s, q.Scope))
	}
	for h := range inOrder(sources) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := visit(report.FindingOfSilence(h.key, h.at, end)); err != nil {
			return err
		}
	}
	return nil
}

// silentIn yields the silent resources of a base that are not said otherwise by
// what lies over it.
func (v *view) silentIn(b *columns.Base, over columns.Mask, changed map[metering.ResourceKey]bool, s *columns.Silence, scope report.Scope) iter.Seq[heardOf] {
	return func(yield func(heardOf) bool) {
		for res, at := range b.Silent(s, scope) {
			if over != nil && over.Has(res) {
				continue
			}
			if h := (heardOf{b.Key(res), at}); !changed[h.key] && !yield(h) {
				return
			}
		}
	}
}

// silentChanges returns the silent resources of the delta in canonical order, and
// all resources of the scope that it has.
func (v *view) silentChanges(s *columns.Silence, scope report.Scope) (silent []heardOf, all map[metering.ResourceKey]bool) {
	all = map[metering.ResourceKey]bool{}
	days := map[metering.ResourceKey]*changedDays{}
	note := func(k metering.ResourceKey, at metering.Instant, is bool) {
		if is {
			silent = append(silent, heardOf{k, at})
		}
	}
	outside := func(c *change) bool { return !scope.Contains(c.is.unit.Resource) }
	v.logged(outside, func(c *change) {
		k := c.is.unit.Resource
		all[k] = true
		if k.Type.Measure() != metering.Counted {
			at, is := s.OfTimeline(&c.is.timeline)
			note(k, at, is)
			return
		}
		if days[k] == nil {
			days[k] = &changedDays{at: c.at}
		}
		days[k].days = append(days[k].days, c.is)
	})
	for k, d := range days {
		at, is := s.OfDays(withDays(v.daySums(d.at, always()), d.days))
		note(k, at, is)
	}
	slices.SortFunc(silent, func(a, b heardOf) int { return a.key.Compare(b.key) })
	return silent, all
}

// inOrder yields what a few sequences do that are in canonical order, in that
// order.
func inOrder(sources []iter.Seq[heardOf]) iter.Seq[heardOf] {
	return func(yield func(heardOf) bool) {
		type head struct {
			heardOf
			next func() (heardOf, bool)
		}
		var heads []head
		for _, s := range sources {
			next, stop := iter.Pull(s)
			defer stop()
			if h, ok := next(); ok {
				heads = append(heads, head{h, next})
			}
		}
		for len(heads) > 0 {
			least := 0
			for i := range heads {
				if heads[i].key.Compare(heads[least].key) < 0 {
					least = i
				}
			}
			if !yield(heads[least].heardOf) {
				return
			}
			var more bool
			if heads[least].heardOf, more = heads[least].next(); !more {
				heads = slices.Delete(heads, least, least+1)
			}
		}
	}
}
