package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// The CloudEvents types that Meterbook takes (spec 3-ingest).
const (
	TypeState      = "meterbook.resource.state.v1"
	TypeQuantity   = "meterbook.resource.quantity.v1"
	TypeRetraction = "meterbook.retraction.v1"
)

// Event is one CloudEvent 1.0. The project within Data, Source and ID name it
// for ever: sending it again changes nothing.
type Event struct {
	ID     string    // 1 to 255 bytes
	Source string    // 1 to 255 bytes
	Type   string    // TypeState, TypeQuantity or TypeRetraction
	Time   time.Time // since when the state holds; when the quantity was measured
	// Sequence orders states of one instant, 0 to 2^63-1.
	Sequence int64
	Data     any // encoded as JSON: a map, a struct or a json.RawMessage
}

// MarshalJSON encodes the structured form.
func (e Event) MarshalJSON() ([]byte, error) {
	wire := struct {
		SpecVersion string    `json:"specversion"`
		ID          string    `json:"id"`
		Source      string    `json:"source"`
		Type        string    `json:"type"`
		Time        time.Time `json:"time"`
		Sequence    int64     `json:"sequence,omitempty,string"`
		Data        any       `json:"data"`
	}{"1.0", e.ID, e.Source, e.Type, e.Time, e.Sequence, e.Data}
	return json.Marshal(wire)
}

// Receipt says what became of the events of one request. It is given only
// after they are on disk.
type Receipt struct {
	Accepted   int64 `json:"accepted"`   // stored now
	Duplicates int64 `json:"duplicates"` // stored already, with the same content
	// RejectedTotal counts the events that were not stored; the others are.
	RejectedTotal int64       `json:"rejected_total"`
	Rejected      []Rejection `json:"rejected"` // the first 1000
	// Complete is false when the server could not read the events to their
	// end; what follows the last one it read is not stored.
	Complete bool `json:"complete"`
	// Message says why and where the server stopped reading; "" when Complete.
	Message string `json:"message"`
}

// Rejection says why one event was not stored (spec 2-metering, "What makes an
// observation invalid").
type Rejection struct {
	Index   int64  `json:"index"` // from 0: the place in the batch, the line in a stream
	Source  string `json:"source"`
	ID      string `json:"id"`
	Code    string `json:"code"`
	Field   string `json:"field"` // dotted path, "" where none
	Message string `json:"message"`
}

const eventsPath = "/v1/events"

// SendEvents sends a batch. Rejected events are no error of the call: look at
// the receipt's RejectedTotal.
func (c *Client) SendEvents(ctx context.Context, events []Event) (*Receipt, error) {
	if events == nil {
		events = []Event{} // null is not a batch
	}
	text, err := json.Marshal(events)
	if err != nil {
		return nil, fmt.Errorf("encode %d events: %w", len(events), err)
	}
	return c.sendEvents(ctx, call{contentType: "application/cloudevents-batch+json", body: bytesBody(text)})
}

// SendNDJSON sends events in structured form, one a line. A reader that can
// seek (a file, a bytes.Reader) is read from where it stands, and again when
// the call is repeated; any other is sent as it is read, once. The call does not
// end while the reader blocks. Rejected events are no error of the call: look at
// the receipt's RejectedTotal.
func (c *Client) SendNDJSON(ctx context.Context, events io.Reader) (*Receipt, error) {
	k := call{contentType: "application/x-ndjson"}
	if source, ok := newReplay(events); ok {
		k.body = source.open
	} else {
		k.once = true
		k.body = func() (io.ReadCloser, error) { return io.NopCloser(events), nil }
	}
	return c.sendEvents(ctx, k)
}

func (c *Client) sendEvents(ctx context.Context, k call) (*Receipt, error) {
	k.method, k.path, k.safe = http.MethodPost, eventsPath, true
	k.accept = []int{http.StatusUnprocessableEntity}
	var receipt Receipt
	if err := c.exchange(ctx, k, nil, &receipt); err != nil {
		return nil, err
	}
	return &receipt, nil
}

// replay hands out one reader for each attempt of a call, all over the same
// source. The transport may still hold the body of an attempt that is over, so
// opening the next one cuts the former off.
type replay struct {
	source io.ReadSeeker
	start  int64

	mu struct {
		sync.Mutex
		current *replayBody // the only one that may read
	}
}

// newReplay notes where the source stands. ok is false for a source that can be
// read only once; a pipe is one, though it has the method.
func newReplay(source io.Reader) (r *replay, ok bool) {
	seeker, ok := source.(io.ReadSeeker)
	if !ok {
		return nil, false
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	return &replay{source: seeker, start: start}, err == nil
}

func (r *replay) open() (io.ReadCloser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.source.Seek(r.start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("go back to the first event: %w", err)
	}
	r.mu.current = &replayBody{of: r}
	return r.mu.current, nil
}

// replayBody implements io.ReadCloser. The source stays open: it is the
// caller's.
type replayBody struct{ of *replay }

func (b *replayBody) Read(p []byte) (int, error) {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	if b.of.mu.current != b {
		return 0, errors.New("this attempt is over")
	}
	return b.of.source.Read(p)
}

func (b *replayBody) Close() error {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	if b.of.mu.current == b {
		b.of.mu.current = nil
	}
	return nil
}
