package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestRequestIDIsInHeaderBodyAndLog(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	seen := map[string]bool{}
	for range 3 {
		r := s.ask("GET", "/nowhere", "", "", "X-Request-Id: mine")
		r.wantError(404, "NotFoundError") // compares header and body
		id := r.header.Get("X-Request-Id")
		if seen[id] || id == "mine" || !strings.Contains(s.log.String(), id) {
			t.Errorf("id %q, log %s", id, s.log)
		}
		seen[id] = true
	}
	if id := s.ask("GET", "/healthz", "", "").header.Get("X-Request-Id"); id == "" {
		t.Error("an answer without error has no id")
	}
}

func TestLogLineSaysWhoAskedWhat(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.ask("POST", reportPath, s.root, july).want(200)
	lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
	var line map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &line); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"request_id": r.header.Get("X-Request-Id"), "method": "POST", "route": reportPath, "status": 200.0,
		"bytes": float64(len(r.body)), "key": idOf(s.root), "level": "INFO", "msg": "request",
	} {
		if line[name] != want {
			t.Errorf("%s is %v, want %v", name, line[name], want)
		}
	}
}

func TestDetailsOfABugAreInTheLogOnly(t *testing.T) {
	t.Parallel()
	s, store := newOddSite(t)
	for name, broken := range map[string]func(context.Context, report.Query) (*report.Report, error){
		"panic": func(context.Context, report.Query) (*report.Report, error) { panic("kaboom at 0xdead") },
		"error": func(context.Context, report.Query) (*report.Report, error) {
			return nil, errors.New("kaboom at 0xdead")
		},
		"internal kind": func(context.Context, report.Query) (*report.Report, error) {
			return nil, metering.Errorf(metering.KindInternal, "kaboom at 0xdead")
		},
	} {
		store.report = broken
		before := len(s.log.String())
		r := s.ask("POST", reportPath, s.root, july)
		if message := r.wantError(500, "InternalError"); strings.Contains(string(r.body), "kaboom") {
			t.Errorf("%s: the message is %q", name, message)
		}
		if log := s.log.String()[before:]; !strings.Contains(log, "kaboom at 0xdead") || !strings.Contains(log, r.header.Get("X-Request-Id")) || !strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("%s: the log is %s", name, log)
		}
	}
}

// brokenReport gives a report that panics after the given number of lines.
func brokenReport(lines int) *report.Report {
	l := report.Line{Attributes: &metering.Attributes{}}
	l.Resource.Type, l.Meter.Type = 21, 21
	return &report.Report{
		Count: 1 << 30, Close: func() {},
		Lines: func(yield func(*report.Line) bool) {
			for range lines {
				if !yield(&l) {
					return
				}
			}
			panic("the lines are gone")
		},
	}
}

func TestAnswerThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	t.Parallel()
	s, store := newOddSite(t)
	store.report = func(context.Context, report.Query) (*report.Report, error) { return brokenReport(100_000), nil }
	server := s.listen()
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+reportPath, strings.NewReader(july))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "apikey "+s.root)
	r.Header.Set("Content-Type", "application/json")
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := readAll(t, answer.Body)
	if err == nil {
		t.Errorf("%d bytes were read without an error", len(text))
	}
	if answer.StatusCode != 200 || text == "" {
		t.Errorf("status %d, %d bytes", answer.StatusCode, len(text))
	}
	server.Close() // waits for the log line
	if log := s.log.String(); !strings.Contains(log, "the lines are gone") || !strings.Contains(log, `"aborted":true`) {
		t.Errorf("the log is %s", log)
	}
}

func TestClientThatWentAwayIsNoBug(t *testing.T) {
	t.Parallel()
	s, store := newOddSite(t)
	begun := make(chan struct{})
	store.report = func(ctx context.Context, _ report.Query) (*report.Report, error) {
		close(begun)
		<-ctx.Done()
		return nil, fmt.Errorf("wait for a snapshot: %w", ctx.Err())
	}
	server := s.listen()
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", server.URL+reportPath, strings.NewReader(july))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "apikey "+s.root)
	r.Header.Set("Content-Type", "application/json")
	go func() {
		<-begun
		leave()
	}()
	if answer, err := server.Client().Do(r); err == nil {
		t.Errorf("status %d", answer.StatusCode)
		if _, err := readAll(t, answer.Body); err != nil {
			t.Error(err)
		}
	}
	server.Close()
	if log := s.log.String(); !strings.Contains(log, `"status":499`) || strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("the log is %s", log)
	}
}

func TestSecretsAreNeverEchoedOrLogged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.key(s.root, `{"roles":["reader"]}`)
	_, secret, _ := strings.Cut(token, "$")
	_, rootSecret, _ := strings.Cut(s.root, "$")
	var bodies strings.Builder
	note := func(r reply) {
		bodies.Write(r.body)
		fmt.Fprintln(&bodies, r.header)
	}
	for _, header := range []string{
		"apikey " + token, "apikey " + token + "x", "Bearer " + token, "Basic " + token, token, "apikey " + secret, "apikey x$" + secret,
		"apikey " + strings.Replace(token, "$", "_", 1), "apikey  " + token + " " + token,
	} {
		for _, path := range []string{reportPath, "/v1/keys", "/nowhere"} {
			note(s.ask("POST", path, "", `{}`, "Authorization: "+header))
		}
	}
	for _, path := range []string{"/v1/keys/" + token, "/v1/keys/" + strings.Replace(token, "$", "_", 1), "/" + token, "/v1/keys?token=" + token, "/v1/projects/" + token, "/v1/clients/" + token, "/v1/keys", "/v1/keys/" + idOf(token)} {
		note(s.ask("GET", path, s.root, ""))
		note(s.ask("DELETE", path+"?"+token, s.root, ""))
	}
	text := bodies.String() + s.log.String()
	if strings.Contains(text, secret) || strings.Contains(text, rootSecret) {
		t.Errorf("a secret is in:\n%s", text)
	}
	if !strings.Contains(text, idOf(token)) {
		t.Error("not even ids are there: nothing was tested")
	}
}

func TestInvalidFieldsAreReportedAllAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	got := s.ask("POST", reportPath, s.root, `{"limit":0,"offset":-1,"colour":1,"time_from":"x"}`).invalid()
	for _, field := range []string{"limit", "offset", "colour", "time_from", "time_to"} {
		if got[field] == nil {
			t.Errorf("nothing is said about %s: %v", field, got)
		}
	}
}

func TestMediaTypeAndSizeOfAReportsRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for media, status := range map[string]int{
		"application/json": 200, "Application/JSON; charset=utf-8": 200, "application/json;": 200, "application/json; charset": 200,
		"": 415, "text/json": 415, "application/jsonx": 415, "application/cloudevents+json": 415, "application/json, text/plain": 415,
	} {
		s.ask("POST", reportPath, s.root, july, "Content-Type: "+media).want(status)
	}
	s.ask("POST", reportPath, s.root, july, "Content-Encoding: gzip").wantError(415, "HTTPError")
	full := july + strings.Repeat(" ", MaxRequestBytes-len(july))
	s.ask("POST", reportPath, s.root, full).want(200)
	s.ask("POST", reportPath, s.root, full+" ").wantError(413, "HTTPError")
	s.ask("POST", "/v1/keys", s.root, full+" ").wantError(413, "HTTPError")
	s.ask("POST", reportPath, s.root, "").wantError(400, "ValidationError")
}

func TestLargeBodyOfUnknownLengthIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := s.listen()
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+reportPath, bufio.NewReader(strings.NewReader(strings.Repeat(" ", MaxRequestBytes+1))))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "apikey "+s.root)
	r.Header.Set("Content-Type", "application/json")
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := readAll(t, answer.Body); err != nil || answer.StatusCode != 413 {
		t.Errorf("status %d, %s, %v", answer.StatusCode, text, err)
	}
}

// TestAnErrorThatCannotBeToldIsNoSuccess has fields that are one when they are told.
func TestAnErrorThatCannotBeToldIsNoSuccess(t *testing.T) {
	t.Parallel()
	s, store := newOddSite(t)
	s.client("acme")
	store.addProject = func() error {
		return &metering.Error{Kind: metering.KindInvalid, Message: "m", Fields: metering.FieldErrors{"\xff": {"a"}, "\xfe": {"b"}}}
	}
	s.ask("POST", "/v1/projects", s.root, `{"id":10,"client":"acme"}`).wantError(500, "InternalError")
	if log := s.log.String(); !strings.Contains(log, "duplicate") {
		t.Errorf("the log does not say why: %s", log)
	}
}
