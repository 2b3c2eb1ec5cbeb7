package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

func TestOnlyAdministratorsSeeAdministration(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, role := range []string{client.RoleReader, client.RoleWriter} {
		b := s.signedIn(s.key(client.NewKey{Roles: []string{role}}))
		for _, path := range []string{"/admin/keys", "/admin/keys/new", "/admin/projects", "/admin/regions/new", "/admin/clients"} {
			b.get(path).want(http.StatusForbidden).shows("Your key cannot open this page").hides(">Admin<")
		}
		b.post("/admin/projects/new", url.Values{"id": {"7"}}).want(http.StatusForbidden)
		b.post("/admin/keys/new", url.Values{"roles": {"reader"}}).want(http.StatusForbidden)
	}
	if projects, err := s.admin.Projects(t.Context()); err != nil || len(projects) != 0 {
		t.Errorf("projects %v, error %v", projects, err)
	}
	s.signedIn(s.root).get("/admin/keys").want(http.StatusOK).shows(`<a href="/admin/keys" aria-current="page">Admin</a>`)
}

func TestTokenIsShownOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	b.get("/admin/keys/new").want(http.StatusOK).shows(`name="client"`, `value="reader" checked`)
	b.post("/admin/keys/new", url.Values{"name": {"For <billing>"}, "roles": {"reader"}, "projects": {"7, 8 9"}, "types": {"volume"}, "rate_limit": {" 5 "}, "expires_at": {"2030-01-31T10:20"}}).
		leads("/admin/keys/made")
	shown := b.get("/admin/keys/made").want(http.StatusOK).shows("For &lt;billing&gt;")
	if got := shown.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %s", got)
	}
	_, rest, _ := strings.Cut(shown.body, `id="token" class="mono token" value="`)
	token, _, _ := strings.Cut(rest, `"`)
	b.get("/admin/keys/made").want(http.StatusOK).shows("A token is shown only once").hides(token, idOf(token)+"$")
	b.get("/admin/keys/" + idOf(token)).want(http.StatusOK).hides(token)
	key, err := s.as(token).OwnKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if key.Name != "For <billing>" || fmt.Sprint(key.Roles, key.Projects, key.Types, key.RateLimit) != "[reader] [7 8 9] [volume] 5" ||
		key.ExpiresAt == nil || !key.ExpiresAt.Equal(time.Date(2030, 1, 31, 10, 20, 0, 0, time.UTC)) {
		t.Errorf("key %+v", key)
	}
}

func TestTokenIsShownToNobodyElse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	maker, other := s.signedIn(s.root), s.signedIn(s.root)
	maker.post("/admin/keys/new", url.Values{"roles": {"reader"}}).leads("/admin/keys/made")
	other.get("/admin/keys/made").want(http.StatusOK).shows("A token is shown only once")
	maker.send(http.MethodHead, "/admin/keys/made", nil).want(http.StatusOK) // which shows nothing
	maker.get("/admin/keys/made").want(http.StatusOK).shows("Copy its token now")
}

func TestWhatIsWrongWithAKeyStandsBesideItsField(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	typed := url.Values{"name": {"Mine"}, "roles": {"writer"}, "projects": {"7; eight"}, "regions": {"x"}, "rate_limit": {"0"}, "expires_at": {"soon"}}
	b.post("/admin/keys/new", typed).want(http.StatusBadRequest).shows(`value="Mine"`, `value="7; eight"`, `value="writer" checked`,
		`id="e-projects">Ids are whole numbers`, `id="e-regions">`, `id="e-rate_limit">A whole number`, `id="e-expires_at">A date and a time of UTC`,
		`aria-describedby="e-projects h-projects"`)
	// What only the API knows.
	b.post("/admin/keys/new", url.Values{"client": {"nobody"}, "roles": {"reader"}}).want(http.StatusBadRequest).shows(`id="e-client">There is no such client; create it first`)
	b.post("/admin/keys/new", url.Values{"name": {"x"}}).want(http.StatusBadRequest).shows(`id="e-roles">`)
	b.post("/admin/keys/new", url.Values{"roles": {"reader"}, "projects": {"0"}}).want(http.StatusBadRequest).shows(`id="e-projects">`)
	b.post("/admin/keys/new", url.Values{"roles": {"reader"}, "expires_at": {"2020-01-01T00:00"}}).want(http.StatusBadRequest).shows(`id="e-expires_at">`)
	if keys, err := s.admin.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, error %v", len(keys), err)
	}
}

func TestKeysAreChangedAndRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.key(client.NewKey{Name: "before", Roles: []string{client.RoleReader}})
	b, at := s.signedIn(s.root), "/admin/keys/"+idOf(token)
	form := url.Values{"name": {"after"}, "roles": {"reader", "writer"}, "regions": {"76"}, "rate_limit": {"9"}}
	b.post(at, form).leads(at + "?done=saved")
	b.get(at+"?done=saved").want(http.StatusOK).shows("Saved.", "after", "1 region", `value="76"`)
	key, err := s.as(token).OwnKey(t.Context())
	if err != nil || key.Name != "after" || fmt.Sprint(key.Roles, key.Regions, key.RateLimit, key.ExpiresAt) != "[reader writer] [76] 9 <nil>" {
		t.Fatalf("key %+v, error %v", key, err)
	}
	b.post(at, url.Values{"name": {"after"}, "roles": {"reader", "writer"}}).leads(at + "?done=saved") // emptied fields widen again
	if key, err = s.as(token).OwnKey(t.Context()); err != nil || key.Regions != nil || key.RateLimit != 0 {
		t.Errorf("key %+v, error %v", key, err)
	}
	b.get(at+"/revoke").want(http.StatusOK).shows("Revoke this key?", "after")
	b.post(at+"/revoke", nil).leads(at + "?done=revoked")
	b.get(at).want(http.StatusOK).shows("A revoked key cannot be changed").hides(`name="roles"`)
	b.post(at, form).want(http.StatusConflict)
	if _, err := s.as(token).OwnKey(t.Context()); err == nil {
		t.Error("the revoked key is accepted")
	}
	b.get("/admin/keys?state=revoked").shows("after").hides(">yours<")
	b.get("/admin/keys?state=in+force").hides("after")
}

func TestTheLastKeyOfAllCannotBeRevoked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, at := s.signedIn(s.root), "/admin/keys/"+idOf(s.root)+"/revoke"
	b.get(at).want(http.StatusOK).shows("This is the key with which you have signed in")
	b.post(at, nil).want(http.StatusConflict).shows(`role="alert">`)
	b.get("/admin/keys").want(http.StatusOK).shows(">yours<")
}

func TestAdministratorOfAClientSeesItsOwnOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, id := range []string{"acme", "globex"} {
		if _, err := s.admin.CreateTenant(t.Context(), id, ""); err != nil {
			t.Fatal(err)
		}
	}
	theirs := s.key(client.NewKey{Name: "theirs", Client: "globex", Roles: []string{client.RoleReader}})
	b := s.signedIn(s.key(client.NewKey{Name: "own admin", Client: "acme", Roles: []string{client.RoleAdmin}}))
	b.get("/admin/keys").want(http.StatusOK).shows("own admin").hides("theirs", idOf(s.root))
	b.get("/admin/keys/" + idOf(theirs)).want(http.StatusNotFound)
	b.post("/admin/keys/"+idOf(theirs)+"/revoke", nil).want(http.StatusNotFound)
	b.get("/admin/clients").want(http.StatusOK).shows("acme", "Only an admin key above all clients").hides("globex", "New client")
	b.get("/admin/regions").want(http.StatusOK).hides("New region")
	b.post("/admin/regions/new", url.Values{"id": {"76"}}).want(http.StatusForbidden)
	b.post("/admin/projects/new", url.Values{"id": {"7"}, "name": {"Own"}, "client": {""}}).leads("/admin/projects?done=created")
	if p, err := s.admin.Project(t.Context(), 7); err != nil || p.Client != "acme" {
		t.Errorf("project %+v, error %v", p, err)
	}
	b.post("/admin/keys/new", url.Values{"roles": {"reader"}, "rate_limit": {"5"}}).want(http.StatusForbidden).shows(`role="alert">Only an admin key above all clients may set rate limits`)
}

func TestProjectsRegionsAndClientsAreKept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	b.post("/admin/clients/new", url.Values{"id": {"acme"}, "name": {"Acme"}}).leads("/admin/clients?done=created")
	b.post("/admin/projects/new", url.Values{"id": {"7"}, "name": {"<Shop>"}, "client": {"acme"}}).leads("/admin/projects?done=created")
	b.post("/admin/regions/new", url.Values{"id": {"76"}, "name": {"Luxembourg"}, "country": {"LU"}}).leads("/admin/regions?done=created")
	b.get("/admin/projects?done=created").want(http.StatusOK).shows("Created.", "&lt;Shop&gt;", ">acme<")
	for _, c := range []struct{ path, id, name, old string }{
		{"/admin/projects", "7", "Store", "&lt;Shop&gt;"}, {"/admin/regions", "76", "Lëtzebuerg", "Luxembourg"}, {"/admin/clients", "acme", "ACME", "Acme"},
	} {
		at := c.path + "/" + c.id
		b.get(at).want(http.StatusOK).shows(`value="` + c.old + `"`).hides(`name="id"`)
		b.post(at, url.Values{"name": {c.name}}).leads(at + "?done=saved")
		b.get(at+"?done=saved").want(http.StatusOK).shows("Saved.", `value="`+c.name+`"`)
		b.post(at, url.Values{"name": {strings.Repeat("x", 256)}}).want(http.StatusBadRequest).shows(`id="e-name">`, strings.Repeat("x", 256))
		b.post(c.path+"/new", url.Values{"id": {c.id}, "name": {"again"}}).want(http.StatusConflict).shows(`role="alert">`, `value="again"`)
		b.get(c.path + "/999").want(http.StatusNotFound)
		b.get(c.path + "/999/delete").want(http.StatusNotFound)
	}
	b.post("/admin/projects/new", url.Values{"id": {"seven"}}).want(http.StatusBadRequest).shows(`id="e-id">`)
	b.get("/admin/projects/seven").want(http.StatusNotFound)
	b.post("/admin/regions/76", url.Values{"country": {"Lux"}}).want(http.StatusBadRequest).shows(`id="e-country">String should be two letters`)
	b.post("/admin/clients/acme/delete", nil).want(http.StatusConflict).shows(`role="alert">`, "Delete client acme")
	for _, at := range []string{"/admin/projects/7", "/admin/regions/76", "/admin/clients/acme"} {
		list := at[:strings.LastIndex(at, "/")]
		b.get(at + "/delete").want(http.StatusOK)
		b.post(at+"/delete", nil).leads(list + "?done=deleted")
		b.get(at).want(http.StatusNotFound)
	}
}

func TestWhatWasMeteredCannotBeDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(`{"specversion":"1.0","id":"1","source":"s","type":"meterbook.resource.state.v1","time":"2025-01-01T00:00:00Z","data":{"resource_type":"floatingip","resource_id":"3c90c3cc-0d44-4b50-8888-8dd25736052a","project_id":7,"region_id":76,"status":"active"}}`)
	b := s.signedIn(s.root)
	for _, at := range []string{"/admin/projects/7", "/admin/regions/76"} {
		b.post(at+"/delete", nil).want(http.StatusConflict).shows(`role="alert">`)
		b.get(at).want(http.StatusOK)
	}
}

func TestListsAreSearchedAndPaged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for id := int64(1); id <= 2*rowsPerPage+1; id++ {
		name := fmt.Sprintf("Project %03d", id)
		if _, err := s.admin.CreateProject(t.Context(), client.NewProject{ID: id, ProjectChange: client.ProjectChange{Name: &name}}); err != nil {
			t.Fatal(err)
		}
	}
	b := s.signedIn(s.root)
	b.get("/admin/projects").want(http.StatusOK).shows("1 to 50 of 101", "Project 050", `href="/admin/projects?offset=50" rel="next"`).hides("Project 051", `rel="prev"`)
	b.get("/admin/projects?offset=100").want(http.StatusOK).shows("101 to 101 of 101", "Project 101", `href="/admin/projects?offset=50" rel="prev"`).hides(`rel="next"`)
	for _, offset := range []string{"-1", "x", "1", "49"} {
		b.get("/admin/projects?offset=" + offset).want(http.StatusOK).shows("1 to 50 of 101")
	}
	b.get("/admin/projects?offset=1000").want(http.StatusOK).shows("101 to 101 of 101")
	b.get("/admin/projects?q=project+00").want(http.StatusOK).shows("1 to 9 of 9, 101 in all", `value="project 00"`).hides("Project 010")
	b.get("/admin/projects?q=%22%3E%3Cscript%3E").want(http.StatusOK).shows("Nothing found", "&#34;&gt;&lt;script&gt;").hides("<script>alert", `"><script>`)
}
