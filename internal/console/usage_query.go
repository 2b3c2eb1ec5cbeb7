package console

import (
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// usageQuery is all that the Usage page can be asked for. Its address says it
// wholly, so that a link reproduces the view.
type usageQuery struct {
	period   string // of periods; "": the days were chosen
	days     metering.Period
	projects []int64
	regions  []int64
	types    []string
	tags     []tagRow
	allTags  bool // all of the tags must be met, not just any
	in       searchField
	values   []string // any of them, of the field in
	by       string   // of groupings
	unit     unitTab  // of the charts; "": the first one
	sort     string   // such as "project.asc"
	page     int64    // from 1
	size     int64    // of pageSizes
}

// tagRow is a condition that one tag of a line must meet.
type tagRow struct {
	Key, Value string
	Contains   bool // the value is contained in the tag's, in any letter case
}

// unitTab names a tab of the charts: a unit, with ! where the report has no totals
// of it.
type unitTab string

const (
	periodDefault = "this-month"
	sortDefault   = "project.asc"
	sizeDefault   = 50
	maxTagRows    = 10 // the API's
)

func pageSizes() []int64 { return []int64{25, sizeDefault, 100, 250} }

// choice is one of several that a query may have.
type choice struct{ Name, Label string }

func groupings() []choice {
	return []choice{{client.ByType, "Type"}, {client.ByMetric, "Metric"}, {client.ByProject, "Project"}, {client.ByRegion, "Region"}}
}

func periods() []choice {
	return []choice{{periodDefault, "This month"}, {"last-month", "Last month"}, {"7-days", "Last 7 days"}, {"30-days", "Last 30 days"}}
}

// periodOf is what a preset means at now: whole UTC days, today included.
func periodOf(name string, now time.Time) metering.Period {
	year, month, day := now.UTC().Date()
	today := metering.DayOf(year, month, day)
	switch name {
	case "last-month":
		return metering.Period{From: metering.DayOf(year, month-1, 1), To: metering.DayOf(year, month, 1)}
	case "7-days":
		return metering.Period{From: today - 6, To: today + 1}
	case "30-days":
		return metering.Period{From: today - 29, To: today + 1}
	}
	return metering.Period{From: metering.DayOf(year, month, 1), To: today + 1}
}

func defaultUsage(now time.Time) usageQuery {
	return usageQuery{period: periodDefault, days: periodOf(periodDefault, now), by: client.ByType, sort: sortDefault, page: 1, size: sizeDefault}
}

// address is the page's shortest one with this query.
func (q usageQuery) address() string { return withQuery("/usage", q.encode()) }

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// encode writes the query in its one short form: defaults are left out, and lists
// are one parameter.
func (q usageQuery) encode() string {
	var parts []string
	add := func(name, value, standard string) {
		if value != standard {
			// Commas, colons and equal signs are allowed there, and easier to read.
			parts = append(parts, name+"="+strings.NewReplacer("%2C", ",", "%3A", ":", "%3D", "=").Replace(url.QueryEscape(value)))
		}
	}
	add("period", q.period, periodDefault)
	if q.period == "" {
		parts = parts[:0]
		add("from", q.days.From.String(), "")
		add("last", (q.days.To - 1).String(), "")
	}
	add("project", joined(q.projects), "")
	add("region", joined(q.regions), "")
	add("type", strings.Join(q.types, ","), "")
	for _, row := range q.tags {
		add("tag", row.String(), "")
	}
	if q.allTags {
		add("tags", "all", "")
	}
	add("in", q.in.String(), "")
	for _, value := range q.values {
		add("q", value, "")
	}
	add("by", q.by, client.ByType)
	add("unit", string(q.unit), "")
	add("sort", q.sort, sortDefault)
	add("page", strconv.FormatInt(q.page, 10), "1")
	add("size", strconv.FormatInt(q.size, 10), strconv.Itoa(sizeDefault))
	return strings.Join(parts, "&")
}

func joined(ids []int64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(texts, ",")
}

// String writes a condition as key=value, key~=part, key or =value. What stands
// for something else in a key is escaped.
func (t tagRow) String() string {
	key := strings.NewReplacer("%", "%25", "=", "%3D", "~", "%7E").Replace(t.Key)
	switch {
	case t.Contains && t.Value != "":
		return key + "~=" + t.Value
	case t.Value != "":
		return key + "=" + t.Value
	}
	return key
}

// parseTagRow reads what String writes.
func parseTagRow(text string) tagRow {
	key, value, _ := strings.Cut(text, "=")
	key, contains := strings.CutSuffix(key, "~")
	if unescaped, err := url.PathUnescape(key); err == nil {
		key = unescaped
	}
	return tagRow{Key: key, Value: value, Contains: contains && value != ""}
}

// with returns the query after a change; unless the change says otherwise the
// lines begin anew.
func (q usageQuery) with(change func(*usageQuery)) usageQuery {
	q.projects, q.regions, q.types = slices.Clone(q.projects), slices.Clone(q.regions), slices.Clone(q.types)
	q.tags, q.values, q.page = slices.Clone(q.tags), slices.Clone(q.values), 1
	change(&q)
	return q
}

// dayTime is the day's first instant.
func dayTime(d metering.Day) time.Time { return time.Unix(int64(d)*24*60*60, 0).UTC() }

// request asks for the page of lines.
func (q usageQuery) request() client.Request {
	return client.Request{
		TimeFrom: dayTime(q.days.From), TimeTo: dayTime(q.days.To),
		Limit: q.size, Offset: (q.page - 1) * q.size,
		Projects: q.projects, Regions: q.regions, Types: q.types, SchemaFilter: q.schemaFilter(), Tags: q.tagFilter(),
		OrderBy: []string{q.sort},
	}
}

// whole asks for all lines.
func (q usageQuery) whole() client.Request {
	r := q.request()
	r.Limit, r.Offset = math.MaxInt64, 0
	return r
}

// daysOfSteps is how long a period may be to be shown by day; beyond, by month.
const daysOfSteps = 100

// series asks for what the charts show of the same lines.
func (q usageQuery) series() client.SeriesRequest {
	step := client.StepDay
	if q.days.To-q.days.From > daysOfSteps {
		step = client.StepMonth
	}
	return client.SeriesRequest{
		TimeFrom: dayTime(q.days.From), TimeTo: dayTime(q.days.To), Step: step, By: q.by,
		Projects: q.projects, Regions: q.regions, Types: q.types, SchemaFilter: q.schemaFilter(), Tags: q.tagFilter(),
	}
}

func (q usageQuery) schemaFilter() *client.SchemaFilter {
	if q.in.Type == "" {
		return nil
	}
	return &client.SchemaFilter{Type: q.in.Type, Field: q.in.Field, Values: q.values}
}

func (q usageQuery) tagFilter() *client.TagFilter {
	if len(q.tags) == 0 {
		return nil
	}
	filter := &client.TagFilter{ConditionType: "OR"}
	if q.allTags {
		filter.ConditionType = "AND"
	}
	for _, row := range q.tags {
		condition := client.TagCondition{Key: row.Key, Value: row.Value}
		if row.Contains {
			condition.Strict = new(bool)
		}
		filter.Conditions = append(filter.Conditions, condition)
	}
	return filter
}

// filtered reports whether the query leaves out anything of the period.
func (q usageQuery) filtered() bool {
	return len(q.projects)+len(q.regions)+len(q.types)+len(q.tags) > 0 || q.in.Type != ""
}
