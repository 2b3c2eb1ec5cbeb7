package client_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

func TestListsAreReadPageByPage(t *testing.T) {
	t.Parallel()
	page := func(from, to int) string {
		items := []string{}
		for id := from; id <= to; id++ {
			items = append(items, fmt.Sprintf(`{"id":%d,"client":"acme","name":"p","description":"","created_at":"2024-07-01T00:00:00Z"}`, id))
		}
		return fmt.Sprintf(`{"count":1001,"results":[%s]}`, strings.Join(items, ","))
	}
	c, s, _ := start(t, answer(200, page(1, 1000)), answer(200, page(1001, 1001)))
	projects, err := c.Projects(t.Context())
	if err != nil || len(projects) != 1001 || projects[1000].ID != 1001 {
		t.Fatalf("%d projects, error %v", len(projects), err)
	}
	if got := s.first().URL.String(); got != "/v1/projects?limit=1000&offset=0" || len(s.bodies()) != 2 {
		t.Errorf("first asked for %s, %d requests", got, len(s.bodies()))
	}
}

const keyBody = `{"id":"k1","name":"n","client":null,"roles":["reader"],"projects":null,"regions":[76],"types":null,"rate_limit":null,
	"created_at":"2024-07-01T00:00:00Z","created_by":null,"expires_at":null,"revoked_at":"2024-07-02T00:00:00Z","token":"k1$s"}`

func TestKeysAreReadWithTheirNulls(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(201, keyBody))
	key, err := c.CreateKey(t.Context(), client.NewKey{Name: "n", Roles: []string{client.RoleReader}, Regions: []int64{76}})
	if err != nil {
		t.Fatal(err)
	}
	if key.Token != "k1$s" || key.Client != "" || key.Projects != nil || len(key.Regions) != 1 || key.ExpiresAt != nil || key.RevokedAt == nil || key.RateLimit != 0 {
		t.Errorf("key %+v", key)
	}
	if got := s.bodies()[0]; got != `{"name":"n","roles":["reader"],"regions":[76]}` {
		t.Errorf("sent %s", got)
	}
}

func TestOwnKeyIsAskedFor(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, keyBody))
	key, err := c.OwnKey(t.Context())
	if err != nil || key.ID != "k1" || s.first().URL.Path != "/v1/key" || s.first().Method != "GET" {
		t.Errorf("key %+v, error %v, asked %s", key, err, s.first().URL)
	}
}

func TestWhatIsCreatedIsNotCreatedTwice(t *testing.T) {
	t.Parallel()
	// After a 500 or a broken connection nobody knows whether the key exists.
	for _, status := range []int{500, 502, 504, 408} {
		c, s, _ := start(t, answer(status, `{}`))
		if _, err := c.CreateKey(t.Context(), client.NewKey{}); err == nil || len(s.bodies()) != 1 {
			t.Errorf("status %d: asked %d times, error %v", status, len(s.bodies()), err)
		}
	}
	for _, status := range []int{429, 503} { // the server says that it did nothing
		c, s, _ := start(t, answer(status, `{}`), answer(201, keyBody))
		if _, err := c.CreateKey(t.Context(), client.NewKey{}); err != nil || len(s.bodies()) != 2 {
			t.Errorf("status %d: asked %d times, error %v", status, len(s.bodies()), err)
		}
	}
}

func TestChangesTellNullFromAbsent(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, keyBody))
	everything, noLimit, never := []int64(nil), 0, time.Time{}
	if _, err := c.UpdateKey(t.Context(), "k1", client.KeyChange{Projects: &everything, RateLimit: &noLimit, ExpiresAt: &never}); err != nil {
		t.Fatal(err)
	}
	if got := s.bodies()[0]; got != `{"expires_at":null,"projects":null,"rate_limit":null}` {
		t.Errorf("sent %s", got)
	}
	if r := s.first(); r.Method != "PATCH" || r.URL.Path != "/v1/keys/k1" {
		t.Errorf("asked %s %s", r.Method, r.URL)
	}
}

func TestIdsStayWithinTheirPath(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(204, ""))
	for _, id := range []string{"", ".", ".."} {
		if err := c.RevokeKey(t.Context(), id); err == nil {
			t.Errorf("id %q was taken", id)
		}
	}
	if err := c.RevokeKey(t.Context(), "a/../b?c"); err != nil {
		t.Fatal(err)
	}
	if got := s.first().URL.EscapedPath(); got != "/v1/keys/a%2F..%2Fb%3Fc" {
		t.Errorf("asked for %s", got)
	}
}

func TestEachThingHasItsPath(t *testing.T) {
	t.Parallel()
	name := "n"
	calls := map[string]func(c *client.Client) error{
		`GET /v1/keys`:                           func(c *client.Client) error { _, err := c.Keys(t.Context()); return err },
		`GET /v1/keys/k`:                         func(c *client.Client) error { _, err := c.Key(t.Context(), "k"); return err },
		`GET /v1/clients/a`:                      func(c *client.Client) error { _, err := c.Tenant(t.Context(), "a"); return err },
		`GET /v1/projects/7`:                     func(c *client.Client) error { _, err := c.Project(t.Context(), 7); return err },
		`GET /v1/regions/7`:                      func(c *client.Client) error { _, err := c.Region(t.Context(), 7); return err },
		`GET /v1/clients`:                        func(c *client.Client) error { _, err := c.Tenants(t.Context()); return err },
		`POST /v1/clients {"id":"a","name":"n"}`: func(c *client.Client) error { _, err := c.CreateTenant(t.Context(), "a", "n"); return err },
		`PATCH /v1/clients/a {"name":"n"}`:       func(c *client.Client) error { _, err := c.RenameTenant(t.Context(), "a", "n"); return err },
		`DELETE /v1/clients/a`:                   func(c *client.Client) error { return c.DeleteTenant(t.Context(), "a") },
		`POST /v1/projects {"id":7,"name":"n"}`: func(c *client.Client) error {
			_, err := c.CreateProject(t.Context(), client.NewProject{ID: 7, ProjectChange: client.ProjectChange{Name: &name}})
			return err
		},
		`PATCH /v1/projects/7 {"name":"n"}`: func(c *client.Client) error {
			_, err := c.UpdateProject(t.Context(), 7, client.ProjectChange{Name: &name})
			return err
		},
		`DELETE /v1/projects/7`: func(c *client.Client) error { return c.DeleteProject(t.Context(), 7) },
		`GET /v1/regions`:       func(c *client.Client) error { _, err := c.Regions(t.Context()); return err },
		`POST /v1/regions {"id":7,"name":"n"}`: func(c *client.Client) error {
			_, err := c.CreateRegion(t.Context(), client.NewRegion{ID: 7, RegionChange: client.RegionChange{Name: &name}})
			return err
		},
		`PATCH /v1/regions/7 {"name":"n"}`: func(c *client.Client) error {
			_, err := c.UpdateRegion(t.Context(), 7, client.RegionChange{Name: &name})
			return err
		},
		`DELETE /v1/regions/7`: func(c *client.Client) error { return c.DeleteRegion(t.Context(), 7) },
	}
	for want, do := range calls {
		c, s, _ := start(t, answer(200, `{"count":0,"results":[]}`))
		err := do(c)
		r := s.first()
		if got := strings.TrimSpace(r.Method + " " + r.URL.Path + " " + s.bodies()[0]); err != nil || got != want {
			t.Errorf("asked %s, want %s, error %v", got, want, err)
		}
	}
}

func TestWhatIsNotThereIsAnErrorWithItsStatus(t *testing.T) {
	t.Parallel()
	c, _, _ := start(t, answer(404, `{"exception_class":"NotFoundError","message":"There is no such project"}`))
	err := c.DeleteProject(t.Context(), 9)
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Status != 404 || refused.Class != "NotFoundError" {
		t.Errorf("error %v", err)
	}
}
