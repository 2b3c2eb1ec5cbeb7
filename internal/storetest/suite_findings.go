package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// sharedIDs is one id in several projects at once.
func sharedIDs() []behaviour {
	july := period("2024-07-01", "2024-08-01")
	other := func(k metering.ResourceKey) metering.ResourceKey { return elsewhere(k, 11, 77) }
	return []behaviour{
		{"IDInTwoProjectsAtOnceIsFound", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.gone(instance(1), "2024-07-02T00:00:00Z"))
			s.merge() // the other one is not in the base yet
			s.accept(s.state(other(instance(1)), "2024-07-01T23:00:00Z"), s.state(other(instance(2)), "2024-07-01T00:00:00Z"))
			s.expectFindings(july, "instance/1 of 10/76 11/77 2024-07-01T23:00:00Z..2024-07-02T00:00:00Z 60 min")
			s.expectFindings(period("2024-07-02", "2024-08-01"))
		}},
		{"IDThatMovesToAnotherProjectIsNotFound", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.gone(instance(1), "2024-07-02T00:00:10Z"),
				s.state(other(instance(1)), "2024-07-02T00:00:20Z"))
			s.expectFindings(july)
		}},
		{"SharedMinutesOfAnIDAreCountedOnce", func(s *scene) {
			s.accept(s.state(volume(1), "2024-07-01T00:00:00Z"), s.gone(volume(1), "2024-07-01T10:00:00Z"), s.state(volume(1), "2024-07-01T11:00:00Z"),
				s.state(other(volume(1)), "2024-07-01T09:00:00Z"), s.gone(other(volume(1)), "2024-07-01T12:00:00Z"),
				s.state(elsewhere(volume(1), 12, 76), "2024-07-01T09:30:00Z"), s.gone(elsewhere(volume(1), 12, 76), "2024-07-01T10:30:00Z"),
				s.state(elsewhere(volume(1), 13, 76), "2024-07-03T00:00:00Z"), s.gone(elsewhere(volume(1), 13, 76), "2024-07-03T00:00:00Z"))
			s.expectFindings(july, "volume/1 of 10/76 11/77 12/76 2024-07-01T09:00:00Z..2024-07-01T12:00:00Z 150 min")
		}},
		{"OneIDInTwoRegionsOrTypesOfAProjectIsNotFound", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.state(elsewhere(instance(1), 10, 77), "2024-07-01T00:00:00Z"),
				s.state(elsewhere(volume(1), 11, 76), "2024-07-01T00:00:00Z"))
			s.expectFindings(july)
		}},
		{"NoMinuteBehindNowIsShared", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.state(other(instance(1)), "2024-07-05T00:30:00Z"))
			s.expectFindings(july)
			s.clock.Set(At("2024-07-05T00:30:30Z"))
			s.expectFindings(july, "instance/1 of 10/76 11/77 2024-07-05T00:30:00Z..2024-07-05T00:31:00Z 1 min")
		}},
		{"RetractedStateSharesNothing", func(s *scene) {
			wrong := s.state(other(instance(1)), "2024-07-01T00:00:00Z")
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), wrong)
			s.expectFindings(july, "instance/1 of 10/76 11/77 2024-07-01T00:00:00Z..2024-07-05T00:00:00Z 5760 min")
			s.accept(s.retraction(wrong))
			s.expectFindings(july)
		}},
		{"QuantitiesOfOneIDOnOneDayAreFound", func(s *scene) {
			s.accept(s.quantity(functions(1), "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z", "1"), s.quantity(functions(1), "2024-07-03T00:00:00Z", "2024-07-03T01:00:00Z", "1"))
			s.merge()
			s.accept(s.quantity(other(functions(1)), "2024-07-01T20:00:00Z", "2024-07-02T01:00:00Z", "1"), s.quantity(other(functions(1)), "2024-07-02T20:00:00Z", "2024-07-03T01:00:00Z", "1"))
			s.expectFindings(july, "functions/1 of 10/76 11/77 2024-07-01T00:00:00Z..2024-07-02T00:00:00Z 1440 min")
			s.expectFindings(period("2024-07-02", "2024-07-04"))
		}},
	}
}

// overlaps is windows that overlap.
func overlaps() []behaviour {
	july := period("2024-07-01", "2024-08-01")
	return []behaviour{
		{"WindowsThatOverlapAreFound", func(s *scene) {
			s.accept(s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "1"))
			s.merge()
			s.accept(s.quantity(port(1), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1"), s.quantity(port(1), "2024-07-01T11:00:00Z", "2024-07-01T11:30:00Z", "1"),
				s.quantity(elsewhere(port(2), 11, 76), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1"))
			s.expectFindings(july,
				"egress_traffic/1 of 10/76 e001 e003 2024-07-01T11:00:00Z..2024-07-01T11:30:00Z",
				"egress_traffic/1 of 10/76 e001 e002 2024-07-01T11:00:00Z..2024-07-01T12:00:00Z")
		}},
		{"WindowsThatTouchAreNotFound", func(s *scene) {
			s.accept(s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1"), s.quantity(port(1), "2024-07-01T11:00:00Z", "2024-07-01T12:00:00Z", "1"))
			s.expectFindings(july)
		}},
		{"WindowsOfDifferentMetersDoNotOverlap", func(s *scene) {
			s.accept(s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "1"), s.quantity(port(1), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1", metered("m")),
				s.quantity(port(1), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1", with(metering.InstanceType, "router")), s.quantity(port(2), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1"))
			s.expectFindings(july)
		}},
		{"CorrectionOfAWindowDoesNotOverlapIt", func(s *scene) {
			s.accept(s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "1"), s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "2", toldAt("2024-07-02T00:00:00Z")))
			s.expectFindings(july)
			s.accept(s.quantity(port(1), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1"))
			s.expectFindings(july, "egress_traffic/1 of 10/76 e002 e003 2024-07-01T11:00:00Z..2024-07-01T12:00:00Z")
		}},
		{"RetractedWindowDoesNotOverlap", func(s *scene) {
			wrong := s.quantity(port(1), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1")
			s.accept(s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "1"), wrong)
			s.expectFindings(july, "egress_traffic/1 of 10/76 e002 e001 2024-07-01T11:00:00Z..2024-07-01T12:00:00Z")
			s.accept(s.retraction(wrong))
			s.expectFindings(july)
		}},
		{"WindowsOverlapAcrossDaysAndMonths", func(s *scene) {
			s.accept(s.quantity(port(1), "2024-06-30T12:00:00Z", "2024-07-01T12:00:00Z", "1"), s.quantity(port(1), "2024-07-01T11:00:00Z", "2024-07-02T11:00:00Z", "1"),
				s.quantity(port(1), "2024-07-02T10:00:00Z", "2024-07-02T12:00:00Z", "1"), s.quantity(port(1), "2024-07-04T00:00:00Z", "2024-07-04T12:00:00Z", "1"),
				s.quantity(port(2), "2024-06-30T12:00:00Z", "2024-07-01T12:00:00Z", "1"), s.quantity(port(0), "2024-07-01T11:00:00Z", "2024-07-02T11:00:00Z", "1"))
			first, second := "egress_traffic/1 of 10/76 e001 e002 2024-07-01T11:00:00Z..2024-07-01T12:00:00Z", "egress_traffic/1 of 10/76 e002 e003 2024-07-02T10:00:00Z..2024-07-02T11:00:00Z"
			s.expectFindings(july, first, second)
			s.expectFindings(period("2024-06-01", "2024-09-01"), first, second)
			s.expectFindings(period("0001-01-01", "9999-12-31"), first, second)
			s.expectFindings(period("2024-07-01", "2024-07-02"), first) // it begins on the first
			s.expectFindings(period("2024-07-02", "2024-07-03"), second)
			s.expectFindings(period("2024-06-01", "2024-07-01"))
			s.expectFindings(period("2024-07-03", "2024-07-31"))
			s.expectFindings(period("2024-07-02", "2024-07-02"))
		}},
	}
}

// inspections is what holds for all findings.
func inspections() []behaviour {
	july := period("2024-07-01", "2024-08-01")
	return []behaviour{
		{"FindingsAreOnlyOfTheScope", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.state(elsewhere(instance(1), 11, 77), "2024-07-01T00:00:00Z"), s.state(elsewhere(instance(1), 12, 76), "2024-07-04T00:00:00Z"),
				s.quantity(elsewhere(port(1), 11, 77), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "1"), s.quantity(elsewhere(port(1), 11, 77), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1"))
			overlap := "egress_traffic/1 of 11/77 e004 e005 2024-07-01T11:00:00Z..2024-07-01T12:00:00Z"
			s.expectFindingsWithin(july, report.FullScope(), "instance/1 of 10/76 11/77 12/76 2024-07-01T00:00:00Z..2024-07-05T00:00:00Z 5760 min", overlap)
			for _, c := range []struct {
				narrow func(*report.Scope)
				want   []string
			}{
				{func(c *report.Scope) { c.Projects = report.Only[metering.ProjectID](10, 12) }, []string{"instance/1 of 10/76 12/76 2024-07-04T00:00:00Z..2024-07-05T00:00:00Z 1440 min"}},
				{func(c *report.Scope) { c.Projects = report.Only[metering.ProjectID](11, 13) }, []string{overlap}},
				{func(c *report.Scope) { c.Projects = report.Only[metering.ProjectID](10) }, nil},
				{func(c *report.Scope) { c.Regions = report.Only[metering.RegionID](77) }, []string{overlap}},
				{func(c *report.Scope) { c.Types = report.TypesOf(typeNamed("egress_traffic")) }, []string{overlap}},
				{func(c *report.Scope) { c.Types = report.TypesOf(typeNamed("volume")) }, nil},
				{func(c *report.Scope) { *c = report.Scope{} }, nil},
			} {
				scope := report.FullScope()
				c.narrow(&scope)
				s.expectFindingsWithin(july, scope, c.want...)
			}
		}},
		{"FindingsEndWithTheErrorOfWhoeverLooks", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.state(elsewhere(instance(1), 11, 76), "2024-07-01T00:00:00Z"),
				s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "1"), s.quantity(port(1), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1"))
			enough := errors.New("enough")
			for n := range 2 {
				visited := 0
				err := s.store.Findings(s.t.Context(), findingsOf(july, report.FullScope()), func(*report.Finding) error {
					if visited++; visited > n {
						return enough
					}
					return nil
				})
				if !errors.Is(err, enough) || visited != n+1 {
					s.t.Errorf("after %d findings: %v", visited, err)
				}
			}
		}},
		{"AClosedStoreHasNoFindings", func(s *scene) {
			s.close()
			err := s.store.Findings(s.t.Context(), findingsOf(july, report.FullScope()), func(*report.Finding) error { return nil })
			if metering.KindOf(err) != metering.KindUnavailable {
				s.t.Errorf("got %v", err)
			}
		}},
	}
}

// expectFindings demands the findings of a period, as [briefFinding] writes
// them; the same again after merging.
func (s *scene) expectFindings(p metering.Period, want ...string) {
	s.t.Helper()
	s.expectFindingsWithin(p, report.FullScope(), want...)
}

func (s *scene) expectFindingsWithin(p metering.Period, scope report.Scope, want ...string) {
	s.t.Helper()
	s.expectFound(findingsOf(p, scope), want...)
}

// findingsOf asks for what is wrong with what counts.
func findingsOf(p metering.Period, scope report.Scope) report.FindingQuery {
	return report.FindingQuery{Period: p, Scope: scope, Kinds: report.KindsOf(report.IDInTwoProjects, report.OverlappingWindows)}
}

func (s *scene) expectFound(q report.FindingQuery, want ...string) {
	s.t.Helper()
	s.checkFindings("", q, want)
	if s.merge() {
		s.checkFindings(" after merging", q, want)
	}
	if s.restart() {
		s.checkFindings(" after a restart", q, want)
	}
}

func (s *scene) checkFindings(when string, q report.FindingQuery, want []string) {
	s.t.Helper()
	if got := s.findings(s.store, q, briefFinding); !slices.Equal(got, want) {
		s.t.Fatalf("findings%s:\nwant %s\ngot  %s", when, strings.Join(want, "\n     "), strings.Join(got, "\n     "))
	}
}

// findings are all of a store, as texts.
func (b *bench) findings(store report.Store, q report.FindingQuery, format func(*report.Finding) string) []string {
	b.t.Helper()
	var all []string
	err := store.Findings(b.t.Context(), q, func(f *report.Finding) error {
		all = append(all, format(f))
		return nil
	})
	if err != nil {
		b.t.Fatalf("findings: %v", err)
	}
	return all
}

// briefFinding writes "<type>/<n> of <project>/<region>... <ids> <from>..<to>",
// and the minutes of an id in several projects.
func briefFinding(f *report.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d of", f.Resources[0].Type, f.Resources[0].ID[15])
	for _, k := range f.Resources {
		fmt.Fprintf(&b, " %d/%d", k.Project, k.Region)
	}
	for i := range f.Windows {
		fmt.Fprintf(&b, " %s", f.Windows[i].ID)
	}
	fmt.Fprintf(&b, " %s..%s", f.From, f.To)
	switch f.Kind {
	case report.IDInTwoProjects:
		fmt.Fprintf(&b, " %d min", f.Minutes)
	case report.ReusedIDs:
		fmt.Fprintf(&b, " %s %s %d times", f.Name.Source, f.Name.ID, f.Times)
	}
	return b.String()
}

// FormatFinding shows all that a finding says, in one row of text. Two findings
// are equal when their texts are.
func FormatFinding(f *report.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %v %s..%s %d %v %d", f.Kind, f.Resources, f.From, f.To, f.Minutes, f.Name, f.Times)
	for i := range f.Windows {
		w := &f.Windows[i]
		fmt.Fprintf(&b, " %q %q %s..%s %s at %s", w.Source, w.ID, w.From, w.To, formatValue(w.Meter, w.Quantity), w.At)
	}
	return b.String()
}

// compareFindings asks the store and the model for the findings of a query's
// period and scope, and fails when they differ.
func (p *player) compareFindings(q *report.Query) {
	p.t.Helper()
	of := report.FindingQuery{
		Period: q.Period, Scope: report.Scope{Projects: q.Projects, Regions: q.Regions, Types: q.Types}, Kinds: report.AllKinds(),
		SilentFor: pick(p.Rand, 0, 60*metering.Second, 3600*metering.Second, 7*86400*metering.Second),
	}
	var diff strings.Builder
	diffTexts(&diff, "finding", p.findings(p.model, of, FormatFinding), p.findings(p.store, of, FormatFinding))
	if diff.Len() > 0 {
		p.failf("the store finds other things than the model\nquery %s\n%s", FormatQuery(q), &diff)
	}
}
