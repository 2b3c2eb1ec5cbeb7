package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

func modelService() *Service {
	later := func() metering.Instant { return testNow() + 30*24*3600*metering.Second }
	store := storetest.NewModel(later)
	return New(store, Options{Clock: later, Directory: store})
}

func TestReceiptCountsDuplicatesWithinAndAcrossRequests(t *testing.T) {
	t.Parallel()
	s, event := modelService(), eventOf(typeNamed(t, "instance"))
	a, b := event.text(t), event.set("id", "e-2").text(t)
	changed := event.set("data.name", "other").text(t)
	r := receive(t, s, anywhere(), batched(), "["+strings.Join([]string{a, b, a, `{"id":"bad"}`, changed}, " , ")+"]")
	want := &Receipt{Accepted: 2, Duplicates: 1, RejectedTotal: 2, Complete: true, Rejected: []Rejected{
		{Index: 3, ID: "bad", Code: "malformed", Field: "data", Message: "data is required: an object"},
		{Index: 4, Source: "/test", ID: "e-1", Code: "id_reused", Field: "id"},
	}}
	if len(r.Rejected) == 2 {
		want.Rejected[1].Message = r.Rejected[1].Message // the store's
	}
	if !reflect.DeepEqual(r, want) || r.Status() != http.StatusUnprocessableEntity {
		t.Errorf("got  %+v\nwant %+v", r, want)
	}
	again := receive(t, s, anywhere(), ndjson(), a+"\n"+b)
	if again.Duplicates != 2 || again.Accepted != 0 || again.Status() != http.StatusOK {
		t.Errorf("receipt %+v", again)
	}
}

func TestEmptyBatchIsValid(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"[]", " [ \n] "} {
		r := receive(t, newRecorder().service(), anywhere(), batched(), body)
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if want := `{"accepted":0,"duplicates":0,"rejected_total":0,"complete":true,"rejected":[]}`; string(text) != want || r.Status() != http.StatusOK {
			t.Errorf("%s", text)
		}
	}
}

func TestReceiptAsJSON(t *testing.T) {
	t.Parallel()
	volume := eventOf(typeNamed(t, "volume")).set("data.size_bytes", -1)
	text, err := json.Marshal(receive(t, newRecorder().service(), anywhere(), batched(), "["+volume.text(t)+",5]"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"accepted":0,"duplicates":0,"rejected_total":2,"complete":true,"rejected":[` +
		`{"index":0,"source":"/test","id":"e-1","code":"invalid_value","field":"data.size_bytes","message":"size_bytes must be from 0 to 1152921504606846976, got -1"},` +
		`{"index":1,"code":"malformed","message":"an event must be a JSON object, got 5"}]}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestBatchMustBeAnArray(t *testing.T) {
	t.Parallel()
	good := eventOf(typeNamed(t, "instance")).text(t)
	for _, body := range []string{"", " ", good, "null", "[" + good, "[" + good + ",]", "[" + good + " " + good + "]", "[" + good + "]]", "[" + good + "] x", "[" + good + `,{"a":tru}]`, "[" + good + `,{"a":1,]}]`} {
		store := newRecorder()
		_, err := store.service().Receive(t.Context(), anywhere(), batched(), strings.NewReader(body))
		if metering.KindOf(err) != metering.KindInvalid || !strings.Contains(err.Error(), "JSON array of events") || len(store.mu.stored) > 0 {
			t.Errorf("%.20q…: %v, stored %d", body, err, len(store.mu.stored))
		}
	}
}

func TestMalformedElementIsRefusedAlone(t *testing.T) {
	t.Parallel()
	good := eventOf(typeNamed(t, "instance")).text(t)
	twice := `{"id":"e-1",` + good[1:]
	badText := strings.Replace(good, `"data":{`, `"data":{"name":"`+"\xff"+`",`, 1)
	store := newRecorder()
	r := receive(t, store.service(), anywhere(), batched(), "["+strings.Join([]string{good, twice, badText, "17", "[]", "null", good}, ",")+"]")
	if r.Accepted != 2 || r.RejectedTotal != 5 || len(store.mu.stored) != 2 {
		t.Fatalf("receipt %+v", r)
	}
	for i, got := range r.Rejected {
		if got.Index != i+1 || got.Code != "malformed" {
			t.Errorf("got %+v", got)
		}
	}
}

func TestReceiptListsTheFirstThousand(t *testing.T) {
	t.Parallel()
	good := eventOf(typeNamed(t, "instance"))
	for _, n := range []int{MaxListedRejections, MaxListedRejections + 1, 5000} {
		counts := map[metering.RejectCode]int{}
		store := newRecorder()
		// The store refuses too, between those that never reach it.
		store.outcome = func(s *report.Submission) report.Outcome {
			return report.Outcome{Rejected: &metering.Rejection{Code: metering.IDReused, Field: "id", Message: "reused"}}
		}
		s := New(store, Options{Clock: testNow, Directory: store, OnRejected: func(c metering.RejectCode) { counts[c]++ }})
		events := make([]string, n)
		for i := range events {
			if events[i] = "{}"; i%3 == 0 {
				events[i] = good.set("id", fmt.Sprint(i)).text(t)
			}
		}
		for name, r := range map[string]*Receipt{
			"batch":  receive(t, s, anywhere(), batched(), "["+strings.Join(events, ",")+"]"),
			"stream": receive(t, s, anywhere(), ndjson(), strings.Join(events, "\n")),
		} {
			if r.RejectedTotal != n || len(r.Rejected) != min(n, MaxListedRejections) {
				t.Errorf("%s of %d: %d listed, %d in total", name, n, len(r.Rejected), r.RejectedTotal)
			}
			for i, got := range r.Rejected {
				if want := map[bool]string{true: "id_reused", false: "malformed"}[i%3 == 0]; got.Index != i || got.Code != want {
					t.Fatalf("%s: entry %d is %+v", name, i, got)
				}
			}
		}
		if reused := 2 * ((n + 2) / 3); counts[metering.IDReused] != reused || counts[metering.Malformed] != 2*n-reused {
			t.Errorf("counted %v of %d", counts, 2*n)
		}
	}
}

func TestMetricsAreTold(t *testing.T) {
	t.Parallel()
	var accepted, duplicates int
	store := storetest.NewModel(testNow)
	s := New(store, Options{Clock: testNow, Directory: store,
		OnAccepted: func(n int) { accepted += n }, OnDuplicates: func(n int) { duplicates += n }})
	event := eventOf(typeNamed(t, "instance")).text(t)
	receive(t, s, anywhere(), batched(), "["+event+","+event+"]")
	receive(t, s, anywhere(), ndjson(), event+"\n"+event)
	if accepted != 1 || duplicates != 3 {
		t.Errorf("accepted %d, duplicates %d", accepted, duplicates)
	}
}

// troubled is a store that fails.
type troubled struct {
	*recorder
	submit, wait error
	goodBatches  int
}

func (s *troubled) Submit(ctx context.Context, batch []report.Submission) (report.Pending, error) {
	if s.goodBatches--; s.goodBatches >= 0 {
		return s.recorder.Submit(ctx, batch)
	}
	return failing{s.wait}, s.submit
}

type failing struct{ err error }

func (f failing) Wait(context.Context) ([]report.Outcome, error) { return nil, f.err }

func TestStoreErrorsAreReturned(t *testing.T) {
	t.Parallel()
	full := metering.Errorf(metering.KindUnavailable, "the disk is full")
	good := eventOf(typeNamed(t, "instance")).text(t)
	for name, store := range map[string]*troubled{
		"submit": {recorder: newRecorder(), submit: full},
		"wait":   {recorder: newRecorder(), wait: full},
	} {
		s := New(store, Options{Clock: testNow, Directory: store})
		for body, h := range map[string]http.Header{good: structured(), "[" + good + "]": batched(), good + "\n": ndjson()} {
			if r, err := s.Receive(t.Context(), anywhere(), h, strings.NewReader(body)); metering.KindOf(err) != metering.KindUnavailable || r != nil {
				t.Errorf("%s, %v: %+v, %v", name, h, r, err)
			}
		}
	}
}

func TestStoreIsAskedBeforeTheBodyIsRead(t *testing.T) {
	t.Parallel()
	for _, kind := range []metering.Kind{metering.KindRateLimited, metering.KindUnavailable} {
		store := newRecorder()
		store.writable = metering.Errorf(kind, "not now")
		// A content type that is wrong too shows that the store comes first.
		for _, h := range []http.Header{structured(), batched(), binary(), ndjson(), headers()} {
			_, err := store.service().Receive(t.Context(), anywhere(), h, errReader{fmt.Errorf("the body was read")})
			if metering.KindOf(err) != kind {
				t.Errorf("%v: %v", h, err)
			}
		}
	}
}

func TestSubmissionsCarryTheClientAndTheClock(t *testing.T) {
	t.Parallel()
	store := newRecorder()
	var got []report.Submission
	store.outcome = func(s *report.Submission) report.Outcome { got = append(got, *s); return report.Outcome{} }
	event := eventOf(typeNamed(t, "instance")).text(t)
	receive(t, store.service(), anywhere(), structured(), event)
	root := anywhere()
	root.AnyClient = true
	receive(t, store.service(), root, ndjson(), event)
	for i, s := range got {
		if s.Client != testClient || s.AnyClient != (i == 1) || s.ReceivedAt != testNow() {
			t.Errorf("submission %+v", s)
		}
	}
	if len(got) != 2 {
		t.Errorf("%d submissions", len(got))
	}
}

// TestExampleEventsAreAccepted takes in the worked examples.
func TestExampleEventsAreAccepted(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/examples/*.ndjson")
	if err != nil || len(files) != 6 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(body)), "\n")
		s := modelService()
		if r := receive(t, s, anywhere(), ndjson(), string(body)); r.Accepted == 0 || r.Accepted+r.Duplicates != len(lines) || r.Status() != http.StatusOK {
			t.Errorf("%s: receipt %+v", file, r)
		}
		if r := receive(t, s, anywhere(), batched(), "["+strings.Join(lines, ",")+"]"); r.Duplicates != len(lines) || r.Status() != http.StatusOK {
			t.Errorf("%s again: receipt %+v", file, r)
		}
	}
}
