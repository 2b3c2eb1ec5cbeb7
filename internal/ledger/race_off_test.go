//go:build !race

package ledger_test

const raceShare = 1

// crashStride is 1: each operation is cut.
const crashStride = 1
