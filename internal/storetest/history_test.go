package storetest

import (
	"math/rand/v2"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// sighting counts what random histories contain.
type sighting map[string]int

// TestHistoriesContainWhatTheyPromise demands that none of the hard cases is
// rare enough to be missed.
func TestHistoriesContainWhatTheyPromise(t *testing.T) {
	t.Parallel()
	seen := sighting{}
	for seed := range uint64(600) {
		h := NewHistory(seed)
		m := NewModel(func() metering.Instant { return h.End })
		for _, p := range h.Registered {
			if err := m.PutProject(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		pending, err := m.Submit(t.Context(), h.Submissions)
		if err != nil {
			t.Fatal(err)
		}
		outcomes, err := pending.Wait(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, o := range outcomes {
			seen[word(o)]++
			seen.observation(h.Submissions[i].Observation)
		}
		seen.model(m)
		seen.answers(t, h, m)
	}
	for what, least := range promises() {
		if seen[what] < least {
			t.Errorf("%s: want at least %d, got %d", what, least, seen[what])
		}
	}
	for _, rt := range metering.ResourceTypes() {
		if seen["line of "+rt.String()] < 20 {
			t.Errorf("lines of %s: want at least 20, got %d", rt, seen["line of "+rt.String()])
		}
	}
}

func promises() map[string]int {
	return map[string]int{
		"accepted": 5000, "duplicate": 500, "id_reused": 100, "forbidden_project": 100,
		"state": 3000, "deletion": 500, "quantity": 1000, "retraction": 300, "sequence": 500,
		"at :30": 200, "just after :30": 200, "just before :30": 200, "at midnight": 100, "across midnight": 50,
		"nothing sized": 50, "2^60 bytes": 50, "metric of the source": 100, "greatest bytes": 20,
		"retracted": 200, "retraction before its target": 30, "same instant": 200, "corrected": 100, "overlapping": 100,
		"empty report": 50, "full page": 200, "filtered report with lines": 80, "report by tags with lines": 60, "report of part of the projects with lines": 50,
	}
}

func (seen sighting) note(what string, is bool) {
	if is {
		seen[what]++
	}
}

func (seen sighting) observation(o *metering.Observation) {
	const minute, day = 60 * metering.Second, 86400 * metering.Second
	seen.note("sequence", o.Sequence != 0)
	switch o.Kind {
	case metering.StateObserved:
		seen.note("state", !o.Deleted)
		seen.note("deletion", o.Deleted)
		seen.note("at :30", o.Time%minute == 30*metering.Second)
		seen.note("just after :30", o.Time%minute == 30*metering.Second+1)
		seen.note("just before :30", o.Time%minute == 30*metering.Second-1)
		seen.note("at midnight", o.Time%day == 30*metering.Second || o.Time%day == day-30*metering.Second)
		seen.note("nothing sized", o.Resource.Type.Measure() == metering.Sized && !o.Deleted && o.Multiplier == 0)
		seen.note("2^60 bytes", o.Multiplier == metering.MaxSizeBytes)
		seen.note("metric of the source", !o.Deleted && o.Meter != o.Resource.Type.Meter("", "", &o.Attributes))
	case metering.QuantityObserved:
		seen["quantity"]++
		seen.note("across midnight", o.From/day != (o.To-1)/day)
		seen.note("greatest bytes", o.Quantity == metering.Product(1<<63-1, 1e6))
	case metering.RetractionMade:
		seen["retraction"]++
	}
}

// model counts what follows from several observations together.
func (seen sighting) model(m *Model) {
	for name, o := range m.mu.stored {
		seen.note("retracted", m.mu.retracted[name] && o.Kind != metering.RetractionMade)
		for _, p := range m.mu.stored {
			target := metering.ObservationName{Project: p.Name.Project, Source: p.TargetSource, ID: p.TargetID}
			seen.note("retraction before its target", p.Kind == metering.RetractionMade && target == name && p.Time < o.Time)
			if p == o || p.Kind != o.Kind || p.Resource != o.Resource || o.Kind == metering.RetractionMade {
				continue
			}
			if o.Kind == metering.StateObserved {
				seen.note("same instant", o.Time == p.Time)
				continue
			}
			sameWindow := o.From == p.From && o.To == p.To
			seen.note("corrected", o.Meter == p.Meter && sameWindow)
			seen.note("overlapping", o.Meter == p.Meter && !sameWindow && o.From < p.To && p.From < o.To)
		}
	}
}

func (seen sighting) answers(t *testing.T, h *History, m *Model) {
	whole, err := Ask(t.Context(), m, h.everything(h.End))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range whole.Lines {
		seen["line of "+l.Resource.Type.String()]++
	}
	rng := rand.New(rand.NewPCG(h.Seed, 3))
	for range 5 {
		q := h.Query(rng, h.End)
		a, err := Ask(t.Context(), m, q)
		if err != nil {
			t.Fatal(err)
		}
		seen.note("empty report", a.Count == 0)
		seen.note("full page", len(a.Lines) == q.Limit)
		seen.note("filtered report with lines", q.Where != nil && a.Count > 0)
		seen.note("report by tags with lines", q.Tags != nil && a.Count > 0)
		seen.note("report of part of the projects with lines", len(q.Projects.Items) < len(h.Projects) && a.Count > 0)
	}
}

// TestOrderOfArrivalChangesNoReport shuffles histories, delivers them twice and
// in batches of any size: the report stays the same.
func TestOrderOfArrivalChangesNoReport(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		h := NewHistory(seed)
		now := h.End + 3600*metering.Second
		clock := func() metering.Instant { return now }
		batch := h.WithoutConflicts()
		want := submitAndAsk(t, NewModel(clock), h, batch, len(batch))
		rng := rand.New(rand.NewPCG(seed, 4))
		for range 3 {
			twice := append(append([]report.Submission{}, batch...), batch...)
			rng.Shuffle(len(twice), func(i, j int) { twice[i], twice[j] = twice[j], twice[i] })
			got := submitAndAsk(t, NewModel(clock), h, twice, 1+rng.IntN(10))
			if diff := Diff(want, got); diff != "" {
				t.Fatalf("seed %d: another order gave another report:\n%s", seed, diff)
			}
		}
	}
}

func submitAndAsk(t *testing.T, m *Model, h *History, batch []report.Submission, size int) *Answer {
	t.Helper()
	for len(batch) > 0 {
		n := min(size, len(batch))
		if _, err := m.Submit(t.Context(), batch[:n]); err != nil {
			t.Fatal(err)
		}
		batch = batch[n:]
	}
	a, err := Ask(t.Context(), m, h.everything(h.End))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestHistoryIsAFunctionOfItsSeed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		one, two := NewHistory(seed), NewHistory(seed)
		if len(one.Submissions) != len(two.Submissions) {
			t.Fatalf("seed %d: %d and %d submissions", seed, len(one.Submissions), len(two.Submissions))
		}
		for i := range one.Submissions {
			a, b := one.Submissions[i], two.Submissions[i]
			if a.Observation.Name != b.Observation.Name || !sameContent(a.Observation, b.Observation) || a.Client != b.Client || a.AnyClient != b.AnyClient {
				t.Errorf("seed %d, submission %d: %+v and %+v", seed, i, *a.Observation, *b.Observation)
			}
		}
		q, r := one.Query(rand.New(rand.NewPCG(seed, 5)), one.End), two.Query(rand.New(rand.NewPCG(seed, 5)), two.End)
		if FormatQuery(&q) != FormatQuery(&r) {
			t.Errorf("seed %d: %s and %s", seed, FormatQuery(&q), FormatQuery(&r))
		}
	}
}
