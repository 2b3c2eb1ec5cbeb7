package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// batch is what one request sends: distinct observations.
type batch struct {
	submissions []report.Submission
	body        []byte
	fate        fate
}

type fate int

const (
	unsent       fate = iota
	acknowledged      // there is a receipt
	unknown           // it was sent, and the connection broke
	refused           // with 503: nothing of it was stored
)

// The histories that begin in one month of 2024 come in blocks of 50 seeds, one
// block in six.
const seedBlock, seedPeriod = 50, 300

func firstSeed(seed uint64) uint64 { return seed % (1 << 40) / seedPeriod * seedPeriod }

func july() (from, to metering.Instant) {
	return metering.DayOf(2024, 7, 10).Start(), metering.DayOf(2024, 7, 15).Start()
}

// nextHistory returns observations of July 2024 with distinct names, at least one:
// of a batch with none nobody can tell whether it was stored.
func (o *ordeal) nextHistory() []report.Submission {
	from, to := july()
	for {
		h := storetest.NewHistory(o.seed)
		if o.seed++; o.seed%seedPeriod == seedBlock {
			o.seed += seedPeriod - seedBlock
		}
		if h.Start < from || h.End >= to {
			continue
		}
		seen := map[metering.ObservationName]bool{}
		var distinct []report.Submission
		for _, s := range h.WithoutConflicts() {
			if !seen[s.Observation.Name] {
				seen[s.Observation.Name] = true
				distinct = append(distinct, s)
			}
		}
		if len(distinct) > 0 {
			return distinct
		}
	}
}

func (o *ordeal) nextBatch() *batch {
	b := &batch{body: []byte("[")}
	for range 1 + o.rng.IntN(historiesPerSend) {
		b.submissions = append(b.submissions, o.nextHistory()...)
	}
	for i, s := range b.submissions {
		if i > 0 {
			b.body = append(b.body, ',')
		}
		b.body = fleet.AppendEvent(b.body, s.Observation)
	}
	b.body = append(b.body, ']')
	return b
}

// receipt is what the server answers to events.
type receipt struct {
	Accepted   int  `json:"accepted"`
	Duplicates int  `json:"duplicates"`
	Rejected   int  `json:"rejected_total"`
	Complete   bool `json:"complete"`
}

// deliver sends a batch; refused: the server is stopping.
func (o *ordeal) deliver(b *batch) (r receipt, refused bool, err error) {
	status, text, err := o.server.post("/v1/events", "application/cloudevents-batch+json", b.body)
	if err != nil || status == http.StatusServiceUnavailable {
		return receipt{}, true, err
	}
	if err := json.Unmarshal(text, &r); err != nil || status != http.StatusOK || !r.Complete || r.Rejected != 0 {
		o.Errorf("a batch is answered %d %s", status, text)
	}
	return r, false, nil
}

// send delivers a batch for the first time; it reports whether the server still
// takes some.
func (o *ordeal) send(b *batch) bool {
	r, stops, err := o.deliver(b)
	switch {
	case err != nil:
		b.fate = unknown
	case stops:
		b.fate = refused
	default:
		b.fate = acknowledged
		if r.Accepted != len(b.submissions) {
			o.Errorf("of %d new observations %d were accepted, %d were duplicates", len(b.submissions), r.Accepted, r.Duplicates)
		}
	}
	return b.fate == acknowledged
}

// resend delivers a batch again; it reports whether it was stored before.
func (o *ordeal) resend(b *batch) bool {
	o.Helper()
	r, stops, err := o.deliver(b)
	if err != nil || stops {
		o.Errorf("send a batch again: refused %v, %v\n%s", stops, err, &o.server.Log)
	}
	if r.Accepted != 0 && r.Duplicates != 0 {
		o.Errorf("of a batch of %d observations %d were stored and %d were not", len(b.submissions), r.Duplicates, r.Accepted)
	}
	return r.Accepted == 0
}

// read asks for reports until the server is gone.
func (o *ordeal) read() {
	from, to := july()
	for {
		status, text, err := o.server.post("/cloud/v1/usage_report", "application/json", fmt.Appendf(nil, `{"time_from":"%s","time_to":"%s","limit":50}`, from, to))
		if err != nil || status == http.StatusServiceUnavailable {
			return
		}
		var answer struct {
			Count     *int              `json:"count"`
			Resources []json.RawMessage `json:"resources"`
		}
		if err := json.Unmarshal(text, &answer); err != nil || status != http.StatusOK || answer.Count == nil || len(answer.Resources) != min(50, *answer.Count) {
			o.Errorf("a report under load is answered %d %.300s: %v", status, text, err)
		}
		o.tally.reports.Add(1)
	}
}

// reportRequest asks for all lines of the batches' projects, which are of this
// round only.
func reportRequest(batches []*batch) []byte {
	seen := map[metering.ProjectID]bool{}
	var projects []string
	for _, b := range batches {
		for _, s := range b.submissions {
			if id := s.Observation.Name.Project; !seen[id] && b.fate != unsent {
				seen[id] = true
				projects = append(projects, strconv.FormatInt(int64(id), 10))
			}
		}
	}
	if len(projects) == 0 {
		projects = []string{"-1"} // an empty list would ask for all
	}
	from, to := july()
	return fmt.Appendf(nil, `{"time_from":"%s","time_to":"%s","limit":10000000,"projects":[%s],"order_by":["billing_value.desc"]}`,
		from, to, strings.Join(projects, ","))
}

func (o *ordeal) ask(question []byte) []byte {
	o.Helper()
	status, text, err := o.server.post("/cloud/v1/usage_report", "application/json", question)
	if err != nil || status != http.StatusOK {
		o.Fatalf("ask for a report: %v, %d %.500s\n%s", err, status, text, &o.server.Log)
	}
	return text
}

// tell lets the model know a batch.
func tell(t *testing.T, model *storetest.Model, b *batch) {
	t.Helper()
	pending, err := model.Submit(context.Background(), b.submissions)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pending.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// expected is the model's answer.
func expected(t *testing.T, model *storetest.Model, question []byte) []byte {
	t.Helper()
	q, err := report.Parse(question, metering.DayOf(2025, 1, 1).Start(), report.FullScope())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := model.Report(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Close()
	var text bytes.Buffer
	if err := report.WriteJSON(&text, answer); err != nil {
		t.Fatal(err)
	}
	return text.Bytes()
}

// compare fails with the first place where two reports differ.
func (o *ordeal) compare(what string, want, got []byte) {
	o.Helper()
	if bytes.Equal(want, got) {
		return
	}
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	around := func(text []byte) []byte { return text[max(0, at-300):min(len(text), at+300)] }
	o.Fatalf("%s differs at byte %d\nwant …%s…\ngot  …%s…", what, at, around(want), around(got))
}
