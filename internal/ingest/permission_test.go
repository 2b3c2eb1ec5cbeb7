package ingest

import (
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

func TestNarrowedKeyWritesOnlyWithin(t *testing.T) {
	t.Parallel()
	instance := typeNamed(t, "instance")
	cases := map[string]struct {
		within, beyond report.Scope
		field          string
	}{
		"project": {report.Scope{Projects: report.Only[metering.ProjectID](9, 10)}, report.Scope{Projects: report.Only[metering.ProjectID](9)}, "data.project_id"},
		"region":  {report.Scope{Regions: report.Only[metering.RegionID](76)}, report.Scope{Regions: report.Only[metering.RegionID](1)}, "data.region_id"},
		"type":    {report.Scope{Types: report.TypesOf(instance)}, report.Scope{Types: report.TypesOf(instance + 1)}, "data.resource_type"},
	}
	for name, c := range cases {
		store := newRecorder()
		s := store.service()
		p := Permission{Client: testClient, Narrowing: widened(c.within)}
		if r := receive(t, s, p, structured(), eventOf(instance).text(t)); r.Accepted != 1 {
			t.Errorf("%s: receipt %+v", name, r)
		}
		p.Narrowing = widened(c.beyond)
		expect(t, refusalOf(t, s, p, eventOf(instance).text(t)), "forbidden_project", c.field)
	}
}

// widened replaces what is not narrowed by all.
func widened(s report.Scope) report.Scope {
	full := report.FullScope()
	if s.Projects.Items != nil {
		full.Projects = s.Projects
	}
	if s.Regions.Items != nil {
		full.Regions = s.Regions
	}
	if s.Types != 0 {
		full.Types = s.Types
	}
	return full
}

// TestRetractionCannotReachBeyondTheNarrowing: what is retracted is named
// without its region and type.
func TestRetractionCannotReachBeyondTheNarrowing(t *testing.T) {
	t.Parallel()
	s := newRecorder().service()
	within := report.Scope{Projects: report.Only[metering.ProjectID](10)}
	if r := receive(t, s, Permission{Client: testClient, Narrowing: widened(within)}, structured(), retraction().text(t)); r.Accepted != 1 {
		t.Errorf("receipt %+v", r)
	}
	for field, beyond := range map[string]report.Scope{
		"type":            {Regions: report.Only[metering.RegionID](76)},
		"data.project_id": {Projects: report.Only[metering.ProjectID](11), Types: report.TypesOf(1)},
	} {
		p := Permission{Client: testClient, Narrowing: widened(beyond)}
		expect(t, refusalOf(t, s, p, retraction().text(t)), "forbidden_project", field)
	}
	almost := Permission{Client: testClient, Narrowing: widened(report.Scope{Types: report.AllTypes &^ report.TypesOf(3)})}
	expect(t, refusalOf(t, s, almost, retraction().text(t)), "forbidden_project", "type")
}

func TestProjectOfAnotherClientIsForbidden(t *testing.T) {
	t.Parallel()
	store := newRecorder()
	if err := store.PutProject(t.Context(), report.Project{ID: 10, Client: "other"}); err != nil {
		t.Fatal(err)
	}
	for _, o := range []object{eventOf(typeNamed(t, "instance")), retraction()} {
		expect(t, refusalOf(t, store.service(), anywhere(), o.text(t)), "forbidden_project", "data.project_id")
		root := Permission{Client: report.DefaultClient, AnyClient: true, Narrowing: report.FullScope()}
		if r := receive(t, store.service(), root, structured(), o.text(t)); r.Accepted != 1 {
			t.Errorf("receipt %+v", r)
		}
	}
}

func TestStrictRegistrationWantsProjectAndRegion(t *testing.T) {
	t.Parallel()
	store := storetest.NewModel(testNow)
	strict := New(store, Options{Clock: testNow, Directory: store, StrictProjects: true})
	event, retracts := eventOf(typeNamed(t, "instance")).text(t), retraction().text(t)
	expect(t, refusalOf(t, strict, anywhere(), event), "unknown_project", "data.project_id")
	expect(t, refusalOf(t, strict, anywhere(), retracts), "unknown_project", "data.project_id")
	if err := store.PutProject(t.Context(), report.Project{ID: 10, Client: testClient}); err != nil {
		t.Fatal(err)
	}
	expect(t, refusalOf(t, strict, anywhere(), event), "unknown_project", "data.region_id")
	if r := receive(t, strict, anywhere(), structured(), retracts); r.Accepted != 1 {
		t.Errorf("receipt %+v", r)
	}
	if err := store.PutRegion(t.Context(), report.Region{ID: 76}); err != nil {
		t.Fatal(err)
	}
	if r := receive(t, strict, anywhere(), structured(), event); r.Accepted != 1 {
		t.Errorf("receipt %+v", r)
	}
}
