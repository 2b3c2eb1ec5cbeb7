package httpapi

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the clock's first instant, 2025-01-15T12:00:00Z.
const start = 1_736_942_400 * metering.Second

// site is a server with all that stands behind it.
type site struct {
	t       *testing.T
	server  *Server
	backend Backend
	clock   *handClock
	log     *logText
	root    string // token of the first admin key
}

// handClock stands still until a test moves it.
type handClock struct{ at atomic.Int64 }

func (c *handClock) now() metering.Instant        { return metering.Instant(c.at.Load()) }
func (c *handClock) advance(by metering.Instant)  { c.at.Add(int64(by)) }
func newHandClock(at metering.Instant) *handClock { c := &handClock{}; c.at.Store(int64(at)); return c }

// logText is a log that tests read.
type logText struct {
	mu struct {
		sync.Mutex
		text bytes.Buffer
	}
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.text.String()
}

// newSite makes a site that is ready, on the naive model.
func newSite(t *testing.T, edits ...func(*Options)) *site {
	t.Helper()
	clock := newHandClock(start)
	s := newSiteOn(t, storetest.NewModel(clock.now), &access.MemoryRecords{}, clock, edits...)
	s.server.Serve(s.backend)
	return s
}

// newSiteOn makes a site on the given store that does not serve yet.
func newSiteOn(t *testing.T, store report.Store, records access.Records, clock *handClock, edits ...func(*Options)) *site {
	t.Helper()
	s := &site{t: t, clock: clock, log: &logText{}}
	o := Options{
		Logger: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Clock:  clock.now, Wall: time.Now, OpenAPI: []byte(`{"openapi":"3.1.0"}`), Version: "test",
	}
	for _, edit := range edits {
		edit(&o)
	}
	s.server = New(o)
	registry, err := access.Open(t.Context(), records, access.Options{Clock: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	if s.root, _, err = registry.Bootstrap(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	s.backend = Backend{Store: store, Access: registry, Ingest: ingest.New(store, ingest.Options{
		Clock: clock.now, Directory: store,
		OnAccepted: s.server.CountAccepted, OnDuplicates: s.server.CountDuplicates, OnRejected: s.server.CountRejected,
	})}
	return s
}

// reply is an answer, read wholly.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// ask sends a request to the handler. A body is JSON unless a header
// ("Name: value") says something else.
func (s *site) ask(method, path, token, body string, headers ...string) reply {
	s.t.Helper()
	return s.askAs(method, path, body, func(h http.Header) {
		if token != "" {
			h.Set("Authorization", "apikey "+token)
		}
		for _, text := range headers {
			name, value, _ := strings.Cut(text, ": ")
			h.Set(name, value)
		}
	})
}

// askAs is ask with headers of which edit decides.
func (s *site) askAs(method, path, body string, edit func(http.Header)) reply {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	r.Header.Set("Content-Type", "application/json")
	edit(r.Header)
	w := httptest.NewRecorder()
	s.server.Handler().ServeHTTP(w, r)
	return reply{s.t, w.Code, w.Header(), w.Body.Bytes()}
}

// want fails unless the status is as expected.
func (r reply) want(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

// wantError fails unless it is an error of the given shape; it returns the
// message.
func (r reply) wantError(status int, class string) string {
	r.t.Helper()
	var body struct {
		Class     string              `json:"exception_class"`
		Message   string              `json:"message"`
		RequestID string              `json:"request_id"`
		Invalid   map[string][]string `json:"invalid_fields"`
	}
	if err := json.Unmarshal(r.body, &body, json.RejectUnknownMembers(true)); err != nil {
		r.t.Fatalf("error body %q: %v", r.body, err)
	}
	if r.status != status || body.Class != class || body.Message == "" {
		r.t.Fatalf("status %d, %s; want %d %s", r.status, r.body, status, class)
	}
	if id := r.header.Get("X-Request-Id"); id == "" || id != body.RequestID || r.header.Get("Content-Type") != "application/json" {
		r.t.Errorf("header %v for body %s", r.header, r.body)
	}
	return body.Message
}

// invalid returns the invalid fields of a 400.
func (r reply) invalid() map[string][]string {
	r.t.Helper()
	r.wantError(http.StatusBadRequest, "ValidationError")
	return decode[struct {
		Invalid map[string][]string `json:"invalid_fields"`
	}](r).Invalid
}

// decode reads the body.
func decode[T any](r reply) T {
	r.t.Helper()
	var v T
	if err := json.Unmarshal(r.body, &v); err != nil {
		r.t.Fatalf("body %q: %v", r.body, err)
	}
	return v
}

// key makes a key from the JSON of its request and returns its token.
func (s *site) key(by, request string) string {
	s.t.Helper()
	return decode[struct {
		Token string `json:"token"`
	}](s.ask("POST", "/v1/keys", by, request).want(http.StatusCreated)).Token
}

func (s *site) client(id string) {
	s.t.Helper()
	s.ask("POST", "/v1/clients", s.root, `{"id":"`+id+`"}`).want(http.StatusCreated)
}

func idOf(token string) string { id, _, _ := strings.Cut(token, "$"); return id }

// machine is the NDJSON line of an instance that is there from 2024-07-01 on.
func machine(id, project string) string {
	return `{"specversion":"1.0","id":"` + id + `","source":"/s","type":"meterbook.resource.state.v1","time":"2024-07-01T00:00:00Z",` +
		`"data":{"resource_type":"instance","resource_id":"3c90c3cc-0d44-4b50-8888-00000000000` + id + `","project_id":` + project +
		`,"region_id":76,"status":"active","name":"m` + id + `","flavor":"f"}}` + "\n"
}

// july is the request for the first day of the machines.
const july = `{"time_from":"2024-07-01","time_to":"2024-07-02"}`

// send sends events as NDJSON.
func (s *site) send(token, lines string) reply {
	s.t.Helper()
	return s.ask("POST", "/v1/events", token, lines, "Content-Type: application/x-ndjson")
}

// oddStore is a store of which tests replace what they need.
type oddStore struct {
	report.Store
	report   func(context.Context, report.Query) (*report.Report, error)
	writable func() error
	// addProject tells what goes wrong.
	addProject func() error
}

func (o *oddStore) Report(ctx context.Context, q report.Query) (*report.Report, error) {
	if o.report != nil {
		return o.report(ctx, q)
	}
	return o.Store.Report(ctx, q)
}

func (o *oddStore) Writable() error {
	if o.writable != nil {
		return o.writable()
	}
	return o.Store.Writable()
}

func (o *oddStore) AddProject(ctx context.Context, p report.Project) error {
	if o.addProject != nil {
		return o.addProject()
	}
	return o.Store.AddProject(ctx, p)
}

// newOddSite makes a site that is ready, on a store that tests can change.
func newOddSite(t *testing.T, edits ...func(*Options)) (*site, *oddStore) {
	t.Helper()
	clock := newHandClock(start)
	store := &oddStore{Store: storetest.NewModel(clock.now)}
	s := newSiteOn(t, store, &access.MemoryRecords{}, clock, edits...)
	s.server.Serve(s.backend)
	return s, store
}

// listen starts the handler on a socket and returns its address.
func (s *site) listen() *httptest.Server {
	s.t.Helper()
	h := httptest.NewUnstartedServer(nil)
	h.Config = NewHTTPServer(s.server.Handler(), slog.New(slog.NewTextHandler(s.log, nil)))
	h.Start()
	s.t.Cleanup(h.Close)
	return h
}

// readAll reads and closes a body.
func readAll(t *testing.T, body io.ReadCloser) (string, error) {
	t.Helper()
	text, err := io.ReadAll(body)
	if closing := body.Close(); closing != nil {
		t.Error(closing)
	}
	return string(text), err
}
