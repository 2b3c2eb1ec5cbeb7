package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// defect is something wrong with a request, in the order in which the table of
// spec 1-usage-report has them.
type defect int

const (
	stopping defect = iota
	pathUnknown
	methodWrong
	headerMissing
	secretWrong
	rateExceeded
	roleMissing
	mediaWrong
	bodyLarge
	bodyInvalid
	storeBroken
	defects
)

type defectSet uint

func (s defectSet) has(d defect) bool { return s>>d&1 == 1 }

// first is the one that must win.
func (s defectSet) first() defect {
	d := stopping
	for !s.has(d) {
		d++
	}
	return d
}

var precedence = [defects]struct {
	status int
	class  string
}{
	stopping:      {503, "ServiceUnavailable"},
	pathUnknown:   {404, "NotFoundError"},
	methodWrong:   {405, "HTTPError"},
	headerMissing: {401, "not_authenticated"},
	secretWrong:   {401, "token_not_valid"},
	rateExceeded:  {429, "HTTPError"},
	roleMissing:   {403, "ForbiddenError"},
	mediaWrong:    {415, "HTTPError"},
	bodyLarge:     {413, "HTTPError"},
	bodyInvalid:   {400, "ValidationError"},
	storeBroken:   {500, "InternalError"},
}

// TestEveryCombinationOfErrorsIsAnsweredWithTheFirst sends all 2^11 - 1 of them.
func TestEveryCombinationOfErrorsIsAnsweredWithTheFirst(t *testing.T) {
	t.Parallel()
	s, store := newOddSite(t)
	tokens := map[bool]string{
		false: s.key(s.root, `{"roles":["reader"],"rate_limit":1}`),
		true:  s.key(s.root, `{"roles":["writer"],"rate_limit":1}`),
	}
	spent := map[bool]string{
		false: s.key(s.root, `{"roles":["reader"],"rate_limit":1}`),
		true:  s.key(s.root, `{"roles":["writer"],"rate_limit":1}`),
	}
	s.ask("POST", reportPath, spent[false], july).want(200)
	s.ask("POST", reportPath, spent[true], july).want(403)
	healthy := store.report
	large := july + strings.Repeat(" ", MaxRequestBytes)
	for set := defectSet(1); set < 1<<defects; set++ {
		token := tokens[set.has(roleMissing)]
		if set.has(rateExceeded) {
			token = spent[set.has(roleMissing)]
		} else {
			s.clock.advance(metering.Second) // so that the key has a request left
			s.respend(spent)
		}
		store.report = healthy
		if set.has(storeBroken) {
			store.report = func(context.Context, report.Query) (*report.Report, error) {
				return nil, errors.New("the moon is full")
			}
		}
		s.server.draining.Store(set.has(stopping))
		got := s.askWith(set, token, large)
		want := precedence[set.first()]
		got.wantError(want.status, want.class)
		if t.Failed() {
			t.Fatalf("defects %011b", set)
		}
		s.server.draining.Store(false)
	}
}

// respend uses up what the clock gave back.
func (s *site) respend(spent map[bool]string) {
	s.t.Helper()
	s.ask("POST", reportPath, spent[true], july).want(403)
	s.ask("GET", "/cloud/v1/projects", spent[false], "").want(200)
}

func (s *site) askWith(set defectSet, token, large string) reply {
	s.t.Helper()
	method, path, media, body := "POST", reportPath, "application/json", july
	if set.has(pathUnknown) {
		path += "/"
	}
	if set.has(methodWrong) {
		method = "PUT"
	}
	if set.has(mediaWrong) {
		media = "text/plain"
	}
	if set.has(bodyInvalid) {
		body = `{"limit":0}`
	}
	if set.has(bodyLarge) {
		body = large
	}
	if set.has(secretWrong) {
		token += "x"
	}
	if set.has(headerMissing) {
		token = ""
	}
	return s.ask(method, path, token, body, "Content-Type: "+media)
}

func TestFullDiskRefusesWritesBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	s, store := newOddSite(t)
	reader := s.key(s.root, `{"roles":["reader"]}`)
	full := metering.Errorf(metering.KindUnavailable, "The disk is full")
	store.writable = func() error { return full }
	for _, write := range [][2]string{
		{"POST", "/v1/events"}, {"POST", "/v1/keys"}, {"DELETE", "/v1/keys/x"}, {"PATCH", "/v1/projects/1"}, {"POST", "/v1/regions"}, {"DELETE", "/v1/clients/x"},
	} {
		r := s.ask(write[0], write[1], "", "{}")
		if m := r.wantError(503, "ServiceUnavailable"); m != full.Message || r.header.Get("Retry-After") == "" {
			t.Errorf("%v: %s, %v", write, m, r.header)
		}
	}
	s.ask("PUT", "/v1/events", "", "").wantError(405, "HTTPError")
	s.ask("POST", reportPath, reader, july).want(200)
	s.ask("GET", "/v1/keys", s.root, "").want(200)
	store.writable = func() error { return metering.Errorf(metering.KindRateLimited, "The queue is full") }
	s.send("", machine("1", "10")).wantError(401, "not_authenticated")
	if r := s.send(s.root, machine("1", "10")); r.wantError(429, "HTTPError") == "" || r.header.Get("Retry-After") != "1" {
		t.Errorf("header %v", r.header)
	}
	s.ask("POST", "/v1/clients", s.root, `{"id":"acme"}`).want(201)
}

func TestWrongMethodIsToldTheRightOnes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for path, e := range s.server.table() {
		path = strings.Replace(path, "{id}", "1", 1)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			_, has := e[method]
			_, hasGet := e["GET"]
			r := s.ask(method, path, "", "")
			if allowed := has || method == "HEAD" && hasGet; allowed == (r.status == 405) {
				t.Errorf("%s %s: status %d", method, path, r.status)
			}
			if r.status == 405 && (r.header.Get("Allow") == "" || strings.Contains(r.header.Get("Allow"), method)) {
				t.Errorf("%s %s: Allow %q", method, path, r.header.Get("Allow"))
			}
		}
	}
	if allow := s.ask("PUT", "/v1/keys/a", "", "").header.Get("Allow"); allow != "DELETE, GET, HEAD, PATCH" {
		t.Errorf("Allow %q", allow)
	}
}

func TestPathsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1/keys/", "//v1/keys", "/v1//keys", "/v1/./keys", "/v1/x/../keys", "/v1/keys/a/b", "/cloud/v1/usage_report/",
		"/V1/keys", "/cloud/v1/usage_reports", "/healthz/", "/v1/keys/%2e%2e/x/y",
	} {
		s.ask("GET", path, s.root, "").wantError(http.StatusNotFound, "NotFoundError")
	}
}

func TestEveryKindHasItsAnswer(t *testing.T) {
	t.Parallel()
	if len(failures) != int(metering.KindConflict)+1 {
		t.Errorf("%d answers for %d kinds", len(failures), metering.KindConflict+1)
	}
	for kind, f := range failures {
		if f.status < 400 || f.class == "" {
			t.Errorf("kind %d: %+v", kind, f)
		}
	}
}
