// Package storetest is the acceptance suite that every store passes ([Run],
// [RunRandom]), and the naive [Model] that says what is right.
//
// The model is written from spec 2-metering alone. It keeps the set of accepted
// observations and, for a report, goes minute by minute asking which state
// holds. It shares the plain types with the fast path, but no algorithm: no
// fold, no filter, no comparison. So a mistake must be made twice, in two
// different ways, to stay unseen.
//
// Random histories are functions of their seed. A failure prints the seed, and
// METERBOOK_SEED=<seed> replays it; so a failing test is never lost.
package storetest
