package storetest

import (
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// stock tells of a few resources that filters tell apart; each counts the last
// minute of the first of July.
func stock(s *scene) {
	const at, vm = "2024-07-01T23:59:00Z", "3c90c3cc-0d44-4b50-8888-28dd25736052"
	s.accept(
		s.state(instance(1), at, named("web"), tagged("env", "prod"), tagged("os", "Ubuntu 22.04")),
		s.state(instance(2), at, named("Web"), tagged("env", "Preprod"), with(metering.Flavor, "g2")),
		s.state(elsewhere(instance(3), 11, 76), at, named("db"), tagged("os", "prod")),
		s.state(elsewhere(instance(4), 11, 77), at),
		s.state(volume(5), at, named("web"), multiplied(1<<30+1), with(metering.AttachedToVM, vm), tagged("env", "prod")),
		s.state(thing(typeNamed("backup"), 6), at, named("web"), multiplied(2)),
		s.state(address(7), at, with(metering.IPAddress, "10.0.0.1")),
		s.quantity(port(8), "2024-07-01T23:00:00Z", "2024-07-01T23:30:00Z", "1", with(metering.VMID, vm), with(metering.InstanceName, "web"), tagged("env", "prod")),
	)
}

// choose asks for the stock that a query selects, and demands the numbers of
// its resources, in the canonical order.
func choose(s *scene, what string, change func(*report.Query), numbers ...byte) {
	s.t.Helper()
	q := s.query(firstOfJuly())
	change(&q)
	a := s.ask(q)
	var got []byte
	for _, l := range a.Lines {
		got = append(got, l.Resource.ID[15])
	}
	if string(got) != string(numbers) {
		s.t.Errorf("%s: want resources %d, got %d", what, numbers, got)
	}
	if diff := diffTotals(a); diff != "" || a.Count != len(numbers) {
		s.t.Errorf("%s: want count %d, got %d; %s", what, len(numbers), a.Count, diff)
	}
}

// variously checks selections as the store is, after merging, and after a
// restart.
func variously(check func(*scene)) func(*scene) {
	return func(s *scene) {
		stock(s)
		check(s)
		if s.merge() {
			check(s)
		}
		if s.restart() {
			check(s)
		}
	}
}

func selections() []behaviour {
	return []behaviour{
		{"ProjectsRegionsAndTypesNarrow", variously(checkNarrowing)},
		{"FieldFilterMatchesWholeValues", variously(checkFieldFilters)},
		{"TagConditionIsMetByOneTag", variously(checkTagFilters)},
		{"FiltersSeeTheLineAsPrinted", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T23:00:00Z", named("old"), tagged("env", "dev")), s.state(instance(1), "2024-07-01T23:30:00Z", named("new"), tagged("env", "prod")),
				s.state(instance(1), "2024-07-02T00:00:00Z", named("newest")))
			named := func(name string) func(*report.Query) {
				return func(q *report.Query) {
					q.Where = &report.FieldFilter{Type: instance(1).Type, Field: report.FilterAttribute, Attribute: metering.Name, Texts: []string{name}}
				}
			}
			choose(s, "old name", named("old"))
			choose(s, "new name", named("new"), 1)
			choose(s, "name after the period", named("newest"))
			choose(s, "old tag", tagsQuery(false, report.TagCondition{Value: pointer("dev"), Strict: true}))
			choose(s, "new tag", tagsQuery(false, report.TagCondition{Value: pointer("prod"), Strict: true}), 1)
		}},
	}
}

func checkNarrowing(s *scene) {
	projects := func(ids ...metering.ProjectID) func(*report.Query) {
		return func(q *report.Query) { q.Projects = report.Only(ids...) }
	}
	regions := func(ids ...metering.RegionID) func(*report.Query) {
		return func(q *report.Query) { q.Regions = report.Only(ids...) }
	}
	choose(s, "all", func(*report.Query) {}, 6, 8, 7, 1, 2, 5, 3, 4)
	choose(s, "project 11", projects(11), 3, 4)
	choose(s, "projects 10 and 12", projects(12, 10), 6, 8, 7, 1, 2, 5)
	choose(s, "no project", projects())
	choose(s, "unknown project", projects(12))
	choose(s, "region 77", regions(77), 4)
	choose(s, "region 76", regions(76, 1), 6, 8, 7, 1, 2, 5, 3)
	choose(s, "no region", regions())
	choose(s, "two types", func(q *report.Query) { q.Types = report.TypesOf(volume(1).Type, port(1).Type) }, 8, 5)
	choose(s, "no type", func(q *report.Query) { q.Types = 0 })
	choose(s, "all three", func(q *report.Query) {
		q.Projects, q.Regions, q.Types = report.Only[metering.ProjectID](11), report.Only[metering.RegionID](76), report.TypesOf(instance(1).Type)
	}, 3)
}

func checkFieldFilters(s *scene) {
	where := func(f report.FieldFilter) func(*report.Query) {
		return func(q *report.Query) { q.Where = sortValues(&f) }
	}
	text := func(t metering.ResourceType, a metering.Attribute, texts ...string) func(*report.Query) {
		return where(report.FieldFilter{Type: t, Field: report.FilterAttribute, Attribute: a, Texts: texts})
	}
	instances, volumes, backups := instance(1).Type, volume(1).Type, typeNamed("backup")
	choose(s, "type itself", where(report.FieldFilter{Type: instances, Field: report.FilterType, Texts: []string{"instance"}}), 1, 2, 3, 4)
	choose(s, "another type's name", where(report.FieldFilter{Type: instances, Field: report.FilterType, Texts: []string{"volume"}}))
	choose(s, "name", text(instances, metering.Name, "web"), 1)
	choose(s, "names", text(instances, metering.Name, "db", "Web", "we"), 2, 3)
	choose(s, "name of another type", text(volumes, metering.Name, "web"), 5)
	choose(s, "no value left", text(instances, metering.Name))
	choose(s, "flavor", text(instances, metering.Flavor, "g2"), 2)
	choose(s, "attached to", text(volumes, metering.AttachedToVM, "3c90c3cc-0d44-4b50-8888-28dd25736052"), 5)
	choose(s, "address", text(address(1).Type, metering.IPAddress, "10.0.0.1"), 7)
	choose(s, "instance name", text(port(1).Type, metering.InstanceName, "web"), 8)
	choose(s, "instance type", text(port(1).Type, metering.InstanceType, "vm"), 8)
	choose(s, "ids", where(report.FieldFilter{Type: instances, Field: report.FilterID, IDs: []metering.UUID{{15: 3}, {15: 1}, {15: 5}}}), 1, 3)
	choose(s, "port", where(report.FieldFilter{Type: port(1).Type, Field: report.FilterID, IDs: []metering.UUID{{15: 8}}}), 8)
	choose(s, "size rounded up", where(report.FieldFilter{Type: volumes, Field: report.FilterSize, Sizes: []uint64{2}}), 5)
	choose(s, "size rounded down", where(report.FieldFilter{Type: volumes, Field: report.FilterSize, Sizes: []uint64{1, 1<<30 + 1}}))
	choose(s, "size in bytes", where(report.FieldFilter{Type: backups, Field: report.FilterSize, Sizes: []uint64{9, 2}}), 6)
	choose(s, "type not selected", func(q *report.Query) {
		q.Types = report.TypesOf(volumes)
		text(instances, metering.Name, "web")(q)
	})
}

func tagsQuery(all bool, conditions ...report.TagCondition) func(*report.Query) {
	return func(q *report.Query) { q.Tags = &report.TagFilter{All: all, Conditions: conditions} }
}

func checkTagFilters(s *scene) {
	key := func(key string) report.TagCondition { return report.TagCondition{Key: &key, Strict: true} }
	value := func(value string, strict bool) report.TagCondition {
		return report.TagCondition{Value: &value, Strict: strict}
	}
	pair := func(key, value string, strict bool) report.TagCondition {
		return report.TagCondition{Key: &key, Value: &value, Strict: strict}
	}
	choose(s, "key", tagsQuery(false, key("env")), 8, 1, 2, 5)
	choose(s, "key in another case", tagsQuery(false, key("ENV")))
	choose(s, "key, not strict", tagsQuery(false, report.TagCondition{Key: pointer("nv")}))
	choose(s, "value", tagsQuery(false, value("prod", true)), 8, 1, 5, 3)
	choose(s, "value in another case", tagsQuery(false, value("Prod", true)))
	choose(s, "part of a value", tagsQuery(false, value("PROD", false)), 8, 1, 2, 5, 3)
	choose(s, "part in the middle", tagsQuery(false, value("UNTU 2", false)), 1)
	choose(s, "pair", tagsQuery(false, pair("env", "prod", true)), 8, 1, 5)
	choose(s, "part of one key's value", tagsQuery(false, pair("env", "pRe", false)), 2)
	choose(s, "pair of two tags", tagsQuery(false, pair("os", "preprod", false)))
	choose(s, "both", tagsQuery(true, key("env"), key("os")), 1)
	choose(s, "either", tagsQuery(false, key("env"), key("os")), 8, 1, 2, 5, 3)
	choose(s, "both by one tag", tagsQuery(true, key("env"), value("prod", false)), 8, 1, 2, 5)
	choose(s, "both, one never met", tagsQuery(true, key("env"), key("none")))
}
