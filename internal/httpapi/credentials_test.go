package httpapi

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// door is one method of one path, with values for what the path leaves open.
type door struct{ method, path string }

// doors are all that ask for a key, from the table of routes, so that a new
// route is tried without being listed here.
func (s *site) doors() (all []door) {
	fill := strings.NewReplacer("{id}", "1", "{project}", "1", "{region}", "76", "{type}", "instance")
	table := s.server.table()
	for _, path := range slices.Sorted(maps.Keys(table)) {
		for _, method := range slices.Sorted(maps.Keys(table[path])) {
			if !operational(path) {
				all = append(all, door{method, fill.Replace(path)})
			}
		}
	}
	return all
}

func TestOnlyTheOperationalPathsArePublic(t *testing.T) {
	t.Parallel()
	var public []string
	for path, e := range newSite(t).server.table() {
		for method, op := range e {
			if op.role == 0 {
				public = append(public, method+" "+path)
			}
		}
	}
	slices.Sort(public)
	if want := []string{"GET /healthz", "GET /metrics", "GET /openapi.json", "GET /readyz"}; !slices.Equal(public, want) {
		t.Errorf("without a key are open %v, want %v", public, want)
	}
}

// requestID is the one part of an error that differs from request to request.
var requestID = regexp.MustCompile(`"request_id":"[0-9a-f]+"`)

func withoutRequestID(body []byte) string { return requestID.ReplaceAllString(string(body), "") }

// badCredentials are headers that must open no door, by what is wrong. Each is a
// list of values of Authorization. secret is part of each that has a secret.
func badCredentials(t *testing.T, s *site) (cases map[string][]string, secret string) {
	t.Helper()
	good := s.key(s.root, `{"roles":["admin"]}`)
	other := s.key(s.root, `{"roles":["admin"]}`)
	revoked := s.key(s.root, `{"roles":["admin"]}`)
	s.ask("DELETE", "/v1/keys/"+idOf(revoked), s.root, "").want(http.StatusNoContent)
	expired := s.key(s.root, `{"roles":["admin"],"expires_at":"2025-01-15T12:00:01Z"}`)
	s.clock.advance(metering.Second)
	elsewhere := newSite(t)
	foreign := elsewhere.key(elsewhere.root, `{"roles":["admin"]}`)

	id, secret, _ := strings.Cut(good, "$")
	_, secretOfOther, _ := strings.Cut(other, "$")
	last := map[bool]string{true: "b", false: "a"}[strings.HasSuffix(secret, "a")]
	return map[string][]string{
		"a wrong secret":             {"apikey " + id + "$" + secretOfOther},
		"its last character wrong":   {"apikey " + good[:len(good)-1] + last},
		"its last character missing": {"apikey " + good[:len(good)-1]},
		"half of it":                 {"apikey " + good[:len(good)/2]},
		"one character more":         {"apikey " + good + "a"},
		"megabytes more":             {"apikey " + good + strings.Repeat("a", 2<<20)},
		"an id without end":          {"apikey " + strings.Repeat("a", 2<<20) + "$" + secret},
		"another separator":          {"apikey " + id + "." + secret},
		"two separators":             {"apikey " + id + "$$" + secret},
		"no secret":                  {"apikey " + id + "$"},
		"no id":                      {"apikey $" + secret},
		"the secret alone":           {"apikey " + secret},
		"the id alone":               {"apikey " + id},
		"capitals":                   {"apikey " + id + "$" + strings.ToUpper(secret)},
		"an id in capitals":          {"apikey " + strings.ToUpper(id) + "$" + secret},
		"a NUL behind it":            {"apikey " + good + "\x00"},
		"a NUL within it":            {"apikey " + id + "$\x00" + secret},
		"quotes":                     {`apikey "` + good + `"`},
		"a list":                     {"apikey " + good + ", apikey " + good},
		"revoked":                    {"apikey " + revoked},
		"expired":                    {"apikey " + expired},
		"of another store":           {"apikey " + foreign},
		"of another store, Bearer":   {"Bearer " + foreign},
		"the scheme Basic":           {"Basic " + good},
		"the scheme Token":           {"Token " + good},
		"no scheme":                  {good},
		"no blank":                   {"apikey" + good},
		"no token":                   {"apikey"},
		"the header twice":           {"apikey " + good, "apikey " + good},
		"a good and a bad header":    {"apikey " + good, "apikey " + foreign},
		"a bad and a good header":    {"apikey " + foreign, "apikey " + good},
		"an empty and a good header": {"", "apikey " + good},
		"a good and an empty header": {"apikey " + good, ""},
	}, secret
}

// TestBadCredentialsOpenNoDoor tries them on every route. All routes answer the
// same, and nothing is different between a key that is revoked, expired or
// unknown and one whose secret is wrong but its id.
func TestBadCredentialsOpenNoDoor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(s.root, machine("1", "1")).want(http.StatusOK)
	cases, secret := badCredentials(t, s)
	doors := s.doors()
	if len(doors) < 30 {
		t.Fatalf("only %d doors", len(doors))
	}
	for name, values := range cases {
		first := ""
		for _, d := range doors {
			r := s.knock(d, values)
			r.wantError(http.StatusUnauthorized, "token_not_valid")
			if strings.Contains(string(r.body), secret) || len(r.body) > 500 || r.header.Get("WWW-Authenticate") != "apikey" {
				t.Errorf("%s, %v: %.600s", name, d, r.body)
			}
			if first == "" {
				first = withoutRequestID(r.body)
			}
			if got := withoutRequestID(r.body); got != first {
				t.Errorf("%s, %v: %s elsewhere %s", name, d, got, first)
			}
		}
	}
	for _, d := range doors {
		for _, none := range [][]string{nil, {""}, {" \t"}} {
			s.knock(d, none).wantError(http.StatusUnauthorized, "not_authenticated")
		}
	}
	if log := s.log.String(); strings.Contains(log, secret) {
		t.Error("the log has the secret")
	}
}

// knock asks with the given values of Authorization.
func (s *site) knock(d door, values []string) reply {
	s.t.Helper()
	return s.askAs(d.method, d.path, "{}", func(h http.Header) { h["Authorization"] = values })
}

func TestMessageOfABadTokenTellsOnlyTheIDThatWasSent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	cases, _ := badCredentials(t, s)
	messages := map[string]bool{}
	for _, name := range []string{"a wrong secret", "revoked", "expired", "of another store"} {
		id := idOf(strings.TrimPrefix(cases[name][0], "apikey "))
		text := withoutRequestID(s.knock(door{"GET", "/v1/keys"}, cases[name]).body)
		messages[strings.ReplaceAll(text, id, "<id>")] = true
	}
	if len(messages) != 1 {
		t.Errorf("the answers differ: %v", messages)
	}
}
