package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/storetest"
)

// stranger is a thing of another tenant, and one of its kind that is not there;
// both fill the open part of a path.
type stranger struct{ theirs, nowhere string }

// strangers says for each path that names a thing what to ask for there. A new
// path fails the test until it is listed.
func strangers(s *site, other string) map[string]stranger {
	project, resource := stranger{"2", "999"}, "/76/instance/3c90c3cc-0d44-4b50-8888-000000000002?from=2024-07-01&to=2024-07-02"
	region := stranger{"77", "999"}
	return map[string]stranger{
		"/v1/keys/{id}":           {idOf(other), strings.Repeat("a", len(idOf(other)))},
		"/v1/clients/{id}":        {"other", "nobody"},
		"/v1/projects/{id}":       project,
		"/cloud/v1/projects/{id}": project,
		"/v1/regions/{id}":        region,
		"/cloud/v1/regions/{id}":  region,
		auditPath:                 {"2" + resource, "999" + resource},
	}
}

// TestThingsOfOthersAnswerAsThoseThatDoNotExist asks on every path that names a
// thing, by every method, for one of another tenant and for one that is not
// there: nothing in the answers may differ.
func TestThingsOfOthersAnswerAsThoseThatDoNotExist(t *testing.T) {
	t.Parallel()
	s, acme, other := tenants(t)
	s.ask("POST", "/v1/regions", s.root, `{"id":77,"name":"theirs"}`).want(http.StatusCreated)
	narrow := s.key(acme, `{"roles":["admin"],"regions":[76]}`)
	asked := 0
	all := strangers(s, other)
	for path, e := range s.server.table() {
		if !strings.Contains(path, "{") {
			continue
		}
		thing, listed := all[path]
		if !listed {
			t.Errorf("%s names a thing; say in strangers what others have there", path)
			continue
		}
		prefix := path[:strings.Index(path, "{")]
		for method := range e {
			for _, body := range []string{"{}", `{"name":"mine"}`, `{"name":5}`, `{`, ""} {
				theirs, nowhere := s.ask(method, prefix+thing.theirs, narrow, body), s.ask(method, prefix+thing.nowhere, narrow, body)
				if theirs.status != http.StatusNotFound {
					t.Errorf("%s %s%s: %d %s", method, prefix, thing.theirs, theirs.status, theirs.body)
				}
				compareStrangers(t, method+" "+path, thing, theirs, nowhere)
				asked++
			}
		}
	}
	if asked < 70 {
		t.Errorf("only %d questions", asked)
	}
}

// compareStrangers demands equal answers but for the name that was asked for.
func compareStrangers(t *testing.T, what string, thing stranger, theirs, nowhere reply) {
	t.Helper()
	a := strings.ReplaceAll(withoutRequestID(theirs.body), thing.theirs, "<id>")
	b := strings.ReplaceAll(withoutRequestID(nowhere.body), thing.nowhere, "<id>")
	headers := func(r reply) string {
		h := r.header.Clone()
		h.Del("X-Request-Id")
		return fmt.Sprint(h)
	}
	if a != b || theirs.status != nowhere.status || headers(theirs) != headers(nowhere) {
		t.Errorf("%s:\ntheirs  %d %s %v\nnowhere %d %s %v", what, theirs.status, a, theirs.header, nowhere.status, b, nowhere.header)
	}
}

func TestReportsOfOthersProjectsAreThoseOfNone(t *testing.T) {
	t.Parallel()
	s, acme, _ := tenants(t)
	ask := func(project string) string {
		return string(s.ask("POST", reportPath, acme, `{"projects":[`+project+`],`+july[1:]).want(http.StatusOK).body)
	}
	if theirs, nowhere := ask("2"), ask("999"); theirs != nowhere {
		t.Errorf("theirs  %s\nnowhere %s", theirs, nowhere)
	}
}

// TestStrictRegistrationHidesWhatOthersRegistered sends events and retractions
// for a project of another tenant and for one that nobody registered. Where
// projects come by being named this cannot be hidden: the event for the project
// that is nobody's is stored.
func TestStrictRegistrationHidesWhatOthersRegistered(t *testing.T) {
	t.Parallel()
	clock := newHandClock(start)
	store := storetest.NewModel(clock.now, storetest.StrictProjects())
	s := newSiteOn(t, store, &access.MemoryRecords{}, clock)
	s.backend.Ingest = ingest.New(store, ingest.Options{Clock: clock.now, Directory: store, StrictProjects: true})
	s.server.Serve(s.backend)
	s.client("acme")
	s.client("other")
	acme, other := s.key(s.root, `{"client":"acme","roles":["admin"]}`), s.key(s.root, `{"client":"other","roles":["admin"]}`)
	s.ask("POST", "/v1/regions", s.root, `{"id":76}`).want(http.StatusCreated)
	s.ask("POST", "/v1/projects", acme, `{"id":1}`).want(http.StatusCreated)
	s.ask("POST", "/v1/projects", other, `{"id":2}`).want(http.StatusCreated)
	s.send(acme, machine("1", "1")).want(http.StatusOK)
	s.send(other, machine("2", "2")).want(http.StatusOK)

	narrow := s.key(acme, `{"roles":["writer"],"projects":[1]}`)
	for name, event := range map[string]func(project string) string{
		"a new event":  func(project string) string { return machine("3", project) },
		"their event":  func(project string) string { return machine("2", project) },
		"a retraction": retractionOf,
	} {
		for _, token := range []string{acme, narrow} {
			theirs, nowhere := s.send(token, event("2")).want(422), s.send(token, event("9")).want(422)
			compareStrangers(t, name, stranger{" 2", " 9"}, theirs, nowhere)
		}
	}
	if got := s.lines(other, july); len(got) != 1 {
		t.Errorf("their report has lines of %v", got)
	}
}

// retractionOf takes back the event of machine 2 in a project.
func retractionOf(project string) string {
	return `{"specversion":"1.0","id":"r","source":"/s","type":"meterbook.retraction.v1","time":"2024-07-02T00:00:00Z",` +
		`"data":{"project_id":` + project + `,"source":"/s","id":"2"}}` + "\n"
}

func TestNobodyRetractsForOthers(t *testing.T) {
	t.Parallel()
	s, acme, other := tenants(t)
	r := s.send(acme, retractionOf("2")).want(422)
	if !strings.Contains(string(r.body), `"code":"forbidden_project","field":"data.project_id"`) {
		t.Errorf("%s", r.body)
	}
	// In its own project the same name is another event.
	s.send(acme, retractionOf("1")).want(http.StatusOK)
	if got := s.lines(other, july); len(got) != 1 {
		t.Errorf("their report has lines of %v", got)
	}
	s.send(other, retractionOf("2")).want(http.StatusOK)
	if got := s.lines(other, july); len(got) != 0 {
		t.Errorf("after their own retraction lines of %v", got)
	}
}
