package console

import (
	"fmt"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

// demoResources is the demo's own default.
const demoResources = "3000"

// TestPagesLookRight takes the pictures, of the demo's fleet.
func TestPagesLookRight(t *testing.T) {
	t.Parallel()
	p, token := startDemo(t, "--resources", demoResources)
	b := p.signedIn(t, token)
	year, month, _ := time.Now().UTC().Date()
	from := time.Date(year, month-1, 1, 0, 0, 0, 0, time.UTC)
	resized := p.largest(t, token, from)
	story := fmt.Sprintf("/resource/%d/%d/%s/%s?from=%s&last=%s", resized.ProjectID, resized.RegionID, resized.Type, *resized.UUID, from.Format(time.DateOnly), from.AddDate(0, 1, -1).Format(time.DateOnly))
	b.look("usage", "/usage?period=last-month")
	b.look("resource", story)
	b.look("sources", "/sources")
	for name, path := range map[string]string{
		"usage-by-project":    "/usage?period=last-month&by=project&unit=gbminutes&sort=billing_value.desc",
		"usage-filtered":      "/usage?period=last-month&type=instance,volume&tag=env%3Dprod&sort=billing_value.desc&size=25",
		"usage-nothing-found": "/usage?period=last-month&tag=nowhere",
		"usage-wrong":         "/usage?from=yesterday&sort=size",
		"not-found":           "/resource/1/1/volume/" + machine(1) + "?from=2024-07-01&last=2024-07-31",
		"docs":                "/docs",
	} {
		b.lookAt(name, path)
	}
	out := p.visitor(t)
	out.look("signin", "/signin?reason=ended")
}

// largest finds a volume of the demo with a long story.
func (p *process) largest(t *testing.T, token string, from time.Time) *client.Line {
	t.Helper()
	report := must(p.api(token).UsageReport(t.Context(), client.Request{
		TimeFrom: from, TimeTo: from.AddDate(0, 1, 0), Types: []string{"volume"}, OrderBy: []string{"billing_value.desc"}, Limit: 50,
	}))(t)
	best, most := (*client.Line)(nil), 0
	for i := range report.Resources {
		l := &report.Resources[i]
		account := must(p.api(token).Account(t.Context(), client.AccountRequest{
			Resource: client.Resource{ProjectID: l.ProjectID, RegionID: l.RegionID, Type: l.Type, ID: *l.UUID}, From: from, To: from.AddDate(0, 1, 0),
		}))(t)
		if account.Count > most {
			best, most = l, account.Count
		}
	}
	if best == nil {
		t.Fatal("the demo has no volume")
	}
	return best
}

func TestAdministrationLooksRight(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	p.key(client.NewKey{Name: "Billing of the shop, read only", Client: acme, Roles: []string{client.RoleReader}, Projects: []int64{shop}, Types: []string{"instance", "volume"}})
	gone := p.key(client.NewKey{Name: longName, Client: globex, Roles: []string{client.RoleReader, client.RoleWriter}})
	if err := p.api(rootToken).RevokeKey(t.Context(), gone.ID); err != nil {
		t.Fatal(err)
	}
	live := p.key(client.NewKey{Name: "Collector of the east", Client: acme, Roles: []string{client.RoleWriter}, RateLimit: 100})
	b := p.signedIn(t, rootToken)
	b.look("admin-keys", "/admin/keys")
	b.look("admin-key", "/admin/keys/"+live.ID)
	b.look("admin-projects", "/admin/projects")
	for name, path := range map[string]string{
		"admin-key-revoked": "/admin/keys/" + gone.ID, "admin-key-new": "/admin/keys/new", "admin-revoke": "/admin/keys/" + live.ID + "/revoke",
		"admin-project": "/admin/projects/101", "admin-project-delete": "/admin/projects/101/delete", "admin-regions": "/admin/regions",
		"admin-clients": "/admin/clients", "admin-nothing-found": "/admin/projects?q=nowhere", "admin-not-found": "/admin/projects/999",
	} {
		b.lookAt(name, path)
	}
	reader := p.signedIn(t, p.key(client.NewKey{Name: longName, Roles: []string{client.RoleReader}}).Token)
	reader.lookAt("no-access", "/admin/keys")
	reader.look("usage-long-name", inJuly+"&project=102")
}

// longName is as long as a name may be, with no place to break it.
const longName = "a-name-of-255-characters-that-cannot-be-broken-" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// look opens a page on all screens, light and dark, and judges what is seen.
func (b *tab) look(name, path string) {
	b.t.Helper()
	for _, s := range []screen{desktop, tablet, phone} {
		for _, scheme := range schemes {
			b.lookOn(s, scheme, name, path)
		}
	}
}

// lookAt looks at a page of which others have the parts already: once on a desk,
// dark, and once on a phone, light.
func (b *tab) lookAt(name, path string) {
	b.t.Helper()
	b.lookOn(desktop, "dark", name, path)
	b.lookOn(phone, "light", name, path)
}

func (b *tab) lookOn(s screen, scheme, name, path string) {
	b.t.Helper()
	b.size(s)
	b.prefer(scheme)
	status := b.visitAnew(path)
	what := fmt.Sprintf("%s, %s, %s (%d)", name, s.name, scheme, status)
	b.checkWeight(what)
	b.checkLayout(what)
	if s == desktop || scheme == "light" && s == phone { // colours are the same on all screens
		b.checkAxe(what)
	}
	b.picture(name + "-" + s.name + "-" + scheme)
}
