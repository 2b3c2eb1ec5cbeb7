package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// settle waits for what is being merged or condensed, and shows it.
func (l *Ledger) settle(t *testing.T) {
	t.Helper()
	err := l.do(t.Context(), func(g *group) error {
		if g.s.merge.running != nil {
			g.s.finishMerge(<-g.s.merge.finished)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// everything is all that readers see of a ledger, as text.
func everything(t *testing.T, l *Ledger, now metering.Instant) string {
	t.Helper()
	var text []byte
	for _, days := range []metering.Day{1, 20, 70} {
		q := report.Query{
			Period: metering.Period{From: now.Day() - days, To: now.Day() + 1}, Now: now, Limit: 1 << 30,
			Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
			Order: []report.OrderTerm{{Field: report.ByValue, Descending: true}, {Field: report.ByLastName}},
		}
		r, err := l.Report(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		totals, err := json.Marshal(r.Totals)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, totals...)
		for line := range r.Lines {
			text = append(report.AppendLine(text, line), '\n')
		}
		r.Close()
	}
	return string(text)
}

// lately returns a ledger over a base of a fleet's first weeks, to which the last
// weeks came in small groups, late ones and retractions among them; the last few
// are in the log. condensed is how many of its views had something condensed.
func lately(t *testing.T, store *vfs.MemFS) (l *Ledger, f *fleet.Fleet, condensed int) {
	t.Helper()
	f = fleet.New(fleet.Config{Seed: 4, Resources: 600, Months: 2, TrafficPorts: 4})
	l = opened(t, store, f)
	var all []report.Submission
	for o := range f.Events() {
		all = append(all, report.Submission{Observation: o, AnyClient: true, ReceivedAt: o.Time})
	}
	first := len(all) * 3 / 4
	submit(t, l, all[:first])
	if err := l.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	rest := all[first:]
	slices.Reverse(rest[len(rest)/2:]) // late ones
	for batch := range slices.Chunk(rest, 15) {
		submit(t, l, append(slices.Clone(batch), retraction(batch[0])))
		l.settle(t)
		if v := l.views.mu.now; v.recent != nil && len(v.log) > 0 {
			condensed++
		}
	}
	return l, f, condensed
}

func opened(t *testing.T, store *vfs.MemFS, f *fleet.Fleet) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), Options{Dir: "store", FS: store, Clock: f.End, MergeUnits: 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func verified(t *testing.T, l *Ledger) {
	t.Helper()
	found, err := l.Verify(t.Context(), func(report.Progress) {})
	if err != nil || found.Total > 0 {
		t.Errorf("verify: %+v, %v", found, err)
	}
}

// TestAMergeIsDueWhenItCostsAsMuchAsCondensingDid adds up what is copied until a
// merge, and looks whether merging earlier or later would copy less a change.
func TestAMergeIsDueWhenItCostsAsMuchAsCondensingDid(t *testing.T) {
	t.Parallel()
	const units = 1000
	for _, base := range []int{100_000, 1_000_000, 5_000_000} {
		copied, best, at, due := 0, 0.0, 0, 0
		for changed := units; changed <= base; changed += units {
			if each := float64(copied+base) / float64(changed); best == 0 || each < best {
				best, at = each, changed
			}
			if due == 0 && worthMerging(base, changed, units) {
				due = changed
			}
			copied += changed
		}
		if due < at-2*units || due > at+2*units {
			t.Errorf("a base of %d is merged after %d changes, it costs least after %d", base, due, at)
		}
	}
}

func TestWhatIsCondensedIsAsWhatIsMerged(t *testing.T) {
	t.Parallel()
	l, f, condensed := lately(t, vfs.NewMem())
	if condensed < 5 {
		t.Fatalf("only %d views had something condensed", condensed)
	}
	verified(t, l)
	over := everything(t, l, f.End())
	if err := l.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if merged := everything(t, l, f.End()); merged != over {
		t.Error("the figures changed when all was merged")
	}
}

// TestAStartAfterACrashGoesOnWithWhatWasCondensed crashes while something is
// condensed; the file may be damaged or missing then, as after a restore.
func TestAStartAfterACrashGoesOnWithWhatWasCondensed(t *testing.T) {
	t.Parallel()
	store := vfs.NewCrashableMem()
	l, f, _ := lately(t, store)
	for n := 0; l.sequencer.pointer.Recent == ""; n++ { // a merge came last
		o := flapping(n)
		o.Name = metering.ObservationName{Project: 1, Source: "/probe", ID: fmt.Sprint(n)}
		o.Resource.ID = metering.UUID{9, byte(n), byte(n >> 8)}
		submit(t, l, []report.Submission{{Observation: o, AnyClient: true, ReceivedAt: o.Time}})
		l.settle(t)
	}
	name, crashes := "store/"+l.sequencer.pointer.Recent, store.CrashClone(vfs.CrashCloneCfg{}) // before a quiet moment merges all
	want := everything(t, l, f.End())
	for harm, inflict := range map[string]func(*vfs.MemFS) error{
		"none":    func(*vfs.MemFS) error { return nil },
		"missing": func(fs *vfs.MemFS) error { return fs.Remove(name) },
		"damaged": func(fs *vfs.MemFS) error {
			file, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
			if err != nil {
				return err
			}
			_, err = file.WriteAt([]byte("harm"), 2000)
			return errors.Join(err, file.Close())
		},
	} {
		t.Run(harm, func(t *testing.T) {
			crashed := crashes.CrashClone(vfs.CrashCloneCfg{})
			if err := inflict(crashed); err != nil {
				t.Fatal(err)
			}
			again := opened(t, crashed, f)
			if there := again.views.mu.now.recent != nil; there != (harm == "none") {
				t.Errorf("what was condensed was loaded: %v", there)
			}
			if got := everything(t, again, f.End()); got != want {
				t.Error("the figures changed")
			}
			verified(t, again)
		})
	}
}

// TestFindingsAreTheSameWhenDaysAreCondensed has a port count in two projects on
// several days.
func TestFindingsAreTheSameWhenDaysAreCondensed(t *testing.T) {
	t.Parallel()
	now := metering.MinEventTime + 30*86400*metering.Second
	l, err := Open(t.Context(), Options{Dir: "store", FS: vfs.NewMem(), Clock: func() metering.Instant { return now }, MergeUnits: 5})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	var batch []report.Submission
	for n := range 400 {
		o := flapping(n)
		o.Name = metering.ObservationName{Project: 1, Source: "/probe", ID: fmt.Sprint("vm ", n)}
		o.Resource.ID = metering.UUID{2, byte(n), byte(n >> 8)}
		batch = append(batch, report.Submission{Observation: o, AnyClient: true, ReceivedAt: now})
	}
	submit(t, l, batch)
	if err := l.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	batch = nil
	for n := range 10 {
		batch = append(batch, report.Submission{Observation: hourOf(metering.ProjectID(1+n%2), n/2), AnyClient: true, ReceivedAt: now})
	}
	submit(t, l, batch)
	l.settle(t)
	found := func() (texts []string) {
		t.Helper()
		in := metering.Period{From: metering.MinEventTime.Day(), To: now.Day()}
		err := l.Findings(t.Context(), report.FindingQuery{Period: in, Scope: report.FullScope(), Kinds: report.KindsOf(report.IDInTwoProjects)}, func(f *report.Finding) error {
			texts = append(texts, storetest.FormatFinding(f))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return texts
	}
	condensed := found()
	if l.sequencer.delta.recentResources() != 2 {
		t.Fatal("nothing was condensed")
	}
	if err := l.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if merged := found(); len(merged) != 1 || !slices.Equal(condensed, merged) {
		t.Errorf("found %q before a merge, %q behind it", condensed, merged)
	}
}

// hourOf is what a port counted in a project in the first hour of a day.
func hourOf(project metering.ProjectID, day int) *metering.Observation {
	port, known := metering.ResourceTypeNamed("egress_traffic")
	if !known {
		metering.Bug("there is no traffic")
	}
	from := metering.MinEventTime + metering.Instant(day)*86400*metering.Second
	o := &metering.Observation{
		Kind: metering.QuantityObserved, Time: from, Name: metering.ObservationName{Project: project, Source: "/probe", ID: fmt.Sprint("hour ", day)},
		Resource: metering.ResourceKey{Project: project, Region: 1, Type: port, ID: metering.UUID{1}},
		From:     from, To: from + 3600*metering.Second, Quantity: metering.AmountOf(1e6),
	}
	o.Meter = port.Meter("", "", &o.Attributes)
	return o
}

func submit(t *testing.T, l *Ledger, batch []report.Submission) {
	t.Helper()
	pending, err := l.Submit(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := pending.Wait(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range outcomes {
		if o.Rejected != nil {
			t.Fatalf("%+v: %+v", batch[i].Observation, o.Rejected)
		}
	}
}

// retraction retracts what a submission tells.
func retraction(s report.Submission) report.Submission {
	o := s.Observation
	s.Observation = &metering.Observation{
		Kind: metering.RetractionMade, Time: o.Time, TargetSource: o.Name.Source, TargetID: o.Name.ID,
		Name: metering.ObservationName{Project: o.Name.Project, Source: o.Name.Source, ID: "not " + o.Name.ID},
	}
	return s
}

// TestTheJournalOfAFewResourcesIsBounded sends the states of one resource among
// many: what changed is always little.
func TestTheJournalOfAFewResourcesIsBounded(t *testing.T) {
	t.Parallel()
	now := metering.MinEventTime + 30*86400*metering.Second
	l, err := Open(t.Context(), Options{Dir: "store", FS: vfs.NewMem(), Clock: func() metering.Instant { return now }, MergeUnits: 5, MergeObservations: 50})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	for n := range 200 {
		o := flapping(n)
		o.Name = metering.ObservationName{Project: 1, Source: "/probe", ID: fmt.Sprint(n)}
		submit(t, l, []report.Submission{{Observation: o, AnyClient: true, ReceivedAt: now}})
		l.settle(t)
	}
	if s := l.Stats(); s.Merges != 4 {
		t.Errorf("%d merges of %d observations, want 4", s.Merges, s.Observations)
	}
}

// TestWhatIsCondensedIsProjectedBeforeItIsShown asks for some periods, and looks
// at what is condensed afterwards before anybody asks again.
func TestWhatIsCondensedIsProjectedBeforeItIsShown(t *testing.T) {
	t.Parallel()
	l, f, _ := lately(t, vfs.NewMem())
	before := everything(t, l, f.End())
	was, found := l.views.mu.now.recent, 0
	for batch := range slices.Chunk(slices.Collect(f.Events()), 30) {
		var retractions []report.Submission
		for _, o := range batch {
			retractions = append(retractions, retraction(report.Submission{Observation: o, AnyClient: true, ReceivedAt: o.Time}))
		}
		submit(t, l, retractions)
		l.settle(t)
		if recent := l.views.mu.now.recent; recent != nil && recent != was {
			if was = recent; recent.ProjectionRows() > 0 {
				found++
			}
		}
		if found == 3 {
			break
		}
	}
	if found < 3 {
		t.Errorf("%d times what was condensed had projections", found)
	}
	if everything(t, l, f.End()) == before {
		t.Error("retractions changed nothing")
	}
}
