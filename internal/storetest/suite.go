package storetest

import (
	"slices"
	"testing"
)

// behaviour is one thing that every store does, told as a short story.
type behaviour struct {
	name  string
	check func(*scene)
}

// Run checks every behaviour that the contracts in package report and spec
// 2-metering demand of a store, each in a store of its own, and where the store
// can do it again after merging and after a restart. The clock stands at
// 2024-07-05T00:00:00Z unless a story moves it.
func Run(t *testing.T, open Open) {
	t.Helper()
	for _, b := range slices.Concat(
		identities(), contents(), retractions(), retractionNames(),
		states(), tiedStates(), hiddenStates(), samples(), edges(), lineStories(),
		quantities(), corrections(), windows(),
		sharedIDs(), overlaps(), inspections(), silences(), sources(),
		audits(), pasts(), unaudited(),
		serieses(),
		selections(), orders(), exactOrders(), pages(), snapshots(),
		directories(), deletions(), ownerships(), lifecycles(),
	) {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			b.check(&scene{bench: newBench(t, open, At("2024-07-05T00:00:00Z"))})
		})
	}
}
