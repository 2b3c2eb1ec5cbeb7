package ingest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// ofOneTurn is a service that lets one body be decoded at a time.
func ofOneTurn(w report.Writer, d report.Directory) *Service {
	s := New(w, Options{Clock: testNow, Directory: d})
	s.turns = make(turns, 1)
	return s
}

// begin sends a body in the background; the channel gives its receipt.
func begin(t *testing.T, s *Service, h http.Header, body io.Reader) <-chan *Receipt {
	t.Helper()
	ended := make(chan *Receipt, 1)
	go func() {
		r, err := s.Receive(context.Background(), anywhere(), h, body)
		if err != nil {
			t.Errorf("Receive: %v", err)
		}
		ended <- r
	}()
	return ended
}

// TestASilentClientKeepsNobodyFromDecoding: a stream that waits for the rest of a
// line holds no turn.
func TestASilentClientKeepsNobodyFromDecoding(t *testing.T) {
	t.Parallel()
	store, good := newRecorder(), lines(t, 3)
	s := ofOneTurn(store, store)
	body, client := io.Pipe()
	ended := begin(t, s, ndjson(), body)
	half := len(good[1]) / 2
	write := func(text string) {
		if _, err := io.WriteString(client, text); err != nil {
			t.Fatal(err)
		}
	}
	write(good[0] + "\n" + good[1][:half])
	if r := receive(t, s, anywhere(), batched(), "["+good[2]+"]"); r.Accepted != 1 {
		t.Errorf("receipt %+v", r)
	}
	write(good[1][half:])
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	if r := <-ended; r.Accepted != 2 || !r.Complete {
		t.Errorf("receipt of the stream %+v", r)
	}
}

// slowStore makes nothing durable before it has been given so many batches.
type slowStore struct {
	*recorder
	given chan struct{}
	full  chan struct{} // closed when given is
}

func (s *slowStore) Submit(ctx context.Context, batch []report.Submission) (report.Pending, error) {
	p, err := s.recorder.Submit(ctx, batch)
	select {
	case s.given <- struct{}{}:
		if len(s.given) == cap(s.given) {
			close(s.full)
		}
	default:
	}
	return &slowPending{p, s.full}, err
}

type slowPending struct {
	report.Pending
	full <-chan struct{}
}

func (p *slowPending) Wait(ctx context.Context) ([]report.Outcome, error) {
	<-p.full
	return p.Pending.Wait(ctx)
}

// TestWhoWaitsForTheDiskKeepsNobodyFromDecoding: neither a stream nor a batch
// that is on its way to the disk holds a turn.
func TestWhoWaitsForTheDiskKeepsNobodyFromDecoding(t *testing.T) {
	t.Parallel()
	store, good := &slowStore{newRecorder(), make(chan struct{}, 3), make(chan struct{})}, lines(t, 3)
	s := ofOneTurn(store, store)
	body, client := io.Pipe()
	ended := begin(t, s, ndjson(), body)
	if _, err := io.WriteString(client, good[0]+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	first := begin(t, s, batched(), strings.NewReader("["+good[1]+"]"))
	second := receive(t, s, anywhere(), batched(), "["+good[2]+"]")
	for _, r := range []*Receipt{<-ended, <-first, second} {
		if r.Accepted != 1 || !r.Complete {
			t.Errorf("receipt %+v", r)
		}
	}
}

// TestALongBatchLetsOthersDecode: who waits for a turn has it before a long body
// is decoded to its end.
func TestALongBatchLetsOthersDecode(t *testing.T) {
	t.Parallel()
	good := lines(t, eventsOfTurn+2)
	synctest.Test(t, func(t *testing.T) {
		store := newRecorder()
		s := ofOneTurn(store, store)
		var once sync.Once
		var other <-chan *Receipt
		s.rules.clock = func() metering.Instant { // of the first event
			once.Do(func() {
				other = begin(t, s, batched(), strings.NewReader("["+good[0]+"]"))
				synctest.Wait() // until it waits for its turn
			})
			return testNow()
		}
		receive(t, s, anywhere(), batched(), "["+strings.Join(good[1:], ",")+"]")
		<-other
		if first := store.mu.stored[0].Name.ID; first != "0" {
			t.Errorf("event %s of the long batch was stored first", first)
		}
	})
}
