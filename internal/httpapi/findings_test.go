package httpapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// traffic is the NDJSON line of a quantity of port 7 in the hours [from, to) of
// 2024-07-01.
func traffic(id, project string, from, to int) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/s","type":"meterbook.resource.quantity.v1","time":"2024-07-01T23:00:00Z",`+
		`"data":{"resource_type":"egress_traffic","resource_id":"3c90c3cc-0d44-4b50-8888-000000000007","project_id":%s,"region_id":76,`+
		`"from":"2024-07-01T%02d:00:00Z","to":"2024-07-01T%02d:00:00Z","quantity":5,"instance_type":"vm","vm_id":"3c90c3cc-0d44-4b50-8888-000000000007"}}`+"\n", id, project, from, to)
}

const julyFindings = findingsPath + "?from=2024-07-01&to=2024-07-02"

// smelling is a site with machine 1 in projects 1 of acme, 2 of other and 3 of
// acme, and windows that overlap in project 2.
func smelling(t *testing.T) (s *site, acme, other string) {
	t.Helper()
	s, acme, other = tenants(t)
	s.send(acme, strings.Replace(machine("1", "3"), `"id":"1"`, `"id":"1-3"`, 1)).want(200)
	s.send(other, machine("1", "2")+traffic("t1", "2", 1, 3)+traffic("t2", "2", 2, 4)).want(200)
	return s, acme, other
}

func TestFindingsAreTold(t *testing.T) {
	t.Parallel()
	s, _, _ := smelling(t)
	got := string(s.ask("GET", julyFindings, s.root, "").want(200).body)
	want := `{"count":2,"results":[` +
		`{"kind":"id_in_two_projects","type":"instance","resource_id":"3c90c3cc-0d44-4b50-8888-000000000001",` +
		`"resources":[{"project_id":1,"region_id":76},{"project_id":2,"region_id":76},{"project_id":3,"region_id":76}],` +
		`"from":"2024-07-01T00:00:00Z","to":"2024-07-02T00:00:00Z","minutes":1440,"billing_metric_name":null,"billing_value_unit":null,"observations":null,"source":null,"id":null,"times":null},` +
		`{"kind":"overlapping_windows","type":"egress_traffic","resource_id":"3c90c3cc-0d44-4b50-8888-000000000007",` +
		`"resources":[{"project_id":2,"region_id":76}],` +
		`"from":"2024-07-01T02:00:00Z","to":"2024-07-01T03:00:00Z","minutes":null,"billing_metric_name":"egress_traffic_vm_gbs","billing_value_unit":"bytes",` +
		`"observations":[{"source":"/s","id":"t1","from":"2024-07-01T01:00:00Z","to":"2024-07-01T03:00:00Z","quantity":5},` +
		`{"source":"/s","id":"t2","from":"2024-07-01T02:00:00Z","to":"2024-07-01T04:00:00Z","quantity":5}],"source":null,"id":null,"times":null}]}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for period, count := range map[string]int{"from=2024-07-01&to=2024-07-01": 0, "from=2024-07-02&to=2024-07-03": 1, "from=0001-01-01&to=9999-12-31": 2, "from=2024-07-01&to=2024-07-02&limit=1": 2} {
		body := decode[listBody[any]](s.ask("GET", findingsPath+"?"+period, s.root, "").want(200))
		if limited := strings.HasSuffix(period, "limit=1"); body.Count != count || !limited && len(body.Results) != count || limited && len(body.Results) != 1 {
			t.Errorf("%s: %d of %d", period, len(body.Results), body.Count)
		}
	}
}

func TestFindingsEndWhereTheKeyEnds(t *testing.T) {
	t.Parallel()
	s, acme, other := smelling(t)
	told := func(token string) (texts []string) {
		body := decode[listBody[struct {
			Kind      string `json:"kind"`
			Resources []struct {
				Project int `json:"project_id"`
			} `json:"resources"`
		}]](s.ask("GET", julyFindings, token, "").want(200))
		for _, f := range body.Results {
			texts = append(texts, fmt.Sprint(f.Kind, f.Resources))
		}
		if body.Count != len(texts) {
			t.Errorf("count %d of %q", body.Count, texts)
		}
		return texts
	}
	for name, c := range map[string]struct {
		key  string
		want []string
	}{
		"above all clients": {s.root, []string{"id_in_two_projects[{1} {2} {3}]", "overlapping_windows[{2}]"}},
		"acme":              {acme, []string{"id_in_two_projects[{1} {3}]"}},
		"other":             {other, []string{"overlapping_windows[{2}]"}},
		"narrowed to one":   {s.key(acme, `{"roles":["admin"],"projects":[1,2]}`), nil},
		"narrowed to two":   {s.key(s.root, `{"roles":["admin"],"projects":[2,3]}`), []string{"id_in_two_projects[{2} {3}]", "overlapping_windows[{2}]"}},
		"another region":    {s.key(s.root, `{"roles":["admin"],"regions":[77]}`), nil},
		"another type":      {s.key(s.root, `{"roles":["admin"],"types":["volume"]}`), nil},
	} {
		if got := told(c.key); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestFindingsAreForAdmins(t *testing.T) {
	t.Parallel()
	s, acme, _ := smelling(t)
	for _, role := range []string{"reader", "writer"} {
		s.ask("GET", julyFindings, s.key(acme, `{"roles":["`+role+`"]}`), "").wantError(403, "ForbiddenError")
	}
	s.ask("GET", julyFindings, "", "").wantError(401, "not_authenticated")
}

func TestWrongQuestionsForFindingsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for query, want := range map[string][]string{
		"":                                       {"from", "to"},
		"?from=2024-07-01":                       {"to"},
		"?from=yesterday&to=2024-07-01T00":       {"from", "to"},
		"?from=2024-07-02&to=2024-07-01":         {"to"},
		"?from=2024-02-30&to=2024-07-01":         {"from"},
		"?from=2024-07-01&to=2024-07-02&limit=0": {"limit"},
		"?from=2024-07-01&to=2024-07-02&limit=1001&kind=x&silent_days=0": {"kind", "limit", "silent_days"},
	} {
		var got []string
		for field := range s.ask("GET", findingsPath+query, s.root, "").invalid() {
			got = append(got, field)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%q: invalid %q, want %q", query, got, want)
		}
	}
}

func TestFindingsAreToldByKind(t *testing.T) {
	t.Parallel()
	s, acme, other := smelling(t)
	s.send(other, strings.Replace(machine("2", "2"), `"id":"2"`, `"id":"1"`, 1)).want(422)
	s.clock.advance(9 * 24 * 3600 * metering.Second)
	ask := func(token, query string) string {
		return string(s.ask("GET", findingsPath+"?from=2025-01-15&to=2025-01-26&"+query, token, "").want(200).body)
	}
	reused := ask(other, "kind=id_reused")
	want := `{"count":1,"results":[{"kind":"id_reused","type":"instance","resource_id":"3c90c3cc-0d44-4b50-8888-000000000001","resources":[{"project_id":2,"region_id":76}],`
	if !strings.HasPrefix(reused, want) || !strings.HasSuffix(reused, `"source":"/s","id":"1","times":1}]}`) {
		t.Errorf("got %s\nwant %s", reused, want)
	}
	for _, c := range []struct {
		token, query string
		count        int
	}{
		{acme, "kind=id_reused", 0}, {s.root, "kind=id_in_two_projects", 1}, {s.root, "kind=overlapping_windows", 0}, {s.root, "", 2},
		{s.root, "kind=silent_resources", 4}, {other, "kind=silent_resources&limit=1", 2}, {s.root, "kind=silent_resources&silent_days=3650", 0},
	} {
		if body := decode[listBody[any]](s.ask("GET", findingsPath+"?from=2025-01-15&to=2025-01-26&"+c.query, c.token, "").want(200)); body.Count != c.count {
			t.Errorf("%q: %d findings, want %d", c.query, body.Count, c.count)
		}
	}
}
