package layout

import "github.com/meterbook/meterbook/internal/metering"

// StatesBounds returns the half-open range of keys that holds the states of a
// resource with times in [from, to).
func StatesBounds(k metering.ResourceKey, from, to metering.Instant) (first, end []byte) {
	return appendInstant(AppendStates(nil, k), from), appendInstant(AppendStates(nil, k), to)
}

// QuantitiesBounds returns the half-open range of keys that holds the quantities
// of a counted resource that begin in the month of the first day of a period,
// and in the period; rest is what of the period comes after that month. The
// period lies within the reach of instants, and is not empty.
func QuantitiesBounds(k metering.ResourceKey, in metering.Period) (first, end []byte, rest metering.Period) {
	t := in.From.Start().Time()
	rest = metering.Period{From: min(metering.DayOf(t.Year(), t.Month()+1, 1), in.To), To: in.To}
	first = appendInstant(AppendQuantities(nil, k, in.From), in.From.Start())
	return first, appendInstant(AppendQuantities(nil, k, in.From), rest.From.Start()), rest
}

// RetractionsOf returns what the keys of all retractions in a project begin
// with.
func RetractionsOf(p metering.ProjectID) []byte {
	return AppendUint([]byte{Retractions}, uint64(p))
}
