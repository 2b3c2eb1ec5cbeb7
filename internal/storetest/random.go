package storetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// DefaultHistories is how many random histories every store must agree on with
// the model in a full test run.
const DefaultHistories = 10_000

// seedVariable replays one seed ("17"), or several in one store ("1-17").
const seedVariable = "METERBOOK_SEED"

// RunRandom drives random histories into stores and into the model, and demands
// that they agree on every outcome, every report (lines, order, totals, count)
// and what they find. Seeds are 0 to histories-1, or what METERBOOK_SEED says.
func RunRandom(t *testing.T, open Open, histories int) {
	t.Helper()
	if text := os.Getenv(seedVariable); text != "" {
		first, last, err := ParseSeeds(seedVariable, text)
		if err != nil {
			t.Fatal(err)
		}
		playTogether(newBench(t, open, minInstant), first, last)
		return
	}
	for first := 0; first < histories; first += historiesPerStore {
		last := min(first+historiesPerStore, histories) - 1
		t.Run(fmt.Sprintf("seeds %d to %d", first, last), func(t *testing.T) {
			t.Parallel()
			playTogether(newBench(t, open, minInstant), uint64(first), uint64(last))
		})
	}
}

// ParseSeeds reads the seed, or the range of seeds, that an environment variable
// holds.
func ParseSeeds(variable, text string) (first, last uint64, err error) {
	one, other, isRange := strings.Cut(text, "-")
	first, err = strconv.ParseUint(one, 10, 64)
	last = first
	if err == nil && isRange {
		last, err = strconv.ParseUint(other, 10, 64)
	}
	if err != nil || last < first {
		return 0, 0, fmt.Errorf("%s must be a seed such as 17, or a range such as 1-17, got %q", variable, text)
	}
	return first, last, nil
}

// minInstant is what a store's clock shows before the first history.
const minInstant = metering.MinEventTime

// playTogether plays neighbouring seeds in one store, then asks about all of
// them at once.
func playTogether(b *bench, first, last uint64) {
	p := &player{bench: b, model: NewModel(b.clock.Now), first: first}
	for seed := first; seed <= last && !b.t.Failed(); seed++ {
		p.play(NewHistory(seed), rand.New(rand.NewPCG(seed, 2)))
	}
	p.askAboutAll()
}

func (p *player) askAboutAll() {
	for range 3 {
		if p.t.Failed() {
			return
		}
		q := p.h.Query(p.Rand, p.latest)
		q.Projects = report.Everything[metering.ProjectID]()
		p.compare(q)
		p.compareFindings(&q)
	}
}

// Explore is [RunRandom] for a fuzzer: a few histories that are drawn from the
// bytes of told, sent in ways that are drawn from the bytes of sent, into one
// store.
func Explore(t *testing.T, open Open, told, sent []byte) {
	t.Helper()
	b := newBench(t, open, minInstant)
	histories, ways := Draw(told), DrawOn(sent)
	first := uint64(histories.IntN(6)) * historiesPerStore
	p := &player{bench: b, model: NewModel(b.clock.Now), first: first, explored: true}
	for i := range uint64(1 + histories.IntN(maxStoryHistories)) {
		if !t.Failed() {
			p.play(newHistory(first+i, histories), ways)
		}
	}
	p.askAboutAll()
}

// player sends one history after the other to the store and to the model.
type player struct {
	*bench
	*rand.Rand
	model  *Model
	h      *History
	first  uint64           // seed of the first history in this store
	latest metering.Instant // to which the clock ever was set
	// explored is set when a fuzzer drew the histories: it knows how to play them
	// again, and the seed does not.
	explored bool
}

func (p *player) chance(percent int) bool { return p.IntN(100) < percent }

func (p *player) play(h *History, drawn *rand.Rand) {
	p.h, p.Rand = h, drawn
	p.clock.Set(h.Start)
	p.register()
	rest := slices.Clone(h.Submissions)
	if p.chance(50) {
		p.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	}
	for len(rest) > 0 && !p.t.Failed() {
		var together [][]report.Submission
		for range 1 + p.IntN(3) { // batches on their way at once
			var batch []report.Submission
			batch, rest = p.cut(rest)
			together = append(together, batch)
		}
		p.send(together)
		p.interfere()
		if p.chance(20) {
			p.compare(h.Query(p.Rand, p.clock.Now()))
		}
	}
	p.finish()
}

func (p *player) register() {
	for _, project := range p.h.Registered {
		for _, s := range []report.Store{p.store, p.model} {
			if err := s.PutProject(p.t.Context(), project); err != nil {
				p.t.Fatalf("register: %v", err)
			}
		}
	}
}

// cut takes a batch off, of one, some, or all.
func (p *player) cut(rest []report.Submission) (batch, left []report.Submission) {
	n := min(len(rest), pick(p.Rand, 0, 1, 1, 2, 5, 20, len(rest)))
	return slices.Clone(rest[:n]), rest[n:]
}

// send submits batches, all before the first is waited for, and compares the
// outcomes.
func (p *player) send(batches [][]report.Submission) {
	pending := make([]report.Pending, len(batches))
	wanted := make([][]report.Outcome, len(batches))
	for i, batch := range batches {
		p.advance(batch)
		pending[i] = p.submit(batch)
		accepted, err := p.model.Submit(p.t.Context(), batch)
		if err != nil {
			p.t.Fatalf("model: %v", err)
		}
		wanted[i] = p.wait(accepted)
	}
	for i := range batches {
		got := p.wait(pending[i])
		if len(got) != len(wanted[i]) {
			p.failf("%d outcomes for %d submissions", len(got), len(wanted[i]))
			return
		}
		for j, want := range wanted[i] {
			if word(want) != word(got[j]) {
				p.failf("outcome %d: want %s, got %s, of %+v", j, word(want), word(got[j]), *batches[i][j].Observation)
			}
		}
	}
}

// advance sets the clock so that nothing in the batch is more than an hour
// ahead of it, often onto an edge of the minute grid.
func (p *player) advance(batch []report.Submission) {
	now := p.clock.Now()
	for _, s := range batch {
		ahead := metering.Instant(p.Int64N(int64(metering.MaxClockAhead)))
		now = max(now, s.Observation.Time-ahead, s.Observation.To-ahead)
	}
	p.setClock(now)
}

func (p *player) setClock(now metering.Instant) {
	if p.chance(50) {
		const minute = 60 * metering.Second
		now += (minute - now%minute) + pick(p.Rand, 0, 30*metering.Second-1, 30*metering.Second, 30*metering.Second+1)
	}
	p.clock.Set(now)
	p.latest = max(p.latest, now)
}

// interfere does what must not change any report.
func (p *player) interfere() {
	if p.chance(5) {
		p.merge()
	}
	if p.chance(2) {
		p.restart()
	}
}

// finish asks about the whole history, now and later.
func (p *player) finish() {
	all, some := p.h.everything(p.clock.Now()), p.h.Query(p.Rand, p.clock.Now())
	p.compare(all)
	p.compareFindings(&all)
	p.compareFindings(&some)
	for range 3 {
		if p.t.Failed() {
			return
		}
		p.compare(p.h.Query(p.Rand, p.clock.Now()))
		p.interfere()
		p.sleep()
	}
}

// sleep lets days pass, seldom months.
func (p *player) sleep() {
	const day = 86400
	switch {
	case p.chance(30):
		p.setClock(p.clock.Now() + metering.Instant(p.Int64N(2*day))*metering.Second)
	case p.chance(5):
		p.setClock(p.clock.Now() + metering.Instant(p.Int64N(70*day))*metering.Second)
	}
}

// compare asks both and fails when they differ.
func (p *player) compare(q report.Query) {
	p.t.Helper()
	want, err := Ask(p.t.Context(), p.model, q)
	if err != nil {
		p.t.Fatalf("model: %v", err)
	}
	if diff := Diff(want, p.ask(q)); diff != "" {
		p.failf("the store differs from the model\nquery %s\n%s", FormatQuery(&q), diff)
	}
	p.compareAudit(q)
	p.compareSeries(q)
}

func (p *player) failf(format string, args ...any) {
	p.t.Helper()
	if p.explored {
		p.t.Errorf("%s\nIn this history:\n%s", fmt.Sprintf(format, args...), FormatSubmissions(p.h.Submissions))
		return
	}
	p.t.Errorf("seed %d: %s\n%s=%d replays it alone, %s=%d-%d after those before it in its store", p.h.Seed,
		fmt.Sprintf(format, args...), seedVariable, p.h.Seed, seedVariable, p.first, p.h.Seed)
}
