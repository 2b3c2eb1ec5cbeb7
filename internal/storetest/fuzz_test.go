package storetest

import (
	"math/rand/v2"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// FuzzFolds: the folds of package metering, and the filters and orders of
// package report, agree with the naive model on every outcome and every report,
// whatever is told.
func FuzzFolds(f *testing.F) {
	f.Add([]byte{}, []byte{})
	for seed := range uint64(20) {
		drawn := rand.New(rand.NewPCG(seed, 11))
		told, sent := make([]byte, 100+drawn.IntN(1000)), make([]byte, 50+drawn.IntN(200))
		for _, b := range [][]byte{told, sent} {
			for i := range b {
				b[i] = byte(drawn.UintN(256))
			}
		}
		f.Add(told, sent)
	}
	const most = 1500 // bytes of what is told: the fuzzer takes what needs ten seconds for hung
	f.Fuzz(func(t *testing.T, told, sent []byte) {
		Explore(t, func(_ *testing.T, clock func() metering.Instant) Opened {
			return Opened{Store: &folding{Model: NewModel(clock)}}
		}, told[:min(len(told), most)], sent)
	})
}
