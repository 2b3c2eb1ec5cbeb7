// Package metering is the domain: what is observed about cloud resources, and
// the algebra that turns observations into usage.
//
// Usage is a pure function of the set of accepted observations (spec
// 2-metering): [FoldStates] turns the states of one resource into segments on
// the minute grid, [FoldDay] turns its quantities of one day into sums. Neither
// depends on the order in which observations arrived.
//
// Invariants: instants are UTC, every interval is half-open [start, end),
// amounts are 128-bit integers with a decimal scale, never floats. The package
// imports only the standard library, reads no clock and holds no state.
// Functions report bad input as an [*Error] or a [*Rejection]; an impossible
// state panics through [Bug].
package metering
