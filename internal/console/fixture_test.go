package console

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/httpapi"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is the clock's first instant, 2025-01-15T12:00:00Z.
const start = 1_736_942_400 * metering.Second

// site is a console before an API on the naive model, and a server that browsers
// of tests ask.
type site struct {
	t      *testing.T
	server *httptest.Server
	clock  *handClock
	log    *logText
	root   string // token of the first admin key
	admin  *client.Client
}

// handClock stands still until a test moves it.
type handClock struct{ at atomic.Int64 }

func (c *handClock) now() metering.Instant    { return metering.Instant(c.at.Load()) }
func (c *handClock) advance(by time.Duration) { c.at.Add(int64(by)) }

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

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, clock: &handClock{}, log: &logText{}}
	s.clock.at.Store(int64(start))
	logger := slog.New(slog.NewJSONHandler(s.log, nil))
	store := storetest.NewModel(s.clock.now)
	registry, err := access.Open(t.Context(), &access.MemoryRecords{}, access.Options{Clock: s.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	if s.root, _, err = registry.Bootstrap(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	api := httpapi.New(httpapi.Options{Logger: logger, Clock: s.clock.now, Wall: time.Now, OpenAPI: []byte(`{}`), Version: "test"})
	api.Serve(httpapi.Backend{Store: store, Access: registry, Ingest: ingest.New(store, ingest.Options{
		Clock: s.clock.now, Directory: store,
		OnAccepted: api.CountAccepted, OnDuplicates: api.CountDuplicates, OnRejected: api.CountRejected,
	})})
	pages := New(Options{API: api.Handler(), Logger: logger, Clock: s.clock.now, Wall: time.Now, Version: "test"})
	s.server = httptest.NewServer(pages.Handler())
	t.Cleanup(s.server.Close)
	if s.admin, err = client.New(s.server.URL, s.root, client.WithHTTPClient(s.server.Client())); err != nil {
		t.Fatal(err)
	}
	return s
}

// send stores events, one a line.
func (s *site) send(events ...string) {
	s.t.Helper()
	receipt, err := s.admin.SendNDJSON(s.t.Context(), strings.NewReader(strings.Join(events, "\n")))
	if err != nil || receipt.RejectedTotal != 0 {
		s.t.Fatalf("receipt %+v, error %v", receipt, err)
	}
}

// key makes a key and returns its token.
func (s *site) key(k client.NewKey) string {
	s.t.Helper()
	made, err := s.admin.CreateKey(s.t.Context(), k)
	if err != nil {
		s.t.Fatal(err)
	}
	return made.Token
}

// as asks the API with a key.
func (s *site) as(token string) *client.Client {
	s.t.Helper()
	api, err := client.New(s.server.URL, token, client.WithHTTPClient(s.server.Client()))
	if err != nil {
		s.t.Fatal(err)
	}
	return api
}

// browser keeps cookies and does not follow redirects.
type browser struct {
	site *site
	http *http.Client
}

func (s *site) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s, &http.Client{Transport: s.server.Client().Transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// signedIn is a browser that has signed in.
func (s *site) signedIn(token string) *browser {
	s.t.Helper()
	b := s.browser()
	b.post("/signin", url.Values{"token": {token}}).want(http.StatusSeeOther)
	return b
}

// answer is an answer, read wholly.
type answer struct {
	t      *testing.T
	path   string
	status int
	header http.Header
	body   string
}

func (b *browser) get(path string, headers ...string) answer {
	b.site.t.Helper()
	return b.send(http.MethodGet, path, nil, headers...)
}

func (b *browser) post(path string, form url.Values, headers ...string) answer {
	b.site.t.Helper()
	return b.send(http.MethodPost, path, strings.NewReader(form.Encode()), append(headers, "Content-Type: application/x-www-form-urlencoded")...)
}

func (b *browser) send(method, path string, body io.Reader, headers ...string) answer {
	t := b.site.t
	t.Helper()
	r, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, b.site.server.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range headers {
		name, value, _ := strings.Cut(text, ": ")
		r.Header.Set(name, value)
	}
	response, err := b.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if closing := response.Body.Close(); err != nil || closing != nil {
		t.Fatalf("read %s: %v, %v", path, err, closing)
	}
	return answer{t, method + " " + path, response.StatusCode, response.Header, string(text)}
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d: %s", a.path, a.status, status, a.body)
	}
	return a
}

// shows fails unless the body has all of the texts.
func (a answer) shows(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			a.t.Errorf("%s does not show %q: %s", a.path, text, a.body)
		}
	}
	return a
}

// hides fails if the body has one of the texts.
func (a answer) hides(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			a.t.Errorf("%s shows %q: %s", a.path, text, a.body)
		}
	}
	return a
}

// leads fails unless it is a redirect to the address.
func (a answer) leads(to string) answer {
	a.t.Helper()
	if got := a.want(http.StatusSeeOther).header.Get("Location"); got != to {
		a.t.Errorf("%s leads to %s, want %s", a.path, got, to)
	}
	return a
}
