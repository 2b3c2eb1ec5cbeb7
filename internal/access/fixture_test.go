package access

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a registry with a root key, on records and a clock that tests hold
// in their hands.
type fixture struct {
	t       *testing.T
	records *brittleRecords
	now     metering.Instant
	dir     directory
	*Registry
	root *Caller
}

const start = 1_750_000_000 * metering.Second

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, records: &brittleRecords{}, now: start, dir: directory{}}
	f.reopen()
	token, created, err := f.Bootstrap(t.Context(), "")
	if err != nil || !created {
		t.Fatalf("bootstrap: created %v, %v", created, err)
	}
	f.root = f.as(token)
	return f
}

func (f *fixture) reopen() {
	f.t.Helper()
	r, err := Open(f.t.Context(), f.records, Options{Clock: func() metering.Instant { return f.now }})
	if err != nil {
		f.t.Fatal(err)
	}
	f.Registry = r
}

func (f *fixture) as(token string) *Caller {
	f.t.Helper()
	c, err := f.Authenticate("apikey " + token)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fixture) client(id report.ClientID) {
	f.t.Helper()
	if _, err := f.CreateClient(f.t.Context(), f.root, id, "The client "+string(id)); err != nil {
		f.t.Fatal(err)
	}
}

// key makes a key by the given caller and returns it as a caller.
func (f *fixture) key(by *Caller, n NewKey) (*Caller, Token) {
	f.t.Helper()
	_, token, err := f.CreateKey(f.t.Context(), by, n)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.as(token.Reveal()), token
}

// newKey describes a key of a client, "" for that of its maker.
func newKey(client report.ClientID, roles ...Role) NewKey {
	r := RolesOf(roles...)
	n := NewKey{KeyChange: KeyChange{Roles: &r}}
	if client != "" {
		n.Client = &client
	}
	return n
}

func (n NewKey) inProjects(ids ...metering.ProjectID) NewKey {
	s := report.Only(ids...)
	n.Projects = &s
	return n
}

func wantKind(t *testing.T, err error, kind metering.Kind, text string) {
	t.Helper()
	if err == nil || metering.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("got kind %d, %v; want kind %d with %q", metering.KindOf(err), err, kind, text)
	}
}

// brittleRecords are records that break when told to.
type brittleRecords struct {
	MemoryRecords
	broken error
}

var errDisk = errors.New("the disk is full")

func (b *brittleRecords) Put(ctx context.Context, key string, value []byte) error {
	if b.broken != nil {
		return b.broken
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.MemoryRecords.Put(ctx, key, value)
}

func (b *brittleRecords) Delete(ctx context.Context, key string) error {
	if b.broken != nil {
		return b.broken
	}
	return b.MemoryRecords.Delete(ctx, key)
}

// directory lists ids of projects by client; the rest of report.Directory is not
// asked.
type directory map[report.ClientID][]metering.ProjectID

func (d directory) ProjectIDs(client report.ClientID) []metering.ProjectID {
	ids := slices.Clone(d[client])
	slices.Sort(ids)
	return ids
}

var errNotAsked = errors.New("access does not ask this")

func (directory) Projects(report.ClientID) []report.Project               { return nil }
func (directory) Project(metering.ProjectID) (report.Project, bool)       { return report.Project{}, false }
func (directory) Region(metering.RegionID) (report.Region, bool)          { return report.Region{}, false }
func (directory) Regions() []report.Region                                { return nil }
func (directory) AddProject(context.Context, report.Project) error        { return errNotAsked }
func (directory) PutProject(context.Context, report.Project) error        { return errNotAsked }
func (directory) PutRegion(context.Context, report.Region) error          { return errNotAsked }
func (directory) DeleteProject(context.Context, metering.ProjectID) error { return errNotAsked }
func (directory) DeleteRegion(context.Context, metering.RegionID) error   { return errNotAsked }
