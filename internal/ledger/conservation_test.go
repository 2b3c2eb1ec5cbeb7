package ledger_test

import (
	"math"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

func TestRandomHistoriesAreConserved(t *testing.T) {
	t.Parallel()
	storetest.RunConservation(t, opener(false, 4), 20/raceShare)
}

// TestAFleetIsConserved asks a store for the months, days, projects, regions,
// types and pages of a fleet, with and without filters, while a part of it is in
// the base and a part beside it, and after a restart.
func TestAFleetIsConserved(t *testing.T) {
	t.Parallel()
	end := metering.DayOf(2024, time.June, 1)
	options := ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: func() metering.Instant { return end.Start() }, MergeUnits: 300}
	l := open(t, options)
	months := max(1, 3/raceShare)
	f := fleet.New(fleet.Config{Seed: 7, Resources: 150, TrafficPorts: 2, Projects: 6, Months: months, End: end.Start(), ReplacedPercent: 60, ChangedPercent: 60})
	var batch []report.Submission
	send := func() {
		if _, err := submitTogether(t.Context(), l, [][]report.Submission{batch}); err != nil {
			t.Fatal(err)
		}
		batch = nil
	}
	for o := range f.Events() {
		if batch = append(batch, report.Submission{Observation: o, AnyClient: true, Client: report.DefaultClient}); len(batch) == 200 {
			send()
		}
	}
	send()
	month := report.Query{
		Period: metering.Period{From: metering.DayOf(2024, time.May, 1), To: end}, Now: end.Start(), Limit: math.MaxInt,
		Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		Order: []report.OrderTerm{{Field: report.ByProject}},
	}
	whole, err := storetest.Ask(t.Context(), l, month)
	if err != nil || whole.Count < 200 {
		t.Fatalf("%d lines, %v: not what a fleet has", whole.Count, err)
	}
	storetest.Conserved(t, l, month)
	for _, q := range filtered(t, month, whole) {
		storetest.Conserved(t, l, q)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, options)
	again, err := storetest.Ask(t.Context(), l, month)
	if err != nil {
		t.Fatal(err)
	}
	storetest.AssertEqualAnswers(t, whole, again)
	storetest.Conserved(t, l, month)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// filtered asks for a part of a report by a tag, by a name, by an id, and by the
// total dimension.
func filtered(t *testing.T, q report.Query, whole *storetest.Answer) []report.Query {
	t.Helper()
	var tagged, named *report.Line
	for i := range whole.Lines {
		l := &whole.Lines[i]
		if len(l.Attributes.Tags) > 0 {
			tagged = l
		}
		if l.Attributes.Texts[metering.Name] != "" && l.Resource.Type.Dimension() == metering.Flavor {
			named = l
		}
	}
	if tagged == nil || named == nil {
		t.Fatal("the fleet has no tags, or no names")
	}
	byTag, byName, byID, byFlavor := q, q, q, q
	byTag.Tags = &report.TagFilter{Conditions: []report.TagCondition{{Key: &tagged.Attributes.Tags[0].Key}}}
	rt := named.Resource.Type
	byName.Where = &report.FieldFilter{Type: rt, Field: report.FilterAttribute, Attribute: metering.Name, Texts: []string{named.Attributes.Texts[metering.Name]}}
	byID.Where = &report.FieldFilter{Type: rt, Field: report.FilterID, IDs: []metering.UUID{named.Resource.ID}}
	byFlavor.Where = &report.FieldFilter{Type: rt, Field: report.FilterAttribute, Attribute: metering.Flavor, Texts: []string{named.Meter.Dimension}}
	for _, narrowed := range []*report.Query{&byName, &byID, &byFlavor} {
		narrowed.Types = report.TypesOf(rt)
	}
	return []report.Query{byTag, byName, byID, byFlavor}
}
