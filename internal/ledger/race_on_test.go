//go:build race

package ledger_test

// raceShare divides work that the race detector makes many times slower; the
// whole of it runs without the detector.
const raceShare = 20

// crashStride is of how many operations one is cut.
const crashStride = 200
