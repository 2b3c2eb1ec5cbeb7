package report_test

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// withPeriod makes a body of the required members and some more.
func withPeriod(members string) string {
	body := `{"time_from":"2024-07-01","time_to":"2024-08-01"`
	if members != "" {
		body += "," + members
	}
	return body + "}"
}

func parse(t testing.TB, body string) report.Query {
	t.Helper()
	q, err := report.Parse([]byte(body), 0, report.FullScope())
	if err != nil {
		t.Fatalf("Parse(%s): %v", body, err)
	}
	return q
}

// refused parses a body that must be invalid.
func refused(t testing.TB, body string) *metering.Error {
	t.Helper()
	_, err := report.Parse([]byte(body), 0, report.FullScope())
	var invalid *metering.Error
	if !errors.As(err, &invalid) || invalid.Kind != metering.KindInvalid {
		t.Fatalf("Parse(%.200s): %v, want an error of KindInvalid", body, err)
	}
	return invalid
}

func day(t testing.TB, date string) metering.Day {
	t.Helper()
	d, ok := metering.ParseDate(date)
	if !ok {
		t.Fatalf("no date: %s", date)
	}
	return d
}

func TestDefaultsAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	const now = 1234 * metering.Second
	got, err := report.Parse([]byte(withPeriod("")), now, report.FullScope())
	if err != nil {
		t.Fatal(err)
	}
	want := report.Query{
		Period:   metering.Period{From: day(t, "2024-07-01"), To: day(t, "2024-08-01")},
		Now:      now,
		Limit:    10,
		Projects: report.Everything[metering.ProjectID](),
		Regions:  report.Everything[metering.RegionID](),
		Types:    report.AllTypes,
		Order:    []report.OrderTerm{{Field: report.ByProject}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTimesAreFlooredToTheirUTCDay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, lastDay, wantFrom, wantTo string }{
		{"2024-07-01T00:00:00Z", "2024-07-31T00:00:00Z", "false", "2024-07-01", "2024-07-31"},
		{"2024-07-01T23:59:59.999999999Z", "2024-07-31T12:00:00Z", "false", "2024-07-01", "2024-07-31"},
		{"2024-07-01T00:30:00+02:00", "2024-07-31T23:30:00-02:00", "false", "2024-06-30", "2024-08-01"},
		{"2024-07-01T02:00:00+02:00", "2024-07-31T21:59:59-02:00", "false", "2024-07-01", "2024-07-31"},
		{"2019-08-01T23:59:59", "2019-08-02T00:00:00", "false", "2019-08-01", "2019-08-02"},
		{"2019-08-01", "2019-08-02", "false", "2019-08-01", "2019-08-02"},
		{"2024-02-28", "2024-02-28T10:00:00Z", "true", "2024-02-28", "2024-02-29"},
		{"2024-02-29", "2024-02-29", "true", "2024-02-29", "2024-03-01"},
		{"2024-02-29", "2024-02-29", "false", "2024-02-29", "2024-02-29"},
		{"0001-01-01", "9999-12-31", "false", "0001-01-01", "9999-12-31"},
		{"2024-07-01T00:00:00.123456789123456789Z", "2024-07-02", "false", "2024-07-01", "2024-07-02"},
	} {
		q := parse(t, fmt.Sprintf(`{"time_to":%q,"enable_last_day":%s,"time_from":%q}`, c.to, c.lastDay, c.from))
		if want := (metering.Period{From: day(t, c.wantFrom), To: day(t, c.wantTo)}); q.Period != want {
			t.Errorf("%s to %s, last day %s: %v, want %v", c.from, c.to, c.lastDay, q.Period, want)
		}
	}
}

func TestLastDayOfTheCalendarCanBeIncluded(t *testing.T) {
	t.Parallel()
	q := parse(t, `{"time_from":"9999-12-31","time_to":"9999-12-31T23:59:59Z","enable_last_day":true}`)
	if want := (metering.Period{From: day(t, "9999-12-31"), To: day(t, "9999-12-31") + 1}); q.Period != want {
		t.Errorf("period %v, want %v", q.Period, want)
	}
}

func TestLimitAndOffsetReachTheEndsOf64Bits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		members       string
		limit, offset int
	}{
		{`"limit":1,"offset":0`, 1, 0},
		{`"limit":1000000,"offset":-0`, 1000000, 0},
		{`"limit":9223372036854775807`, math.MaxInt, 0},
		{`"offset":9223372036854775807`, 0, math.MaxInt},
		{`"limit":9223372036854775807,"offset":5`, math.MaxInt - 5, 5},
		{`"limit":9223372036854775807,"offset":9223372036854775806`, 1, math.MaxInt - 1},
	} {
		q := parse(t, withPeriod(c.members))
		if q.Limit != c.limit || q.Offset != c.offset {
			t.Errorf("%s: limit %d, offset %d, want %d and %d", c.members, q.Limit, q.Offset, c.limit, c.offset)
		}
		if q.Offset+q.Limit < 0 {
			t.Errorf("%s: offset + limit overflows", c.members)
		}
	}
}

func TestPageIsWithinTheLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ limit, offset, count, from, to int }{
		{10, 0, 25, 0, 10},
		{10, 20, 25, 20, 25},
		{10, 25, 25, 25, 25},
		{10, math.MaxInt, 25, 25, 25},
		{math.MaxInt, math.MaxInt, 25, 25, 25},
		{math.MaxInt, 3, 25, 3, 25},
		{1, 0, 0, 0, 0},
	} {
		q := report.Query{Limit: c.limit, Offset: c.offset}
		if from, to := q.Page(c.count); from != c.from || to != c.to {
			t.Errorf("limit %d, offset %d of %d lines: [%d, %d), want [%d, %d)", c.limit, c.offset, c.count, from, to, c.from, c.to)
		}
	}
}

func TestSelectionsAreNarrowedToTheScope(t *testing.T) {
	t.Parallel()
	instance, volume := resourceType(t, "instance"), resourceType(t, "volume")
	scope := report.Scope{
		Projects: report.Only[metering.ProjectID](1, 2),
		Regions:  report.Only[metering.RegionID](7),
		Types:    report.TypesOf(instance, volume),
	}
	for _, c := range []struct {
		members  string
		projects []metering.ProjectID
		regions  []metering.RegionID
		types    report.TypeSet
	}{
		{`"limit":1`, scope.Projects.Items, scope.Regions.Items, scope.Types},
		{`"projects":null`, scope.Projects.Items, scope.Regions.Items, scope.Types},
		{`"projects":[],"regions":[],"types":[]`, scope.Projects.Items, scope.Regions.Items, scope.Types},
		{`"projects":[3,2,2,-9223372036854775808,0]`, []metering.ProjectID{2}, scope.Regions.Items, scope.Types},
		{`"projects":[3]`, []metering.ProjectID{}, scope.Regions.Items, scope.Types},
		{`"regions":[8,9223372036854775807]`, scope.Projects.Items, []metering.RegionID{}, scope.Types},
		{`"types":["volume","backup","volume"]`, scope.Projects.Items, scope.Regions.Items, report.TypesOf(volume)},
		{`"types":["backup"]`, scope.Projects.Items, scope.Regions.Items, 0},
		{`"schema_filter":{"type":"volume","field":"uuid","values":["x"]}`, scope.Projects.Items, scope.Regions.Items, report.TypesOf(volume)},
		{`"types":["instance"],"schema_filter":{"type":"volume","field":"uuid","values":["x"]}`, scope.Projects.Items, scope.Regions.Items, 0},
		{`"schema_filter":{"type":"backup","field":"uuid","values":["x"]}`, scope.Projects.Items, scope.Regions.Items, 0},
	} {
		q, err := report.Parse([]byte(withPeriod(c.members)), 0, scope)
		if err != nil {
			t.Errorf("%s: %v", c.members, err)
			continue
		}
		if q.Projects.All || q.Regions.All || !slices.Equal(q.Projects.Items, c.projects) || !slices.Equal(q.Regions.Items, c.regions) || q.Types != c.types {
			t.Errorf("%s: %v %v %b, want %v %v %b", c.members, q.Projects, q.Regions, q.Types, c.projects, c.regions, c.types)
		}
	}
}

func TestOrderIsOrderByThenSortingThenProject(t *testing.T) {
	t.Parallel()
	byProject := report.OrderTerm{Field: report.ByProject}
	for _, c := range []struct {
		members string
		want    []report.OrderTerm
	}{
		{`"limit":1`, []report.OrderTerm{byProject}},
		{`"order_by":[]`, []report.OrderTerm{byProject}},
		{`"order_by":[],"sorting":[]`, []report.OrderTerm{byProject}},
		{`"sorting":[{}]`, []report.OrderTerm{byProject}},
		{`"order_by":["type.desc"]`, []report.OrderTerm{{report.ByType, true}}},
		{`"order_by":[],"sorting":[{"type":"desc"}]`, []report.OrderTerm{{report.ByType, true}}},
		{`"sorting":[{"type":"desc"}],"order_by":["region.asc"]`, []report.OrderTerm{{report.ByRegion, false}}},
		{
			`"sorting":[{"region":"desc","last_name":"asc","billing_value":"desc"},{"first_seen":"asc"},{"region":"asc","last_seen":"desc"}]`,
			[]report.OrderTerm{{report.ByRegion, true}, {report.ByLastName, false}, {report.ByValue, true}, {report.ByFirstSeen, false}, {report.ByLastSeen, true}},
		},
		{
			`"order_by":["last_name.desc","project.asc","last_name.asc","last_name.desc"]`,
			[]report.OrderTerm{{report.ByLastName, true}, byProject},
		},
	} {
		if q := parse(t, withPeriod(c.members)); !slices.Equal(q.Order, c.want) {
			t.Errorf("%s: order %v, want %v", c.members, q.Order, c.want)
		}
	}
}

func TestTagFilterIsReadWithItsDefaults(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	long, longer := strings.Repeat("ü", 255), strings.Repeat("ü", 256)
	ten := strings.TrimSuffix(strings.Repeat(`{"key":"k"},`, 10), ",")
	tenConditions := slices.Repeat([]report.TagCondition{{Key: text("k"), Strict: true}}, 10)
	for _, c := range []struct {
		tags string
		want report.TagFilter
	}{
		{`{"conditions":[{"key":"k"}]}`, report.TagFilter{Conditions: []report.TagCondition{{Key: text("k"), Strict: true}}}},
		{`{"conditions":[{"value":"v","strict":false}],"condition_type":"OR"}`, report.TagFilter{Conditions: []report.TagCondition{{Value: text("v")}}}},
		{
			`{"condition_type":"AND","conditions":[{"strict":true,"value":"v","key":"k"}]}`,
			report.TagFilter{Conditions: []report.TagCondition{{Key: text("k"), Value: text("v"), Strict: true}}, All: true},
		},
		{
			`{"conditions":[{"key":"` + long + `","value":"` + longer + `"}]}`,
			report.TagFilter{Conditions: []report.TagCondition{{Key: &long, Value: &longer, Strict: true}}},
		},
		{`{"conditions":[` + ten + `]}`, report.TagFilter{Conditions: tenConditions}},
	} {
		if q := parse(t, withPeriod(`"tags":`+c.tags)); !reflect.DeepEqual(q.Tags, &c.want) {
			t.Errorf("%s: %+v, want %+v", c.tags, q.Tags, c.want)
		}
	}
}

func TestEscapedNamesAreTheNamesTheyStandFor(t *testing.T) {
	t.Parallel()
	if q := parse(t, withPeriod(`"lim\u0069t":7`)); q.Limit != 7 {
		t.Errorf("limit %d, want 7", q.Limit)
	}
	fields := refused(t, withPeriod(`"limit":7,"lim\u0069t":7`)).Fields
	if want := []string{"Field given more than once"}; !slices.Equal(fields["limit"], want) {
		t.Errorf("fields %v, want limit: %v", fields, want)
	}
}

func TestEveryInvalidFieldIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	got := refused(t, `{"limit":0,"offset":-1,"time_to":"soon","types":["Volume"],"nope":1,
		"tags":{"conditions":[{"key":""},{}]},"order_by":["project.asc","name.asc"]}`)
	paths := slices.Sorted(maps.Keys(got.Fields))
	want := []string{
		"limit", "nope", "offset", "order_by.1", "tags.conditions.0.key", "tags.conditions.1",
		"time_from", "time_to", "types.0",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("fields %v, want %v", paths, want)
	}
	if want := "Request is not valid: limit: Input should be greater than 0 (invalid fields besides: 8)"; got.Message != want {
		t.Errorf("message %q, want %q", got.Message, want)
	}
}
