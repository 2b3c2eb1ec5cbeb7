package columns

import (
	"cmp"
	"slices"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestResourcesOfATypeComeInTheOrderOfTheirIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(5, 600)
	for i := range w.keys { // few ids, so that many are in several projects and regions
		w.keys[i].ID = metering.UUID{0: byte(w.IntN(40))}
	}
	slices.SortFunc(w.keys, metering.ResourceKey.Compare)
	w.keys = slices.Compact(w.keys)
	b := Build(w.changes(100), 1)
	narrow := report.FullScope()
	narrow.Projects, narrow.Regions = report.Only[metering.ProjectID](2, 3, 7, 99), report.Only[metering.RegionID](1, 3)
	for _, scope := range []report.Scope{report.FullScope(), narrow, {}} {
		for _, typ := range metering.ResourceTypes() {
			var want []metering.ResourceKey
			for res := range b.Resources() {
				if k := b.Key(res); k.Type == typ && scope.Types.Contains(typ) && scope.Projects.Contains(k.Project) && scope.Regions.Contains(k.Region) {
					want = append(want, k)
				}
			}
			slices.SortFunc(want, func(k, l metering.ResourceKey) int { return cmp.Or(k.ID.Compare(l.ID), k.Compare(l)) })
			var got []metering.ResourceKey
			for c := b.ByID(typ, scope); c.Valid(); c.Next() {
				res, key := c.Resource()
				if b.Key(res) != key {
					t.Fatalf("resource %d is %v, not %v", res, b.Key(res), key)
				}
				got = append(got, key)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v: got %v, want %v", typ, got, want)
			}
		}
	}
}
