package ledger_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// step is one thing that a script does and then waits for. Of a script's steps
// at most one is on its way at a time.
type step struct {
	batches [][]report.Submission // all submitted before the first is waited for
	project *report.Project
	region  *report.Region
	record  *record
	merge   bool
	backup  bool
	reopen  bool
}

type record struct{ key, value string } // value "": deleted

// script is a store's life: a function of its seed.
type script struct {
	seed      uint64
	histories []*storetest.History
	steps     []step
	now       metering.Instant
	rng       *rand.Rand
}

// newScript makes a script of so many histories, with merges and reopenings in
// between.
func newScript(seed uint64, histories int) *script {
	s := &script{seed: seed, rng: rand.New(rand.NewPCG(seed, 3))}
	var told []report.Submission
	for next := seed * 50; len(s.histories) < histories; next++ {
		h := storetest.NewHistory(next)
		const near = 20 * 86400 * metering.Second // the model counts every minute from the first on
		if len(s.histories) > 0 && max(h.Start-s.histories[0].Start, s.histories[0].Start-h.Start) > near {
			continue
		}
		s.histories = append(s.histories, h)
		told = append(told, h.WithoutConflicts()...)
		s.now = max(s.now, h.End+7200*metering.Second)
	}
	s.rng.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
	for i := range told {
		told[i].ReceivedAt = s.now
	}
	reopenings := []int{len(told) / 3, 2 * len(told) / 3}
	for len(told) > 0 {
		var batch step
		for range 1 + s.rng.IntN(3) {
			n := min(len(told), s.rng.IntN(9))
			batch.batches = append(batch.batches, told[:n])
			told = told[n:]
		}
		s.steps = append(s.steps, batch)
		s.addOther()
		if len(reopenings) > 0 && len(told) <= reopenings[len(reopenings)-1] {
			s.steps = append(s.steps, step{reopen: true})
			reopenings = reopenings[:len(reopenings)-1]
		}
	}
	return s
}

func (s *script) clock() metering.Instant { return s.now }

// addOther adds a step that is no batch, often none.
func (s *script) addOther() {
	n := len(s.steps)
	switch s.rng.IntN(8) {
	case 0:
		s.steps = append(s.steps, step{merge: true})
	case 1:
		p := &report.Project{ID: metering.ProjectID(s.seed*200 + 1 + s.rng.Uint64N(40)), Client: "client-a", Name: fmt.Sprint("project ", n), CreatedAt: s.now}
		s.steps = append(s.steps, step{project: p})
	case 2:
		r := &report.Region{ID: metering.RegionID(75 + s.rng.IntN(3)), Name: fmt.Sprint("region ", n), CreatedAt: s.now}
		s.steps = append(s.steps, step{region: r})
	case 3:
		r := &record{key: fmt.Sprint("key ", s.rng.IntN(3)), value: fmt.Sprint("value ", n)}
		if s.rng.IntN(4) == 0 {
			r.value = ""
		}
		s.steps = append(s.steps, step{record: r})
	case 4:
		s.steps = append(s.steps, step{backup: true})
	}
}

// queries are the same whenever they are asked for.
func (s *script) queries() []report.Query {
	first, last := s.now.Day(), s.now.Day()
	for _, h := range s.histories {
		first = min(first, h.Start.Day())
	}
	all := []report.Query{{
		Period: metering.Period{From: first - 2, To: last + 4}, Now: s.now, Limit: math.MaxInt, Order: []report.OrderTerm{{Field: report.ByProject}},
		Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
	}}
	rng := rand.New(rand.NewPCG(s.seed, 4))
	for _, h := range s.histories {
		all = append(all, h.Query(rng, s.now))
	}
	return all
}

// life is a script that is being played on a ledger.
type life struct {
	*script
	options ledger.Options
	ledger  *ledger.Ledger
}

// play does one step and waits until it is acknowledged.
func (l *life) play(ctx context.Context, st *step) (err error) {
	switch {
	case st.project != nil:
		return l.ledger.PutProject(ctx, *st.project)
	case st.region != nil:
		return l.ledger.PutRegion(ctx, *st.region)
	case st.record != nil && st.record.value == "":
		return l.ledger.Records().Delete(ctx, st.record.key)
	case st.record != nil:
		return l.ledger.Records().Put(ctx, st.record.key, []byte(st.record.value))
	case st.merge:
		return l.ledger.Merge(ctx)
	case st.backup:
		return l.ledger.Backup(ctx, io.Discard)
	case st.reopen:
		if err := l.ledger.Close(); err != nil {
			return err
		}
		l.ledger, err = ledger.Open(ctx, l.options)
		return err
	}
	_, err = submitTogether(ctx, l.ledger, st.batches)
	return err
}

// submitTogether submits all batches, then waits for each.
func submitTogether(ctx context.Context, w report.Writer, batches [][]report.Submission) ([][]report.Outcome, error) {
	pending := make([]report.Pending, len(batches))
	outcomes := make([][]report.Outcome, len(batches))
	var err error
	for i, batch := range batches {
		if pending[i], err = w.Submit(ctx, batch); err != nil {
			return nil, err
		}
	}
	for i := range batches {
		if outcomes[i], err = pending[i].Wait(ctx); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// expected is what a store must hold: the model and the records.
type expected struct {
	model   *storetest.Model
	records map[string]string
}

func newExpected(now metering.Instant) *expected {
	return &expected{storetest.NewModel(func() metering.Instant { return now }), map[string]string{}}
}

// apply does a step but for its batches.
func (e *expected) apply(t testing.TB, st *step) {
	t.Helper()
	var err error
	switch {
	case st.project != nil:
		err = e.model.PutProject(t.Context(), *st.project)
	case st.region != nil:
		err = e.model.PutRegion(t.Context(), *st.region)
	case st.record != nil && st.record.value == "":
		delete(e.records, st.record.key)
	case st.record != nil:
		e.records[st.record.key] = st.record.value
	}
	if err != nil {
		t.Fatalf("model: %v", err)
	}
}

func (e *expected) submit(t testing.TB, batch []report.Submission) []report.Outcome {
	t.Helper()
	outcomes, err := submitTogether(t.Context(), e.model, [][]report.Submission{batch})
	if err != nil {
		t.Fatalf("model: %v", err)
	}
	return outcomes[0]
}

// listing shows the directory and the records of a store.
func listing(d report.Directory, records map[string]string) string {
	text := fmt.Sprintf("projects %+v\nregions %+v\n", d.Projects(""), d.Regions())
	for _, key := range slices.Sorted(maps.Keys(records)) {
		text += fmt.Sprintf("%s=%s\n", key, records[key])
	}
	return text
}
