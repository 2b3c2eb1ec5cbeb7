package storetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// snapshots is what a report sees while others write.
func snapshots() []behaviour {
	return []behaviour{
		{"ReportAfterWaitSeesTheBatch", func(s *scene) {
			for n := range byte(50) {
				s.accept(s.state(instance(n), "2024-07-01T23:59:00Z"))
				if got := s.ask(s.query(firstOfJuly())).Count; got != int(n)+1 {
					s.t.Fatalf("after batch %d: want %d lines, got %d", n, n+1, got)
				}
			}
		}},
		{"OpenReportDoesNotChange", func(s *scene) {
			crowd(s, 30)
			whole := s.ask(s.query(firstOfJuly()))
			rep, err := s.store.Report(s.t.Context(), s.query(firstOfJuly()))
			if err != nil {
				s.t.Fatal(err)
			}
			got := &Answer{Count: rep.Count, Totals: rep.Totals, CompleteUntil: rep.CompleteUntil}
			for l := range rep.Lines {
				s.accept(s.state(l.Resource, "2024-07-01T10:00:00Z", named("changed"), tagged("changed", "yes")),
					s.state(thing(l.Resource.Type, 100+l.Resource.ID[15]), "2024-07-01T10:00:00Z"))
				if len(got.Lines) == 15 {
					s.merge()
				}
				got.Lines = append(got.Lines, copyLine(l))
			}
			rep.Close()
			AssertEqualAnswers(s.t, whole, got)
			if later := s.ask(s.query(firstOfJuly())); later.Count <= whole.Count {
				s.t.Errorf("a report made later must see what was written meanwhile, got %d lines", later.Count)
			}
		}},
		{"ReportsOverlap", func(s *scene) {
			crowd(s, 10)
			whole := s.ask(s.query(firstOfJuly()))
			first, err := s.store.Report(s.t.Context(), s.query(firstOfJuly()))
			if err != nil {
				s.t.Fatal(err)
			}
			for range first.Lines {
				AssertEqualAnswers(s.t, whole, s.ask(s.query(firstOfJuly())))
			}
			first.Close()
		}},
		{"BatchMayBeOfAnySize", checkGreatBatch},
		{"AbandonedBatchGoesOn", func(s *scene) {
			gone, cancel := context.WithCancel(s.t.Context())
			cancel()
			if outcomes, err := s.submit(batchOf(s.state(instance(1), "2024-07-01T23:59:00Z"))).Wait(gone); err == nil && words(outcomes) != "accepted" {
				s.t.Errorf("want an error or the outcome, got %q", words(outcomes))
			}
			s.accept(s.state(instance(2), "2024-07-01T23:59:00Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=1 2024-07-01T23:59:30Z..2024-07-01T23:59:30Z", "instance/2 g1_min=1 2024-07-01T23:59:30Z..2024-07-01T23:59:30Z")
		}},
		{"BatchBecomesVisibleAtOnce", checkAtomicBatches},
		{"OneOfManySubmittersOfOneNameIsAccepted", checkOneWinner},
		{"ManyWritersLoseNothing", checkManyWriters},
	}
}

// checkGreatBatch sends more in one batch than a store would gather by itself,
// and reads from its middle.
func checkGreatBatch(s *scene) {
	const size = 17_000
	told := make([]*metering.Observation, 0, size+1)
	for i := range size {
		k := instance(byte(i))
		k.ID[14], k.ID[13] = byte(i>>8), byte(i>>16)
		told = append(told, s.state(k, "2024-07-01T23:59:00Z", from("/great", fmt.Sprint(i))))
	}
	outcomes := s.wait(s.submit(batchOf(append(told, told[0])...)))
	for i, o := range outcomes {
		if want := either(i == size, "duplicate", "accepted"); word(o) != want {
			s.t.Fatalf("outcome %d: want %s, got %s", i, want, word(o))
		}
	}
	q := s.query(firstOfJuly())
	q.Limit, q.Offset = 2, size/2
	check := func(when string) {
		a := s.ask(q)
		if a.Count != size || len(a.Totals) != 1 || a.Totals[0].Value != metering.AmountOf(size) || len(a.Lines) != 2 || a.Lines[1].Resource != told[size/2+1].Resource {
			s.t.Errorf("the report of %d resources%s: count %d, totals %v, page %v", size, when, a.Count, a.Totals, formatAll(a.Lines, FormatLine))
		}
	}
	check("")
	if s.merge() {
		check(" after merging")
	}
	s.steady(check)
}

// checkAtomicBatches reads while batches of ten resources are written: a report
// never sees a part of a batch.
func checkAtomicBatches(s *scene) {
	const size, batches = 10, 20
	written := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for stop := false; !stop; {
				select {
				case <-written:
					stop = true // and read once more
				default:
				}
				a, err := Ask(s.t.Context(), s.store, s.query(firstOfJuly()))
				if err != nil {
					s.t.Errorf("report: %v", err)
					return
				}
				if a.Count%size != 0 || diffTotals(a) != "" {
					s.t.Errorf("a report saw %d lines of batches of %d; %s", a.Count, size, diffTotals(a))
					return
				}
			}
		})
	}
	for i := range batches {
		var told []*metering.Observation
		for n := range byte(size) {
			told = append(told, s.state(elsewhere(instance(n), metering.ProjectID(10+i), 76), "2024-07-01T23:59:00Z"))
		}
		s.accept(told...)
	}
	close(written)
	wg.Wait()
	if got := s.ask(s.query(firstOfJuly())).Count; got != size*batches {
		s.t.Errorf("want %d lines at the end, got %d", size*batches, got)
	}
}

// checkOneWinner lets submitters race for one name, half of them with the same
// content and half of them each with their own.
func checkOneWinner(s *scene) {
	const submitters = 8
	for round := range byte(10) {
		same := s.state(instance(round), "2024-07-01T23:59:00Z", named("same"), from("/race", fmt.Sprint(round)))
		told := make([]*metering.Observation, submitters)
		for i := range told {
			told[i] = same
			if i%2 == 1 {
				told[i] = s.state(instance(round), "2024-07-01T23:59:00Z", named(fmt.Sprint(i)), from("/race", fmt.Sprint(round)))
			}
		}
		outcomes := race(s, told)
		winner := ""
		for i, o := range outcomes {
			if o != "accepted" {
				continue
			}
			if winner != "" {
				s.t.Fatalf("round %d: two submitters of one name were accepted: %v", round, outcomes)
			}
			winner = told[i].Attributes.Texts[metering.Name]
		}
		for i, o := range outcomes {
			want := "id_reused"
			if told[i].Attributes.Texts[metering.Name] == winner {
				want = "duplicate"
			}
			if o != "accepted" && o != want {
				s.t.Errorf("round %d: %q won, so submitter %d must get %s, got %s", round, winner, i, want, o)
			}
		}
		lines := s.ask(s.query(firstOfJuly())).Lines
		if got := lines[round].Attributes.Texts[metering.Name]; got != winner {
			s.t.Errorf("round %d: %q was accepted, the report says %q", round, winner, got)
		}
	}
}

// race submits each observation from a goroutine of its own, at once, and
// returns the outcomes in words.
func race(s *scene, told []*metering.Observation) []string {
	outcomes := make([]string, len(told))
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i, o := range told {
		wg.Go(func() {
			<-start
			pending, err := s.store.Submit(s.t.Context(), []report.Submission{{Observation: o, Client: "client-a", ReceivedAt: s.clock.Now()}})
			if err != nil {
				outcomes[i] = err.Error()
				return
			}
			got, err := pending.Wait(s.t.Context())
			if err != nil {
				outcomes[i] = err.Error()
				return
			}
			outcomes[i] = words(got)
		})
	}
	close(start)
	wg.Wait()
	return outcomes
}

// checkManyWriters lets writers send the states of the same resources in
// different batches, all at once; together they must make what they make alone.
func checkManyWriters(s *scene) {
	model := NewModel(s.clock.Now)
	h := NewHistory(7 * historiesPerStore)
	s.clock.Set(h.End + 24*3600*metering.Second)
	const writers = 6
	var wg sync.WaitGroup
	batch := h.WithoutConflicts()
	for i := range batch {
		batch[i].ReceivedAt = s.clock.Now()
	}
	if _, err := model.Submit(s.t.Context(), batch); err != nil {
		s.t.Fatal(err)
	}
	for w := range writers {
		wg.Go(func() {
			for i := w; i < len(batch); i += writers {
				pending, err := s.store.Submit(s.t.Context(), batch[i:i+1])
				if err == nil {
					_, err = pending.Wait(s.t.Context())
				}
				if err != nil {
					s.t.Errorf("submission %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	want, err := Ask(s.t.Context(), model, h.everything(s.clock.Now()))
	if err != nil {
		s.t.Fatal(err)
	}
	if want.Count == 0 {
		s.t.Fatal("the history has no lines")
	}
	AssertEqualAnswers(s.t, want, s.ask(h.everything(s.clock.Now())))
}
