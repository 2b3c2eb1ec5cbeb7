package ledger_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func allSources() report.SourceScope { return report.SourceScope{All: true} }

// renamedMachine is machine n under its id, but otherwise.
func renamedMachine(n int) report.Submission {
	s := machines(n, 1)[0]
	s.Observation.Attributes.Texts[metering.Name] = "another"
	return s
}

// TestWhatSourcesSentSurvivesACrash compares what is remembered of the sources
// with what it was when the last receipt had been given.
func TestWhatSourcesSentSurvivesACrash(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	o := ledger.Options{Dir: "store", FS: disk, Clock: noon}
	l := open(t, o)
	for n := range 3 {
		batch := append(machines(10*n, 20), renamedMachine(10*n))
		for i := range batch {
			batch[i].ReceivedAt += metering.Instant(n) * 3600 * metering.Second
		}
		if _, err := submitTogether(t.Context(), l, [][]report.Submission{batch}); err != nil {
			t.Fatal(err)
		}
	}
	want := l.Sources(allSources())
	if len(want) != 1 || len(want[0].Hours) != 3 || want[0].Days[0].SourceCounts != (report.SourceCounts{Accepted: 40, Duplicates: 20, Rejected: 3}) || len(want[0].Samples) != report.MaxSamplesOfCode {
		t.Fatalf("before the crash: %+v", want[0])
	}
	left := disk.CrashClone(vfs.CrashCloneCfg{}) // what was not synced is gone
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantClean(t, verifyAtRest(t, left))
	o.FS = left
	again := open(t, o)
	if got := again.Sources(allSources()); !reflect.DeepEqual(got, want) {
		t.Errorf("after the crash\ngot  %+v\nwant %+v", got[0], want[0])
	}
	reused := 0
	q := report.FindingQuery{Period: today(), Scope: report.FullScope(), Kinds: report.KindsOf(report.ReusedIDs)}
	if err := again.Findings(t.Context(), q, func(*report.Finding) error { reused++; return nil }); err != nil || reused != 3 {
		t.Errorf("%d reused ids, %v", reused, err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReusedIDsAreRememberedUpToTheirLimit(t *testing.T) {
	t.Parallel()
	o := ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: noon}
	l := open(t, o)
	const more = 3
	batch := machines(0, report.MaxReusedIDs+more)
	for n := range report.MaxReusedIDs + more {
		s := renamedMachine(n)
		s.ReceivedAt += metering.Instant(n)
		batch = append(batch, s)
	}
	if _, err := submitTogether(t.Context(), l, [][]report.Submission{batch}); err != nil {
		t.Fatal(err)
	}
	names := func() map[string]bool {
		t.Helper()
		found := map[string]bool{}
		q := report.FindingQuery{Period: today(), Scope: report.FullScope(), Kinds: report.KindsOf(report.ReusedIDs)}
		err := l.Findings(t.Context(), q, func(f *report.Finding) error {
			found[f.Name.ID] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	check := func(first int) {
		t.Helper()
		found := names()
		if len(found) != report.MaxReusedIDs || found[fmt.Sprint("id-", first-1)] || !found[fmt.Sprint("id-", first)] {
			t.Errorf("%d ids are remembered; the first one should be %d", len(found), first)
		}
	}
	check(more)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, o) // it goes on where it was
	check(more)
	late := renamedMachine(0)
	late.ReceivedAt += 3600 * metering.Second
	if _, err := submitTogether(t.Context(), l, [][]report.Submission{{late}}); err != nil {
		t.Fatal(err)
	}
	if found := names(); len(found) != report.MaxReusedIDs || !found["id-0"] || found[fmt.Sprint("id-", more)] {
		t.Errorf("%d ids are remembered, without the last one, or with the oldest one", len(found))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyNamesWhatIsBrokenOfSources(t *testing.T) {
	t.Parallel()
	fs := vfs.NewCrashableMem()
	l := open(t, ledger.Options{Dir: "store", FS: fs, Clock: noon})
	if _, err := submitTogether(t.Context(), l, [][]report.Submission{append(machines(0, 9), renamedMachine(3))}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	part := func(p layout.SourcePart) func(k, _ []byte) bool {
		return func(k, _ []byte) bool { return k[len(k)-1] == byte(p) }
	}
	for name, c := range map[string]struct {
		how  func(*broken)
		text string
	}{
		"a value that is cut": {func(b *broken) {
			k, v := b.first(layout.EventSources, part(layout.SourceNow))
			b.set(k, v[:len(v)-1])
		}, "not of this form"},
		"another part":  {func(b *broken) { b.set([]byte("e\x00\x00\x00z"), nil) }, "not of this form"},
		"no hour":       {func(b *broken) { b.remove(key(b.first(layout.EventSources, part(layout.SourceNow)))) }, "no record of the hour in hand"},
		"a wrong count": {miscount, "and 9 lags"},
		"a reused one that is cut": {func(b *broken) {
			k, v := b.first(layout.ReusedIDs, anyPair)
			b.set(k, v[:len(v)-1])
		}, "not of this form"},
		"an unknown id": {func(b *broken) {
			k, v := b.first(layout.ReusedIDs, anyPair)
			u, err := layout.DecodeReused(v)
			if err != nil {
				b.Fatal(err)
			}
			u.Name.ID = "nobody"
			b.set(k, layout.AppendReused(nil, u))
		}, `"nobody"`},
	} {
		spoilt := fs.CrashClone(vfs.CrashCloneCfg{})
		breakStore(t, spoilt, c.how)
		v := verifyAtRest(t, spoilt)
		wantDifference(t, v, "heard", c.text)
		for _, d := range v.Differences {
			if d.Check != "heard" {
				t.Errorf("%s: also %+v", name, d)
			}
		}
	}
}

// miscount takes an event from the hour in hand, and not from its lags.
func miscount(b *broken) {
	k, v := b.first(layout.EventSources, func(k, _ []byte) bool { return k[len(k)-1] == byte(layout.SourceNow) })
	var s report.Source
	hour, day, err := layout.DecodeSourceNow(v, &s)
	if err != nil {
		b.Fatal(err)
	}
	hour.Accepted--
	b.set(k, layout.AppendSourceNow(nil, &s, &hour, &day))
}
