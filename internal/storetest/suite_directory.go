package storetest

import (
	"fmt"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// steady checks as the store is, and after a restart.
func (s *scene) steady(check func(when string)) {
	s.t.Helper()
	check("")
	if s.restart() {
		check(" after a restart")
	}
}

func (s *scene) wantProjects(client report.ClientID, want ...report.Project) {
	s.t.Helper()
	s.steady(func(when string) {
		s.t.Helper()
		if got := s.store.Projects(client); !slices.Equal(got, want) {
			s.t.Errorf("projects of client %q%s:\nwant %+v\ngot  %+v", client, when, want, got)
		}
		ids := make([]metering.ProjectID, len(want))
		for i, p := range want {
			ids[i] = p.ID
		}
		if got := s.store.ProjectIDs(client); !slices.Equal(got, ids) {
			s.t.Errorf("ids of the projects of client %q%s: want %v, got %v", client, when, ids, got)
		}
		for _, p := range want {
			if got, known := s.store.Project(p.ID); !known || got != p {
				s.t.Errorf("project %d%s: want %+v, got %+v, known %t", p.ID, when, p, got, known)
			}
		}
	})
}

func (s *scene) wantRegions(want ...report.Region) {
	s.t.Helper()
	s.steady(func(when string) {
		s.t.Helper()
		if got := s.store.Regions(); !slices.Equal(got, want) {
			s.t.Errorf("regions%s:\nwant %+v\ngot  %+v", when, want, got)
		}
		for _, r := range want {
			if got, known := s.store.Region(r.ID); !known || got != r {
				s.t.Errorf("region %d%s: want %+v, got %+v, known %t", r.ID, when, r, got, known)
			}
		}
	})
}

// must demands success, or an error of the given kind.
func (s *scene) must(err error, want ...metering.Kind) {
	s.t.Helper()
	if len(want) == 0 && err != nil {
		s.t.Fatalf("want no error, got %v", err)
	}
	if len(want) > 0 && (err == nil || metering.KindOf(err) != want[0]) {
		s.t.Fatalf("want an error of kind %d, got %v", want[0], err)
	}
}

func directories() []behaviour {
	return []behaviour{
		{"ProjectsAndRegionsAreRegisteredOnFirstSight", func(s *scene) {
			first := s.clock.Now()
			s.accept(s.state(elsewhere(instance(1), 12, 7), "2024-07-01T10:00:00Z"))
			s.clock.Set(first + metering.Second)
			s.accept(s.quantity(elsewhere(functions(1), 11, 8), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1"), s.gone(elsewhere(instance(1), 12, 7), "2024-07-01T10:00:00Z"),
				s.gone(elsewhere(instance(1), 12, 6), "2024-07-01T10:00:00Z"))
			s.wantProjects("", report.Project{ID: 11, Client: "client-a", CreatedAt: first + metering.Second}, report.Project{ID: 12, Client: "client-a", CreatedAt: first})
			s.wantRegions(report.Region{ID: 6, CreatedAt: first + metering.Second}, report.Region{ID: 7, CreatedAt: first}, report.Region{ID: 8, CreatedAt: first + metering.Second})
			if _, known := s.store.Project(13); known {
				s.t.Error("project 13 was never seen")
			}
			if _, known := s.store.Region(76); known {
				s.t.Error("region 76 was never seen")
			}
		}},
		{"RetractionRegistersItsProject", func(s *scene) {
			s.accept(s.retraction(&metering.Observation{Name: metering.ObservationName{Project: 12, Source: "/a", ID: "1"}}))
			s.wantProjects("client-a", report.Project{ID: 12, Client: "client-a", CreatedAt: s.clock.Now()})
			s.wantRegions()
		}},
		{"DirectoryKeepsWhatWasPut", func(s *scene) {
			p := report.Project{ID: 5, Client: "client-b", Name: "blue", Description: "die Blauen", CreatedAt: At("2024-01-01T00:00:00Z")}
			r := report.Region{ID: 6, Name: "Luxembourg", Country: "LU", CreatedAt: At("2024-01-01T00:00:00Z")}
			s.must(s.store.AddProject(s.t.Context(), p))
			s.must(s.store.AddProject(s.t.Context(), report.Project{ID: 5, Client: "client-a"}), metering.KindConflict)
			s.must(s.store.PutRegion(s.t.Context(), r))
			s.wantProjects("client-b", p)
			s.wantProjects("client-a")
			s.wantRegions(r)
			p.Name, p.Description, r.Name = "green", "", "Luxembourg-2"
			s.must(s.store.PutProject(s.t.Context(), p))
			s.must(s.store.PutRegion(s.t.Context(), r))
			s.wantProjects("", p)
			s.wantRegions(r)
			s.sendBatch("accepted", []report.Submission{{Observation: s.state(elsewhere(instance(1), 5, 6), "2024-07-01T10:00:00Z"), Client: "client-b"}})
			s.wantProjects("", p)
			s.wantRegions(r)
		}},
		{"ProjectOfAnObservationCannotBeAddedAnew", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z"))
			s.must(s.store.AddProject(s.t.Context(), report.Project{ID: 10, Client: "client-b"}), metering.KindConflict)
			s.wantProjects("client-b")
		}},
	}
}

// deletions is what can be taken out of the directory again.
func deletions() []behaviour {
	return []behaviour{
		{"DeletedIsForgotten", func(s *scene) {
			s.must(s.store.PutProject(s.t.Context(), report.Project{ID: 5, Client: "client-b"}))
			s.must(s.store.PutRegion(s.t.Context(), report.Region{ID: 6}))
			s.must(s.store.DeleteProject(s.t.Context(), 5))
			s.must(s.store.DeleteRegion(s.t.Context(), 6))
			s.wantProjects("")
			s.wantRegions()
			s.must(s.store.DeleteProject(s.t.Context(), 5), metering.KindNotFound)
			s.must(s.store.DeleteRegion(s.t.Context(), 6), metering.KindNotFound)
			s.accept(s.state(elsewhere(instance(1), 5, 6), "2024-07-01T10:00:00Z"))
			s.wantProjects("client-a", report.Project{ID: 5, Client: "client-a", CreatedAt: s.clock.Now()})
		}},
		{"WhatWasMeteredStays", func(s *scene) {
			told := s.state(elsewhere(instance(1), 5, 6), "2024-07-01T10:00:00Z")
			s.accept(told, s.retraction(told), s.retraction(&metering.Observation{Name: metering.ObservationName{Project: 7, Source: "/a", ID: "1"}}))
			s.steady(func(string) {
				s.must(s.store.DeleteProject(s.t.Context(), 5), metering.KindConflict)
				s.must(s.store.DeleteProject(s.t.Context(), 7), metering.KindConflict)
				s.must(s.store.DeleteRegion(s.t.Context(), 6), metering.KindConflict)
			})
		}},
	}
}

// ownerships is who may write where.
func ownerships() []behaviour {
	by := func(client report.ClientID, o *metering.Observation) []report.Submission {
		return []report.Submission{{Observation: o, Client: client}}
	}
	above := func(o *metering.Observation) []report.Submission {
		return []report.Submission{{Observation: o, Client: report.DefaultClient, AnyClient: true}}
	}
	const at = "2024-07-01T23:59:00Z"
	return []behaviour{
		{"ProjectBelongsToItsFirstWriter", func(s *scene) {
			mine := s.state(instance(1), at)
			s.sendBatch("accepted", by("client-a", mine))
			s.sendBatch("forbidden_project", by("client-b", s.state(instance(2), at)))
			s.merge()
			s.restart()
			s.sendBatch("forbidden_project", by("client-b", mine)) // not even that it is known
			s.sendBatch("forbidden_project", by("client-b", s.retraction(mine)))
			s.sendBatch("accepted", by("client-a", s.state(instance(3), at)))
			s.expect(firstOfJuly(), "instance/1 g1_min=1 2024-07-01T23:59:30Z..2024-07-01T23:59:30Z", "instance/3 g1_min=1 2024-07-01T23:59:30Z..2024-07-01T23:59:30Z")
			s.wantProjects("client-b")
		}},
		{"OwnershipCountsWithinABatch", func(s *scene) {
			s.sendBatch("accepted forbidden_project accepted", slices.Concat(by("client-b", s.state(instance(1), at)), by("client-a", s.state(instance(2), at)),
				by("client-a", s.state(elsewhere(instance(1), 11, 76), at))))
			s.wantProjects("client-b", report.Project{ID: 10, Client: "client-b", CreatedAt: s.clock.Now()})
		}},
		{"KeyAboveAllClientsWritesAnywhere", func(s *scene) {
			s.sendBatch("accepted", by("client-a", s.state(instance(1), at)))
			s.sendBatch("accepted accepted", slices.Concat(above(s.state(instance(2), at)), above(s.state(elsewhere(instance(1), 11, 76), at))))
			s.sendBatch("forbidden_project", by("client-a", s.state(elsewhere(instance(2), 11, 76), at)))
			s.wantProjects("client-a", report.Project{ID: 10, Client: "client-a", CreatedAt: s.clock.Now()})
			s.wantProjects(report.DefaultClient, report.Project{ID: 11, Client: report.DefaultClient, CreatedAt: s.clock.Now()})
		}},
		{"RegisteredProjectBelongsToItsClient", func(s *scene) {
			s.must(s.store.PutProject(s.t.Context(), report.Project{ID: 10, Client: "client-b"}))
			s.sendBatch("forbidden_project accepted", slices.Concat(by("client-a", s.state(instance(1), at)), by("client-b", s.state(instance(1), at))))
		}},
		{"StrictStoreKnowsOnlyWhatIsRegistered", checkStrict},
		{"RetentionClosesOldPeriods", checkRetention},
	}
}

// checkRetention sends what is just old enough and just too old, where the store
// has that setting.
func checkRetention(s *scene) {
	if s.opened.Retaining == nil {
		return
	}
	r := &scene{bench: &bench{t: s.t, store: s.opened.Retaining(s.t, 24*3600*metering.Second), clock: s.clock}}
	defer r.close()
	reused := r.state(instance(1), "2024-07-03T23:59:59Z", from("/a", "1"))
	r.send("accepted period_closed accepted period_closed period_closed",
		r.state(instance(1), "2024-07-04T00:00:00Z", from("/a", "1")), reused,
		r.quantity(functions(1), "2024-07-04T00:00:00Z", "2024-07-04T01:00:00Z", "1"),
		r.quantity(functions(1), "2024-07-03T23:59:59.999999999Z", "2024-07-04T01:00:00Z", "1"),
		r.gone(instance(1), "2024-07-03T00:00:00Z"))
	r.sendBatch("forbidden_project", []report.Submission{{Observation: reused, Client: "client-b"}})
	r.send("accepted", r.retraction(reused, toldAt("2024-07-01T00:00:00Z")))
}

// checkStrict registers by hand, where the store has that setting.
func checkStrict(s *scene) {
	if s.opened.Strict == nil {
		return
	}
	strict := &scene{bench: &bench{t: s.t, store: s.opened.Strict(s.t), clock: s.clock}}
	defer strict.close()
	told := strict.state(instance(1), "2024-07-01T23:59:00Z")
	strict.send("unknown_project unknown_project", told, strict.retraction(told))
	strict.must(strict.store.PutProject(s.t.Context(), report.Project{ID: 10, Client: "client-a"}))
	strict.send("unknown_project accepted", told, strict.retraction(&metering.Observation{Name: metering.ObservationName{Project: 10, Source: "/a", ID: "1"}}))
	strict.must(strict.store.PutRegion(s.t.Context(), report.Region{ID: 76}))
	strict.send("accepted", told)
	other := report.Submission{Observation: told, Client: "client-b"}
	strict.sendBatch("forbidden_project", []report.Submission{other})
	if got := fmt.Sprint(len(strict.store.Projects("")), len(strict.store.Regions())); got != "1 1" {
		s.t.Errorf("want 1 project and 1 region, got %s", got)
	}
}

// lifecycles is how a store begins and ends.
func lifecycles() []behaviour {
	return []behaviour{
		{"EmptyStoreAnswersEmptyReports", func(s *scene) {
			s.expect(firstOfJuly())
			s.must(s.store.Writable())
		}},
		{"ClosedStoreIsUnavailable", func(s *scene) {
			pending := s.submit(batchOf(s.state(instance(1), "2024-07-01T23:59:00Z")))
			s.close()
			if got := words(s.wait(pending)); got != "accepted" {
				s.t.Errorf("what was submitted before Close must be finished, got %q", got)
			}
			_, err := s.store.Report(s.t.Context(), s.query(firstOfJuly()))
			s.must(err, metering.KindUnavailable)
			_, err = s.store.Submit(s.t.Context(), batchOf(s.state(instance(2), "2024-07-01T23:59:00Z")))
			s.must(err, metering.KindUnavailable)
			s.must(s.store.Writable(), metering.KindUnavailable)
		}},
	}
}
