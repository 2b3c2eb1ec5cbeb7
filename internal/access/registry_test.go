package access

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestEverythingIsThereAfterARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("acme")
	name, end, limit, types := "nightly \"export\"", start+50, RequestsPerSecond(3), report.TypesOf(1, 25)
	regions := report.Only[metering.RegionID](76)
	n := newKey("acme", Reader, Writer).inProjects(metering.MaxProjectID, 1)
	n.Name, n.ExpiresAt, n.RateLimit, n.Types, n.Regions = &name, &end, &limit, &types, &regions
	f.key(f.root, n)
	f.key(f.root, newKey("", Admin))
	before := *f.current.Load()
	f.reopen()
	if after := *f.current.Load(); !reflect.DeepEqual(after, before) {
		t.Errorf("got  %+v\nwant %+v", after, before)
	}
}

func TestATemporaryAdminEndsWithTheProgram(t *testing.T) {
	t.Parallel()
	f := &fixture{t: t, records: &brittleRecords{}, now: start, dir: directory{}}
	f.reopen()
	before, err := f.records.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token, err := f.AddTemporaryAdmin(t.Context(), "For a while")
	if err != nil {
		t.Fatal(err)
	}
	f.root = f.as(token.Reveal())
	name := "renamed"
	if k, err := f.UpdateKey(t.Context(), f.root, token.ID, KeyChange{Name: &name}); err != nil || k.Name != name {
		t.Errorf("key %+v, %v", k, err)
	}
	if after, err := f.records.Load(t.Context()); err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("records %q, %v; want %q", after, err, before)
	}
	f.key(f.root, newKey("", Reader))

	// What is left behind has keys, but no admin: the next start is a first one.
	f.reopen()
	if _, err := f.Authenticate("apikey " + token.Reveal()); metering.KindOf(err) != metering.KindBadToken {
		t.Errorf("the key outlived the program: %v", err)
	}
	printed, created, err := f.Bootstrap(t.Context(), "")
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	root := f.as(printed)

	// It does not count as the last admin.
	if token, err = f.AddTemporaryAdmin(t.Context(), "Again"); err != nil {
		t.Fatal(err)
	}
	_, err = f.RevokeKey(t.Context(), f.as(token.Reveal()), root.Key().ID)
	wantKind(t, err, metering.KindConflict, "last admin key")
	if _, err := f.RevokeKey(t.Context(), root, token.ID); err != nil {
		t.Error(err)
	}
	if _, err := f.Authenticate("apikey " + token.Reveal()); metering.KindOf(err) != metering.KindBadToken {
		t.Errorf("revoked: %v", err)
	}
}

func TestRecordsOfOtherProgramsAreRefused(t *testing.T) {
	t.Parallel()
	for text, record := range map[string][2]string{
		"format version is 2":      {"key/a", `{"version":2,"name":{"first":"new form"}}`},
		"format version is 0":      {"client/a", `{}`},
		"unknown role \"owner\"":   {"key/a", `{"version":1,"roles":["owner"]}`},
		"unknown resource type":    {"key/a", `{"version":1,"types":["moon"]}`},
		"hash is not 32 bytes":     {"key/a", `{"version":1,"secret_sha256":"00"}`},
		"unknown":                  {"client/a", `{"version":1,"colour":"red"}`},
		"decode":                   {"key/a", `garbage`},
		"neither a key nor client": {"moon/a", `{"version":1}`},
	} {
		m := &MemoryRecords{}
		if err := m.Put(t.Context(), record[0], []byte(record[1])); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), m, Options{Clock: func() metering.Instant { return start }})
		if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(text, "nor client", "nor a client")) || !strings.Contains(err.Error(), record[0]) {
			t.Errorf("record %s = %s: %v, want %q", record[0], record[1], err, text)
		}
	}
}

// TestOldRecordsCanBeRead holds records as version 1 of the format wrote them.
func TestOldRecordsCanBeRead(t *testing.T) {
	t.Parallel()
	m := &MemoryRecords{}
	for name, value := range map[string]string{
		"client/default": `{"version":1,"name":"Default","number":1,"created_at_ns":1750000000000000000}`,
		"key/first": `{"version":1,"name":"n","client":"default","roles":["reader","writer"],"projects":[1,2],"regions":[76],"types":["volume"],` +
			`"requests_per_second":5,"created_at_ns":1750000000000000000,"created_by":"root","expires_at_ns":0,"revoked_at_ns":0,` +
			`"secret_sha256":"5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8"}`,
	} {
		if err := m.Put(t.Context(), name, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open(t.Context(), m, Options{Clock: func() metering.Instant { return start }})
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.Authenticate("apikey first$password")
	if err != nil {
		t.Fatal(err)
	}
	k := c.Key()
	volume, _ := metering.ResourceTypeNamed("volume")
	want := Key{ID: "first", Name: "n", Client: "default", Roles: RolesOf(Reader, Writer), RateLimit: 5, CreatedAt: start, CreatedBy: "root",
		Narrowing: report.Scope{Projects: report.Only[metering.ProjectID](1, 2), Regions: report.Only[metering.RegionID](76), Types: report.TypesOf(volume)}, secret: k.secret}
	if !reflect.DeepEqual(k, want) {
		t.Errorf("got  %+v\nwant %+v", k, want)
	}
}

func TestFirstStartMakesOneAdminKeyAboveAllClients(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k := f.root.Key()
	if !f.root.AboveClients() || f.root.Require(Admin) != nil || !k.root() {
		t.Errorf("got %+v", k)
	}
	for range 2 {
		printed, created, err := f.Bootstrap(t.Context(), "")
		if printed != "" || created || err != nil {
			t.Errorf("a second start printed %q, created %v, %v", printed, created, err)
		}
		f.reopen()
	}
	clients, err := f.Clients(f.root, f.dir)
	if err != nil || len(clients) != 1 || clients[0].ID != report.DefaultClient || clients[0].Number != 1 {
		t.Errorf("clients %+v, %v", clients, err)
	}
}

func TestOperatorsTokenBecomesAnAdminKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t) // the store is not new: the key is added
	const token = "ops-1$abcdefgh_jklmn$p"
	for _, want := range []bool{true, false, false} {
		printed, created, err := f.Bootstrap(t.Context(), token)
		if printed != "" || created != want || err != nil {
			t.Errorf("printed %q, created %v, %v; want created %v", printed, created, err, want)
		}
		if k := f.as(token).Key(); !k.root() || k.ID != "ops-1" {
			t.Errorf("got %+v", k)
		}
		f.reopen()
	}
	_, _, err := f.Bootstrap(t.Context(), "ops-1$another-secret-0123")
	wantKind(t, err, metering.KindConflict, "choose a new id")
	if strings.Contains(err.Error(), "another-secret") {
		t.Errorf("the message shows the secret: %v", err)
	}
	reader := RolesOf(Reader)
	if _, err := f.UpdateKey(t.Context(), f.root, "ops-1", KeyChange{Roles: &reader}); err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Bootstrap(t.Context(), token)
	wantKind(t, err, metering.KindConflict, "no admin key above all clients")
	if _, err := f.RevokeKey(t.Context(), f.root, "ops-1"); err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Bootstrap(t.Context(), token)
	wantKind(t, err, metering.KindConflict, "revoked or has expired")
}

func TestOperatorsTokenMustBeWellFormed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	secret := strings.Repeat("s", MaxSecretLength)
	for _, bad := range []string{
		"nosecret", "$" + secret, "a b$" + secret, strings.Repeat("a", MaxIDLength+1) + "$" + secret,
		"id$" + secret[:MinSecretLength-1], "id$" + secret + "s", "id$" + secret[:20] + " ", "id$" + secret[:20] + "é",
	} {
		_, created, err := f.Bootstrap(t.Context(), bad)
		wantKind(t, err, metering.KindInvalid, "admin token")
		if created || strings.Contains(err.Error(), secret[:MinSecretLength-1]) {
			t.Errorf("created %v, %v", created, err)
		}
	}
	for _, good := range []string{strings.Repeat("a", MaxIDLength) + "$" + secret, "id$" + secret[:MinSecretLength]} {
		if _, created, err := f.Bootstrap(t.Context(), good); !created || err != nil {
			t.Errorf("%d characters: created %v, %v", len(good), created, err)
		}
	}
}

func TestScopeIsTheClientsProjectsWithinTheNarrowing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("acme")
	f.dir["acme"], f.dir["other"] = []metering.ProjectID{3, 1, 2}, []metering.ProjectID{4}
	types := report.TypesOf(5)
	typed := newKey("acme", Reader)
	typed.Types = &types
	all := report.FullScope()
	for name, c := range map[string]struct {
		key  NewKey
		want report.Scope
	}{
		"above clients":           {newKey("", Reader), all},
		"above clients, narrowed": {newKey("", Reader).inProjects(4, 9), report.Scope{Projects: report.Only[metering.ProjectID](4, 9), Regions: all.Regions, Types: all.Types}},
		"client":                  {newKey("acme", Reader), report.Scope{Projects: report.Only[metering.ProjectID](1, 2, 3), Regions: all.Regions, Types: all.Types}},
		"client, narrowed":        {newKey("acme", Reader).inProjects(2, 4), report.Scope{Projects: report.Only[metering.ProjectID](2), Regions: all.Regions, Types: all.Types}},
		"client, types":           {typed, report.Scope{Projects: report.Only[metering.ProjectID](1, 2, 3), Regions: all.Regions, Types: types}},
		"client without projects": {newKey(report.DefaultClient, Reader), report.Scope{Regions: all.Regions, Types: all.Types}},
	} {
		caller, _ := f.key(f.root, c.key)
		got := caller.Scope(f.dir)
		if got.Projects.All != c.want.Projects.All || !slices.Equal(got.Projects.Items, c.want.Projects.Items) || !reflect.DeepEqual(got.Regions, c.want.Regions) || got.Types != c.want.Types {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestPermissionNamesTheOwnerOfNewProjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("acme")
	bound, _ := f.key(f.root, newKey("acme", Writer).inProjects(1))
	if p := bound.Permission(); p.Client != "acme" || p.AnyClient || !slices.Equal(p.Narrowing.Projects.Items, []metering.ProjectID{1}) {
		t.Errorf("bound: %+v", p)
	}
	if p := f.root.Permission(); p.Client != report.DefaultClient || !p.AnyClient || !p.Narrowing.Projects.All {
		t.Errorf("above clients: %+v", p)
	}
}

func TestClientsAreManagedFromAboveOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("acme")
	f.client("other")
	bound, _ := f.key(f.root, newKey("acme", Admin))
	narrow, _ := f.key(f.root, newKey("", Admin).inProjects(4))
	f.dir["other"] = []metering.ProjectID{4}
	for by, visible := range map[*Caller]report.ClientID{bound: "acme", narrow: "other"} {
		if clients, err := f.Clients(by, f.dir); err != nil || len(clients) != 1 || clients[0].ID != visible {
			t.Errorf("clients %+v, %v; want %s", clients, err, visible)
		}
		_, err := f.CreateClient(t.Context(), by, "new", "")
		wantKind(t, err, metering.KindForbidden, "clients")
		_, err = f.RenameClient(t.Context(), by, visible, "x", f.dir)
		wantKind(t, err, metering.KindForbidden, "clients")
		wantKind(t, f.DeleteClient(t.Context(), by, visible, f.dir), metering.KindForbidden, "clients")
		_, err = f.Client(by, report.DefaultClient, f.dir)
		wantKind(t, err, metering.KindNotFound, "no client default")
		wantKind(t, f.DeleteClient(t.Context(), by, report.DefaultClient, f.dir), metering.KindNotFound, "no client default")
	}
	if c, err := f.RenameClient(t.Context(), f.root, "acme", "Acme Ltd", f.dir); err != nil || c.Name != "Acme Ltd" || c.Number != 2 {
		t.Errorf("renamed to %+v, %v", c, err)
	}
	_, err := f.CreateClient(t.Context(), f.root, "acme", "")
	wantKind(t, err, metering.KindConflict, "acme already")
	_, err = f.CreateClient(t.Context(), f.root, "not good", strings.Repeat("n", MaxNameLength+1))
	wantKind(t, err, metering.KindInvalid, "not valid")
	if fields := fieldsOf(err); fields["id"] == nil || fields["name"] == nil {
		t.Errorf("fields %v", fields)
	}
}

func fieldsOf(err error) metering.FieldErrors {
	if e, ok := err.(*metering.Error); ok {
		return e.Fields
	}
	return nil
}

func TestClientInUseIsNotDeleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("acme")
	c, _ := f.key(f.root, newKey("acme", Reader))
	f.dir["acme"] = []metering.ProjectID{1}
	wantKind(t, f.DeleteClient(t.Context(), f.root, "acme", f.dir), metering.KindConflict, "has projects")
	delete(f.dir, "acme")
	wantKind(t, f.DeleteClient(t.Context(), f.root, "acme", f.dir), metering.KindConflict, string(c.Key().ID))
	if _, err := f.RevokeKey(t.Context(), f.root, c.Key().ID); err != nil {
		t.Fatal(err)
	}
	if err := f.DeleteClient(t.Context(), f.root, "acme", f.dir); err != nil {
		t.Fatal(err)
	}
	f.reopen()
	wantKind(t, f.DeleteClient(t.Context(), f.root, "acme", f.dir), metering.KindNotFound, "acme")
	wantKind(t, f.DeleteClient(t.Context(), f.root, report.DefaultClient, f.dir), metering.KindConflict, "cannot be deleted")
	_, _, err := f.CreateKey(t.Context(), f.root, newKey("acme", Reader))
	if wantKind(t, err, metering.KindInvalid, "not valid"); fieldsOf(err)["client"] == nil {
		t.Errorf("fields %v", fieldsOf(err))
	}
}

func TestChangesAndRequestsGoOnAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, token := f.key(f.root, newKey("", Reader))
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 20 {
				if _, err := f.CreateClient(t.Context(), f.root, report.ClientID(fmt.Sprintf("c-%d-%d", i, n)), ""); err != nil {
					t.Error(err)
				}
				if _, err := f.Authenticate("apikey " + token.Reveal()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	numbers := map[ClientNumber]bool{}
	clients, err := f.Clients(f.root, f.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clients {
		numbers[c.Number] = true
	}
	if len(numbers) != 81 {
		t.Errorf("%d clients have %d numbers", len(clients), len(numbers))
	}
}
