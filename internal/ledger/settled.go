package ledger

import (
	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// settled is what the delta lies over: the base and, where much has changed since,
// a smaller one in memory, so that reports need not fold all that one by one. It
// never changes.
type settled struct {
	base   *columns.Base
	recent *columns.Base // resources that changed since the base, whole; nil: none
	over   columns.Mask  // those of the base that recent has
}

// standing is where a resource stands in the base and in recent, by index, or
// columns.NotFound.
type standing struct{ base, recent int32 }

func (s *settled) find(key metering.ResourceKey) standing {
	at := standing{base: int32(s.base.Find(key)), recent: columns.NotFound}
	if s.recent != nil {
		at.recent = int32(s.recent.Find(key))
	}
	return at
}

// findAgain is find where a resource stood somewhere in what was settled before:
// the base is mostly the same.
func (s *settled) findAgain(before *settled, at standing, key metering.ResourceKey) standing {
	if s.base != before.base {
		return s.find(key)
	}
	if at.recent = columns.NotFound; s.recent != nil {
		at.recent = int32(s.recent.Find(key))
	}
	return at
}

func (s *settled) timeline(at standing) metering.Timeline {
	switch {
	case at.recent != columns.NotFound:
		return s.recent.Timeline(int(at.recent))
	case at.base != columns.NotFound:
		return s.base.Timeline(int(at.base))
	}
	return metering.Timeline{}
}

// daySums returns the sums of a period, without their windows.
func (s *settled) daySums(at standing, in metering.Period) []metering.DaySum {
	rest := s.rest(at)
	if rest.Base == nil {
		return nil
	}
	return rest.Base.DaySums(rest.Res, in)
}

// rest returns where a counted resource is as it was settled.
func (s *settled) rest(at standing) columns.Rest {
	if at.recent != columns.NotFound {
		return columns.Rest{Base: s.recent, Res: int(at.recent), Changed: true}
	}
	return s.under(at)
}

// under returns where a counted resource is as the base has it.
func (s *settled) under(at standing) columns.Rest {
	if at.base == columns.NotFound {
		return columns.Rest{}
	}
	return columns.Rest{Base: s.base, Res: int(at.base)}
}

// day returns the sums of one day with what is known of their windows.
func (s *settled) day(at standing, day metering.Day) []metering.DaySum {
	return s.rest(at).Sums(metering.Period{From: day, To: day + 1}, s.under(at))
}

// recentResources returns how many resources have changed since the base, as far
// as recent has them.
func (s *settled) recentResources() int {
	if s.recent == nil {
		return 0
	}
	return s.recent.Resources()
}

// changedSince visits the units of recent: resources with states, and of counted
// ones each day that it or the base has, with what it knows itself of windows. What is
// visited may be kept.
func (s *settled) changedSince(visit func(*change)) {
	for res := range s.recentResources() {
		key := s.recent.Key(res)
		c := change{at: standing{base: int32(s.base.Find(key)), recent: int32(res)}, project: key.Project}
		if key.Type.Measure() != metering.Counted {
			c.is = &folded{unit: layout.Unit{Resource: key}, timeline: s.recent.Timeline(res)}
			visit(&c)
			continue
		}
		days := map[metering.Day][]metering.DaySum{}
		for _, day := range s.under(c.at).Days() {
			days[day] = nil
		}
		for _, sum := range s.rest(c.at).Sums(always(), columns.Rest{}) {
			days[sum.Day] = append(days[sum.Day], sum)
		}
		for day, sums := range days {
			ofDay := c
			ofDay.is = &folded{unit: layout.Unit{Resource: key, Day: day}, sums: sums}
			visit(&ofDay)
		}
	}
}

// over lays a base in memory of what changed since over a base.
func over(base, recent *columns.Base) settled {
	s := settled{base: base, recent: recent, over: base.NewMask()}
	for res := range recent.Resources() {
		if under := base.Find(recent.Key(res)); under != columns.NotFound {
			s.over.Add(under)
		}
	}
	return s
}

// always is the period that contains every day.
func always() metering.Period { return metering.Period{From: -1 << 31, To: 1<<31 - 1} }

// changed returns a base in memory of all resources that changed since the base,
// whole.
func (v *view) changed() *columns.Base {
	if len(v.log) == 0 && v.recent != nil {
		return v.recent
	}
	fresh := columns.Changed(v.loggedChanges(v.changeOf), uint64(v.seq))
	if v.recent == nil {
		return fresh
	}
	return v.recent.With(fresh)
}

// toMerge returns a base in memory of what changed since the base, to be merged over
// it: where nothing was condensed, counted resources with their changed days only.
func (v *view) toMerge() *columns.Base {
	if v.recent != nil {
		return v.changed()
	}
	return columns.Changed(v.loggedChanges(partlyChanged), uint64(v.seq))
}

// condensed returns what the view shows, with an empty delta.
func (v *view) condensed() settled {
	s := settled{base: v.base, recent: v.changed(), over: v.base.NewMask()}
	copy(s.over, v.over)
	v.logged(nothing, func(c *change) {
		if c.at.base != columns.NotFound {
			s.over.Add(int(c.at.base))
		}
	})
	return s
}
