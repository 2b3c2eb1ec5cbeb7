package ingest

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

const testClient report.ClientID = "acme"

// testNow is the server's clock in all tests.
func testNow() metering.Instant {
	return metering.InstantOf(time.Date(2024, 7, 31, 12, 0, 0, 0, time.UTC))
}

func anywhere() Permission { return Permission{Client: testClient, Narrowing: report.FullScope()} }

// recorder is a store that keeps what it was given and, unless told otherwise,
// accepts all of it.
type recorder struct {
	report.Directory
	outcome  func(*report.Submission) report.Outcome
	writable error

	mu struct {
		sync.Mutex
		stored  []*metering.Observation
		refused []report.Submission
		batches int
	}
}

func newRecorder() *recorder {
	return &recorder{Directory: storetest.NewModel(testNow), outcome: func(*report.Submission) report.Outcome { return report.Outcome{} }}
}

type recorded []report.Outcome

func (r recorded) Wait(context.Context) ([]report.Outcome, error) { return r, nil }

func (r *recorder) Submit(_ context.Context, batch []report.Submission) (report.Pending, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	outcomes := make(recorded, len(batch))
	valid := func(s report.Submission) bool { return s.Refused == nil }
	if slices.ContainsFunc(batch, valid) {
		r.mu.batches++
	}
	for i := range batch {
		if !valid(batch[i]) {
			r.mu.refused = append(r.mu.refused, batch[i])
			outcomes[i].Rejected = batch[i].Refused
			continue
		}
		r.mu.stored = append(r.mu.stored, batch[i].Observation)
		outcomes[i] = r.outcome(&batch[i])
	}
	return outcomes, nil
}

func (r *recorder) Writable() error { return r.writable }

func (r *recorder) service() *Service {
	return New(r, Options{Clock: testNow, Directory: r})
}

// stored returns the only observation that was stored.
func (r *recorder) only(t *testing.T) *metering.Observation {
	t.Helper()
	if len(r.mu.stored) != 1 {
		t.Fatalf("stored %d observations, want 1", len(r.mu.stored))
	}
	return r.mu.stored[0]
}

// object is an event to be sent, as JSON.
type object map[string]any

// set changes the value at a dotted path; absent removes it.
func (o object) set(path string, value any) object {
	o = maps.Clone(o)
	head, rest, nested := strings.Cut(path, ".")
	switch {
	case nested:
		inner, _ := o[head].(object)
		o[head] = inner.set(rest, value)
	case value == absent{}:
		delete(o, head)
	default:
		o[head] = value
	}
	return o
}

type absent struct{}

func (o object) text(t testing.TB) string {
	t.Helper()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	someUUID  = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
	otherUUID = "5b0dc3cc-0d44-4b50-8888-8dd25736052a"
)

// eventOf returns an event of the type with every member that it needs.
func eventOf(t metering.ResourceType) object {
	data := object{"resource_type": t.String(), "resource_id": someUUID, "project_id": 10, "region_id": 76}
	e := object{"specversion": "1.0", "id": "e-1", "source": "/test", "time": "2024-07-01T00:00:05Z", "type": typeState, "data": data}
	if t.Measure() == metering.Counted {
		e["type"] = typeQuantity
		data["from"], data["to"], data["quantity"] = "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "12"
	} else {
		data["status"] = "active"
	}
	if t.Measure() == metering.Sized {
		data["size_bytes"] = 5 << 30
	}
	if t.MetricTemplate() == "" {
		data["billing_metric_name"] = "inference_h"
	}
	for _, a := range t.Attributes() {
		if t.Requires(a) {
			data[a.String()] = sample(a)
		}
	}
	return e
}

func sample(a metering.Attribute) string {
	switch a.Form() {
	case metering.FormUUID:
		return otherUUID
	case metering.FormIP:
		return "192.0.2.7"
	case metering.FormInstanceType:
		return "vm"
	}
	return "some " + a.String()
}

func typeNamed(t testing.TB, name string) metering.ResourceType {
	t.Helper()
	found, ok := metering.ResourceTypeNamed(name)
	if !ok {
		t.Fatalf("no type %s", name)
	}
	return found
}

func retraction() object {
	return object{"specversion": "1.0", "id": "r-1", "source": "/ops", "time": "2024-07-02T00:00:05Z", "type": typeRetraction,
		"data": object{"project_id": 10, "source": "/test", "id": "e-1"}}
}

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for pair := range slices.Chunk(pairs, 2) {
		h.Add(pair[0], pair[1])
	}
	return h
}

func structured() http.Header { return headers("Content-Type", "application/cloudevents+json") }
func batched() http.Header    { return headers("Content-Type", "application/cloudevents-batch+json") }
func ndjson() http.Header     { return headers("Content-Type", "application/x-ndjson") }

// receive sends a body that must be answered with a receipt.
func receive(t testing.TB, s *Service, p Permission, h http.Header, body string) *Receipt {
	t.Helper()
	r, err := s.Receive(t.Context(), p, h, strings.NewReader(body))
	if err != nil {
		t.Fatalf("Receive: %v", err)
	}
	return r
}

// refusalOf sends one event that must be refused.
func refusalOf(t testing.TB, s *Service, p Permission, body string) Rejected {
	t.Helper()
	r := receive(t, s, p, structured(), body)
	if len(r.Rejected) != 1 || r.RejectedTotal != 1 || r.Accepted+r.Duplicates != 0 {
		t.Fatalf("receipt %+v of %.300s: want one refusal", r, body)
	}
	return r.Rejected[0]
}

// accept sends one event that must be accepted, and returns what was stored.
func accept(t testing.TB, body string) *metering.Observation {
	t.Helper()
	store := newRecorder()
	if r := receive(t, store.service(), anywhere(), structured(), body); r.Accepted != 1 || r.RejectedTotal != 0 {
		t.Fatalf("receipt %+v of %.300s: want it accepted", r, body)
	}
	return store.mu.stored[0]
}
