package ingest

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// standing is a body of which a part has arrived, and the rest comes when the
// test ends it.
type standing struct {
	part    io.Reader
	arrived chan struct{} // closed when the part was read
	end     chan struct{}
}

func (s *standing) Read(p []byte) (int, error) {
	n, err := s.part.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	close(s.arrived)
	<-s.end
	return 0, io.EOF
}

// hold sends blanks of which n have arrived, and returns what ends the body.
func hold(t *testing.T, s *Service, client report.ClientID, n int) (end func()) {
	t.Helper()
	body := &standing{part: strings.NewReader(strings.Repeat(" ", n)), arrived: make(chan struct{}), end: make(chan struct{})}
	p, done := anywhere(), make(chan error)
	p.Client = client
	go func() {
		_, err := s.Receive(t.Context(), p, batched(), body)
		done <- err
	}()
	<-body.arrived
	return func() {
		close(body.end)
		if err := <-done; metering.KindOf(err) != metering.KindInvalid {
			t.Errorf("a body of blanks: %v", err)
		}
	}
}

// TestBodiesShareTheirRoom fills the room of all bodies to its limit, then asks
// for one byte more.
func TestBodiesShareTheirRoom(t *testing.T) {
	t.Parallel()
	const most = 1000
	store := newRecorder()
	s := New(store, Options{Clock: testNow, Directory: store, MaxBodyBytes: most})
	send := func(client report.ClientID, n int) error {
		p := anywhere()
		p.Client = client
		_, err := s.Receive(t.Context(), p, batched(), strings.NewReader("["+strings.Repeat(" ", n-2)+"]"))
		return err
	}
	var ends []func()
	for range bodiesOfClient {
		ends = append(ends, hold(t, s, "a", most-1))
	}
	if err := send("a", 2); err != nil { // up to the limit of one client
		t.Errorf("at the client's limit: %v", err)
	}
	if err := send("a", 3); metering.KindOf(err) != metering.KindRateLimited {
		t.Errorf("beyond the client's limit: %v", err)
	}
	for range bodiesAtOnce - bodiesOfClient {
		ends = append(ends, hold(t, s, "b", most-1))
	}
	if err := send("c", bodiesAtOnce); err != nil { // one byte is left of each
		t.Errorf("at the limit: %v", err)
	}
	if err := send("c", bodiesAtOnce+1); metering.KindOf(err) != metering.KindRateLimited || !strings.Contains(err.Error(), "x-ndjson") {
		t.Errorf("beyond the limit: %v", err)
	}
	if _, err := s.Receive(t.Context(), anywhere(), ndjson(), strings.NewReader(strings.Repeat("\n", 10*most))); err != nil {
		t.Errorf("a stream: %v", err)
	}
	for _, end := range ends {
		end()
	}
	if err := send("a", most); err != nil {
		t.Errorf("when all had ended: %v", err)
	}
	if s.bodies.mu.taken != 0 || len(s.bodies.mu.ofClient) != 0 {
		t.Errorf("%d bytes were never given back", s.bodies.mu.taken)
	}
}
