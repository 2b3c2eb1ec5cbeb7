package storetest

import (
	"math"
	"strconv"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// sorted demands the numbers of the resources in the order of the query.
func sorted(s *scene, numbers string, order ...report.OrderTerm) {
	s.t.Helper()
	q := s.query(firstOfJuly())
	q.Order = order
	check := func(when string) {
		s.t.Helper()
		var got []string
		for _, l := range s.ask(q).Lines {
			got = append(got, strconv.Itoa(int(l.Resource.ID[15])))
		}
		if text := strings.Join(got, " "); text != numbers {
			s.t.Errorf("order %v%s: want %s, got %s", order, when, numbers, text)
		}
	}
	check("")
	if s.merge() {
		check(" after merging")
	}
	if s.restart() {
		check(" after a restart")
	}
}

func asc(f report.OrderField) report.OrderTerm  { return report.OrderTerm{Field: f} }
func desc(f report.OrderField) report.OrderTerm { return report.OrderTerm{Field: f, Descending: true} }

func orders() []behaviour {
	return []behaviour{
		{"TiesAreBrokenByIdentityAscending", func(s *scene) {
			const at = "2024-07-01T23:59:00Z"
			s.accept(s.state(elsewhere(instance(1), 12, 1), at), s.state(elsewhere(instance(2), 9, 5), at), s.state(elsewhere(instance(3), 9, 100), at),
				s.state(instance(5), at), s.state(instance(4), at), s.state(volume(6), at), s.state(image(7), at))
			sorted(s, "2 3 7 4 5 6 1", asc(report.ByProject))
			sorted(s, "1 7 4 5 6 2 3", desc(report.ByProject))
			sorted(s, "3 7 4 5 6 2 1", desc(report.ByRegion))
			sorted(s, "6 2 3 4 5 1 7", desc(report.ByType))
			sorted(s, "1 6 4 5 7 2 3", desc(report.ByProject), desc(report.ByType))
			sorted(s, "2 3 7 4 5 6 1", desc(report.ByValue), desc(report.ByLastSeen))
		}},
		{"LinesOfOneResourceAreInTheOrderOfTheirMeters", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z", with(metering.Flavor, "b")), s.state(instance(1), "2024-07-01T10:01:00Z", with(metering.Flavor, "a")),
				s.state(instance(1), "2024-07-01T10:02:00Z", with(metering.Flavor, "c"), metered("a_min")), s.state(instance(1), "2024-07-01T10:03:00Z", with(metering.Flavor, "B")), s.gone(instance(1), "2024-07-01T10:04:00Z"))
			s.expectQuery(func() report.Query {
				q := s.query(firstOfJuly())
				q.Order = []report.OrderTerm{desc(report.ByType)}
				return q
			}, "instance/1 B_min=1 2024-07-01T10:03:30Z..2024-07-01T10:03:30Z", "instance/1 a_min=1 2024-07-01T10:01:30Z..2024-07-01T10:01:30Z",
				"instance/1 a_min=1 2024-07-01T10:02:30Z..2024-07-01T10:02:30Z", "instance/1 b_min=1 2024-07-01T10:00:30Z..2024-07-01T10:00:30Z")
		}},
		{"NamelessLinesComeLastInBothDirections", func(s *scene) {
			const at = "2024-07-01T23:59:00Z"
			s.accept(s.state(instance(1), at), s.state(instance(2), at, named("b")), s.state(instance(3), at, named("a")), s.state(instance(4), at, named("B")),
				s.state(instance(5), at, named("ä")), s.state(address(6), at), s.state(image(7), at, named("b")),
				s.quantity(port(8), "2024-07-01T23:00:00Z", "2024-07-01T23:30:00Z", "1", with(metering.InstanceName, "a")))
			sorted(s, "4 3 7 2 5 8 6 1", asc(report.ByLastName))
			sorted(s, "5 7 2 3 4 8 6 1", desc(report.ByLastName))
			sorted(s, "5 2 7 3 4 1 6 8", desc(report.ByLastName), desc(report.ByType))
		}},
	}
}

// exactOrders is orders by numbers and times.
func exactOrders() []behaviour {
	return []behaviour{
		{"ValuesCompareAcrossMeasures", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T23:57:00Z"), s.state(image(2), "2024-07-01T23:59:00Z", multiplied(3_000_000_001)), s.state(image(3), "2024-07-01T23:59:00Z", multiplied(2_999_999_999)),
				s.quantity(functions(4), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "3.000001"), s.quantity(functions(5), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "3"),
				s.state(image(6), "2024-07-01T00:00:00Z", multiplied(metering.MaxSizeBytes)), s.state(image(7), "2024-07-01T23:59:00Z", multiplied(0)),
				s.quantity(port(8), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "9223372036854775807"))
			sorted(s, "7 3 5 1 2 4 6 8", asc(report.ByValue))
			sorted(s, "8 6 4 2 5 1 3 7", desc(report.ByValue))
		}},
		{"TimesCompareAsPrinted", func(s *scene) {
			s.accept(s.quantity(functions(1), "2024-07-01T10:00:00.9Z", "2024-07-01T12:00:00Z", "1"), s.quantity(functions(2), "2024-07-01T10:00:00.1Z", "2024-07-01T12:00:00.999999999Z", "1"),
				s.quantity(functions(3), "2024-07-01T10:00:01Z", "2024-07-01T11:59:59.9Z", "1"), s.state(instance(4), "2024-07-01T09:59:59Z"),
				s.quantity(functions(5), "2024-07-01T23:00:00Z", "2024-07-02T10:00:00Z", "1"))
			sorted(s, "1 2 3 4 5", asc(report.ByFirstSeen))
			sorted(s, "5 4 3 1 2", desc(report.ByFirstSeen))
			sorted(s, "3 1 2 4 5", asc(report.ByLastSeen))
			sorted(s, "5 4 1 2 3", desc(report.ByLastSeen))
		}},
	}
}

func pages() []behaviour {
	return []behaviour{
		{"PagesJoinToTheWhole", func(s *scene) {
			crowd(s, 45)
			for _, order := range [][]report.OrderTerm{{asc(report.ByProject)}, {desc(report.ByLastName), asc(report.ByValue)}, {desc(report.ByValue)}, {asc(report.ByFirstSeen)}} {
				for _, limit := range []int{1, 7, 45, 1000} {
					checkPages(s, order, limit)
				}
			}
		}},
		{"PageMayLieBehindTheEnd", func(s *scene) {
			crowd(s, 5)
			for _, page := range []struct{ limit, offset, lines int }{
				{math.MaxInt, 0, 5}, {1, 4, 1}, {10, 4, 1}, {1, 5, 0}, {10, 1_000_000, 0}, {1, math.MaxInt - 1, 0}, {math.MaxInt - 1, 1, 4},
			} {
				q := s.query(firstOfJuly())
				q.Limit, q.Offset = page.limit, page.offset
				a := s.ask(q)
				if len(a.Lines) != page.lines || a.Count != 5 || len(a.Totals) == 0 {
					s.t.Errorf("limit %d offset %d: want %d lines of 5, got %d of %d, %d totals", page.limit, page.offset, page.lines, len(a.Lines), a.Count, len(a.Totals))
				}
			}
		}},
		{"ReadingMayStopEarly", func(s *scene) {
			crowd(s, 20)
			rep, err := s.store.Report(s.t.Context(), s.query(firstOfJuly()))
			if err != nil {
				s.t.Fatal(err)
			}
			for range rep.Lines {
				break
			}
			rep.Close()
			if got := len(s.ask(s.query(firstOfJuly())).Lines); got != 20 {
				s.t.Errorf("want 20 lines after a report that was left early, got %d", got)
			}
		}},
		{"TotalsSumAcrossProjects", func(s *scene) {
			const at = "2024-07-01T23:58:00Z"
			s.accept(s.state(instance(1), at), s.state(elsewhere(instance(2), 11, 76), at, multiplied(5)), s.state(elsewhere(instance(3), 11, 77), at),
				s.state(instance(4), at, with(metering.Flavor, "g0")), s.state(instance(5), at, with(metering.Flavor, "g0"), metered("g1_min")),
				s.state(thing(typeNamed("backup"), 6), at), s.state(volume(7), at), s.state(elsewhere(volume(8), 12, 76), at, multiplied(metering.MaxSizeBytes)))
			q := s.query(firstOfJuly())
			q.Limit = 1
			got := strings.Join(formatAll(s.ask(q).Totals, FormatTotal), "\n")
			want := strings.Join([]string{
				`76 instance "g0_min"[g0]=2 minutes`, `76 instance "g1_min"[g0]=2 minutes`, `76 instance "g1_min"[g1]=12 minutes`, `77 instance "g1_min"[g1]=2 minutes`,
				`76 volume "volume_t_g1_gbm"[g1]=2305843011.213693952 gbminutes`,
			}, "\n")
			if got != want {
				s.t.Errorf("totals:\nwant\n%s\ngot\n%s", want, got)
			}
		}},
	}
}

// crowd tells of n resources with few names and few values.
func crowd(s *scene, n int) {
	var told []*metering.Observation
	for i := range n {
		k := elsewhere([]metering.ResourceKey{instance(byte(i)), image(byte(i)), address(byte(i))}[i%3], metering.ProjectID(10+i%4), metering.RegionID(76+i%2))
		edits := []edit{multiplied(uint64(1 + i%5))}
		if k.Type.HasName() && i%4 > 0 {
			edits = append(edits, named([]string{"a", "b", "c", "d", "é"}[i%5]))
		}
		told = append(told, s.state(k, "2024-07-01T23:"+[]string{"00", "10", "20"}[i%3]+":00Z", edits...))
	}
	s.accept(told...)
}

// checkPages reads page by page and compares with the whole.
func checkPages(s *scene, order []report.OrderTerm, limit int) {
	q := s.query(firstOfJuly())
	q.Order = order
	whole := s.ask(q)
	joined := *whole
	joined.Lines = nil
	for q.Limit = limit; q.Offset < whole.Count; q.Offset += limit {
		page := s.ask(q)
		joined.Lines = append(joined.Lines, page.Lines...)
		page.Lines, joined.Count = whole.Lines, page.Count
		AssertEqualAnswers(s.t, whole, page)
	}
	AssertEqualAnswers(s.t, whole, &joined)
}
