package console

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

const (
	volumePage = "/resource/10/76/volume/3c90c3cc-0d44-4b50-8888-0000000000a1"
	portPage   = "/resource/10/76/egress_traffic/3c90c3cc-0d44-4b50-8888-0000000000b1"
	july       = "?from=2024-07-01&to=2024-08-01"
)

// told is an event of the resources that the tests look at.
func told(id, kind, at, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/s","type":"meterbook.%s.v1","time":"2024-%sZ","data":{%s}}`, id, kind, at, data)
}

func volumeIn(project int, id, at, size, name string) string {
	return told(id, "resource.state", at, fmt.Sprintf(`"project_id":%d,"region_id":76,"resource_type":"volume","resource_id":"3c90c3cc-0d44-4b50-8888-0000000000a1","status":"active","volume_type":"ssd","size_bytes":%s,"name":%q,"tags":{"env":"prod"}`, project, size, name))
}

func volumeGone(project int, id, at string) string {
	return told(id, "resource.state", at, fmt.Sprintf(`"project_id":%d,"region_id":76,"resource_type":"volume","resource_id":"3c90c3cc-0d44-4b50-8888-0000000000a1","status":"deleted"`, project))
}

func window(id, at string, hour int, quantity string) string {
	return told(id, "resource.quantity", at, fmt.Sprintf(`"project_id":10,"region_id":76,"resource_type":"egress_traffic","resource_id":"3c90c3cc-0d44-4b50-8888-0000000000b1","instance_type":"vm","from":"2024-07-01T%02d:00:00Z","to":"2024-07-01T%02d:30:00Z","quantity":%q`, hour, hour, quantity))
}

func takenBack(id, target, reason string) string {
	return told(id, "retraction", "08-01T00:00:00", fmt.Sprintf(`"project_id":10,"source":"/s","id":%q,"reason":%q`, target, reason))
}

// history is a volume that came from another project, was resized, renamed and
// deleted, and of which there was told too much.
func history() []string {
	return []string{
		volumeIn(11, "elsewhere", "07-01T00:00:00", "53687091200", "data"), volumeGone(11, "left", "07-03T10:00:00"),
		volumeIn(10, "came", "07-03T10:00:05.123456", "53687091200", "data"), volumeIn(10, "said again", "07-04T00:00:00", "53687091200", "data"),
		volumeIn(10, "passed over", "07-08T12:30:00", "1", "data"), volumeIn(10, "larger", "07-08T12:30:10", "107374182400", "data"),
		volumeIn(10, "renamed", "07-10T00:00:00", "107374182400", "archive"), volumeIn(10, "wrong", "07-12T00:00:00", "9000000000000", "archive"),
		volumeGone(10, "gone", "07-20T00:00:00"), takenBack("r", "wrong", "wrong unit"),
	}
}

func TestPageOfAResourceTellsWhyItsFigureIsWhatItIs(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(history()...)
	page := s.signedIn(s.root).get(volumePage + july).want(http.StatusOK)
	checkPage(t, page.body)
	account, err := s.admin.Account(t.Context(), client.AccountRequest{
		Resource: client.Resource{ProjectID: 10, RegionID: 76, Type: "volume", ID: "3c90c3cc-0d44-4b50-8888-0000000000a1"},
		From:     time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2024, 8, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	line := account.Lines[0]
	for _, segment := range line.Segments {
		page.shows(fmt.Sprintf(`<td class="num mono">%d</td><td class="num"><span class="mono">%d</span>`, segment.Minutes, segment.Multiplier), `<span class="mono">`+segment.Product.String()+"</span>")
	}
	value := line.Line.BillingValue.String()
	page.shows(`<span class="mono">volume_t_ssd_gbm</span> = <span class="mono">`+value+"</span> GB-minutes", "<strong>"+value+"</strong>",
		"The 3 products sum to "+value+" GB-minutes: the line&#39;s value, to the digit.", "<h1>archive</h1>", "env=prod", "3c90c3cc-0d44-4b50-8888-0000000000a1")
	page.shows("moved here", "It was in project 11, region 76 until 2024-07-03 09:59.", "From ssd · 50 GiB to ssd · 100 GiB.", "From data to archive.", "From here on it is not there.",
		`href="/resource/11/76/volume/3c90c3cc-0d44-4b50-8888-0000000000a1?from=2024-07-01&amp;to=2024-08-01"`)
	page.shows(`<svg class="timeline"`, "Observation wrong of /s counts as never made. Reason: wrong unit.", `class="mark retracted"`, `class="mark moved"`, `class="held lane-1"`)
	for status, id := range map[string]string{"counted": "larger", "repeated": "said again", "superseded": "passed over", "retracted": "wrong"} {
		page.shows(">"+status+" ", `<span class="mono name">`+id+"</span>")
	}
	page.shows("by r of /s, received", ": wrong unit", "repeats came of /s", "2024-07-03 10:00:05.123456", "196 days later, as number 3")
	page.shows(`href="/sources/retract?id=larger&amp;project=10&amp;source=%2Fs"`).hides("id=wrong&amp;project")
}

func TestObservationsAreThoseBehindASegmentOrOfAStatus(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(history()...)
	b := s.signedIn(s.root)
	second := volumePage + "?from=2024-07-01&line=0&term=1&to=2024-08-01"
	b.get(volumePage + july).want(http.StatusOK).shows(`href="` + html.EscapeString(second) + `#observations"`)
	name := func(id string) string { return `<span class="mono name">` + id + "</span>" }
	b.get(second).want(http.StatusOK).shows("Only those behind segment 2 of volume_t_ssd_gbm", `<tr class="chosen">`, name("passed over"), name("larger"), name("renamed"), "1 to 3 of 3").hides(name("came"), name("wrong"), name("gone"))
	b.get(volumePage+july+"&status=retracted").want(http.StatusOK).shows(name("wrong"), "1 to 1 of 1").hides(name("larger"))
	b.get(volumePage+july+"&page=2").want(http.StatusOK).shows("No observations here", "There are 7, on earlier pages.")
	b.get(volumePage+july+"&line=7&term=7").want(http.StatusOK).shows("No observations here", "a term that there is not")
}

func TestQuantitiesAreDrawnByDayAndPaged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	events := []string{window("q-0-corrected", "07-02T02:00:00", 0, "7")}
	for hour := range 24 {
		events = append(events, window(fmt.Sprint("q-", hour), "07-02T01:00:00", hour, fmt.Sprint(1000+hour)))
	}
	for minute := range 59 {
		from := fmt.Sprintf("2024-07-02T05:%02d:00Z", minute)
		events = append(events, told(fmt.Sprint("m-", minute), "resource.quantity", "07-03T01:00:00", `"project_id":10,"region_id":76,"resource_type":"egress_traffic","resource_id":"3c90c3cc-0d44-4b50-8888-0000000000b1","instance_type":"vm","from":"`+from+`","to":"2024-07-02T06:00:00Z","quantity":"1"`))
	}
	s.send(events...)
	b := s.signedIn(s.root)
	page := b.get(portPage + july).want(http.StatusOK)
	checkPage(t, page.body)
	page.shows("egress_traffic_vm_gbs by day", `<th scope="row">2024-07-01</th><td class="num mono">23283</td>`, `<th scope="row">2024-07-02</th><td class="num mono">59</td>`,
		"The 83 quantities sum to 23342 bytes: the line&#39;s value, to the digit.", ">corrected 1<", "by q-0-corrected of /s", "33 later terms", "1 to 50 of 84", `rel="next"`)
	next := b.get(portPage+july+"&terms=50&page=2").want(http.StatusOK).shows("50 earlier terms", "51 to 84 of 84", `rel="prev"`, "The 83 quantities sum to 23342 bytes").hides("later terms", `rel="next"`)
	checkPage(t, next.body)
}

func TestPeriodIsChosenByDaysOfWhichTheLastCounts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(history()...)
	b := s.signedIn(s.root)
	b.get(volumePage+"?from=2024-07-03&last=2024-07-08").want(http.StatusOK).shows(`name="from" value="2024-07-03"`, `name="last" value="2024-07-08"`, "The 2 products sum to")
	b.get(volumePage).want(http.StatusOK).shows("Nothing counts in this period", `value="2025-01-01"`, `value="2025-01-15"`, ">Last month</a>")
	b.get(volumePage+july+"&as_of=2025-01-15T11:00").want(http.StatusNotFound).shows("There is no such resource", "by 2025-01-15 11:00:00 UTC")
	b.get(volumePage+july+"&as_of=2025-01-15T12:00").want(http.StatusOK).shows("As it stood at 2025-01-15 12:00:00 UTC", `name="as_of" value="2025-01-15T12:00"`)
	for query, field := range map[string]string{
		"?from=2024-07-02&to=2024-07-01": "to: ", "?from=2024-07-02&last=2024-07-01": "last: ", "?from=2024-07-02&last=9999-12-31": "last: Give a day before", "?from=x&to=2024-07-01": "from: ", july + "&as_of=soon": "as_of: ", july + "&as_of=9999-12-31T23:59:59-01:00": "as_of: Give an instant",
		july + "&page=0": "page: ", july + "&line=-1&term=0": "line: ", july + "&terms=x": "terms: ", july + "&status=lost": "status: ", july + "&as_of=2025-01-16T00:00": "as_of: ",
	} {
		b.get(volumePage+query).want(http.StatusBadRequest).shows("This cannot be asked for", field)
	}
}

func TestResourceThatDoesNotExistForTheKeyIsNotShown(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(history()...)
	narrow := s.signedIn(s.key(client.NewKey{Roles: []string{client.RoleReader}, Projects: []int64{10}}))
	page := narrow.get(volumePage + july).want(http.StatusOK)
	narrow.get(strings.Replace(volumePage, "3c90c3cc", "3C90C3CC", 1) + july).want(http.StatusOK).shows(`<dd class="mono">3c90c3cc`)
	page.shows("created").hides("moved here", "The same id elsewhere", "/resource/11/", "retract…")
	narrow.get("/resource/11/76/volume/3c90c3cc-0d44-4b50-8888-0000000000a1" + july).want(http.StatusNotFound).shows("There is no such resource")
	for _, path := range []string{"/resource/x/76/volume/3c90c3cc-0d44-4b50-8888-0000000000a1", "/resource/10/76/Volume/3c90c3cc-0d44-4b50-8888-0000000000a1", "/resource/10/76/volume/x", "/resource/010/76/volume/3c90c3cc-0d44-4b50-8888-0000000000a1", "/resource/10/76/volume/%2e%2e"} {
		narrow.get(path + july).want(http.StatusNotFound).hides("bug")
	}
	s.signedIn(s.key(client.NewKey{Roles: []string{client.RoleWriter}})).get(volumePage + july).want(http.StatusForbidden)
	s.browser().get(volumePage + july).leads("/signin?next=" + url.QueryEscape(volumePage+july))
}

func TestWhatASourceSaysIsTextOnThePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	evil := `<script>alert(1)</script>"'>`
	s.send(volumeIn(10, evil, "07-03T10:00:00", "1000", evil))
	page := s.signedIn(s.root).get(volumePage + july).want(http.StatusOK)
	checkPage(t, page.body)
	page.shows(html.EscapeString(evil)).hides("<script>alert")
}

func TestTooManyObservationsOfferShorterPeriods(t *testing.T) {
	t.Parallel()
	refused := &client.Error{Message: "The resource has more than 100000 observations in the period; ask for a shorter one"}
	q := resourceQuery{resource: client.Resource{ProjectID: 10, RegionID: 76, Type: "volume", ID: "v"}}
	q.days.From, q.days.To = 19905, 19936
	n := q.tooMany(refused)
	if len(n.Links) != 2 || n.Links[0] != (link{"2024-07-01 to 2024-07-15", "/resource/10/76/volume/v?from=2024-07-01&to=2024-07-16"}) || n.Links[1].Label != "2024-07-16 to 2024-07-31" {
		t.Errorf("got %+v", n.Links)
	}
	q.days.To = q.days.From + 1
	if n := q.tooMany(refused); len(n.Links) != 1 || !strings.Contains(n.Text, "A day is the shortest period") {
		t.Errorf("of a day: %+v", n)
	}
}

func TestSizesNeverReadAlike(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{
		0: "0 bytes", 1: "1 bytes", 107374182400: "100 GiB", 1500000000: "1.5 GB", 1500000001: "1,500,000,001 bytes", 1 << 60: "1,024 PiB", 1536: "1.5 KiB", 5000000: "5 MB", 1000: "1,000 bytes",
	} {
		if got := sizeText(bytes); got != want {
			t.Errorf("%d: got %s, want %s", bytes, got, want)
		}
	}
}

func TestLagIsShort(t *testing.T) {
	t.Parallel()
	for lag, want := range map[time.Duration]string{
		0: "0 ms later", 1500 * time.Microsecond: "1 ms later", 59 * time.Second: "59 s later", time.Hour - 1: "59 min later", 26*time.Hour + 5*time.Minute: "26 h 5 min later", 49 * time.Hour: "2 days later", -3 * time.Second: "3 s ahead",
	} {
		if got := delayText(lag); got != want {
			t.Errorf("%s: got %s, want %s", lag, got, want)
		}
	}
}
