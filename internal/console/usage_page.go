package console

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
)

// usagePage is what the Usage page shows.
type usagePage struct {
	Filters usageFilters
	Wrong   []string // that belongs to no field
	Shown   bool     // there is an answer
	Count   int64    // lines, of all pages

	NoCharts string // why there are none
	Charts   *usageCharts
	Columns  []column
	Lines    []usageLine
	Pages    pager
	Totals   []usageTotal
	// TotalCount is how many there are; of many the first are shown.
	TotalCount    int
	Downloads     []link
	CompleteUntil time.Time
	Empty         notice // why there are no lines
}

// column is a head of the table of lines.
type column struct {
	Label   string
	Address string // that sorts by it; "": it cannot be sorted by
	Sorted  string // as aria-sort has it; "": by another one
	Number  bool
}

// usageLine is a line of the report.
type usageLine struct {
	Name     string // what people call it; "": only the id is known
	ID       string
	Address  string // of what is behind the line
	Type     string
	Kind     string // its flavor, size and the like
	Region   named
	Project  named
	Tags     []tag
	Usage    amount
	Metric   string
	From, To time.Time
}

type tag struct{ Key, Value string }

// usageTotal is a total of the report.
type usageTotal struct {
	Type   string
	Region named
	Metric string
	Split  string // value of the dimension that totals are split by
	Usage  amount
}

// pager leads through the pages of lines.
type pager struct {
	First, Last                 int64 // lines shown, from 1
	Count                       int64
	Start, Previous, Next, Tail string // addresses; "": there is none
	Sizes                       []navLink
}

// maxTotals is how many totals the page shows; downloads have all.
const maxTotals = 100

// show fills in the answer.
func (p *usagePage) show(q usageQuery, a *usageAnswer) {
	p.Shown, p.Count, p.CompleteUntil = true, a.report.Count, a.report.CompleteUntil
	if a.noSeries != nil {
		p.NoCharts = "They would have too many bars. Choose a shorter period; the lines and totals below are complete."
	} else {
		p.Charts = chartsOf(q, a.series, &a.directory)
	}
	p.Columns = columnsOf(q)
	for i := range a.report.Resources {
		p.Lines = append(p.Lines, lineOf(q, &a.report.Resources[i], &a.directory))
	}
	p.TotalCount = len(a.report.Totals)
	for _, t := range a.report.Totals[:min(maxTotals, p.TotalCount)] {
		p.Totals = append(p.Totals, usageTotal{
			Type: typeLabel(t.Type), Region: a.directory.region(t.RegionID), Metric: t.BillingMetricName,
			Split: cmp.Or(textOf(t.Flavor), textOf(t.VolumeType), textOf(t.FileShareType), textOf(t.InstanceType)),
			Usage: readable(t.BillingValue, t.BillingValueUnit),
		})
	}
	p.Pages = pagerOf(q, p.Count)
	for _, f := range downloadForms() {
		p.Downloads = append(p.Downloads, link{f.label, withQuery(downloadAddress, downloadQuery(q, f.name))})
	}
	p.Empty = emptyOf(q, p.Count)
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// emptyOf says why a page has no lines.
func emptyOf(q usageQuery, count int64) notice {
	switch {
	case count > 0:
		return notice{Title: "There are no lines so far back", Text: "The report has fewer pages than this.", Links: []link{{"First page", q.with(func(*usageQuery) {}).address()}}}
	case q.filtered():
		return notice{Title: "Nothing matches these filters", Text: "In these days nothing was used that all of the filters let through, as far as your key covers it.", Links: []link{{"Clear the filters", defaultUsageOf(q).address()}}}
	}
	return notice{Title: "No usage in these days", Text: "Nothing was counted in this period, as far as your key covers it. Choose other days, or look whether the sources send events."}
}

func lineOf(q usageQuery, l *client.Line, d *directory) usageLine {
	id := cmp.Or(textOf(l.UUID), textOf(l.PortID))
	return usageLine{
		Name: cmp.Or(textOf(l.LastName), textOf(l.InstanceName), textOf(l.IPAddress)), ID: id,
		Address: accountAddress(client.Resource{ProjectID: l.ProjectID, RegionID: l.RegionID, Type: l.Type, ID: id}, q.days), Type: typeLabel(l.Type), Kind: varietyOf(l),
		Region: d.region(l.RegionID), Project: d.project(l.ProjectID), Tags: tagsOf(l.Tags),
		Usage: readable(l.BillingValue, l.BillingValueUnit), Metric: l.BillingMetricName, From: l.FirstSeen, To: l.LastSeen,
	}
}

// varietyOf says what sort of its type a line is.
func varietyOf(l *client.Line) string {
	var parts []string
	for _, text := range []*string{l.Flavor, l.VolumeType, l.FileShareType, l.InstanceType} {
		if text != nil {
			parts = append(parts, *text)
		}
	}
	if l.LastSize != nil && l.SizeUnit != nil {
		size := readable(*l.LastSize, *l.SizeUnit)
		parts = append(parts, size.Readable)
	}
	return strings.Join(parts, ", ")
}

func tagsOf(tags client.Tags) []tag {
	var list []tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, tag{key, tags[key]})
	}
	return list
}

// columnsOf are the heads of the table, each with the order that a click asks
// for: the other one where it is sorted by already.
func columnsOf(q usageQuery) []column {
	var columns []column
	for _, c := range []struct {
		label, field, first string
		number              bool
	}{
		{"Name", "last_name", "asc", false}, {"Type", "type", "asc", false}, {"Region", "region", "asc", false},
		{"Project", "project", "asc", false}, {"Tags", "", "", false}, {"Usage", "billing_value", "desc", true},
		{"First seen (UTC)", "first_seen", "asc", false}, {"Last seen (UTC)", "last_seen", "desc", false},
	} {
		head, order := column{Label: c.label, Number: c.number}, c.first
		if field, direction, _ := strings.Cut(q.sort, "."); field == c.field && c.field != "" {
			head.Sorted, order = "ascending", "desc"
			if direction == "desc" {
				head.Sorted, order = "descending", "asc"
			}
		}
		if c.field != "" {
			head.Address = q.with(func(q *usageQuery) { q.sort = c.field + "." + order }).address()
		}
		columns = append(columns, head)
	}
	return columns
}

func pagerOf(q usageQuery, count int64) pager {
	p := pager{First: (q.page-1)*q.size + 1, Last: min(q.page*q.size, count), Count: count}
	to := func(page int64) string {
		next := q
		next.page = page
		return next.address()
	}
	pages := (count + q.size - 1) / q.size
	if q.page > 1 {
		p.Start, p.Previous = to(1), to(min(q.page-1, max(pages, 1)))
	}
	if q.page < pages {
		p.Next, p.Tail = to(q.page+1), to(pages)
	}
	for _, size := range pageSizes() {
		address := q.with(func(q *usageQuery) { q.size = size }).address()
		p.Sizes = append(p.Sizes, navLink{strconv.FormatInt(size, 10), address, size == q.size})
	}
	return p
}
