package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

// machineFrom is an event of a machine from a source.
func machineFrom(source, id, project, flavor string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":%q,"type":"meterbook.resource.state.v1","time":"2025-01-15T11:59:00Z","data":{"resource_type":"instance",`+
		`"resource_id":"3c90c3cc-0d44-4b50-8888-000000000001","project_id":%s,"region_id":76,"status":"active","name":"web","flavor":%q}}`, id, source, project, flavor)
}

func TestSourcesShowWhatCameAndWhatDidNot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	b.get("/sources").want(http.StatusOK).shows("No source has sent anything yet", `<a href="/sources" aria-current="page">Sources</a>`)
	s.send(machineFrom("/a<b>", "1", "1", "f"))
	s.clock.advance(5 * time.Hour)
	b = s.signedIn(s.root) // the session has ended
	s.send(machineFrom("/a<b>", "2", "1", "g"))
	if _, err := s.admin.SendNDJSON(t.Context(), strings.NewReader(strings.Replace(machineFrom("/a<b>", "<i>", "1", "f"), `"status":"active"`, `"status":"<gone>"`, 1))); err != nil {
		t.Fatal(err)
	}
	b.get("/sources").want(http.StatusOK).shows("/a&lt;b&gt;", `<span class="badge good">fresh</span>`, "keys above all clients",
		"only now and then", "invalid_value", "&lt;i&gt;", "1 refused in 30 days", "All 1", "Late 0", "Nothing was found").
		hides("<b>", "<i>", "style=")
	b.get("/sources?status=silent").want(http.StatusOK).shows("No such source")
	s.clock.advance(26 * time.Hour)
	b = s.signedIn(s.root)
	b.get("/sources?status=silent&offset=x").want(http.StatusOK).shows(`<span class="badge bad">silent</span>`, "26 h ago")
	b.get("/sources?offset=40").want(http.StatusOK).shows("No such source")
}

func TestFindingsLeadToTheirResources(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(machineFrom("/a", "1", "1", "f"), machineFrom("/a", "1", "2", "f"))
	if r, err := s.admin.SendNDJSON(t.Context(), strings.NewReader(machineFrom("/a", "1", "1", "other"))); err != nil || r.RejectedTotal != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	s.clock.advance(9 * 24 * time.Hour)
	b := s.signedIn(s.root)
	resource := "/resource/1/76/instance/3c90c3cc-0d44-4b50-8888-000000000001"
	retraction := "/sources/retract?id=1&amp;project=1&amp;source=%2Fa"
	b.get("/sources").want(http.StatusOK).shows("Id 1 of source /a was refused once.", resource, retraction)
	b.get("/sources?find=silent_resources").want(http.StatusOK).shows("Last heard of 9 days ago.", resource+"?from=2025-01-15&amp;to=2025-01-25")
	b.get("/sources?find=silent_resources&days=14").want(http.StatusOK).shows("Nothing was found")
	b.get("/sources?find=id_in_two_projects").want(http.StatusOK).shows("Counted in several projects at once", "project 2, region 76")
	b.get("/sources?find=overlapping_windows").want(http.StatusOK).shows("Nothing was found")
}

func TestSourcesAreForAdminsThatAreNotNarrowed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(machineFrom("/secret", "1", "1", "f"))
	for _, role := range []string{client.RoleReader, client.RoleWriter} {
		s.signedIn(s.key(client.NewKey{Roles: []string{role}})).get("/sources").want(http.StatusForbidden).hides("/secret")
	}
	s.signedIn(s.key(client.NewKey{Roles: []string{client.RoleAdmin}, Projects: []int64{1}})).get("/sources").want(http.StatusOK).
		shows("Your key is narrowed", "What smells of wrong bills").hides("/secret")
}

func TestObservationIsRetractedOnceHoweverOftenTheFormIsSent(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(machineFrom("/a", "1", "1", "f"))
	s.clock.advance(time.Hour)
	b := s.signedIn(s.key(client.NewKey{Roles: []string{client.RoleWriter}}))
	form := b.get("/sources/retract?project=1&source=%2Fa&id=1").want(http.StatusOK).shows(`value="/a"`, `name="reason"`)
	value := func(name string) string {
		_, rest, _ := strings.Cut(form.body, `name="`+name+`" value="`)
		text, _, _ := strings.Cut(rest, `"`)
		return text
	}
	sent := url.Values{"nonce": {value("nonce")}, "at": {value("at")}, "project": {"1"}, "source": {"/a"}, "id": {"1"}, "reason": {" double <probe> "}}
	lines := func() int64 {
		t.Helper()
		report, err := s.admin.UsageReport(t.Context(), client.Request{TimeFrom: s.clock.now().Time(), TimeTo: s.clock.now().Time().AddDate(0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		return report.Count
	}
	if lines() != 1 {
		t.Fatal("nothing to retract")
	}
	b.post("/sources/retract", sent).want(http.StatusOK).shows("<h1>The retraction is stored</h1>", "double &lt;probe&gt;", "1 accepted, 0 known")
	if lines() != 0 {
		t.Error("the report still has it")
	}
	b.post("/sources/retract", sent).want(http.StatusOK).shows("This was retracted before", "0 accepted, 1 known")
}

func TestRetractionsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(machineFrom("/a", "1", "1", "f"))
	b := s.signedIn(s.key(client.NewKey{Roles: []string{client.RoleWriter}, Projects: []int64{2}}))
	fields := url.Values{"nonce": {"n"}, "at": {"2025-01-15T12:00:00Z"}, "project": {"1"}, "source": {"/a"}, "id": {"1"}, "reason": {"r"}}
	b.post("/sources/retract", fields).want(http.StatusUnprocessableEntity).shows("It was refused", "forbidden_project", `value="/a"`)
	fields.Set("project", "x")
	fields.Set("reason", " ")
	b.post("/sources/retract", fields).want(http.StatusBadRequest).shows("Give the number of a project.", "Say why.")
	fields.Del("nonce")
	b.post("/sources/retract", fields).want(http.StatusBadRequest).shows("Open it again")
	s.signedIn(s.key(client.NewKey{Roles: []string{client.RoleReader}})).get("/sources/retract").want(http.StatusForbidden)
}

func TestGapsAreThoseOfRegularSources(t *testing.T) {
	t.Parallel()
	at := func(i int) string { return fmt.Sprint("h", i) }
	series := func(accepted ...int64) *client.CountSeries {
		return &client.CountSeries{Accepted: accepted, Duplicates: make([]int64, len(accepted)), Rejected: make([]int64, len(accepted))}
	}
	for want, s := range map[string]*client.CountSeries{
		"Accepted events by hour, 8 hours, nothing came in 2 hours from h3, h6": series(0, 5, 5, 0, 0, 5, 0, 0),
		"Accepted events by hour, 8 hours, only now and then":                   series(0, 5, 0, 0, 0, 5, 0, 0),
		"Accepted events by hour, 8 hours, no gap":                              series(0, 5, 5, 5, 5, 5, 5, 0),
		"Accepted events by hour, 20 hours, nothing came in 12 hours from h5":   series(0, 5, 5, 5, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 5, 5),
	} {
		g := newStrip("hour", s, 1, at)
		if g.Label != want || strings.Contains(want, "nothing") != (g.Gaps != "") {
			t.Errorf("%v: %q %q, want %q", s.Accepted, g.Label, g.Gaps, want)
		}
	}
}

func TestRetractionForAProjectThatIsNotThereDoesNotMakeIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	fields := url.Values{"nonce": {"n"}, "at": {"2025-01-15T12:00:00Z"}, "project": {"999"}, "source": {"/a"}, "id": {"1"}, "reason": {"r"}}
	s.signedIn(s.root).post("/sources/retract", fields).want(http.StatusBadRequest).shows("There is no such project", `value="999"`)
	if projects, err := s.admin.Projects(t.Context()); err != nil || len(projects) > 0 {
		t.Errorf("%v, %v", projects, err)
	}
}

func TestBarsTellNothingFromLittle(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, most int64
		want    int
	}{{0, 100, 0}, {1, 1_000_000, 4}, {1, 1, 26}, {1_000_000, 1_000_000, 26}, {1000, 1_000_000, 14}} {
		if got := barHeight(c.n, c.most); got != c.want {
			t.Errorf("%d of %d: %d pixels, want %d", c.n, c.most, got, c.want)
		}
	}
	ms := func(n int64) *int64 { return &n }
	for text, n := range map[string]*int64{"–": nil, "0 ms": ms(0), "−5 s": ms(-5500), "999 ms": ms(999), "119 s": ms(119_999), "2 min": ms(120_000), "2 h": ms(7_200_000), "2 days": ms(48 * 3_600_000)} {
		if got := sourceLag(n); got != text {
			t.Errorf("%s, want %s", got, text)
		}
	}
}
