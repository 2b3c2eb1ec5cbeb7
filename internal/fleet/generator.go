package fleet

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
)

const (
	minute metering.Instant = 60 * metering.Second
	hour                    = 60 * minute
	day                     = 24 * hour
	month                   = 730 * hour // the mean month, to which rates refer
	ageEnd                  = 730 * day  // age (exclusive) of a resource that is there at the start
)

// generator is one run through a fleet's history. Its memory is the slots, one
// for each resource that lives at a time, whatever the number of observations.
//
// The schedule is a wheel with one list of slots for each hour; a slot waits
// for one step only. The steps of the current hour are sorted in due:
//
//	hours   h        h+1      h+2      h+3 …
//	slots   3-9-4    -        7        1-2       (lists through slot.next)
//	due     4 9 3    sorted by (at, slot); a step within the same hour joins it
type generator struct {
	*Fleet
	random *rand.Rand
	slots  []slot
	serial uint32

	origin metering.Instant // start of the first hour of the wheel
	hours  []int32          // first slot of each hour, or -1
	now    int              // the current hour, an index of hours
	due    []dueStep

	instance, volume, traffic metering.ResourceType
}

type dueStep struct {
	at   metering.Instant
	slot int32
}

func (d dueStep) compare(e dueStep) int {
	return cmp.Or(cmp.Compare(d.at, e.at), cmp.Compare(d.slot, e.slot))
}

// Events yields the fleet's observations in the order of their times. Each is
// the receiver's own; tags are shared and must not be changed. Every call
// yields the same sequence anew.
func (f *Fleet) Events() iter.Seq[*metering.Observation] {
	return func(yield func(*metering.Observation) bool) {
		f.newGenerator().run(yield)
	}
}

func (f *Fleet) newGenerator() *generator {
	g := &generator{
		Fleet:    f,
		random:   rand.New(rand.NewPCG(f.config.Seed, 2)),
		origin:   f.start - ageEnd,
		now:      -1,
		instance: typeNamed("instance"), volume: typeNamed("volume"), traffic: typeNamed("egress_traffic"),
	}
	g.hours = make([]int32, max(0, (f.config.End-g.origin+hour-1)/hour))
	for i := range g.hours {
		g.hours[i] = -1
	}
	groups := f.autoscalingGroups()
	g.slots = make([]slot, 0, len(f.types)+f.config.TrafficPorts+groups)
	for p := range f.projects {
		for _, t := range f.types[f.projects[p].firstSlot:][:f.projects[p].slotCount] {
			g.addSlot(t, p)
		}
	}
	for range f.config.TrafficPorts {
		g.addSlot(g.traffic, int(g.slots[g.random.IntN(len(f.types))].project))
	}
	for range groups {
		g.addAutoscaling(int(g.slots[g.random.IntN(len(f.types))].project))
	}
	return g
}

// autoscalingGroups is the number of slots for machines that live shortly, of
// which each makes about one a day.
func (f *Fleet) autoscalingGroups() int {
	made := f.config.Resources * f.config.ShortLivedPercent / 100
	return (made + groupRate - 1) / groupRate
}

// addSlot plans the first step of a slot: resources of the first day were made
// before, at an age that a constant rate of replacement gives; those that tell
// quantities tell the first one after the start.
func (g *generator) addSlot(t metering.ResourceType, project int) *slot {
	p := &g.projects[project]
	g.slots = append(g.slots, slot{typ: t, project: int32(project), region: p.home})
	i := len(g.slots) - 1
	s := &g.slots[i]
	if g.random.IntN(5) == 0 {
		s.region = p.second
	}
	if t.Measure() == metering.Counted {
		s.at = g.start // it gets its resource when the first window is told
		g.planCount(s)
	} else {
		age := g.exponential(month*100/metering.Instant(max(g.config.ReplacedPercent, 5))) % ageEnd
		s.at, s.step = g.start-age, create
	}
	g.schedule(i)
	return s
}

// schedule puts a slot's next step into the wheel, unless it lies beyond the
// end.
func (g *generator) schedule(i int) {
	s := &g.slots[i]
	s.at -= s.at % resolutionOf(s.typ)
	if s.at >= g.config.End {
		return
	}
	h := int((s.at - g.origin) / hour)
	if h > g.now {
		s.next, g.hours[h] = g.hours[h], int32(i)
		return
	}
	d := dueStep{s.at, int32(i)}
	at, _ := slices.BinarySearchFunc(g.due, d, dueStep.compare)
	g.due = slices.Insert(g.due, at, d)
}

func (g *generator) run(yield func(*metering.Observation) bool) {
	for h, first := range g.hours {
		g.now, g.due = h, g.due[:0]
		for i := first; i >= 0; i = g.slots[i].next {
			g.due = append(g.due, dueStep{g.slots[i].at, i})
		}
		slices.SortFunc(g.due, dueStep.compare)
		for done := 0; done < len(g.due); done++ {
			if !g.take(int(g.due[done].slot), yield) {
				return
			}
		}
	}
}

// take does the step that is due for a slot and plans its next one.
func (g *generator) take(i int, yield func(*metering.Observation) bool) (more bool) {
	s := &g.slots[i]
	switch s.step {
	case create, spawn:
		g.renew(s)
	case change:
		g.alter(s)
	case count:
		more = g.tellQuantities(s, yield)
		g.planCount(s)
		g.schedule(i)
		return more
	}
	more = yield(g.state(s))
	g.plan(s)
	g.schedule(i)
	return more
}

// plan sets the step that follows the one just taken.
func (g *generator) plan(s *slot) {
	switch s.step {
	case create, change:
		g.planLasting(s)
	case remove:
		s.step, s.at = create, s.at+metering.Second+g.below(30*minute)
	case spawn:
		s.step = retire
		s.at += g.shortLife()
	case retire:
		g.planSpawn(s)
	}
}

// planLasting decides whether the resource is changed or replaced next; both
// happen at constant rates, from the start of the fleet on.
func (g *generator) planLasting(s *slot) {
	rate := g.config.ReplacedPercent + g.config.ChangedPercent
	if rate == 0 {
		s.at = g.config.End
		return
	}
	s.at = max(s.at, g.start) + g.exponential(month*100/metering.Instant(rate))
	s.step = remove
	if g.random.IntN(rate) < g.config.ChangedPercent {
		s.step = change
	}
}

// exponential draws a waiting time of the given mean.
func (g *generator) exponential(mean metering.Instant) metering.Instant {
	return metering.Instant(g.random.ExpFloat64() * float64(mean))
}

// below draws a time from [0, end).
func (g *generator) below(end metering.Instant) metering.Instant {
	return metering.Instant(g.random.Int64N(int64(end)))
}

// resolutionOf is how exactly a type's source tells times.
func resolutionOf(t metering.ResourceType) metering.Instant {
	if sourceOf(t) == openstack {
		return metering.Second / 1000
	}
	return metering.Second
}
