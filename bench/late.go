package main

import (
	"iter"
	"math/rand/v2"

	"github.com/meterbook/meterbook/internal/metering"
)

// sample draws observations, evenly over a fleet's months, that late events are
// then about: half of the late events are states between states that are known,
// four tenths correct a quantity, one tenth retract an observation.
type sample struct {
	random     *rand.Rand
	from       metering.Instant
	size       int
	states     reservoir
	quantities reservoir
}

// reservoir holds a uniform draw from all that it has seen.
type reservoir struct {
	held []*metering.Observation
	seen int
}

func (r *reservoir) see(o *metering.Observation, size int, random *rand.Rand) {
	r.seen++
	if len(r.held) < size {
		r.held = append(r.held, o)
	} else if i := random.IntN(r.seen); i < size {
		r.held[i] = o
	}
}

func (s *sample) see(o *metering.Observation) {
	switch {
	case o.Time < s.from || o.Deleted || o.Kind == metering.RetractionMade:
	case o.Kind == metering.StateObserved:
		s.states.see(o, s.size*11/20, s.random)
	default:
		s.quantities.see(o, s.size*9/20, s.random)
	}
}

// late yields the late events in random order.
func (s *sample) late(end metering.Instant) iter.Seq[*metering.Observation] {
	all := append(s.states.held, s.quantities.held...)
	s.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return func(yield func(*metering.Observation) bool) {
		for i, o := range all {
			fresh := *o
			fresh.Name.ID = s.newID()
			fresh.Time = min(o.Time+metering.Second+metering.Instant(s.random.Int64N(int64(48*3600*metering.Second))), end-1)
			switch {
			case i%10 == 0:
				fresh = metering.Observation{
					Kind: metering.RetractionMade, Name: fresh.Name, Time: fresh.Time,
					TargetSource: o.Name.Source, TargetID: o.Name.ID, Reason: "double probe",
				}
			case o.Kind == metering.QuantityObserved:
				fresh.Quantity = o.Quantity.Add(metering.AmountOf(1e6))
			case o.Resource.Type.Measure() == metering.Sized:
				fresh.Multiplier = o.Multiplier + 1<<30
			default:
				fresh.Multiplier = o.Multiplier + 1
			}
			if !yield(&fresh) {
				return
			}
		}
	}
}

func (s *sample) newID() string {
	var u metering.UUID
	for i := range u {
		u[i] = byte(s.random.Uint32())
	}
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return u.String()
}
