package access

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestKeyIsAsWideAsItsMakerWhereItLeavesOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("acme")
	end := start + 100
	n := newKey("acme", Admin).inProjects(1, 2)
	n.ExpiresAt = &end
	limit := RequestsPerSecond(7)
	n.RateLimit = &limit
	admin, _ := f.key(f.root, n)
	made, _ := f.key(admin, newKey("", Reader))
	got, want := made.Key(), admin.Key()
	want.ID, want.Roles, want.CreatedBy, want.secret = got.ID, RolesOf(Reader), admin.Key().ID, got.secret
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if got.Client != "acme" || got.ExpiresAt != end || got.RateLimit != limit || !slices.Equal(got.Narrowing.Projects.Items, []metering.ProjectID{1, 2}) {
		t.Errorf("the maker was not as described: %+v", got)
	}
}

func TestNoKeyIsMadeOrChangedToBeWiderThanTheAdmin(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("acme")
	f.client("other")
	end, later, soon := start+100, start+101, start+99
	n := newKey("acme", Admin).inProjects(1, 2)
	regions, types := report.Only[metering.RegionID](7), report.TypesOf(1, 2)
	n.Regions, n.Types, n.ExpiresAt = &regions, &types, &end
	admin, _ := f.key(f.root, n)
	moreRegions, moreTypes, limit := report.Only[metering.RegionID](7, 8), report.TypesOf(1, 3), RequestsPerSecond(5)
	for name, c := range map[string]struct {
		change func(*NewKey)
		text   string
	}{
		"projects":       {func(n *NewKey) { *n = n.inProjects(2, 3) }, "wider"},
		"regions":        {func(n *NewKey) { n.Regions = &moreRegions }, "wider"},
		"types":          {func(n *NewKey) { n.Types = &moreTypes }, "wider"},
		"expiry":         {func(n *NewKey) { n.ExpiresAt = &later }, "outlive"},
		"rate limit":     {func(n *NewKey) { n.RateLimit = &limit }, "rate limits"},
		"another client": {func(n *NewKey) { *n = newKey("other", Reader) }, "its own client acme"},
		"unknown client": {func(n *NewKey) { *n = newKey("nobody", Reader) }, "its own client acme"},
		"above clients":  {func(n *NewKey) { n.Client = new(report.ClientID) }, "its own client acme"},
	} {
		wide := newKey("", Reader)
		c.change(&wide)
		_, _, err := f.CreateKey(t.Context(), admin, wide)
		wantKind(t, err, metering.KindForbidden, c.text)
		if wide.Client != nil {
			continue // a key never changes its client
		}
		made, _ := f.key(admin, newKey("", Reader))
		_, err = f.UpdateKey(t.Context(), admin, made.Key().ID, wide.KeyChange)
		wantKind(t, err, metering.KindForbidden, c.text)
		if k, err := f.Key(admin, made.Key().ID); err != nil || !reflect.DeepEqual(k, made.Key()) {
			t.Errorf("%s: a refused change changed the key to %+v, %v", name, k, err)
		}
	}
	narrower := newKey("", Admin).inProjects(2)
	narrower.ExpiresAt = &soon
	f.key(admin, narrower)
}

func TestWideningToEverythingStopsAtTheAdminsOwnNarrowing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	end := start + 100
	n := newKey("", Admin).inProjects(1, 2)
	n.ExpiresAt = &end
	admin, _ := f.key(f.root, n)
	made, _ := f.key(admin, newKey("", Reader).inProjects(1))
	all, types, never := report.Everything[metering.ProjectID](), report.AllTypes, metering.Instant(0)
	k, err := f.UpdateKey(t.Context(), admin, made.Key().ID, KeyChange{Projects: &all, Types: &types, ExpiresAt: &never})
	if err != nil || !slices.Equal(k.Narrowing.Projects.Items, []metering.ProjectID{1, 2}) || k.Narrowing.Projects.All || k.ExpiresAt != end {
		t.Errorf("got %+v, %v", k, err)
	}
}

func TestKeysOutsideTheAdminsScopeDoNotExist(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("acme")
	f.client("other")
	admin, _ := f.key(f.root, newKey("acme", Admin))
	narrow, _ := f.key(f.root, newKey("acme", Admin).inProjects(1))
	foreign, _ := f.key(f.root, newKey("other", Reader))
	list := func(by *Caller) (ids []KeyID) {
		keys, err := f.Keys(by)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			ids = append(ids, k.ID)
		}
		return ids
	}
	if got := list(f.root); len(got) != 4 {
		t.Errorf("the root key lists %v", got)
	}
	if got := list(admin); len(got) != 2 || !slices.Contains(got, admin.Key().ID) || !slices.Contains(got, narrow.Key().ID) {
		t.Errorf("the client's admin lists %v", got)
	}
	if got := list(narrow); !slices.Equal(got, []KeyID{narrow.Key().ID}) {
		t.Errorf("the narrowed admin lists %v", got)
	}
	for by, ids := range map[*Caller][]KeyID{admin: {foreign.Key().ID, f.root.Key().ID, "nobody"}, narrow: {admin.Key().ID}} {
		for _, id := range ids {
			_, err := f.Key(by, id)
			wantKind(t, err, metering.KindNotFound, string(id))
			_, err = f.UpdateKey(t.Context(), by, id, KeyChange{})
			wantKind(t, err, metering.KindNotFound, string(id))
			_, err = f.RevokeKey(t.Context(), by, id)
			wantKind(t, err, metering.KindNotFound, string(id))
		}
	}
	f.stillLive(foreign)
}

// stillLive checks that a caller's key is still accepted.
func (f *fixture) stillLive(c *Caller) {
	f.t.Helper()
	if now := f.current.Load().callers[c.Key().ID]; !now.key.live(f.now) {
		f.t.Errorf("key %s is not live", c.Key().ID)
	}
}

func TestOnlyAdminsManage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, role := range []Role{Reader, Writer} {
		c, _ := f.key(f.root, newKey("", role))
		_, err := f.Keys(c)
		wantKind(t, err, metering.KindForbidden, "Role admin is required")
		_, err = f.Key(c, c.Key().ID)
		wantKind(t, err, metering.KindForbidden, "Role admin is required")
		_, _, err = f.CreateKey(t.Context(), c, newKey("", Reader))
		wantKind(t, err, metering.KindForbidden, "Role admin is required")
		_, err = f.UpdateKey(t.Context(), c, c.Key().ID, KeyChange{})
		wantKind(t, err, metering.KindForbidden, "Role admin is required")
		_, err = f.RevokeKey(t.Context(), c, c.Key().ID)
		wantKind(t, err, metering.KindForbidden, "Role admin is required")
		_, err = f.Clients(c, f.dir)
		wantKind(t, err, metering.KindForbidden, "Role admin is required")
		_, err = f.CreateClient(t.Context(), c, "acme", "")
		wantKind(t, err, metering.KindForbidden, "Role admin is required")
	}
}

func TestAdminHasAllRolesOthersOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, c := range []struct {
		has, may []Role
	}{{[]Role{Admin}, []Role{Reader, Writer, Admin}}, {[]Role{Reader}, []Role{Reader}}, {[]Role{Writer}, []Role{Writer}}, {[]Role{Reader, Writer}, []Role{Reader, Writer}}} {
		caller, _ := f.key(f.root, newKey("", c.has...))
		for _, wanted := range []Role{Reader, Writer, Admin} {
			err := caller.Require(wanted)
			if allowed := slices.Contains(c.may, wanted); allowed && err != nil {
				t.Errorf("%v may %s: %v", c.has, wanted, err)
			} else if !allowed {
				wantKind(t, err, metering.KindForbidden, "Role "+wanted.String()+" is required")
			}
		}
	}
}

func TestLastKeyThatManagesEverythingStays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id, reader, one := f.root.Key().ID, RolesOf(Reader), report.Only[metering.ProjectID](1)
	refuse := func() {
		t.Helper()
		_, err := f.RevokeKey(t.Context(), f.root, id)
		wantKind(t, err, metering.KindConflict, "last admin key")
		for _, c := range []KeyChange{{Roles: &reader}, {Projects: &one}} {
			_, err = f.UpdateKey(t.Context(), f.root, id, c)
			wantKind(t, err, metering.KindConflict, "last admin key")
		}
	}
	refuse()
	f.key(f.root, newKey(report.DefaultClient, Admin))
	f.key(f.root, newKey("", Admin).inProjects(1))
	refuse()
	f.key(f.root, newKey("", Admin))
	if _, err := f.RevokeKey(t.Context(), f.root, id); err != nil {
		t.Error(err)
	}
}

func TestRevokedKeyIsNotChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, _ := f.key(f.root, newKey("", Reader))
	if _, err := f.RevokeKey(t.Context(), f.root, c.Key().ID); err != nil {
		t.Fatal(err)
	}
	_, err := f.UpdateKey(t.Context(), f.root, c.Key().ID, KeyChange{})
	wantKind(t, err, metering.KindConflict, "was revoked")
}

func TestKeyLimitsAreCheckedAllAtOnce(t *testing.T) {
	t.Parallel()
	name, long := "a\x00", strings.Repeat("é", MaxNameLength+1)
	none, noRegions, noTypes := Roles(0), report.Only[metering.RegionID](), report.TypeSet(0)
	below := report.Only[metering.ProjectID](0, 5)
	tooMany := make([]metering.ProjectID, MaxNarrowedIDs+1)
	for i := range tooMany {
		tooMany[i] = metering.ProjectID(i + 1)
	}
	many, above := report.Only(tooMany...), report.Only[metering.ProjectID](metering.MaxProjectID+1)
	limit, past := RequestsPerSecond(MaxRequestsPerSecond+1), start
	bad := KeyChange{Name: &name, Roles: &none, Projects: &below, Regions: &noRegions, Types: &noTypes, RateLimit: &limit, ExpiresAt: &past}
	for _, c := range []struct {
		change KeyChange
		fields []string
	}{
		{bad, []string{"name", "roles", "projects", "regions", "types", "rate_limit", "expires_at"}},
		{KeyChange{Projects: &many}, []string{"projects"}},
		{KeyChange{Projects: &above}, []string{"projects"}},
		{KeyChange{Name: &long}, []string{"name"}},
	} {
		fields := metering.FieldErrors{}
		c.change.Check(start, fields)
		if len(fields) != len(c.fields) {
			t.Errorf("got %v, want %v", fields, c.fields)
		}
		for _, field := range c.fields {
			if fields[field] == nil {
				t.Errorf("nothing is said about %s", field)
			}
		}
	}
	wholeName, whole, greatest := long[:2*MaxNameLength], report.Only(tooMany[1:]...), RequestsPerSecond(MaxRequestsPerSecond)
	fields := metering.FieldErrors{}
	(&KeyChange{Name: &wholeName, Projects: &whole, RateLimit: &greatest}).Check(start, fields)
	if len(fields) != 0 {
		t.Errorf("at the limits: %v", fields)
	}
}

func TestChangeThatCannotBeStoredIsNotInForce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.client("acme")
	_, token := f.key(f.root, newKey("", Reader))
	f.records.broken = errDisk
	_, err := f.RevokeKey(t.Context(), f.root, token.ID)
	wantKind(t, err, metering.KindInternal, errDisk.Error())
	f.as(token.Reveal())
	_, _, err = f.CreateKey(t.Context(), f.root, newKey("", Reader))
	wantKind(t, err, metering.KindInternal, errDisk.Error())
	_, err = f.CreateClient(t.Context(), f.root, "late", "")
	wantKind(t, err, metering.KindInternal, errDisk.Error())
	wantKind(t, f.DeleteClient(t.Context(), f.root, "acme", f.dir), metering.KindInternal, errDisk.Error())
	clients, err := f.Clients(f.root, f.dir)
	if err != nil || len(clients) != 2 {
		t.Errorf("clients %v, %v", clients, err)
	}
}

func TestRevocationIsFinishedWhenItsRequestBreaksOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, token := f.key(f.root, newKey("", Reader))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.RevokeKey(gone, f.root, token.ID); err != nil {
		t.Fatal(err)
	}
	_, err := f.Authenticate("apikey " + token.Reveal())
	wantKind(t, err, metering.KindBadToken, string(token.ID))
}

func TestPastedTokenIsNotEchoedAsAKeyID(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, token := f.key(f.root, newKey("", Reader))
	_, err := f.Key(f.root, KeyID(token.Reveal()))
	wantKind(t, err, metering.KindNotFound, "There is no such key")
	if strings.Contains(err.Error(), token.secret) {
		t.Errorf("the message shows the secret: %v", err)
	}
}
