package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/meterbook/meterbook/internal/metering"
)

// usageReader reads a query from an address or from the form, and notes what is
// wrong by the field that shows it.
type usageReader struct {
	values url.Values
	wrong  metering.FieldErrors
	q      usageQuery
}

// readUsage reads the page's query. What is wrong is noted and left at its
// default.
func readUsage(values url.Values, now time.Time) (usageQuery, metering.FieldErrors) {
	r := &usageReader{values: values, wrong: metering.FieldErrors{}, q: defaultUsage(now)}
	r.readPeriod(now)
	r.q.projects = r.ids("project")
	r.q.regions = r.ids("region")
	r.readTypes()
	r.readTags()
	r.readSearch()
	r.q.by = r.oneOf("by", r.q.by, namesOf(groupings()))
	r.q.unit = unitTab(r.values.Get("unit"))
	r.q.sort = r.oneOf("sort", r.q.sort, sortOrders())
	r.q.page = r.number("page", r.q.page, maxPage)
	r.q.size = r.number("size", r.q.size, slices.Max(pageSizes()))
	if !slices.Contains(pageSizes(), r.q.size) && r.wrong["size"] == nil {
		r.wrong.Add("size", "A page has 25, 50, 100 or 250 lines.")
		r.q.size = sizeDefault
	}
	return r.q, r.wrong
}

// maxPage keeps the offset within 64 bits.
const maxPage = 1 << 52

func namesOf(choices []choice) []string {
	names := make([]string, len(choices))
	for i, c := range choices {
		names[i] = c.Name
	}
	return names
}

func (r *usageReader) oneOf(name, standard string, allowed []string) string {
	text := r.values.Get(name)
	if slices.Contains(allowed, text) {
		return text
	}
	if text != "" {
		r.wrong.Add(name, "%q is none of %s.", text, strings.Join(allowed, ", "))
	}
	return standard
}

func (r *usageReader) number(name string, standard, most int64) int64 {
	text := r.values.Get(name)
	if text == "" {
		return standard
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > most {
		r.wrong.Add(name, "%s must be a whole number from 1 to %d.", name, most)
		return standard
	}
	return n
}

// readPeriod reads a preset, or days. The form sends both: days that are those of
// the preset leave it as it is.
func (r *usageReader) readPeriod(now time.Time) {
	from, last := strings.TrimSpace(r.values.Get("from")), strings.TrimSpace(r.values.Get("last"))
	name := r.oneOf("period", periodDefault, namesOf(periods()))
	preset := periodOf(name, now)
	r.q.period, r.q.days = name, preset
	if from == "" && last == "" {
		return
	}
	chosen := metering.Period{From: r.day("from", from), To: r.day("last", last) + 1}
	switch {
	case len(r.wrong["from"])+len(r.wrong["last"]) > 0:
	case chosen.From >= chosen.To:
		r.wrong.Add("last", "The last day must not be before the first.")
	case chosen != preset || r.values.Get("period") == "":
		r.q.period, r.q.days = "", chosen
	}
}

func (r *usageReader) day(name, text string) metering.Day {
	day, ok := metering.ParseDate(text)
	switch {
	case !ok:
		r.wrong.Add(name, "%q is no day; give one such as 2024-07-01.", text)
	case day.String() == "9999-12-31": // the day after it has no date
		r.wrong.Add(name, "Give a day before 9999-12-31.")
	}
	return day
}

// list gathers a parameter that may be given several times, with commas.
func (r *usageReader) list(name string) []string {
	var items []string
	for _, value := range r.values[name] {
		for item := range strings.SplitSeq(value, ",") {
			if item = strings.TrimSpace(item); item != "" && !slices.Contains(items, item) {
				items = append(items, item)
			}
		}
	}
	slices.Sort(items)
	return items
}

func (r *usageReader) ids(name string) []int64 {
	var ids []int64
	for _, text := range r.list(name) {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 || id > metering.MaxProjectID {
			r.wrong.Add(name, "%q is no id of a %s; ids are whole numbers from 1.", text, name)
			continue
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (r *usageReader) readTypes() {
	for _, name := range r.list("type") {
		if _, known := metering.ResourceTypeNamed(name); !known {
			r.wrong.Add("type", "%q is no resource type.", name)
			continue
		}
		r.q.types = append(r.q.types, name)
	}
}

// readTags reads conditions as an address has them, and the rows of the form.
func (r *usageReader) readTags() {
	var rows []tagRow
	for _, text := range r.values["tag"] {
		rows = append(rows, parseTagRow(text))
	}
	keys, values, modes := r.values["tag_key"], r.values["tag_value"], r.values["tag_mode"]
	for i := range min(len(keys), len(values), len(modes)) {
		rows = append(rows, tagRow{Key: keys[i], Value: values[i], Contains: modes[i] == "contains" && values[i] != ""})
	}
	for _, row := range rows {
		switch {
		case row.Key == "" && row.Value == "":
			continue
		case utf8.RuneCountInString(row.Key) > metering.MaxTagKeyLength:
			r.wrong.Add("tag", "A tag's key has at most %d characters.", metering.MaxTagKeyLength)
		case utf8.RuneCountInString(row.Value) > metering.MaxTagValueLength:
			r.wrong.Add("tag", "A tag's value has at most %d characters.", metering.MaxTagValueLength)
		default:
			r.q.tags = append(r.q.tags, row)
		}
	}
	if len(r.q.tags) > maxTagRows {
		r.wrong.Add("tag", "There may be at most %d conditions, and there are %d.", maxTagRows, len(r.q.tags))
		r.q.tags = r.q.tags[:maxTagRows]
	}
	r.q.allTags = r.oneOf("tags", "any", []string{"any", "all"}) == "all" && len(r.q.tags) > 0
}

// readSearch reads a field of a type, and the values that it may have.
func (r *usageReader) readSearch() {
	for _, value := range r.values["q"] {
		if value != "" {
			r.q.values = append(r.q.values, value)
		}
	}
	text := r.values.Get("in")
	field, known := parseSearchField(text)
	switch {
	case text == "" && len(r.q.values) == 0:
	case text == "":
		r.wrong.Add("in", "Choose in which field to look for %q.", r.q.values[0])
	case !known:
		r.wrong.Add("in", "%q is no field that can be searched.", text)
	case len(r.q.values) == 0:
		r.wrong.Add("q", "Say what to look for: the whole value.")
	}
	r.q.in = field
}

// sortOrders are those that the columns of lines offer.
func sortOrders() []string {
	var orders []string
	for _, field := range []string{"last_name", "type", "region", "project", "billing_value", "first_seen", "last_seen"} {
		orders = append(orders, field+".asc", field+".desc")
	}
	return orders
}
