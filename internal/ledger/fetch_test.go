package ledger_test

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// retractionsOf are of the same source as what they retract.
func retractionsOf(batch []report.Submission) []report.Submission {
	all := make([]report.Submission, len(batch))
	for i, s := range batch {
		o := &metering.Observation{Kind: metering.RetractionMade, Time: noon(), Name: s.Observation.Name, TargetSource: s.Observation.Name.Source, TargetID: s.Observation.Name.ID}
		o.Name.ID = fmt.Sprint("not ", o.Name.ID)
		s.Observation = o
		all[i] = s
	}
	return all
}

// TestManyKnownIDsInOneRequest sends at once what is on the disk already, alike and
// otherwise, and retractions of it, so many that the ids are read ahead. Closing
// the store in between, and not, tells them from those of the same group.
func TestManyKnownIDsInOneRequest(t *testing.T) {
	t.Parallel()
	o := ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: noon}
	l := open(t, o)
	const alike, other, retracted = 300, 100, 200
	stored := machines(0, alike+other+retracted)
	if _, err := submitTogether(t.Context(), l, [][]report.Submission{stored}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	again := machines(0, alike+other+retracted)
	for i := range again[alike : alike+other] {
		again[alike+i].Observation.Multiplier++
	}
	fresh := machines(len(again), retracted)
	batch := append(again[:alike+other:alike+other], retractionsOf(again[alike+other:])...)
	batch = append(batch, retractionsOf(fresh)...) // before what they retract
	batch = append(batch, fresh...)
	outcomes, err := submitTogether(t.Context(), l, [][]report.Submission{batch, batch})
	if err != nil {
		t.Fatal(err)
	}
	for round, all := range outcomes {
		for i, got := range all {
			refused := i >= alike && i < alike+other
			want := report.Outcome{Duplicate: i < alike || round == 1 && !refused}
			if got.Duplicate != want.Duplicate || (got.Rejected != nil) != refused {
				t.Errorf("round %d, observation %d: %+v", round, i, got)
			}
		}
	}
	a, err := storetest.Ask(t.Context(), l, allLines())
	if err != nil {
		t.Fatal(err)
	}
	if a.Count != alike+other {
		t.Errorf("%d machines are left, want %d", a.Count, alike+other)
	}
	found, err := l.Verify(t.Context(), func(report.Progress) {})
	if err != nil || len(found.Differences) > 0 {
		t.Errorf("verification: %+v, %v", found, err)
	}
}
