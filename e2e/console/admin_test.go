package console

import (
	"strings"
	"testing"

	"github.com/meterbook/meterbook/client"
)

func TestAdministrationLooksRight(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	p.key(client.NewKey{Name: "Billing of the shop, read only", Client: acme, Roles: []string{client.RoleReader}, Projects: []int64{shop}, Types: []string{"instance", "volume"}})
	gone := p.key(client.NewKey{Name: strings.Repeat("long", 60), Client: globex, Roles: []string{client.RoleReader, client.RoleWriter}})
	if err := p.api(rootToken).RevokeKey(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	live := p.key(client.NewKey{Name: "Collector of the east", Client: acme, Roles: []string{client.RoleWriter}, RateLimit: 100})
	b := p.signedIn(t, rootToken)
	for name, path := range map[string]string{
		"admin-keys": "/admin/keys", "admin-key": "/admin/keys/" + live.ID, "admin-key-revoked": "/admin/keys/" + gone.ID, "admin-key-new": "/admin/keys/new",
		"admin-revoke": "/admin/keys/" + live.ID + "/revoke", "admin-projects": "/admin/projects", "admin-project": "/admin/projects/101",
		"admin-project-delete": "/admin/projects/101/delete", "admin-regions": "/admin/regions", "admin-clients": "/admin/clients",
		"admin-nothing-found": "/admin/projects?q=nowhere",
	} {
		b.look(name, path)
	}
}
