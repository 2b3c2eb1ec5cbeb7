package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// defect is something wrong with a request, in the order in which the table of
// spec 1-usage-report has them. A full disk stands behind the unknown path: only
// what a known path takes can be a write.
type defect int

const (
	stopping defect = iota
	pathUnknown
	diskFull
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
	diskFull:      {503, "ServiceUnavailable"},
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

// target is what the requests with defects ask for.
type target struct {
	path, body     string
	allowed, other string // roles: one that may, and one that may not
	writes         bool
	large          string // body, beyond the limit
}

// TestEveryCombinationOfErrorsIsAnsweredWithTheFirst sends all 2^12 - 1 of them,
// of a read and of a write.
func TestEveryCombinationOfErrorsIsAnsweredWithTheFirst(t *testing.T) {
	t.Parallel()
	for name, to := range map[string]target{
		"read":  {path: reportPath, body: july, allowed: "reader", other: "writer"},
		"write": {path: "/v1/projects", body: `{"id":1}`, allowed: "admin", other: "reader", writes: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tryAllCombinations(t, to)
		})
	}
}

func tryAllCombinations(t *testing.T, to target) {
	s, store := newOddSite(t)
	to.large = to.body + strings.Repeat(" ", MaxRequestBytes)
	key := func(role string) string { return s.key(s.root, `{"roles":["`+role+`"],"rate_limit":1}`) }
	tokens := map[bool]string{false: key(to.allowed), true: key(to.other)}
	spent := map[bool]string{false: key(to.allowed), true: key(to.other)}
	for set := defectSet(1); set < 1<<defects; set++ {
		if set == 1<<diskFull && !to.writes {
			continue // nothing is wrong with it
		}
		token := tokens[set.has(roleMissing)]
		if set.has(rateExceeded) {
			token = spent[set.has(roleMissing)]
		}
		s.clock.advance(metering.Second) // so that each key has a request left
		for _, token := range spent {
			s.ask("GET", "/cloud/v1/projects", token, "")
		}
		store.breakAs(set)
		s.server.draining.Store(set.has(stopping))
		got := s.askWith(to, set, token)
		felt := set
		if !to.writes {
			felt &^= 1 << diskFull
		}
		want := precedence[felt.first()]
		got.wantError(want.status, want.class)
		if t.Failed() {
			t.Fatalf("defects %012b", set)
		}
		s.server.draining.Store(false)
	}
}

// breakAs makes the store as a set of defects wants it.
func (o *oddStore) breakAs(set defectSet) {
	o.writable, o.report, o.addProject = nil, nil, nil
	if set.has(diskFull) {
		o.writable = func() error { return metering.Errorf(metering.KindUnavailable, "The disk is full") }
	}
	if set.has(storeBroken) {
		moon := errors.New("the moon is full")
		o.report = func(context.Context, report.Query) (*report.Report, error) { return nil, moon }
		o.addProject = func() error { return moon }
	}
}

func (s *site) askWith(to target, set defectSet, token string) reply {
	s.t.Helper()
	method, path, media, body := "POST", to.path, "application/json", to.body
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
		body = to.large
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
		{"POST", "/v1/events"}, {"POST", "/v1/keys"}, {"PATCH", "/v1/keys/x"}, {"PATCH", "/v1/projects/1"}, {"POST", "/v1/regions"}, {"DELETE", "/v1/clients/x"},
		{"PUT", "/v1/events"}, {"DELETE", "/v1/keys"}, {"BREW", "/v1/keys/x"}, // would be 405
	} {
		r := s.ask(write[0], write[1], "", "{}")
		if m := r.wantError(503, "ServiceUnavailable"); m != full.Message || r.header.Get("Retry-After") == "" || r.header.Get("Allow") != "" {
			t.Errorf("%v: %s, %v", write, m, r.header)
		}
	}
	for _, other := range [][2]string{{"GET", "/v1/events"}, {"OPTIONS", "/v1/keys"}, {"POST", "/cloud/v1/projects"}, {"PUT", reportPath}} {
		s.ask(other[0], other[1], "", "").wantError(405, "HTTPError")
	}
	s.ask("POST", "/v1/nowhere", "", "").wantError(404, "NotFoundError")
	s.ask("POST", reportPath, reader, july).want(200)
	s.ask("GET", "/v1/keys", s.root, "").want(200)
	store.writable = func() error { return metering.Errorf(metering.KindRateLimited, "The queue is full") }
	s.send("", machine("1", "10")).wantError(401, "not_authenticated")
	if r := s.send(s.root, machine("1", "10")); r.wantError(429, "HTTPError") == "" || r.header.Get("Retry-After") != "1" {
		t.Errorf("header %v", r.header)
	}
	s.ask("POST", "/v1/clients", s.root, `{"id":"acme"}`).want(201)
}

func TestAKeyIsRevokedWhileTheDiskIsFull(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	clock := newHandClock(start)
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: "store", FS: disk, Clock: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	s := newSiteOn(t, l, l.Records(), clock)
	s.server.Serve(s.backend)
	leaked := s.key(s.root, `{"roles":["writer"]}`)
	const freeMiB = 123
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: freeMiB << 20, TotalBytes: 1 << 40})
	s.ask("DELETE", "/v1/keys/"+idOf(leaked), "", "").wantError(401, "not_authenticated")
	s.ask("DELETE", "/v1/keys/"+idOf(leaked), s.root, "").want(204)
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 40, TotalBytes: 1 << 40})
	s.send(leaked, machine("1", "10")).wantError(401, "token_not_valid")

	// How much is free is in the log only: who has no key learns nothing.
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: freeMiB << 20, TotalBytes: 1 << 40})
	r := s.send("", machine("1", "10"))
	if m := r.wantError(503, "ServiceUnavailable"); strings.ContainsAny(m, "0123456789") || !strings.Contains(m, "disk is full") {
		t.Errorf("message %q", m)
	}
	if !strings.Contains(s.log.String(), "123 MiB are free") {
		t.Errorf("the log does not say how much is free: %s", s.log)
	}
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
