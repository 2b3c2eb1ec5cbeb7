package httpapi

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// results lists the given member of a list's results, as text.
func (r reply) results(member string) []string {
	r.t.Helper()
	body := decode[struct {
		Count   int              `json:"count"`
		Results []map[string]any `json:"results"`
	}](r.want(200))
	list := []string{}
	for _, result := range body.Results {
		list = append(list, fmt.Sprint(result[member]))
	}
	if body.Count != len(list) {
		r.t.Errorf("count %d of %d results", body.Count, len(list))
	}
	slices.Sort(list)
	return list
}

func sorted(list ...string) []string { slices.Sort(list); return list }

func TestKeyIsMadeChangedAndRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.client("acme")
	made := decode[map[string]any](s.ask("POST", "/v1/keys", s.root,
		`{"name":"nightly","client":"acme","roles":["reader","writer"],"projects":[3,1],"regions":[76],"types":["volume","instance"],"rate_limit":9,"expires_at":"2025-01-16T01:00:00+01:00"}`).want(http.StatusCreated))
	token, _ := made["token"].(string)
	delete(made, "token")
	want := map[string]any{
		"id": idOf(token), "name": "nightly", "client": "acme", "roles": []any{"reader", "writer"}, "projects": []any{1.0, 3.0}, "regions": []any{76.0},
		"types": []any{"instance", "volume"}, "rate_limit": 9.0, "expires_at": "2025-01-16T00:00:00Z", "created_at": "2025-01-15T12:00:00Z",
		"created_by": idOf(s.root), "revoked_at": nil,
	}
	check := func(got map[string]any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
	check(made)
	path := "/v1/keys/" + idOf(token)
	check(decode[map[string]any](s.ask("GET", path, s.root, "").want(200)))
	want["name"], want["roles"], want["projects"], want["types"], want["rate_limit"], want["expires_at"] = "weekly", []any{"reader"}, nil, nil, nil, nil
	check(decode[map[string]any](s.ask("PATCH", path, s.root,
		`{"name":"weekly","roles":["reader"],"projects":null,"types":null,"rate_limit":null,"expires_at":null}`).want(200)))
	check(decode[map[string]any](s.ask("PATCH", path, s.root, `{}`).want(200)))
	s.ask("GET", "/v1/projects", token, "").want(200)
	for range 2 {
		if r := s.ask("DELETE", path, s.root, "").want(http.StatusNoContent); len(r.body) != 0 {
			t.Errorf("body %q", r.body)
		}
		if m := s.ask("GET", "/v1/projects", token, "").wantError(401, "token_not_valid"); m != "Bad permanent token: "+idOf(token) {
			t.Errorf("message %q", m)
		}
	}
	want["revoked_at"] = "2025-01-15T12:00:00Z"
	check(decode[map[string]any](s.ask("GET", path, s.root, "").want(200)))
	s.ask("PATCH", path, s.root, `{}`).wantError(409, "ConflictError")
	s.ask("DELETE", "/v1/keys/"+idOf(s.root), s.root, "").wantError(409, "ConflictError")
}

func TestMistakesInAdministrationAreReportedAllAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	project := `{"id":1}`
	s.ask("POST", "/v1/projects", s.root, project).want(201)
	s.ask("POST", "/v1/regions", s.root, project).want(201)
	for _, c := range []struct{ method, path, body, fields string }{
		{"POST", "/v1/keys", `{}`, "roles"},
		{"POST", "/v1/keys", `{"roles":[],"projects":[],"regions":[0],"types":[],"rate_limit":0,"expires_at":"2020-01-01T00:00:00Z","name":1,"client":"no good","colour":1}`,
			"client colour expires_at name projects rate_limit regions roles types"},
		{"POST", "/v1/keys", `{"roles":["reader","owner"],"projects":[1,"2",3.0],"types":["Instance"],"regions":{},"rate_limit":"1","expires_at":"tomorrow","name":null}`,
			"expires_at name projects.1 projects.2 rate_limit regions roles.1 types.0"},
		{"POST", "/v1/keys", `{"roles":["reader"],"roles":["admin"],"expires_at":"2030-01-01T00:00:00"}`, "expires_at roles"},
		{"POST", "/v1/keys", `{"roles":["reader"],"client":"nobody"}`, "client"},
		{"POST", "/v1/keys", `{"roles":null}`, "roles"},
		{"PATCH", "/v1/keys/" + idOf(s.root), `{"client":"acme","id":"x","token":"y","roles":[]}`, "client id roles token"},
		{"POST", "/v1/clients", `{}`, "id"},
		{"POST", "/v1/clients", `{"id":"a_b","name":"\u0007","number":3}`, "id name number"},
		{"PATCH", "/v1/clients/default", `{"id":"x","name":null}`, "id name"},
		{"POST", "/v1/projects", `{}`, "id"},
		{"POST", "/v1/projects", `{"id":0,"name":"` + strings.Repeat("n", 256) + `","description":7,"client":"nobody"}`, "description id name"},
		{"POST", "/v1/projects", `{"id":9007199254740992}`, "id"},
		{"POST", "/v1/projects", `{"id":1e3}`, "id"},
		{"POST", "/v1/projects", `{"id":7,"client":"nobody"}`, "client"},
		{"PATCH", "/v1/projects/1", `{"id":2,"client":"nobody"}`, "id"},
		{"PATCH", "/v1/projects/1", `{"client":"nobody"}`, "client"},
		{"POST", "/v1/regions", `{"id":-1,"country":"lu","name":null}`, "country id name"},
		{"PATCH", "/v1/regions/1", `{"country":"LUX","id":3}`, "country id"},
	} {
		got := s.ask(c.method, c.path, s.root, c.body).invalid()
		var fields []string
		for field, messages := range got {
			fields = append(fields, field)
			if len(messages) == 0 || messages[0] == "" {
				t.Errorf("nothing is said about %s", field)
			}
		}
		if slices.Sort(fields); strings.Join(fields, " ") != c.fields {
			t.Errorf("%s %s %s: fields %v, want %s", c.method, c.path, c.body, fields, c.fields)
		}
	}
	for _, bad := range []string{"", "[]", "null", "{", `{"id":1}{}`, `{"id":1}x`, `{"id":}`, "{\"id\":1,\"name\":\"\xff\"}"} {
		s.ask("POST", "/v1/projects", s.root, bad).wantError(400, "ValidationError")
	}
}

func TestEveryKeyMayLearnWhatItIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.client("acme")
	for _, body := range []string{
		`{"name":"r","client":"acme","roles":["reader"],"projects":[3,1],"types":["volume"]}`,
		`{"name":"w","client":"acme","roles":["writer"],"regions":[76]}`,
		`{"name":"a","roles":["admin"],"rate_limit":9}`,
	} {
		made := decode[map[string]any](s.ask("POST", "/v1/keys", s.root, body).want(http.StatusCreated))
		token, _ := made["token"].(string)
		delete(made, "token")
		if got := decode[map[string]any](s.ask("GET", "/v1/key", token, "").want(200)); !reflect.DeepEqual(got, made) {
			t.Errorf("it is told %v, and is %v", got, made)
		}
		s.ask("DELETE", "/v1/keys/"+idOf(token), s.root, "").want(http.StatusNoContent)
		s.ask("GET", "/v1/key", token, "").wantError(401, "token_not_valid")
	}
	s.ask("POST", "/v1/key", s.root, "{}").wantError(405, "HTTPError")
}

func TestClientIsMadeRenamedAndDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	want := map[string]any{"id": "acme", "name": "Acme", "number": 2.0, "created_at": "2025-01-15T12:00:00Z"}
	check := func(r reply) {
		t.Helper()
		if got := decode[map[string]any](r); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	check(s.ask("POST", "/v1/clients", s.root, `{"id":"acme","name":"Acme"}`).want(201))
	s.ask("POST", "/v1/clients", s.root, `{"id":"acme"}`).wantError(409, "ConflictError")
	check(s.ask("GET", "/v1/clients/acme", s.root, "").want(200))
	check(s.ask("PATCH", "/v1/clients/acme", s.root, `{}`).want(200))
	want["name"] = "Acme Ltd"
	check(s.ask("PATCH", "/v1/clients/acme", s.root, `{"name":"Acme Ltd"}`).want(200))
	s.ask("POST", "/v1/projects", s.root, `{"id":5,"client":"acme"}`).want(201)
	s.ask("DELETE", "/v1/clients/acme", s.root, "").wantError(409, "ConflictError")
	s.ask("PATCH", "/v1/projects/5", s.root, `{"client":"default"}`).want(200)
	s.ask("DELETE", "/v1/clients/acme", s.root, "").want(204)
	s.ask("DELETE", "/v1/clients/acme", s.root, "").wantError(404, "NotFoundError")
	s.ask("DELETE", "/v1/clients/default", s.root, "").wantError(409, "ConflictError")
	if got := s.ask("GET", "/v1/clients", s.root, "").results("id"); !slices.Equal(got, []string{"default"}) {
		t.Errorf("clients %v", got)
	}
}

func TestProjectIsMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.client("acme")
	want := map[string]any{"id": 7.0, "client": "acme", "name": "Shop", "description": "all of it", "created_at": "2025-01-15T12:00:00Z"}
	check := func(r reply) {
		t.Helper()
		if got := decode[map[string]any](r); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	check(s.ask("POST", "/v1/projects", s.root, `{"id":7,"client":"acme","name":"Shop","description":"all of it"}`).want(201))
	s.ask("POST", "/v1/projects", s.root, `{"id":7}`).wantError(409, "ConflictError")
	want["name"], want["description"] = "Store", ""
	check(s.ask("PATCH", "/v1/projects/7", s.root, `{"name":"Store","description":""}`).want(200))
	check(s.ask("GET", "/v1/projects/7", s.root, "").want(200))
	s.send(s.root, machine("1", "7")).want(200)
	s.ask("DELETE", "/v1/projects/7", s.root, "").wantError(409, "ConflictError")
	s.ask("POST", "/v1/projects", s.root, `{"id":8}`).want(201)
	s.ask("DELETE", "/v1/projects/8", s.root, "").want(204)
	for _, id := range []string{"8", "07", "+7", "7.0", "x", "99999999999999999999", "-7"} {
		s.ask("GET", "/v1/projects/"+id, s.root, "").wantError(404, "NotFoundError")
	}
}

func TestRegionIsMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	want := map[string]any{"id": 4.0, "name": "Luxembourg", "country": "LU", "created_at": "2025-01-15T12:00:00Z"}
	check := func(r reply) {
		t.Helper()
		if got := decode[map[string]any](r); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	check(s.ask("POST", "/v1/regions", s.root, `{"id":4,"name":"Luxembourg","country":"LU"}`).want(201))
	s.ask("POST", "/v1/regions", s.root, `{"id":4}`).wantError(409, "ConflictError")
	want["name"] = "Luxembourg 2"
	check(s.ask("PATCH", "/v1/regions/4", s.root, `{"name":"Luxembourg 2"}`).want(200))
	check(s.ask("GET", "/v1/regions/4", s.root, "").want(200))
	s.ask("DELETE", "/v1/regions/4", s.root, "").want(204)
	s.ask("GET", "/v1/regions/4", s.root, "").wantError(404, "NotFoundError")
	s.send(s.root, machine("1", "7")).want(200)
	s.ask("DELETE", "/v1/regions/76", s.root, "").wantError(409, "ConflictError")
}

func TestListsComeInPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for id := 1; id <= MaxPageSize+1; id++ {
		s.ask("POST", "/v1/projects", s.root, fmt.Sprintf(`{"id":%d}`, id)).want(201)
	}
	type page struct {
		Count   int `json:"count"`
		Results []struct {
			ID int `json:"id"`
		} `json:"results"`
	}
	for query, want := range map[string][2]int{ // first id and number of results
		"": {1, DefaultPageSize}, "?limit=2&offset=3": {4, 2}, "?limit=1000": {1, 1000}, "?offset=1000": {1001, 1}, "?limit=1": {1, 1},
		"?offset=1001": {0, 0}, "?offset=2147483647&limit=1000": {0, 0},
	} {
		for _, path := range []string{"/v1/projects", "/cloud/v1/projects"} {
			got := decode[page](s.ask("GET", path+query, s.root, "").want(200))
			if got.Count != MaxPageSize+1 || len(got.Results) != want[1] || want[1] > 0 && got.Results[0].ID != want[0] {
				t.Errorf("%s%s: count %d, %d results", path, query, got.Count, len(got.Results))
			}
		}
	}
	if r := s.ask("GET", "/v1/projects?offset=5000", s.root, ""); !strings.Contains(string(r.body), `"results":[]`) {
		t.Errorf("an empty page is %s", r.body)
	}
	for query, field := range map[string]string{"?limit=0": "limit", "?limit=1001": "limit", "?limit=x": "limit", "?offset=-1": "offset", "?offset=2147483648": "offset", "?a=%zz": "query", "?color=1": "color"} {
		if got := s.ask("GET", "/v1/keys"+query, s.root, "").invalid(); got[field] == nil {
			t.Errorf("%s: %v", query, got)
		}
	}
}
