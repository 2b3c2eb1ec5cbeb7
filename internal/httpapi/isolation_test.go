package httpapi

import (
	"slices"
	"strings"
	"testing"
)

// tenants is a site with two clients that have a project each, project 1 of
// acme and project 2 of other, each with one machine.
func tenants(t *testing.T) (s *site, acme, other string) {
	t.Helper()
	s = newSite(t)
	s.client("acme")
	s.client("other")
	acme = s.key(s.root, `{"client":"acme","roles":["admin"]}`)
	other = s.key(s.root, `{"client":"other","roles":["admin"]}`)
	s.send(acme, machine("1", "1")).want(200)
	s.send(other, machine("2", "2")).want(200)
	return s, acme, other
}

// lines are the projects of a report's lines. Each line is a machine that was
// there all day, so count and totals follow.
func (s *site) lines(token, request string) (projects []int) {
	s.t.Helper()
	body := decode[struct {
		Count     int `json:"count"`
		Resources []struct {
			Project int `json:"project_id"`
		} `json:"resources"`
		Totals []struct {
			Value int `json:"billing_value"`
		} `json:"totals"`
	}](s.ask("POST", reportPath, token, request).want(200))
	for _, l := range body.Resources {
		projects = append(projects, l.Project)
	}
	sum := 0
	for _, total := range body.Totals {
		sum += total.Value
	}
	if body.Count != len(projects) || sum != 1440*body.Count {
		s.t.Errorf("count %d, total %d, lines %v", body.Count, sum, projects)
	}
	return projects
}

func TestReportShowsOnlyWhatExistsForTheKey(t *testing.T) {
	t.Parallel()
	s, acme, other := tenants(t)
	s.send(acme, machine("3", "3")).want(200)
	narrow := s.key(acme, `{"roles":["reader"],"projects":[3,2]}`)
	elsewhere := s.key(acme, `{"roles":["reader"],"regions":[77]}`)
	volumes := s.key(acme, `{"roles":["reader"],"types":["volume"]}`)
	mixed := s.key(s.root, `{"roles":["reader"],"projects":[1,2]}`)
	for token, want := range map[string][]int{s.root: {1, 2, 3}, acme: {1, 3}, other: {2}, narrow: {3}, elsewhere: nil, volumes: nil, mixed: {1, 2}} {
		if got := s.lines(token, july); !slices.Equal(got, want) {
			t.Errorf("key %s: projects %v, want %v", idOf(token), got, want)
		}
	}
	asked := strings.Replace(july, "{", `{"projects":[2,3],"regions":[76],"types":["instance"],`, 1)
	for token, want := range map[string][]int{s.root: {2, 3}, acme: {3}, other: {2}, narrow: {3}, volumes: nil} {
		if got := s.lines(token, asked); !slices.Equal(got, want) {
			t.Errorf("key %s asked for 2 and 3: %v, want %v", idOf(token), got, want)
		}
	}
}

func TestProjectIsFirstSeenForTheClientOfTheKey(t *testing.T) {
	t.Parallel()
	s, acme, _ := tenants(t)
	s.send(s.root, machine("5", "5")).want(200)
	for id, client := range map[string]string{"1": "acme", "2": "other", "5": "default"} {
		if got := decode[map[string]any](s.ask("GET", "/v1/projects/"+id, s.root, "").want(200))["client"]; got != client {
			t.Errorf("project %s belongs to %v, want %s", id, got, client)
		}
	}
	s.ask("GET", "/v1/projects/5", acme, "").wantError(404, "NotFoundError")
}

func TestWriterWritesOnlyWhatExistsForTheKey(t *testing.T) {
	t.Parallel()
	s, acme, _ := tenants(t)
	for name, c := range map[string]struct {
		key, event string
		status     int
	}{
		"foreign project":     {s.key(acme, `{"roles":["writer"]}`), machine("4", "2"), 422},
		"own project":         {s.key(acme, `{"roles":["writer"]}`), machine("5", "1"), 200},
		"other project":       {s.key(acme, `{"roles":["writer"],"projects":[3]}`), machine("6", "1"), 422},
		"other region":        {s.key(acme, `{"roles":["writer"],"regions":[77]}`), machine("7", "1"), 422},
		"other type":          {s.key(acme, `{"roles":["writer"],"types":["volume"]}`), machine("8", "1"), 422},
		"above all clients":   {s.key(s.root, `{"roles":["writer"]}`), machine("9", "1"), 200},
		"above, narrowed off": {s.key(s.root, `{"roles":["writer"],"projects":[2]}`), machine("0", "1"), 422},
	} {
		r := s.send(c.key, c.event).want(c.status)
		if c.status == 422 && !strings.Contains(string(r.body), `"code":"forbidden_project"`) {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	if got := s.lines(s.root, july); !slices.Equal(got, []int{1, 1, 1, 2}) {
		t.Errorf("lines of projects %v", got)
	}
}

func TestRolesOpenTheirOwnDoorsOnly(t *testing.T) {
	t.Parallel()
	s, acme, _ := tenants(t)
	reader, writer := s.key(acme, `{"roles":["reader"]}`), s.key(acme, `{"roles":["writer"]}`)
	for _, door := range []struct {
		method, path   string
		reader, writer bool
	}{
		{"POST", reportPath, true, false}, {"POST", eventsPath, false, true},
		{"GET", "/v1/projects", true, false}, {"GET", "/v1/regions", true, false}, {"GET", "/v1/projects/1", true, false}, {"GET", "/v1/regions/76", true, false},
		{"GET", "/cloud/v1/projects", true, false}, {"GET", "/cloud/v1/regions", true, false}, {"GET", "/cloud/v1/projects/1", true, false}, {"GET", "/cloud/v1/regions/76", true, false},
		{"POST", "/v1/projects", false, false}, {"PATCH", "/v1/projects/1", false, false}, {"DELETE", "/v1/projects/1", false, false},
		{"POST", "/v1/regions", false, false}, {"PATCH", "/v1/regions/76", false, false}, {"DELETE", "/v1/regions/76", false, false},
		{"GET", "/v1/keys", false, false}, {"POST", "/v1/keys", false, false}, {"GET", "/v1/keys/x", false, false}, {"PATCH", "/v1/keys/x", false, false}, {"DELETE", "/v1/keys/x", false, false},
		{"GET", "/v1/clients", false, false}, {"POST", "/v1/clients", false, false}, {"GET", "/v1/clients/acme", false, false}, {"PATCH", "/v1/clients/acme", false, false}, {"DELETE", "/v1/clients/acme", false, false},
	} {
		for token, open := range map[string]bool{reader: door.reader, writer: door.writer, acme: true} {
			r := s.ask(door.method, door.path, token, "")
			if closed := r.status == 403 && strings.Contains(string(r.body), "Role "); closed == open {
				t.Errorf("%s %s with key %s: status %d, %s", door.method, door.path, idOf(token), r.status, r.body)
			}
		}
	}
}

func TestListsShowOnlyWhatExistsForTheKey(t *testing.T) {
	t.Parallel()
	s, acme, other := tenants(t)
	s.ask("POST", "/v1/regions", s.root, `{"id":77}`).want(201)
	narrow := s.key(acme, `{"roles":["admin"],"projects":[1],"regions":[77]}`)
	low := s.key(s.root, `{"roles":["admin"],"projects":[2]}`)
	for _, c := range []struct {
		token, path, member string
		want                []string
	}{
		{s.root, "/v1/projects", "id", []string{"1", "2"}}, {acme, "/v1/projects", "id", []string{"1"}}, {other, "/cloud/v1/projects", "id", []string{"2"}},
		{acme, "/v1/regions", "id", []string{"76", "77"}}, {narrow, "/v1/regions", "id", []string{"77"}}, {narrow, "/cloud/v1/regions", "id", []string{"77"}},
		{s.root, "/v1/clients", "id", []string{"acme", "default", "other"}}, {acme, "/v1/clients", "id", []string{"acme"}}, {low, "/v1/clients", "id", []string{"other"}},
		{s.root, "/v1/keys", "id", sorted(idOf(s.root), idOf(acme), idOf(other), idOf(narrow), idOf(low))},
		{acme, "/v1/keys", "id", sorted(idOf(acme), idOf(narrow))}, {other, "/v1/keys", "id", []string{idOf(other)}}, {narrow, "/v1/keys", "id", []string{idOf(narrow)}},
	} {
		if got := s.ask("GET", c.path, c.token, "").results(c.member); !slices.Equal(got, c.want) {
			t.Errorf("GET %s with key %s: %v, want %v", c.path, idOf(c.token), got, c.want)
		}
	}
}

func TestWhatDoesNotExistForTheKeyIsNotFound(t *testing.T) {
	t.Parallel()
	s, acme, other := tenants(t)
	narrow := s.key(acme, `{"roles":["admin"],"projects":[3],"regions":[77]}`)
	for _, c := range [][2]string{
		{acme, "/v1/projects/2"}, {narrow, "/v1/projects/1"}, {narrow, "/v1/regions/76"}, {acme, "/v1/clients/other"}, {acme, "/v1/clients/default"},
		{acme, "/v1/keys/" + idOf(other)}, {acme, "/v1/keys/" + idOf(s.root)}, {narrow, "/v1/keys/" + idOf(acme)},
	} {
		for _, method := range []string{"GET", "PATCH", "DELETE"} {
			s.ask(method, c[1], c[0], "{}").wantError(404, "NotFoundError")
		}
	}
	for _, c := range [][2]string{{acme, "/cloud/v1/projects/2"}, {narrow, "/cloud/v1/projects/1"}, {narrow, "/cloud/v1/regions/76"}} {
		s.ask("GET", c[1], c[0], "").wantError(404, "NotFoundError")
	}
}

func TestAdminIsNeverWiderThanItsKey(t *testing.T) {
	t.Parallel()
	s, acme, _ := tenants(t)
	narrow := s.key(acme, `{"roles":["admin"],"projects":[1,3],"expires_at":"2026-01-01T00:00:00Z"}`)
	above := s.key(s.root, `{"roles":["admin"],"projects":[1,3],"regions":[76]}`)
	for _, c := range [][4]string{
		{acme, "POST", "/v1/keys", `{"roles":["reader"],"client":"other"}`}, {acme, "POST", "/v1/keys", `{"roles":["reader"],"client":null}`},
		{acme, "POST", "/v1/keys", `{"roles":["reader"],"rate_limit":5}`}, {narrow, "POST", "/v1/keys", `{"roles":["reader"],"projects":[1,2]}`},
		{narrow, "POST", "/v1/keys", `{"roles":["reader"],"expires_at":"2026-01-01T00:00:01Z"}`},
		{acme, "POST", "/v1/clients", `{"id":"new"}`}, {acme, "PATCH", "/v1/clients/acme", `{"name":"x"}`}, {acme, "DELETE", "/v1/clients/acme", ``}, {above, "POST", "/v1/clients", `{"id":"new"}`},
		{acme, "POST", "/v1/projects", `{"id":9,"client":"other"}`}, {acme, "PATCH", "/v1/projects/1", `{"client":"other"}`}, {narrow, "POST", "/v1/projects", `{"id":9}`},
		{acme, "POST", "/v1/regions", `{"id":9}`}, {acme, "PATCH", "/v1/regions/76", `{}`}, {acme, "DELETE", "/v1/regions/76", ``}, {above, "POST", "/v1/regions", `{"id":9}`},
	} {
		s.ask(c[1], c[2], c[0], c[3]).wantError(403, "ForbiddenError")
	}
	key := decode[map[string]any](s.ask("GET", "/v1/keys/"+idOf(s.key(narrow, `{"roles":["admin"],"projects":null}`)), s.root, ""))
	if key["client"] != "acme" || key["expires_at"] != "2026-01-01T00:00:00Z" || len(key["projects"].([]any)) != 2 {
		t.Errorf("a key left open is %v", key)
	}
	s.ask("POST", "/v1/projects", acme, `{"id":9}`).want(201)
	s.ask("PATCH", "/v1/projects/9", acme, `{"name":"mine"}`).want(200)
	s.ask("POST", "/v1/projects", narrow, `{"id":3}`).want(201)
	s.ask("POST", "/v1/projects", s.root, `{"id":10,"client":"other"}`).want(201)
	s.ask("POST", "/v1/projects", acme, `{"id":10}`).wantError(409, "ConflictError")
}
