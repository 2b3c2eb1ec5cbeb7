// Package crash kills a real server with SIGKILL while events are sent to it,
// again and again on one data directory, and checks after each restart what the
// contract of receipts promises: what was acknowledged is stored, what was not
// is stored wholly or not at all, nothing counts twice, and the first report
// equals that of the naive model.
//
// The events are random histories of seeded sources. A failure prints the seed,
// METERBOOK_SEED=<seed> sends the same events again; the moment of the kill is
// not replayed, as the machine's scheduling decides about it too.
// METERBOOK_CRASHES says how often the server is killed.
package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

const (
	defaultCrashes   = 20
	senders          = 4
	batchesPerRound  = 400
	historiesPerSend = 3
	killAfterMost    = 400 * time.Millisecond
	killLoadingMost  = 40 * time.Millisecond
)

func setting(t *testing.T, variable string, standard uint64) uint64 {
	t.Helper()
	text, given := os.LookupEnv(variable)
	if !given {
		return standard
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// batch is what one request sends: distinct observations.
type batch struct {
	submissions []report.Submission
	body        []byte
	fate        fate
}

type fate int32

const (
	unsent       fate = iota
	acknowledged      // there is a receipt
	unknown           // it was sent, and the connection broke
)

// ordeal is a data directory and the server on it, which is killed again and
// again.
type ordeal struct {
	t       *testing.T
	rng     *rand.Rand
	binary  string
	dir     string
	server  *process
	seed    uint64   // of the next history
	asked   [][]byte // a request for each round's report
	reports [][]byte // what they were answered in the end

	// Batches with a receipt; those whose receipt was lost; of the latter those
	// that were stored.
	acknowledged, unknown, stored int
}

func TestKilledServerLosesNothingThatItAcknowledged(t *testing.T) {
	t.Parallel()
	seed := setting(t, "METERBOOK_SEED", rand.Uint64N(1<<40))
	crashes := setting(t, "METERBOOK_CRASHES", defaultCrashes)
	t.Logf("METERBOOK_SEED=%d", seed)
	o := &ordeal{t: t, rng: rand.New(rand.NewPCG(seed, 0)), binary: build(t), dir: filepath.Join(t.TempDir(), "data"), seed: firstSeed(seed)}
	o.restart()
	for range crashes {
		o.round()
	}
	o.checkAll()
	t.Logf("%d kills; %d batches with a receipt; of %d without %d were stored", crashes, o.acknowledged, o.unknown, o.stored)
	if crashes >= defaultCrashes && (o.acknowledged == 0 || o.unknown == 0) {
		t.Error("no kill came while batches were under way: the test proves nothing")
	}
}

// The histories that begin in one month of 2024 come in blocks of 50 seeds, one
// block in six.
const seedBlock, seedPeriod = 50, 300

func firstSeed(seed uint64) uint64 { return seed % (1 << 40) / seedPeriod * seedPeriod }

func july() (from, to metering.Instant) {
	return metering.DayOf(2024, 7, 10).Start(), metering.DayOf(2024, 7, 15).Start()
}

// nextHistory returns observations of July 2024 with distinct names.
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
		return distinct
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

// restart starts the server; one time in four it is killed while it is loading,
// and started once more.
func (o *ordeal) restart() {
	o.t.Helper()
	if o.rng.IntN(4) == 0 {
		p := start(o.t, o.binary, o.dir)
		<-time.After(time.Duration(o.rng.Int64N(int64(killLoadingMost))))
		p.kill()
	}
	o.server = start(o.t, o.binary, o.dir)
	o.server.awaitReady()
}

// round sends batches until the server is killed, restarts it and checks what it
// knows.
func (o *ordeal) round() {
	o.t.Helper()
	batches := make([]*batch, batchesPerRound)
	for i := range batches {
		batches[i] = o.nextBatch()
	}
	o.sendAndKill(batches)
	o.restart()
	question := reportRequest(batches)
	first := o.ask(question)

	model := storetest.NewModel(func() metering.Instant { return metering.DayOf(2025, 1, 1).Start() })
	var late []*batch // not stored when the server was killed
	for _, b := range batches {
		switch {
		case b.fate == acknowledged:
			tell(o.t, model, b)
		case b.fate == unknown && o.resend(b):
			tell(o.t, model, b)
			o.stored++
		case b.fate == unknown:
			late = append(late, b)
		}
	}
	o.compare("the first report after the restart", expected(o.t, model, question), first)
	for _, b := range late {
		tell(o.t, model, b)
	}
	o.compare("the report after all was sent again", expected(o.t, model, question), o.ask(question))
	for _, b := range batches {
		if b.fate == acknowledged && !o.resend(b) {
			o.t.Fatalf("a batch of %d observations was acknowledged and is gone", len(b.submissions))
		}
	}
	o.asked, o.reports = append(o.asked, question), append(o.reports, o.ask(question))
	o.compare("the report after all was sent twice", expected(o.t, model, question), o.reports[len(o.reports)-1])
}

// sendAndKill sends the batches from several goroutines and kills the server at
// a random moment.
func (o *ordeal) sendAndKill(batches []*batch) {
	o.t.Helper()
	var next atomic.Int64
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(batches)); i = next.Add(1) - 1 {
				if !o.send(batches[i]) {
					return
				}
			}
		})
	}
	<-time.After(time.Duration(o.rng.Int64N(int64(killAfterMost))))
	o.server.kill()
	sending.Wait()
	for _, b := range batches {
		switch b.fate {
		case acknowledged:
			o.acknowledged++
		case unknown:
			o.unknown++
		}
	}
}

// receipt is what the server answers to events.
type receipt struct {
	Accepted   int  `json:"accepted"`
	Duplicates int  `json:"duplicates"`
	Rejected   int  `json:"rejected_total"`
	Complete   bool `json:"complete"`
}

func (o *ordeal) deliver(b *batch) (receipt, error) {
	status, text, err := o.server.post("/v1/events", "application/cloudevents-batch+json", b.body)
	if err != nil {
		return receipt{}, err
	}
	var r receipt
	if err := json.Unmarshal(text, &r); err != nil || status != http.StatusOK || !r.Complete || r.Rejected != 0 {
		o.t.Errorf("a batch is answered %d %s", status, text)
	}
	return r, nil
}

// send delivers a batch for the first time; it reports whether the server still
// answers.
func (o *ordeal) send(b *batch) bool {
	r, err := o.deliver(b)
	if err != nil {
		b.fate = unknown
		return false
	}
	b.fate = acknowledged
	if r.Accepted != len(b.submissions) {
		o.t.Errorf("of %d new observations %d were accepted, %d were duplicates", len(b.submissions), r.Accepted, r.Duplicates)
	}
	return true
}

// resend delivers a batch again; it reports whether it was stored before.
func (o *ordeal) resend(b *batch) bool {
	o.t.Helper()
	r, err := o.deliver(b)
	if err != nil {
		o.t.Fatalf("send a batch again: %v\n%s", err, &o.server.log)
	}
	if r.Accepted != 0 && r.Duplicates != 0 {
		o.t.Errorf("of a batch of %d observations %d were stored and %d were not", len(b.submissions), r.Duplicates, r.Accepted)
	}
	return r.Accepted == 0
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
	o.t.Helper()
	status, text, err := o.server.post("/cloud/v1/usage_report", "application/json", question)
	if err != nil || status != http.StatusOK {
		o.t.Fatalf("ask for a report: %v, %d %.500s\n%s", err, status, text, &o.server.log)
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
	o.t.Helper()
	if bytes.Equal(want, got) {
		return
	}
	at := 0
	for at < min(len(want), len(got)) && want[at] == got[at] {
		at++
	}
	around := func(text []byte) []byte { return text[max(0, at-300):min(len(text), at+300)] }
	o.t.Fatalf("%s differs at byte %d\nwant …%s…\ngot  …%s…", what, at, around(want), around(got))
}

// checkAll asks for the reports of all rounds again, before and after a
// graceful stop.
func (o *ordeal) checkAll() {
	o.t.Helper()
	for range 2 {
		for i, question := range o.asked {
			o.compare(fmt.Sprintf("the report of round %d in the end", i), o.reports[i], o.ask(question))
		}
		o.server.stop()
		o.server = start(o.t, o.binary, o.dir)
		o.server.awaitReady()
	}
	o.server.stop()
}
