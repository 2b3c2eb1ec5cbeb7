package fleet

import (
	"strconv"

	"github.com/meterbook/meterbook/internal/metering"
)

// Of so many hours or days of a port or function, one is corrected, or
// retracted, a day later.
const (
	correctedOneIn = 2_000
	retractedOneIn = 20_000
)

// windowOf is how long the windows are in which a type is counted.
func windowOf(t metering.ResourceType) metering.Instant {
	switch sourceOf(t) {
	case sflow:
		return hour
	case inference:
		return 6 * hour
	}
	return day
}

// planCount sets when the window after the current one is told: some seconds
// to minutes after its end.
func (g *generator) planCount(s *slot) {
	window := windowOf(s.typ)
	s.step = count
	s.at -= s.at % window
	s.at += window + 5*metering.Second + g.below(window/100)
}

// tellQuantities tells what the slot's resource consumed in the window that has
// just ended, and now and then what was wrong a day before.
func (g *generator) tellQuantities(s *slot, yield func(*metering.Observation) bool) (more bool) {
	window := windowOf(s.typ)
	to := s.at - s.at%window
	if s.serial == 0 {
		g.renew(s)
		s.born = to - window
	}
	if !yield(g.quantity(s, to, "")) {
		return false
	}
	if to-window-day >= s.born {
		switch n := g.random.IntN(retractedOneIn); {
		case n == 0:
			more = yield(g.retraction(s, to-day))
		case n%correctedOneIn == 1:
			more = yield(g.quantity(s, to-day, "-corrected"))
		default:
			more = true
		}
		if !more {
			return false
		}
	}
	if g.replacedWithin(window) {
		g.renew(s)
		s.born = to
	}
	return true
}

// replacedWithin draws whether a resource is replaced within the window.
func (g *generator) replacedWithin(window metering.Instant) bool {
	return g.below(100*month/minute) < metering.Instant(g.config.ReplacedPercent)*window/minute
}

// quantity tells what the resource consumed in the window that ends at to.
func (g *generator) quantity(s *slot, to metering.Instant, suffix string) *metering.Observation {
	o := g.observe(s, metering.QuantityObserved)
	o.Name.ID = quantityID(s, to) + suffix
	o.From, o.To = to-windowOf(s.typ), to
	g.describe(s, &o.Attributes)
	metric := ""
	if s.typ.MetricTemplate() == "" {
		metric = g.words.negotiated[s.variant]
	}
	o.Meter = s.typ.Meter(metric, "", &o.Attributes)
	o.Quantity = metering.Product(g.consumption(s, o.From), millionthsOf(s.typ))
	return o
}

func (g *generator) retraction(s *slot, to metering.Instant) *metering.Observation {
	o := g.observe(s, metering.RetractionMade)
	o.Resource = metering.ResourceKey{}
	o.Name.ID = quantityID(s, to) + "-retracted"
	o.TargetSource, o.TargetID = o.Name.Source, quantityID(s, to)
	o.Reason = "double probe"
	return o
}

// quantityID names the quantity of one window: a source's ids are unique
// because its resources' serials are.
func quantityID(s *slot, to metering.Instant) string {
	var buf [32]byte
	b := strconv.AppendUint(append(buf[:0], "q-"...), uint64(s.serial), 36)
	return string(strconv.AppendInt(append(b, '-'), int64(to/minute), 36))
}

// consumption draws a quantity in whole bytes, or in millionths of the unit;
// there is more of it by day than by night.
func (g *generator) consumption(s *slot, from metering.Instant) uint64 {
	h := uint64((from % day) / hour)
	load := 4 + min(h, 23-h) // of 15
	switch sourceOf(s.typ) {
	case sflow:
		scale := uint64(1) << (20 + s.serial%12) // ports differ a lot
		return (scale + g.random.Uint64N(scale)) * load / 15
	case inference:
		return 6_000_000 // six hours, of one machine
	}
	return g.random.Uint64N(1 << (20 + s.serial%20))
}

func millionthsOf(t metering.ResourceType) uint64 {
	if t.Unit() == metering.UnitBytes {
		return 1_000_000
	}
	return 1
}
