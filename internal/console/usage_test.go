package console

import (
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// state is an event: from a day of January 2025 on the resource is like this.
func state(day, project, region int, typeName, id, more string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"%s-%d-%d","source":"/s","type":"meterbook.resource.state.v1","time":"2025-01-%02dT00:00:00Z","data":{"resource_type":"%s","resource_id":"%s","project_id":%d,"region_id":%d,"status":"active",%s}}`,
		id, day, project, day, typeName, resourceID(id), project, region, more)
}

// resourceID is a UUID that ends with the first letter of the name.
func resourceID(name string) string {
	return "00000000-0000-4000-8000-" + fmt.Sprintf("%012x", []byte(name)[0])
}

// gone is an event: from a day on the resource is not there.
func gone(day, project, region int, typeName, id string) string {
	return strings.Replace(state(day, project, region, typeName, id, `"name":"x"`), `"active","name":"x"`, `"deleted"`, 1)
}

// load sends a small fleet: an instance in each of two projects, a volume, a backup,
// and traffic.
func (s *site) load() {
	s.t.Helper()
	s.send(
		state(2, 10, 76, "instance", "a", `"name":"web-1","flavor":"g1","tags":{"env":"prod","team":"shop"}`),
		state(5, 11, 77, "instance", "b", `"name":"db-1","flavor":"g2","tags":{"env":"dev"}`),
		state(3, 10, 76, "volume", "c", `"name":"disk-1","volume_type":"standard","size_bytes":107374182400,"tags":{"env":"prod"}`),
		state(3, 11, 76, "backup", "d", `"name":"copy-1","size_bytes":1073741824`),
		gone(4, 10, 76, "volume", "c"),
		`{"specversion":"1.0","id":"q1","source":"/f","type":"meterbook.resource.quantity.v1","time":"2025-01-06T01:00:10Z","data":{"resource_type":"egress_traffic","resource_id":"`+resourceID("e")+`","project_id":11,"region_id":77,"from":"2025-01-06T00:00:00Z","to":"2025-01-06T01:00:00Z","quantity":"7340032","instance_type":"vm"}}`,
	)
	shop := "Shop & Söhne"
	if _, err := s.admin.UpdateProject(s.t.Context(), 10, client.ProjectChange{Name: &shop}); err != nil {
		s.t.Fatal(err)
	}
	country := "Luxembourg"
	if _, err := s.admin.UpdateRegion(s.t.Context(), 76, client.RegionChange{Name: &country}); err != nil {
		s.t.Fatal(err)
	}
}

// follow goes where the short address of a view is.
func (b *browser) follow(path string) answer {
	b.site.t.Helper()
	got := b.get(path)
	if to := got.header.Get("Location"); got.status == 303 {
		return b.get(to)
	}
	return got
}

// exactOf returns the exact values of a table, in its order.
func (a answer) exactOf(table string) []string {
	a.t.Helper()
	_, rest, found := strings.Cut(a.body, `id="`+table+`"`)
	if !found {
		a.t.Fatalf("%s has no table %s: %s", a.path, table, a.body)
	}
	body, _, _ := strings.Cut(rest, "</table>")
	var values []string
	for _, match := range regexp.MustCompile(`data-exact="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		values = append(values, match[1])
	}
	return values
}

const january = "/usage?from=2025-01-01&last=2025-01-31"

func TestUsageShowsTheFiguresOfTheReport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.load()
	b := s.signedIn(s.root)
	got := b.get(january).want(200).shows(
		"1 Jan 2025 – 31 Jan 2025, 31 days, UTC", "Shop &amp; Söhne", "Luxembourg", ">web-1<", "7 MiB", "7340032 bytes",
		`href="/resource/10/76/instance/`+resourceID("a")+`?from=2025-01-01&amp;to=2025-02-01"`, "as of 2025-01-15 12:00:00 UTC")
	report, err := s.admin.UsageReport(t.Context(), client.Request{TimeFrom: dayTime(metering.DayOf(2025, 1, 1)), TimeTo: dayTime(metering.DayOf(2025, 2, 1)), Limit: 50})
	if err != nil {
		t.Fatal(err)
	}
	var lines, totals []string
	for _, l := range report.Resources {
		lines = append(lines, string(l.BillingValue))
	}
	for _, total := range report.Totals {
		totals = append(totals, string(total.BillingValue))
	}
	if shown := got.exactOf("usage-lines"); strings.Join(shown, " ") != strings.Join(lines, " ") || len(shown) != 5 {
		t.Errorf("lines %v, want %v", shown, lines)
	}
	if shown := got.exactOf("usage-totals"); strings.Join(shown, " ") != strings.Join(totals, " ") {
		t.Errorf("totals %v, want %v", shown, totals)
	}
}

func TestChartsShowTheFiguresOfTheSeries(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.load()
	b := s.signedIn(s.root)
	minutes := b.get(january).want(200)
	// 12 h of the 15th count; instance a from the 2nd on, b from the 5th on.
	if got := strings.Join(minutes.exactOf("usage-groups"), " "); got != fmt.Sprint(13*1440+720+10*1440+720) {
		t.Errorf("groups %s", got)
	}
	minutes.shows(`aria-current="true"><span>Minutes</span>`, `<th scope="row" class="nowrap">2025-01-02</th><td class="num" title="24 h">1440</td><td class="num" title="24 h">1440</td>`,
		`<th scope="row" class="nowrap">2025-01-01</th><td class="num">0</td>`, `<span>GB-minutes of backups</span>`, `data-axis="h" data-worth="60"`)
	projects := b.get(january + "&by=project&unit=bytes").want(200)
	projects.shows(`aria-current="true"><span>Bytes</span><b title="7340032 bytes">7 MiB</b>`, `title="7 MiB">7340032</td>`, `project=11&amp;by=project&amp;unit=bytes"`)
	if got := projects.exactOf("usage-groups"); len(got) != 1 || got[0] != "7340032" {
		t.Errorf("groups %v", got)
	}
	b.get("/usage?from=2024-01-01&last=2025-01-31").want(200).shows("Minutes by month", `class="nowrap">2025-01</th>`)
}

func TestFiltersSelectWhatTheAPISelects(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.load()
	b := s.signedIn(s.root)
	for query, want := range map[string]string{
		"&project=10":                              "web-1 disk-1",
		"&project=10,11&region=77":                 "db-1",
		"&type=volume,backup":                      "disk-1 copy-1",
		"&tag=env=prod":                            "web-1 disk-1",
		"&tag=env=prod&tag=team&tags=all":          "web-1",
		"&tag=env~=D":                              "web-1 disk-1 db-1",
		"&tag==dev":                                "db-1",
		"&in=instance.flavor&q=g2":                 "db-1",
		"&in=instance.last_name&q=web-1&q=db-1":    "web-1 db-1",
		"&in=volume.uuid&q=" + resourceID("c"):     "disk-1",
		"&type=instance&sort=billing_value.desc":   "web-1 db-1",
		"&type=instance&sort=billing_value.asc":    "db-1 web-1",
		"&type=instance,volume&sort=last_name.asc": "db-1 disk-1 web-1",
	} {
		got := b.follow(january + query).want(200)
		var names []string
		for _, match := range regexp.MustCompile(`<td class="name"><a [^>]*>([^<]*)</a>`).FindAllStringSubmatch(got.body, -1) {
			if !strings.HasPrefix(match[1], "0000") {
				names = append(names, match[1])
			}
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s shows %v, want %s", query, names, want)
		}
	}
}

func TestAddressOfAViewReproducesIt(t *testing.T) {
	t.Parallel()
	now := start.Time()
	for _, query := range []string{
		"", "period=last-month", "period=7-days", "from=2024-02-01&last=2024-02-29", "project=1,2&region=3&type=instance,volume",
		"tag=env=prod&tag=team&tag==x&tag=a%2525%257E~=b%26c=d&tags=all", "in=volume.last_name&q=a%2Bb&q=c,d", "by=region&unit=gbminutes%21&sort=last_name.desc&page=7&size=100",
		"period=30-days&project=9007199254740991&in=external_ip.ip_address&q=2001:db8::1&by=metric",
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		q, wrong := readUsage(values, now)
		if len(wrong) > 0 || q.encode() != query {
			t.Errorf("%s became %s, wrong %v", query, q.encode(), wrong)
		}
	}
}

func TestFormLeadsToTheShortAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	for given, want := range map[string]string{
		"?period=this-month&from=2025-01-01&last=2025-01-15&by=type&sort=project.asc&size=50&tag_key=&tag_mode=is&tag_value=&tags=any&in=&q=": "/usage",
		"?period=last-month&from=2024-12-01&last=2024-12-31":                                              "/usage?period=last-month",
		"?period=last-month&from=2024-12-02&last=2024-12-31":                                              "/usage?from=2024-12-02&last=2024-12-31",
		"?project=2&project=1&project=2&type=volume&type=instance":                                        "/usage?project=1,2&type=instance,volume",
		"?tag_key=env&tag_mode=contains&tag_value=pr&tag_key=team&tag_mode=is&tag_value=&tags=all&page=1": "/usage?tag=env~=pr&tag=team&tags=all",
		"?tag_key=a%3Db&tag_mode=is&tag_value=c%3D~":                                                      "/usage?tag=a%253Db=c=~",
		"?in=volume.last_name&q=+x+&q=":                                                                   "/usage?in=volume.last_name&q=+x+",
		"?unknown=1":                                                                                      "/usage",
	} {
		b.get("/usage" + given).leads(want)
		b.get(want).want(200)
	}
}

func TestManyIDsInAnAddressDoNotBlowThePageUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.load()
	var ids []string
	for id := range 2000 {
		ids = append(ids, strconv.Itoa(id+1))
	}
	b := s.signedIn(s.root)
	for _, name := range []string{"project", "region"} {
		got := b.get("/usage?from=2025-01-01&last=2025-01-31&" + name + "=" + strings.Join(ids, ",")).want(200)
		got.shows("2,000 " + name + "s")
		const most = 2 << 20 // an address of 10 kB in each of some forty links, and a line for each id
		if len(got.body) > most {
			t.Errorf("%d bytes for 2000 ids of a %s, want at most %d", len(got.body), name, most)
		}
	}
}

func TestWrongValuesAreToldBesideTheirField(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.load()
	b := s.signedIn(s.root)
	for query, want := range map[string]string{
		"?from=2024-02-30&last=2024-03-01":      "&#34;2024-02-30&#34; is no day",
		"?from=2024-03-02&last=2024-03-01":      "The last day must not be before the first.",
		"?from=2024-03-02":                      "&#34;&#34; is no day",
		"?last=9999-12-31&from=2024-01-01":      "Give a day before 9999-12-31.",
		"?period=tomorrow":                      "&#34;tomorrow&#34; is none of this-month",
		"?project=x":                            "&#34;x&#34; is no id of a project",
		"?region=0":                             "&#34;0&#34; is no id of a region",
		"?type=instances":                       "&#34;instances&#34; is no resource type.",
		"?in=volume.colour&q=x":                 "&#34;volume.colour&#34; is no field that can be searched.",
		"?in=volume.last_name":                  "Say what to look for",
		"?q=web-1":                              "Choose in which field to look for &#34;web-1&#34;.",
		"?tag=" + strings.Repeat("k", 256):      "A tag&#39;s key has at most 255 characters.",
		"?tag=k=" + strings.Repeat("v", 257):    "A tag&#39;s value has at most 256 characters.",
		"?" + strings.Repeat("tag=a&", 11):      "at most 10 conditions, and there are 11",
		"?sort=colour":                          "&#34;colour&#34; is none of last_name.asc",
		"?page=0":                               "page must be a whole number from 1",
		"?size=51":                              "A page has 25, 50, 100 or 250 lines.",
		"?by=flavor":                            "&#34;flavor&#34; is none of type",
		"?tags=some&tag=a":                      "&#34;some&#34; is none of any, all",
		"?from=0001-01-01&last=2025-01-01&size": "",
	} {
		if want != "" {
			b.get("/usage"+query).want(400).shows(want, "Correct what is marked above").hides(`id="usage-lines"`)
		}
	}
	// At their limits they are right.
	for _, query := range []string{"?tag=" + strings.Repeat("k", 255) + "=" + strings.Repeat("v", 256), "?tag=a" + strings.Repeat("&tag=a", 9), "?from=0001-01-01&last=9999-12-30", "?page=4503599627370496&size=250"} {
		b.get("/usage" + query).want(200)
	}
}

func TestSortingAndPaging(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var events []string
	for i := range 60 {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		events = append(events, strings.ReplaceAll(state(2, 10, 76, "instance", "a", fmt.Sprintf(`"name":"n%02d","flavor":"g1"`, i)), resourceID("a"), id))
		events[i] = strings.Replace(events[i], `"id":"a-2-10"`, fmt.Sprintf(`"id":"e%d"`, i), 1)
	}
	s.send(events...)
	b := s.signedIn(s.root)
	first := b.get(january+"&sort=last_name.desc&size=25").want(200).shows("1–25 of 60", ">n59<", ">n35<", `aria-sort="descending"`, `rel="next"`, `sort=last_name.asc&amp;size=25"`).hides(">n34<", `rel="prev"`)
	if n := strings.Count(first.body, "aria-sort"); n != 1 {
		t.Errorf("%d columns are sorted by", n)
	}
	b.get(january+"&sort=last_name.desc&page=3&size=25").want(200).shows("51–60 of 60", ">n09<", ">n00<", `rel="prev"`).hides(`rel="next"`)
	b.get(january+"&page=9").want(200).shows("There are no lines so far back", `href="/usage?from=2025-01-01&amp;last=2025-01-31"`)
	// A click on another column begins anew.
	b.get(january + "&sort=last_name.desc&page=2&size=25").want(200).shows(`href="/usage?from=2025-01-01&amp;last=2025-01-31&amp;sort=type.asc&amp;size=25"`)
}

func TestDownloadsAreTheWholeReport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.load()
	b := s.signedIn(s.root)
	query := "&project=10,11&sort=last_name.desc&page=1&size=25"
	request := client.Request{TimeFrom: dayTime(metering.DayOf(2025, 1, 1)), TimeTo: dayTime(metering.DayOf(2025, 2, 1)), Projects: []int64{10, 11}, OrderBy: []string{"last_name.desc"}, Limit: 1000}
	want := map[string]string{}
	for form, write := range map[string]func(*client.ReportStream, io.Writer) error{"csv": (*client.ReportStream).WriteCSV, "ndjson": (*client.ReportStream).WriteNDJSON} {
		stream, err := s.admin.StreamUsageReport(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := write(stream, &text); err != nil || stream.Close() != nil {
			t.Fatal(err)
		}
		want[form] = text.String()
	}
	body, err := s.admin.UsageReportJSON(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err != nil || body.Close() != nil {
		t.Fatal(err)
	}
	want["json"] = string(text)
	for form, mediaType := range map[string]string{"csv": "text/csv; charset=utf-8", "json": "application/json", "ndjson": "application/x-ndjson"} {
		got := b.get(strings.Replace(january, "/usage?", "/usage/download?format="+form+"&", 1) + query).want(200)
		if got.body != want[form] || len(got.body) < 500 {
			t.Errorf("%s: got %s, want %s", form, got.body, want[form])
		}
		if got.header.Get("Content-Type") != mediaType || got.header.Get("Content-Disposition") != `attachment; filename="meterbook-usage-2025-01-01-to-2025-01-31.`+form+`"` {
			t.Errorf("%s: header %v", form, got.header)
		}
	}
	b.follow(january + query).shows(`href="/usage/download?format=csv&amp;from=2025-01-01&amp;last=2025-01-31&amp;project=10,11&amp;sort=last_name.desc" download`)
	b.get("/usage/download?format=xls").want(400).shows("The format must be csv, json or ndjson.")
	b.get("/usage/download?format=csv&project=x").want(400).shows("is no id of a project")
	if head := b.send("HEAD", "/usage/download?format=csv", nil).want(200); head.header.Get("Content-Disposition") == "" {
		t.Errorf("header %v", head.header)
	}
}

func TestNarrowedKeySeesItsOwnOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.load()
	b := s.signedIn(s.key(client.NewKey{Name: "of 11", Roles: []string{client.RoleReader}, Projects: []int64{11}}))
	b.get(january).want(200).shows(">db-1<", "of 11", "Only projects").hides("web-1", "Shop", "disk-1")
	b.get(january+"&project=10").want(200).shows("Nothing matches these filters", "Clear the filters").hides("web-1", "Shop", "disk-1")
	b.get("/usage/download?format=csv&from=2025-01-01&last=2025-01-31").want(200).shows("db-1").hides("web-1", "disk-1")
}

func TestTextsOfSourcesAreEscaped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const evil = `\"><script>alert(1)</script><img src=x onerror=alert(1)>'`
	s.send(state(2, 10, 76, "instance", "a", `"name":"`+evil+`","flavor":"`+evil+`","billing_metric_name":"`+evil+`","tags":{"`+evil+`":"`+evil+`","b":"x","c":"`+evil+`"}`))
	name := `"><script>alert(1)</script>`
	if _, err := s.admin.UpdateProject(t.Context(), 10, client.ProjectChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.admin.UpdateRegion(t.Context(), 76, client.RegionChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	b := s.signedIn(s.root)
	for _, query := range []string{"", "&by=metric", "&by=project&project=10", "&by=region&region=76", "&tag=" + url.QueryEscape(`"><script>alert(1)</script>`), "&in=instance.last_name&q=" + url.QueryEscape(`"><script>x`), "&unit=" + url.QueryEscape(`"><script>`)} {
		b.follow(january+query).want(200).hides("<script>alert", "<img", "<script>x", `"><script>`)
	}
	b.get("/usage?sort=%22%3E%3Cscript%3Ealert").want(400).hides("<script>alert")
	b.get("/usage/download?format=%3Cscript%3E").want(400).hides("<script>alert")
}

func TestNoUsageSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.signedIn(s.root).get("/usage?period=7-days").want(200).shows("No usage in these days", "9 Jan 2025 – 15 Jan 2025, 7 days, UTC")
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.key(client.NewKey{Roles: []string{client.RoleReader}, RateLimit: 1}))
	refused := b.get("/usage").want(429).shows("Too many requests at once", "Try again", `<span class="mono">`, "A page asks the API up to 6 times")
	if refused.header.Get("Retry-After") == "" || refused.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("header %v", refused.header)
	}
	all := s.signedIn(s.root)
	all.get("/usage/download?format=xml").want(400).shows("The format must be csv, json or ndjson.", `href="/usage">Start anew`)
	all.get("/resource/10/76/volume/"+resourceID("c")+"?as_of=2099-01-01T00:00").want(400).
		shows("asks for what there cannot be", "as_of: Input should not be in the future").hides("invalid_fields")
	for _, at := range []string{"/admin/clients/%2e%2e", "/admin/keys/%2E", "/admin/keys/%2e%2e/revoke"} {
		all.get(at).want(404)
	}
}

func TestPeriodsAreWholeDays(t *testing.T) {
	t.Parallel()
	day := metering.DayOf
	for at, want := range map[string]map[string]metering.Period{
		"2024-03-01T00:00:00Z": {"this-month": {From: day(2024, 3, 1), To: day(2024, 3, 2)}, "last-month": {From: day(2024, 2, 1), To: day(2024, 3, 1)}, "7-days": {From: day(2024, 2, 24), To: day(2024, 3, 2)}},
		"2025-01-31T23:59:59Z": {"this-month": {From: day(2025, 1, 1), To: day(2025, 2, 1)}, "last-month": {From: day(2024, 12, 1), To: day(2025, 1, 1)}, "30-days": {From: day(2025, 1, 2), To: day(2025, 2, 1)}},
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		for name, days := range want {
			if got := periodOf(name, now); got != days {
				t.Errorf("%s at %s is %s to %s", name, at, got.From, got.To)
			}
		}
	}
}

func TestEveryTypeHasItsFamily(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for _, f := range families() {
		for _, name := range f.types {
			if _, known := metering.ResourceTypeNamed(name); !known {
				t.Errorf("%s is no type", name)
			}
			seen[name]++
		}
	}
	for _, typ := range metering.ResourceTypes() {
		if seen[typ.String()] != 1 {
			t.Errorf("%s is in %d families", typ, seen[typ.String()])
		}
	}
}
