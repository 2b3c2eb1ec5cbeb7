package console

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/meterbook/meterbook/client"
)

// sourcesRoutes are the page of the event sources, and what takes an observation
// back.
func sourcesRoutes() []route {
	admin, sender := []string{client.RoleAdmin}, []string{client.RoleWriter}
	return []route{
		{"GET /sources", "Sources", admin, showSources},
		{"GET /sources/retract", "", sender, confirmRetraction},
		{"POST /sources/retract", "", sender, retract},
	}
}

// sourcesShown is how many sources a page has.
const sourcesShown = 20

// sourcesPage shows who sends, and what of it smells of wrong bills.
type sourcesPage struct {
	Statuses       []navLink
	Rows           []sourceRow
	Count          int
	First, Last    int
	Previous, Next string
	Late, Silent   string // the thresholds, in words
	Nothing        *notice
	Refused        string // why the key may not see sources
	Findings       findingsCard
	AboveClients   bool
}

const (
	lateAfter   = 2 * time.Hour
	silentAfter = 24 * time.Hour
)

func showSources(v *visit) error {
	query := v.r.URL.Query()
	offset, err := strconv.Atoi(query.Get("offset"))
	if err != nil || offset < 0 {
		offset = 0 // the first page
	}
	p := &sourcesPage{AboveClients: v.key.Client == "", Late: "2 hours", Silent: "24 hours"}
	if narrowed(v.key) {
		p.Refused = "Your key is narrowed to projects, regions or types. What sources send is not told apart by these, so only a key that covers all of its client sees it."
	} else if err := p.ask(v, query, offset); err != nil {
		return err
	}
	if p.Findings, err = v.findings(query); err != nil {
		return err
	}
	v.show(page{template: "sources", title: "Sources", body: p})
	return nil
}

func narrowed(k *client.Key) bool {
	return k.Projects != nil || k.Regions != nil || k.Types != nil
}

// ask fills the table of sources.
func (p *sourcesPage) ask(v *visit, query url.Values, offset int) error {
	status := query.Get("status")
	if !slices.Contains([]string{client.SourceFresh, client.SourceLate, client.SourceSilent}, status) {
		status = "" // all
	}
	found, err := v.api.Sources(v.r.Context(), client.SourcesRequest{Status: status, Limit: sourcesShown, Offset: offset, LateAfter: lateAfter, SilentAfter: silentAfter})
	if err != nil {
		return err
	}
	n := found.Statuses
	for _, s := range []struct {
		name, label string
		count       int
	}{{"", "All", n.Fresh + n.Late + n.Silent}, {client.SourceFresh, "Fresh", n.Fresh}, {client.SourceLate, "Late", n.Late}, {client.SourceSilent, "Silent", n.Silent}} {
		p.Statuses = append(p.Statuses, navLink{s.label + " " + grouped(strconv.Itoa(s.count)), sourcesAddress(query, "status", s.name), s.name == status})
	}
	for i := range found.Results {
		p.Rows = append(p.Rows, newSourceRow(&found.Results[i], found.Now))
	}
	p.Count, p.First, p.Last = found.Count, min(offset+1, found.Count), offset+len(found.Results)
	if offset > 0 {
		p.Previous = sourcesAddress(query, "offset", strconv.Itoa(max(0, offset-sourcesShown)))
	}
	if p.Last < found.Count {
		p.Next = sourcesAddress(query, "offset", strconv.Itoa(offset+sourcesShown))
	}
	if len(p.Rows) == 0 {
		p.Nothing = &notice{Title: "No source has sent anything yet", Text: "Send events to /v1/events with a key that has the role writer. Each source appears here with its first event.", Links: []link{{"How to send events", docsAddress}}}
		if status != "" || offset > 0 {
			p.Nothing = &notice{Title: "No such source", Text: "No source has this status now.", Links: []link{{"Show all", "/sources"}}}
		}
	}
	return nil
}

// sourcesAddress is this page with one thing changed; a page of the list is kept
// only where the list stays the same.
func sourcesAddress(query url.Values, name, value string) string {
	changed := url.Values{}
	for _, n := range []string{"status", "find", "days"} {
		if text := query.Get(n); text != "" {
			changed.Set(n, text)
		}
	}
	if name == "find" && query.Get("offset") != "" {
		changed.Set("offset", query.Get("offset"))
	}
	if changed.Set(name, value); value == "" {
		changed.Del(name)
	}
	if len(changed) == 0 {
		return "/sources"
	}
	return "/sources?" + changed.Encode()
}

// sourceRow is one source.
type sourceRow struct {
	*client.Source
	Name             string // what stands for one without a name
	Badge            string // class of the status
	Ago              string // since the last accepted event
	LastLag, MostLag string
	GreatestLag      string
	Hours, Days      strip
	HourRows         []countRow
	DayRows          []countRow
	Refused          int64 // in the days
}

// countRow is one hour or day as numbers.
type countRow struct {
	At                             string
	Accepted, Duplicates, Rejected int64
}

func newSourceRow(s *client.Source, now time.Time) sourceRow {
	r := sourceRow{Source: s, Badge: map[string]string{client.SourceFresh: "good", client.SourceLate: "warn", client.SourceSilent: "bad"}[s.Status]}
	switch {
	case s.Others:
		r.Name = "all further sources together"
	case s.Source == "":
		r.Name = "source could not be read"
	}
	if s.LastReceivedAt != nil {
		r.Ago = agoText(now.Sub(*s.LastReceivedAt))
	}
	r.LastLag, r.MostLag, r.GreatestLag = sourceLag(s.Lag.Last), sourceLag(s.Lag.MostWithin), sourceLag(s.Lag.Greatest)
	if s.Lag.MostWithin == nil && s.Lag.Greatest != nil {
		r.MostLag = "more than a day"
	}
	hourOf := func(i int) time.Time { return s.Hours.From.Add(time.Duration(i) * time.Hour) }
	first := int(s.FirstHeardAt.Sub(s.Hours.From) / time.Hour)
	r.Hours = newStrip("hour", &s.Hours.CountSeries, first, func(i int) string { return hourOf(i).UTC().Format("2006-01-02 15:00") })
	r.HourRows = countRows(&s.Hours.CountSeries, func(i int) string { return hourOf(i).UTC().Format("01-02 15:00") })
	r.addDays()
	for _, f := range s.Rejections {
		r.Refused += f.Count
	}
	return r
}

func (r *sourceRow) addDays() {
	from, err := time.Parse(time.DateOnly, r.Source.Days.From)
	if err != nil {
		return // a newer server; the hours are shown
	}
	day := func(i int) string { return from.AddDate(0, 0, i).Format(time.DateOnly) }
	first := int(r.FirstHeardAt.Sub(from) / (24 * time.Hour))
	r.Days = newStrip("day", &r.Source.Days.CountSeries, first, day)
	r.DayRows = countRows(&r.Source.Days.CountSeries, day)
}

// countRows lists the steps with the latest first.
func countRows(s *client.CountSeries, at func(int) string) (rows []countRow) {
	for i := len(s.Accepted) - 1; i >= 0; i-- {
		rows = append(rows, countRow{at(i), s.Accepted[i], s.Duplicates[i], s.Rejected[i]})
	}
	return rows
}

// agoText tells an age in its greatest unit.
func agoText(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < 2*time.Hour:
		return strconv.FormatInt(int64(d/time.Minute), 10) + " min ago"
	case d < 48*time.Hour:
		return strconv.FormatInt(int64(d/time.Hour), 10) + " h ago"
	}
	return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + " days ago"
}

// sourceLag tells milliseconds in a unit that one can read.
func sourceLag(ms *int64) string {
	if ms == nil {
		return "–"
	}
	n, sign := *ms, ""
	if n < 0 {
		n, sign = -n, "−"
	}
	whole := func(n int64, unit string) string { return sign + grouped(strconv.FormatInt(n, 10)) + " " + unit }
	switch {
	case n < 1000:
		return whole(n, "ms")
	case n < 120_000:
		return whole(n/1000, "s")
	case n < 2*3_600_000:
		return whole(n/60_000, "min")
	case n < 48*3_600_000:
		return whole(n/3_600_000, "h")
	}
	return whole(n/86_400_000, "days")
}
