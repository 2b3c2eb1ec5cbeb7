package console

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/meterbook/meterbook/client"
)

// inJuly is the address of the Usage page for the fleet's month.
const inJuly = "/usage?from=2024-07-01&last=2024-07-31"

// shownLine is a line as the page shows it.
type shownLine struct {
	Name, Exact, Unit, Address string
}

// lines are those on the page.
func (b *tab) lines() []shownLine {
	b.t.Helper()
	return evaluate[[]shownLine](b, `[...document.querySelectorAll('#usage-lines tbody tr')].map(r => {
  const usage = r.querySelector('[data-exact]'), link = r.querySelector('td.name a');
  return {Name: link.innerText.trim(), Exact: usage.dataset.exact, Unit: usage.dataset.unit, Address: link.getAttribute('href')};
})`)
}

// shownOf is how a line of the API must be shown.
func shownOf(l *client.Line, days string) shownLine {
	name := ""
	for _, text := range []*string{l.UUID, l.PortID, l.IPAddress, l.InstanceName, l.LastName} {
		if text != nil && *text != "" {
			name = *text
		}
	}
	id := l.UUID
	if id == nil {
		id = l.PortID
	}
	return shownLine{name, string(l.BillingValue), l.BillingValueUnit, fmt.Sprintf("/resource/%d/%d/%s/%s?%s", l.ProjectID, l.RegionID, l.Type, *id, days)}
}

const pageSize = 50 // lines, unless another size is chosen

// checkLines demands that the page shows just what the API answers.
func (b *tab) checkLines(token string, want client.Request) *client.Report {
	b.t.Helper()
	if want.Limit == 0 {
		want.Limit = pageSize
	}
	if want.OrderBy == nil {
		want.OrderBy = []string{"project.asc"}
	}
	report := must(b.p.api(token).UsageReport(b.t.Context(), want))(b.t)
	var lines []shownLine
	for i := range report.Resources {
		lines = append(lines, shownOf(&report.Resources[i], "from=2024-07-01&to=2024-08-01"))
	}
	if got := b.lines(); !slices.Equal(got, lines) {
		b.t.Errorf("at %s the lines are\n%v\nthe API says\n%v", b.at(), got, lines)
	}
	if got := strings.ReplaceAll(b.text("#line-count"), ",", ""); got != fmt.Sprint(report.Count) && report.Count > 0 {
		b.t.Errorf("at %s there are %s lines, the API says %d", b.at(), got, report.Count)
	}
	return report
}

// checkFigures demands that totals and charts, too, are the API's.
func (b *tab) checkFigures(token string, want client.Request) {
	b.t.Helper()
	report := b.checkLines(token, want)
	var totals []string
	for _, t := range report.Totals {
		totals = append(totals, fmt.Sprintf("%s %s %s", t.BillingMetricName, t.BillingValue, t.BillingValueUnit))
	}
	if got := evaluate[[]string](b, `[...document.querySelectorAll('#usage-totals tbody tr')].map(r =>
  r.querySelector('.mono').innerText.trim() + ' ' + r.querySelector('[data-exact]').dataset.exact + ' ' + r.querySelector('[data-exact]').dataset.unit)`); !slices.Equal(got, totals) {
		b.t.Errorf("at %s the totals are\n%q\nthe API says\n%q", b.at(), got, totals)
	}
	series := must(b.p.api(token).UsageSeries(b.t.Context(), client.SeriesRequest{
		TimeFrom: want.TimeFrom, TimeTo: want.TimeTo, Step: client.StepDay, By: client.ByType, Projects: want.Projects, Regions: want.Regions,
		Types: want.Types, SchemaFilter: want.SchemaFilter, Tags: want.Tags,
	}))(b.t)
	got := evaluate[[]string](b, `[...document.querySelectorAll('#usage-series tbody tr')].map(r => [...r.cells].map(c => c.textContent.trim()).join(' '))`)
	if !slices.ContainsFunc(series.Units, func(u client.UnitSeries) bool {
		wanted := b.query().Get("unit")
		return (wanted == "" || wanted == u.Unit) && slices.Equal(got, rowsOf(series, &u))
	}) {
		b.t.Errorf("at %s the series is\n%q\nthe API says\n%+v", b.at(), got, series)
	}
	if drawn := evaluate[int](b, `(() => { const c = document.querySelector('#usage-plot'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  const seen = new Set(); for (let i = 0; i < d.length; i += 4) if (d[i + 3]) seen.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return seen.size; })()`); drawn < 3 {
		b.t.Errorf("at %s the chart has %d colours", b.at(), drawn)
	}
}

// rowsOf is how the table under the chart must show a unit: a row for each day.
func rowsOf(s *client.Series, u *client.UnitSeries) []string {
	var rows []string
	for i, day := range s.Steps {
		row := day
		for _, g := range u.Groups {
			row += " " + string(g.Values[i])
		}
		rows = append(rows, row+" "+string(u.Values[i]))
	}
	return rows
}

// choose opens a filter, and checks the box of a value.
func (b *tab) choose(menu, name, value string) {
	b.t.Helper()
	b.click("button", menu)
	b.do(b.clickAt(fmt.Sprintf("document.querySelector('input[name=%s][value=%s]')", name, quote(value))))
	b.follow("button", "Apply")
}

func TestFiguresAreTheAPIs(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	b.open("/usage")
	b.click("button", "Days")
	b.fill("First day (UTC)", "2024-07-01")
	b.fill("Last day (UTC)", "2024-07-31")
	b.follow("button", "Show these days")
	if b.at() != inJuly {
		t.Fatalf("the days lead to %s", b.at())
	}
	b.checkFigures(rootToken, july())
	for _, unit := range []string{"minutes", "gbminutes", "MLS"} {
		b.open(inJuly + "&unit=" + unit)
		b.checkFigures(rootToken, july())
	}
}

func TestEveryFilterNarrowsTheReport(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	no := false
	tagged := func(kind string, conditions ...client.TagCondition) func(*client.Request) {
		return func(r *client.Request) { r.Tags = &client.TagFilter{Conditions: conditions, ConditionType: kind} }
	}
	tag := func(n int, key, mode, value string) {
		b.fill(fmt.Sprintf("Key of tag %d", n), key)
		b.fill(fmt.Sprintf("How tag %d compares", n), mode)
		b.fill(fmt.Sprintf("Value of tag %d", n), value)
	}
	for _, c := range []struct {
		does    string
		act     func()
		narrows func(*client.Request)
	}{
		{"a project", func() { b.choose("Projects", "project", "102") }, func(r *client.Request) { r.Projects = []int64{lab} }},
		{"a region", func() { b.choose("Regions", "region", "80") }, func(r *client.Request) { r.Regions = []int64{sydney} }},
		{"a type", func() { b.choose("Types", "type", "volume") }, func(r *client.Request) { r.Types = []string{"volume"} }},
		{"a tag that is", func() {
			b.click("button", "Tags")
			tag(1, "env", "is", "test")
			b.follow("button", "Apply")
		}, tagged("OR", client.TagCondition{Key: "env", Value: "test"})},
		{"a tag that contains", func() {
			b.click("button", "Tags")
			tag(1, "", "contains", "EAM-2")
			b.follow("button", "Apply")
		}, tagged("OR", client.TagCondition{Value: "EAM-2", Strict: &no})},
		{"one more tag, and all", func() {
			b.click("button", "Tags")
			tag(1, "env", "is", "test")
			b.follow("button", "Apply")
			b.click("button", "Tags 1")
			tag(2, "team", "is", "team-1")
			b.click("field", "all of them")
			b.follow("button", "Apply")
		}, tagged("AND", client.TagCondition{Key: "env", Value: "test"}, client.TagCondition{Key: "team", Value: "team-1"})},
		{"a field", func() {
			b.click("button", "Search")
			b.fill("Field", "instance.last_name")
			b.fill("Whole value", "web-007")
			b.load(b.clickAt(`[...document.querySelectorAll('button')].find(e => e.innerText === 'Search' && e.checkVisibility())`))
		}, func(r *client.Request) {
			r.SchemaFilter = &client.SchemaFilter{Type: "instance", Field: "last_name", Values: []string{"web-007"}}
		}},
	} {
		b.open(inJuly)
		c.act()
		want := july()
		c.narrows(&want)
		b.checkFigures(rootToken, want)
		if b.at() == inJuly {
			t.Errorf("%s does not change the address", c.does)
		}
		b.follow("link", "Clear all")
		b.checkLines(rootToken, july())
		b.back()
		for range b.texts(".chip") {
			b.load(b.clickAt(`document.querySelector('.chip a')`))
		}
		b.checkLines(rootToken, july())
	}
}

func TestPresetsAreWholeDaysUpToToday(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	for _, name := range []string{"Last month", "Last 7 days", "Last 30 days", "This month"} {
		b.follow("link", name)
		if got := b.texts(".segments [aria-current]"); !slices.Contains(got, name) {
			t.Errorf("%s is not the period, but %q", name, got)
		}
		if got := len(b.lines()); got != 4 { // what was never deleted
			t.Errorf("%s: %d lines\n%s", name, got, b.text("main"))
		}
	}
}

func TestLinesAreSortedByClicking(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	b.open(inJuly)
	for _, c := range []struct{ head, field, first, second string }{
		{"Name", "last_name", "asc", "desc"}, {"Type", "type", "asc", "desc"}, {"Region", "region", "asc", "desc"}, {"Usage", "billing_value", "desc", "asc"},
		{"First seen (UTC)", "first_seen", "asc", "desc"}, {"Last seen (UTC)", "last_seen", "desc", "asc"}, {"Project", "project", "asc", "desc"},
	} {
		for _, direction := range []string{c.first, c.second} {
			b.load(b.clickAt(fmt.Sprintf(`[...document.querySelectorAll('#usage-lines thead a')].find(a => a.innerText.replace(/[↑↓]/g, '').trim() === %s)`, quote(c.head))))
			want := july()
			want.OrderBy = []string{c.field + "." + direction}
			b.checkLines(rootToken, want)
			if got := evaluate[string](b, `document.querySelector('#usage-lines th[aria-sort]').getAttribute('aria-sort')`); got != direction+"ending" {
				t.Errorf("%s %s: aria-sort is %s", c.head, direction, got)
			}
		}
	}
}

func TestLinesAreReadPageByPage(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	b.open(inJuly)
	at := func(offset, limit int64) {
		t.Helper()
		want := july()
		want.Offset, want.Limit = offset, limit
		b.checkLines(rootToken, want)
	}
	for _, step := range []struct {
		link          string
		offset, limit int64
	}{{"Next", 50, 50}, {"Next", 100, 50}, {"Previous", 50, 50}, {"Last", 100, 50}, {"First", 0, 50}, {"25", 0, 25}, {"Next", 25, 25}, {"100", 0, 100}, {"250", 0, 250}} {
		b.follow("link", step.link)
		at(step.offset, step.limit)
	}
	b.back()
	at(0, 100)
	b.back()
	at(25, 25)
}

func TestALinkReproducesTheView(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	b.open(inJuly)
	b.choose("Projects", "project", "101")
	b.load(b.clickAt(`[...document.querySelectorAll('#usage-lines thead a')].find(a => a.innerText.trim() === 'Name')`))
	b.follow("link", "Next")
	link, lines := b.at(), b.lines()
	other := p.visitor(t) // a browser that has never been here
	other.open(link)
	other.signIn(rootToken)
	if other.at() != link || !slices.Equal(other.lines(), lines) || len(lines) == 0 {
		t.Errorf("%s shows\n%v\n%s shows\n%v", link, lines, other.at(), other.lines())
	}
	third := other.another()
	third.open(inJuly)
	third.checkLines(rootToken, july())
	if !slices.Equal(other.lines(), lines) {
		t.Error("what another tab does changes this one")
	}
}

func TestALineLeadsToWhyItIsSo(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	b.open(inJuly + "&type=volume")
	line := b.lines()[0]
	if status := b.follow("link", line.Name); status != http.StatusOK {
		t.Fatalf("%s: status %d", b.at(), status)
	}
	for _, want := range []string{line.Exact, "archive-large", "ssd_hiiops", "/fleet/east"} {
		b.shows(want)
	}
	b.back()
	if b.at() != inJuly+"&type=volume" {
		t.Errorf("going back leads to %s", b.at())
	}
}

func TestDownloadsAreTheAPIs(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	dir := t.TempDir()
	must(chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior: browser.SetDownloadBehaviorBehaviorAllow, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID, DownloadPath: dir,
	}))(t)
	b.open(inJuly + "&project=101&sort=billing_value.desc&size=25")
	want := july()
	want.Projects, want.OrderBy, want.Limit = []int64{shop}, []string{"billing_value.desc"}, math.MaxInt64
	api := p.api(rootToken)
	stream := func(write func(*client.ReportStream, io.Writer) error) []byte {
		s := must(api.StreamUsageReport(t.Context(), want))(t)
		var text bytes.Buffer
		if err := write(s, &text); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		return text.Bytes()
	}
	for format, text := range map[string][]byte{
		"CSV":    stream((*client.ReportStream).WriteCSV),
		"NDJSON": stream((*client.ReportStream).WriteNDJSON),
		"JSON":   must(io.ReadAll(must(api.UsageReportJSON(t.Context(), want))(t)))(t),
	} {
		b.click("link", format)
		path := filepath.Join(dir, "meterbook-usage-2024-07-01-to-2024-07-31."+strings.ToLower(format))
		b.until(func() bool {
			_, err := os.Stat(path)
			return err == nil
		})
		if got := must(os.ReadFile(path))(t); !bytes.Equal(got, text) || len(text) == 0 {
			t.Errorf("%s has %d bytes, the API gives %d", path, len(got), len(text))
		}
	}
}

func TestNarrowedKeySeesOnlyItsOwn(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	k := p.key(client.NewKey{Name: "lab only", Client: acme, Roles: []string{client.RoleReader}, Projects: []int64{lab}, Types: []string{"volume", "floatingip"}})
	b := p.signedIn(t, k.Token)
	b.open(inJuly)
	b.checkFigures(k.Token, july())
	if got := len(b.lines()); got != 2 {
		t.Errorf("%d lines", got)
	}
	for _, hidden := range []string{"Shop", "Rival", "web-001", "rivals-door", "globex", "/admin/"} {
		b.showsNot(hidden)
	}
	for _, path := range []string{"/resource/101/76/instance/" + machine(1) + "?from=2024-07-01&to=2024-08-01", "/resource/201/80/load_balancer/" + machine(1003) + "?from=2024-07-01&to=2024-08-01"} {
		if status := b.visit(path); status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, status)
		}
		b.showsNot("web-001")
		b.showsNot("rivals-door")
	}
	for _, path := range []string{"/admin/keys", "/admin/projects/101"} {
		if status := b.visit(path); status != http.StatusForbidden {
			t.Errorf("%s: status %d\n%s", path, status, b.text("main"))
		}
	}
	writer := p.key(client.NewKey{Name: "writer", Client: acme, Roles: []string{client.RoleWriter}})
	w := p.visitor(t)
	w.open("/signin")
	w.fill("Token", writer.Token)
	if status := w.follow("button", "Sign in"); status != http.StatusForbidden {
		t.Errorf("a writer gets %d\n%s", status, w.text("main"))
	}
	w.shows("writer")
}

func TestUsageByKeyboardAlone(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	b.open(inJuly)
	b.tabTo("Projects")
	b.press("\r")
	b.tabTo("Laboratory 102")
	b.press(" ")
	b.tabTo("Apply")
	b.load(chromedp.KeyEvent("\r"))
	want := july()
	want.Projects = []int64{lab}
	b.checkLines(rootToken, want)
	b.tabTo("Name")
	b.load(chromedp.KeyEvent("\r"))
	want.OrderBy = []string{"last_name.asc"}
	b.checkLines(rootToken, want)
	b.tabTo("archive-large")
	b.load(chromedp.KeyEvent("\r"))
	if !strings.HasPrefix(b.at(), "/resource/102/80/volume/") {
		t.Errorf("the line leads to %s", b.at())
	}
}
