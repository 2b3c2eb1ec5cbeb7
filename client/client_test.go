package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/meterbook/meterbook/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script answers one request after the other, the last one again and again, and
// keeps what it was asked.
type script struct {
	answers []http.HandlerFunc

	mu struct {
		sync.Mutex
		requests []*http.Request
		bodies   []string
	}
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	s.mu.Lock()
	n := len(s.mu.requests)
	s.mu.requests = append(s.mu.requests, r)
	s.mu.bodies = append(s.mu.bodies, string(body))
	s.mu.Unlock()
	s.answers[min(n, len(s.answers)-1)](w, r)
}

func (s *script) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.bodies
}

func (s *script) first() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.requests[0]
}

func answer(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		if _, err := io.WriteString(w, body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// start serves the answers, and returns a client that notes its waits instead
// of waiting.
func start(t *testing.T, answers ...http.HandlerFunc) (*client.Client, *script, *[]time.Duration) {
	t.Helper()
	s := &script{answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	waits := &[]time.Duration{}
	c := connect(t, server.URL, client.RetryPolicy{
		Attempts: 4,
		Sleep: func(_ context.Context, d time.Duration) error {
			*waits = append(*waits, d)
			return nil
		},
		Jitter: func(time.Duration) time.Duration { return 0 },
	})
	return c, s, waits
}

func connect(t *testing.T, url string, p client.RetryPolicy) *client.Client {
	t.Helper()
	c, err := client.New(url, "id$secret", client.WithRetry(p), client.WithVersion("v1.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

const (
	emptyReport  = `{"count":0,"resources":[],"totals":[]}`
	emptyReceipt = `{"accepted":2,"duplicates":0,"rejected_total":0,"rejected":[],"complete":true}`
)

func july() client.Request {
	return client.Request{
		TimeFrom: time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC),
		TimeTo:   time.Date(2024, 8, 1, 0, 0, 0, 0, time.UTC),
	}
}

func TestRetryAfterInSecondsIsHonoured(t *testing.T) {
	t.Parallel()
	c, _, waits := start(t, answer(429, `{}`, "Retry-After", "7"), answer(503, `{}`), answer(200, emptyReport))
	if _, err := c.UsageReport(t.Context(), july()); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{7 * time.Second, time.Second}; len(*waits) != 2 || (*waits)[0] != want[0] || (*waits)[1] != want[1] {
		t.Errorf("waited %v, want %v", *waits, want)
	}
}

func TestRetryAfterAsDateCountsFromTheServersOwnDate(t *testing.T) {
	t.Parallel()
	c, _, waits := start(t,
		answer(503, `{}`, "Date", "Mon, 01 Jul 2024 00:00:00 GMT", "Retry-After", "Mon, 01 Jul 2024 00:00:09 GMT"),
		answer(200, emptyReport))
	if _, err := c.UsageReport(t.Context(), july()); err != nil {
		t.Fatal(err)
	}
	if len(*waits) != 1 || (*waits)[0] != 9*time.Second {
		t.Errorf("waited %v, want 9s", *waits)
	}
}

func TestRetryAfterBeyondTheMaximumEndsTheCall(t *testing.T) {
	t.Parallel()
	c, s, waits := start(t, answer(429, `{"message":"too many"}`, "Retry-After", "61"))
	_, err := c.UsageReport(t.Context(), july())
	var refused *client.Error
	if !errors.As(err, &refused) || refused.RetryAfter != 61*time.Second {
		t.Fatalf("error %v, want one that carries 61s", err)
	}
	if len(*waits) != 0 || len(s.bodies()) != 1 {
		t.Errorf("waited %v, asked %d times; want no repetition", *waits, len(s.bodies()))
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	c, s, waits := start(t, answer(500, `{}`))
	if _, err := c.UsageReport(t.Context(), july()); err == nil {
		t.Fatal("no error")
	}
	if len(s.bodies()) != 4 || len(*waits) != 3 {
		t.Errorf("asked %d times with %d waits, want 4 and 3", len(s.bodies()), len(*waits))
	}
}

func TestRefusalsAreNotRepeatedAndCarryEverything(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 401, 403, 404, 405, 409, 413, 415} {
		c, s, _ := start(t, answer(status,
			`{"exception_class":"ValidationError","message":"bad request","request_id":"r-1","invalid_fields":{"limit":["Input should be greater than 0"]}}`))
		_, err := c.UsageReport(t.Context(), july())
		var refused *client.Error
		if !errors.As(err, &refused) {
			t.Fatalf("status %d: error %v", status, err)
		}
		if refused.Status != status || refused.Class != "ValidationError" || refused.Message != "bad request" ||
			refused.RequestID != "r-1" || refused.InvalidFields["limit"][0] != "Input should be greater than 0" {
			t.Errorf("status %d: got %+v", status, refused)
		}
		if !strings.Contains(err.Error(), "limit: Input should be greater than 0") {
			t.Errorf("status %d: %q does not name the field", status, err)
		}
		if n := len(s.bodies()); n != 1 {
			t.Errorf("status %d: asked %d times", status, n)
		}
	}
}

func TestAnErrorThatIsNotMeterbooksKeepsItsStatus(t *testing.T) {
	t.Parallel()
	c, _, _ := start(t, answer(404, "<html>nginx</html>", "X-Request-Id", "p-9"))
	_, err := c.UsageReport(t.Context(), july())
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Status != 404 || refused.RequestID != "p-9" || refused.Message == "" {
		t.Errorf("got %+v", refused)
	}
}

func TestConnectionErrorsAreRepeated(t *testing.T) {
	t.Parallel()
	breakOff := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	half := answer(200, `{"accepted":`, "Content-Length", "500")
	c, s, _ := start(t, breakOff, half, answer(200, emptyReceipt))
	receipt, err := c.SendNDJSON(t.Context(), strings.NewReader("{}\n{}\n"))
	if err != nil || receipt.Accepted != 2 {
		t.Fatalf("receipt %+v, error %v", receipt, err)
	}
	if got := s.bodies(); len(got) != 3 || got[2] != "{}\n{}\n" {
		t.Errorf("bodies %q, want the same three times", got)
	}
}

func TestServerThatIsDownIsReportedAfterTheLastAttempt(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	tries := 0
	c := connect(t, server.URL, client.RetryPolicy{
		Attempts: 3,
		Sleep:    func(context.Context, time.Duration) error { return nil },
		OnRetry:  func(int, time.Duration, error) { tries++ },
	})
	_, err := c.UsageReport(t.Context(), july())
	if err == nil || !strings.Contains(err.Error(), "connection refused") || tries != 2 {
		t.Errorf("error %v after %d repetitions", err, tries)
	}
}

func TestTheWrongSchemeIsToldAtOnce(t *testing.T) {
	t.Parallel()
	nginx := &script{answers: []http.HandlerFunc{func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port", http.StatusBadRequest)
	}}}
	for right, server := range map[string]*httptest.Server{
		"http": httptest.NewServer(nginx), "https": httptest.NewUnstartedServer(nginx), "https by nginx": httptest.NewServer(nginx),
	} {
		address := server.URL
		switch right {
		case "http":
			address = strings.Replace(server.URL, "http:", "https:", 1)
		case "https":
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			address = strings.Replace(server.URL, "https:", "http:", 1)
		}
		c, err := client.New(address, "", client.WithRetry(client.RetryPolicy{Sleep: func(context.Context, time.Duration) error {
			t.Errorf("%s: it is tried again", right)
			return nil
		}}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Keys(t.Context())
		var wrong *client.SchemeError
		if want, _, _ := strings.Cut(right, " "); !errors.As(err, &wrong) || wrong.Scheme != want || !strings.Contains(err.Error(), "begin with "+want+"://") {
			t.Errorf("%s: %v", right, err)
		}
		c.Close()
		server.Close()
	}
}

func TestTheContextEndsTheWait(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(answer(503, `{}`, "Retry-After", "30"))
	t.Cleanup(server.Close)
	ctx, cancel := context.WithCancel(t.Context())
	c := connect(t, server.URL, client.RetryPolicy{OnRetry: func(int, time.Duration, error) { cancel() }})
	if _, err := c.UsageReport(ctx, july()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want canceled", err)
	}
}

func TestASourceThatCannotSeekIsSentOnce(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(503, `{"message":"stopping"}`))
	_, err := c.SendNDJSON(t.Context(), io.MultiReader(strings.NewReader("{}\n")))
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Message != "stopping" || len(s.bodies()) != 1 {
		t.Errorf("error %v after %d requests", err, len(s.bodies()))
	}
}

func TestRejectedEventsComeInTheReceipt(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(422, `{"accepted":0,"duplicates":0,"rejected_total":1,"complete":true,
		"rejected":[{"index":0,"source":"/s","id":"a","code":"invalid_value","field":"data.size_bytes","message":"no"}]}`))
	receipt, err := c.SendEvents(t.Context(), []client.Event{{
		ID: "a", Source: "/s", Type: client.TypeState, Time: time.Date(2024, 7, 1, 0, 0, 5, 0, time.UTC), Sequence: 7,
		Data: map[string]any{"project_id": 10},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := client.Rejection{Index: 0, Source: "/s", ID: "a", Code: "invalid_value", Field: "data.size_bytes", Message: "no"}
	if receipt.RejectedTotal != 1 || len(receipt.Rejected) != 1 || receipt.Rejected[0] != want {
		t.Errorf("receipt %+v", receipt)
	}
	sent := `[{"specversion":"1.0","id":"a","source":"/s","type":"meterbook.resource.state.v1","time":"2024-07-01T00:00:05Z","sequence":"7","data":{"project_id":10}}]`
	if got := s.bodies()[0]; got != sent {
		t.Errorf("sent %s", got)
	}
	if got := s.first().Header.Get("Content-Type"); got != "application/cloudevents-batch+json" {
		t.Errorf("content type %q", got)
	}
}

func TestNoEventsAreAnEmptyBatch(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, emptyReceipt))
	if _, err := c.SendEvents(t.Context(), nil); err != nil || s.bodies()[0] != "[]" {
		t.Errorf("sent %q, error %v", s.bodies(), err)
	}
}

const twoLines = `{"count": 7, "resources": [
  {"type":"volume","project_id":10,"region":76,"region_id":76,"billing_metric_name":"volume_t_ssd_gbm","billing_value":1168553.2270592,
   "billing_value_unit":"gbminutes","first_seen":"2024-07-01T00:00:30Z","last_seen":"2024-07-08T13:22:30Z","uuid":"u-1","last_name":null,
   "last_size":100,"size_unit":"GiB","volume_type":"ssd","attached_to_vm":null,"tags":[{"a":"1"},{"b":"2"}]},
  {"type":"external_ip","project_id":10,"billing_value":340282366920938463463374607431768211455,"tags":null}],
 "totals": [{"type":"volume","region":76,"region_id":76,"billing_metric_name":"volume_t_ssd_gbm","billing_value":0.000000001,"billing_value_unit":"gbminutes","volume_type":"ssd"}],
 "newer": {"ignored": [1, 2]}}`

func TestReportKeepsEveryDigit(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, twoLines, "Meterbook-Complete-Until", "2024-08-01T00:00:00.5Z"))
	r, err := c.UsageReport(t.Context(), july())
	if err != nil {
		t.Fatal(err)
	}
	if r.Count != 7 || len(r.Resources) != 2 || len(r.Totals) != 1 {
		t.Fatalf("got %+v", r)
	}
	line := r.Resources[0]
	if line.BillingValue != "1168553.2270592" || r.Resources[1].BillingValue != "340282366920938463463374607431768211455" || r.Totals[0].BillingValue != "0.000000001" {
		t.Errorf("values %s, %s, %s", line.BillingValue, r.Resources[1].BillingValue, r.Totals[0].BillingValue)
	}
	if line.LastName != nil || *line.UUID != "u-1" || *line.LastSize != "100" || line.Tags["b"] != "2" || r.Resources[1].Tags != nil {
		t.Errorf("line %+v", line)
	}
	if want := time.Date(2024, 8, 1, 0, 0, 0, 5e8, time.UTC); !r.CompleteUntil.Equal(want) {
		t.Errorf("complete until %v", r.CompleteUntil)
	}
	if got := s.bodies()[0]; got != `{"time_from":"2024-07-01T00:00:00Z","time_to":"2024-08-01T00:00:00Z"}` {
		t.Errorf("sent %s", got)
	}
	if h := s.first().Header; h.Get("Authorization") != "apikey id$secret" || h.Get("User-Agent") != "meterbook/v1.2.3" {
		t.Errorf("headers %v", h)
	}
}

func TestRawLinesAreTheServersBytes(t *testing.T) {
	t.Parallel()
	c, _, _ := start(t, answer(200, `{"count":2,"resources":[{"b":1.50,"a":null}, {"x":[]}],"totals":[]}`))
	stream, err := c.StreamUsageReport(t.Context(), july())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for raw, err := range stream.RawLines() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(raw))
	}
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []string{`{"b":1.50,"a":null}`, `{"x":[]}`}; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %q", got)
	}
}

func TestLinesArriveBeforeTheReportEnds(t *testing.T) {
	t.Parallel()
	seen := make(chan struct{})
	c, _, _ := start(t, func(w http.ResponseWriter, r *http.Request) {
		answer(200, `{"count":2,"resources":[{"type":"volume"},`)(w, r)
		w.(http.Flusher).Flush()
		<-seen // the first line must have been read by now
		answer(200, `{"type":"image"}],"totals":[]}`)(noStatus{w}, r)
	})
	stream, err := c.StreamUsageReport(t.Context(), july())
	if err != nil {
		t.Fatal(err)
	}
	types := ""
	for line, err := range stream.Lines() {
		if err != nil {
			t.Fatal(err)
		}
		if types += line.Type + " "; line.Type == "volume" {
			close(seen)
		}
	}
	if err := stream.Close(); err != nil || types != "volume image " || stream.Count != 2 {
		t.Errorf("types %q, count %d, error %v", types, stream.Count, err)
	}
}

type noStatus struct{ http.ResponseWriter }

func (noStatus) WriteHeader(int) {}

func TestAReportThatBreaksOffIsAnError(t *testing.T) {
	t.Parallel()
	for cut := range len(twoLines) {
		c, _, _ := start(t, answer(200, twoLines[:cut]))
		if r, err := c.UsageReport(t.Context(), july()); err == nil {
			t.Errorf("cut at %d: got %+v without an error", cut, r)
		}
	}
}

func TestReportJSONIsTheServersBytes(t *testing.T) {
	t.Parallel()
	c, _, _ := start(t, answer(200, twoLines))
	body, err := c.UsageReportJSON(t.Context(), july())
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil || !bytes.Equal(got, []byte(twoLines)) {
		t.Errorf("got %s, error %v", got, err)
	}
}

func TestRequestNamesItsMembersAsTheContractDoes(t *testing.T) {
	t.Parallel()
	loose := false
	r := july()
	r.EnableLastDay, r.Limit, r.Offset = true, 5, 10
	r.Projects, r.Regions, r.Types = []int64{1}, []int64{2}, []string{"volume"}
	r.SchemaFilter = &client.SchemaFilter{Type: "volume", Field: "volume_type", Values: []string{"ssd"}}
	r.Tags = &client.TagFilter{Conditions: []client.TagCondition{{Key: "k", Value: "v", Strict: &loose}}, ConditionType: "AND"}
	r.OrderBy = []string{"billing_value.desc"}
	got, err := json.Marshal(r)
	want := `{"time_from":"2024-07-01T00:00:00Z","time_to":"2024-08-01T00:00:00Z","enable_last_day":true,"limit":5,"offset":10,` +
		`"projects":[1],"regions":[2],"types":["volume"],"schema_filter":{"type":"volume","field":"volume_type","values":["ssd"]},` +
		`"tags":{"conditions":[{"key":"k","value":"v","strict":false}],"condition_type":"AND"},"order_by":["billing_value.desc"]}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, error %v", got, err)
	}
}

func TestBadAddressAndTokenAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "localhost:8080", "ftp://x", "http://", "http://u:p@host", "http://host?x=1", "http://ho st"} {
		if _, err := client.New(address, ""); err == nil {
			t.Errorf("address %q was taken", address)
		}
	}
	if _, err := client.New("http://host", "id$sec ret"); err == nil {
		t.Error("a token with a space was taken")
	}
}
