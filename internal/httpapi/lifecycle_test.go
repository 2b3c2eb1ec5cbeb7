package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// endless is a report that has no end of lines.
func endless(context.Context, report.Query) (*report.Report, error) {
	l := report.Line{Attributes: &metering.Attributes{}}
	l.Resource.Type, l.Meter.Type = 21, 21
	return &report.Report{Close: func() {}, Lines: func(yield func(*report.Line) bool) {
		for yield(&l) {
		}
	}}, nil
}

func TestServerIsReadyBetweenServeAndDrain(t *testing.T) {
	t.Parallel()
	clock := newHandClock(start)
	s := newSiteOn(t, storetest.NewModel(clock.now), &access.MemoryRecords{}, clock)
	refuse := func(word string) {
		t.Helper()
		for _, path := range []string{reportPath, "/v1/events", "/v1/keys", "/cloud/nowhere", "/nowhere", readyPath} {
			r := s.ask("GET", path, s.root, "")
			if m := r.wantError(503, "ServiceUnavailable"); !strings.Contains(m, word) || r.header.Get("Retry-After") != "5" {
				t.Errorf("%s: %q, %v", path, m, r.header)
			}
		}
		for _, path := range []string{healthPath, metricsPath, openAPIPath} {
			s.ask("GET", path, "", "").want(200)
		}
	}
	refuse("starting")
	s.server.Serve(s.backend)
	if r := s.ask("GET", readyPath, "", "").want(200); string(r.body) != `{"status":"ready"}` {
		t.Errorf("ready: %s", r.body)
	}
	s.ask("POST", reportPath, s.root, july).want(200)
	s.server.Drain()
	refuse("stopping")
}

func TestRequestThatHasBegunIsFinishedWhileDraining(t *testing.T) {
	t.Parallel()
	s, store := newOddSite(t)
	store.report = func(ctx context.Context, q report.Query) (*report.Report, error) {
		s.server.Drain()
		return store.Store.Report(ctx, q)
	}
	s.ask("POST", reportPath, s.root, july).want(200)
	s.ask("POST", reportPath, s.root, july).wantError(503, "ServiceUnavailable")
}

func TestOperationalPathsNeedNoKey(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if r := s.ask("GET", healthPath, "", "").want(200); string(r.body) != `{"status":"ok","version":"test"}` {
		t.Errorf("health: %s", r.body)
	}
	if r := s.ask("GET", openAPIPath, "", "").want(200); string(r.body) != `{"openapi":"3.1.0"}` || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("openapi: %s", r.body)
	}
}

func TestMetricsCountRequestsReportsAndEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(s.root, machine("1", "10")+machine("1", "10")+"{}\n").want(422)
	s.ask("POST", reportPath, s.root, july).want(200)
	s.ask("POST", reportPath, s.root, "{}").want(400)
	s.ask("GET", "/nowhere", "", "")
	s.ask("BREW", "/nowhere", "", "")
	s.ask("GET", "/v1/keys/a", s.root, "").want(404)
	text := string(s.ask("GET", metricsPath, "", "").want(200).body)
	for _, want := range []string{
		"meterbook_ingest_accepted_total 1", "meterbook_ingest_duplicates_total 1",
		`meterbook_ingest_rejected_total{code="malformed"} 1`, `meterbook_ingest_rejected_total{code="id_reused"} 0`,
		"meterbook_report_duration_seconds_count 1",
		`meterbook_http_requests_total{method="POST",route="/cloud/v1/usage_report",status="200"} 1`,
		`meterbook_http_requests_total{method="POST",route="/cloud/v1/usage_report",status="400"} 1`,
		`meterbook_http_requests_total{method="GET",route="",status="404"} 1`,
		`meterbook_http_requests_total{method="other",route="",status="404"} 1`,
		`meterbook_http_requests_total{method="GET",route="/v1/keys/{id}",status="404"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
}

func TestRateLimitIsPerKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *Options) { o.RateLimit = 3 })
	own := s.key(s.root, `{"roles":["reader"],"rate_limit":2}`)
	standard := s.key(s.root, `{"roles":["reader"]}`)
	s.clock.advance(metering.Second)
	for token, limit := range map[string]int{own: 2, standard: 3} {
		for range limit {
			s.ask("GET", "/v1/projects", token, "").want(200)
		}
		r := s.ask("GET", "/v1/projects", token, "")
		if m := r.wantError(429, "HTTPError"); r.header.Get("Retry-After") != "1" || !strings.Contains(m, idOf(token)) {
			t.Errorf("%q, %v", m, r.header)
		}
	}
	s.clock.advance(metering.Second / 2)
	s.ask("GET", "/v1/projects", own, "").want(200)
	s.ask("GET", "/v1/projects", own, "").want(429)
	s.clock.advance(metering.Second)
	s.ask("PATCH", "/v1/keys/"+idOf(own), s.root, `{"rate_limit":5}`).want(200)
	s.ask("GET", "/v1/projects", own, "").want(200)
	s.clock.advance(metering.Second)
	for range 5 {
		s.ask("GET", "/v1/projects", own, "").want(200)
	}
	s.ask("GET", "/v1/projects", own, "").want(429)
}

func TestNoRateLimitUnlessOneIsSet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for range 1000 {
		s.ask("GET", "/v1/projects", s.root, "").want(200)
	}
}

func TestLimitersAreBounded(t *testing.T) {
	t.Parallel()
	l := newLimiters(1)
	for i := range maxLimiters + 1 {
		id := access.KeyID([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
		if err := l.admit(access.Key{ID: id}, start); err != nil {
			t.Fatal(err)
		}
		if i == maxLimiters-1 && len(l.mu.byKey) != maxLimiters {
			t.Errorf("%d limiters at the limit", len(l.mu.byKey))
		}
	}
	if len(l.mu.byKey) != maxLimiters {
		t.Errorf("%d limiters beyond the limit", len(l.mu.byKey))
	}
}

func TestHTTPServerHasLimits(t *testing.T) {
	t.Parallel()
	h := NewHTTPServer(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if h.ReadHeaderTimeout <= 0 || h.IdleTimeout <= 0 || h.MaxHeaderBytes <= 0 || h.ErrorLog == nil {
		t.Errorf("%+v", h)
	}
	if h.ReadTimeout != 0 || h.WriteTimeout != 0 {
		t.Error("a limit on the whole would cut long uploads and reports off")
	}
}

func TestDurationsAreThoseOfTheWall(t *testing.T) {
	t.Parallel()
	wall := newHandClock(start)
	s, store := newOddSite(t, func(o *Options) { o.Wall = func() time.Time { return wall.now().Time() } })
	store.report = func(ctx context.Context, q report.Query) (*report.Report, error) {
		wall.advance(3 * metering.Second)
		return store.Store.Report(ctx, q)
	}
	s.ask("POST", reportPath, s.root, july).want(200)
	if text := string(s.ask("GET", metricsPath, "", "").body); !strings.Contains(text, "meterbook_report_duration_seconds_sum 3\n") {
		t.Error(text)
	}
	if log := s.log.String(); !strings.Contains(log, `"duration_seconds":3,`) {
		t.Errorf("the log names no unit: %s", log)
	}
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := s.listen()
	for _, path := range []string{healthPath, "/v1/keys", "/cloud/v1/projects"} {
		r, err := http.NewRequestWithContext(t.Context(), "HEAD", server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "apikey "+s.root)
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := readAll(t, answer.Body); err != nil || answer.StatusCode != 200 || text != "" || answer.ContentLength <= 0 {
			t.Errorf("%s: status %d, body %q, length %d, %v", path, answer.StatusCode, text, answer.ContentLength, err)
		}
	}
}

func TestEverythingWorksOverHTTP2(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	h := httptest.NewUnstartedServer(nil)
	h.Config = NewHTTPServer(s.server.Handler(), slog.New(slog.NewTextHandler(s.log, nil)))
	h.EnableHTTP2 = true
	h.StartTLS()
	t.Cleanup(h.Close)
	for _, c := range [][3]string{{eventsPath, "application/x-ndjson", machine("1", "10")}, {reportPath, "application/json", july}} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+c[0], strings.NewReader(c[2]))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "apikey "+s.root)
		r.Header.Set("Content-Type", c[1])
		answer, err := h.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := readAll(t, answer.Body)
		if err != nil || answer.StatusCode != 200 || answer.ProtoMajor != 2 || !strings.Contains(text, `:1,`) {
			t.Errorf("%s: %s %s, %v", c[0], answer.Proto, text, err)
		}
	}
	if log := s.log.String(); strings.Contains(log, `"error"`) {
		t.Error(log)
	}
}
