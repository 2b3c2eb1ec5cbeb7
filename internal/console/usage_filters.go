package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// usageFilters is the form above the charts.
type usageFilters struct {
	Presets   []navLink
	From      string // as given, when it was wrong
	Last      string
	LastMax   string // today: nothing is counted after it
	PeriodNow string // of the query
	Days      string // the period in words
	Kept      []kept // what the form does not show
	Projects  picker
	Regions   picker
	Types     []typeGroup
	TypeCount int
	Tags      []tagRow // with an empty one at the end
	TagCount  int
	AllTags   bool
	In        string
	InGroups  []fieldGroup
	Values    string
	Others    []string // values beyond the first
	Searched  int
	Wrong     metering.FieldErrors
	Chips     []chip
	Clear     string
}

// kept is a parameter that the form sends on as it is.
type kept struct{ Name, Value string }

// chip is a filter that is in force, and the address without it.
type chip struct{ Label, Value, Without string }

// picker offers projects or regions: each with a box to check or, where there are
// too many, a field for ids.
type picker struct {
	Name    string // of the parameter
	Label   string
	Options []pickOption
	IDs     string // instead of Options
	Count   int    // chosen
}

// maxOptions is how many boxes a form shows.
const maxOptions = 200

type pickOption struct {
	Value, Label, Note string
	Chosen             bool
}

type typeGroup struct {
	Name    string
	Options []pickOption
}

type fieldGroup struct {
	Name    string
	Options []pickOption
}

func filtersOf(q usageQuery, values url.Values, wrong metering.FieldErrors, d *directory) usageFilters {
	f := usageFilters{
		PeriodNow: q.period, From: q.days.From.String(), Last: (q.days.To - 1).String(), Wrong: wrong,
		Projects: projectPicker(q.projects, d), Regions: regionPicker(q.regions, d),
		Types: typeGroups(q.types), TypeCount: len(q.types),
		Tags: append(slices.Clone(q.tags), tagRow{}), TagCount: len(q.tags), AllTags: q.allTags,
		In: q.in.String(), InGroups: fieldGroups(q.in), Searched: len(q.values),
		Chips: chipsOf(q, d),
	}
	f.Tags = f.Tags[:min(len(f.Tags), maxTagRows)]
	if len(q.values) > 0 {
		f.Values, f.Others = q.values[0], q.values[1:]
	}
	if wrong["from"] != nil || wrong["last"] != nil {
		f.From, f.Last = values.Get("from"), values.Get("last")
	}
	for _, p := range periods() {
		to := q.with(func(q *usageQuery) { q.period = p.Name })
		f.Presets = append(f.Presets, navLink{p.Label, to.address(), q.period == p.Name})
	}
	f.Days = daysText(q.days)
	for _, k := range []kept{{"by", q.by}, {"unit", string(q.unit)}, {"sort", q.sort}, {"size", strconv.FormatInt(q.size, 10)}} {
		if k.Value != "" {
			f.Kept = append(f.Kept, k)
		}
	}
	f.Clear = defaultUsageOf(q).address()
	return f
}

// defaultUsageOf is the query without its filters.
func defaultUsageOf(q usageQuery) usageQuery {
	return q.with(func(q *usageQuery) {
		q.projects, q.regions, q.types, q.tags, q.values, q.in, q.allTags = nil, nil, nil, nil, nil, searchField{}, false
	})
}

// daysText says which days a period has: "1 Jul 2024 – 31 Jul 2024, 31 days".
func daysText(days metering.Period) string {
	const layout = "2 Jan 2006"
	first, last := dayTime(days.From).Format(layout), dayTime(days.To-1).Format(layout)
	if first == last {
		return first + ", 1 day, UTC"
	}
	return fmt.Sprintf("%s – %s, %d days, UTC", first, last, days.To-days.From)
}

func projectPicker(chosen []int64, d *directory) picker {
	p := picker{Name: "project", Label: "Projects", Count: len(chosen)}
	places := make([]named, len(d.projects))
	for i := range d.projects {
		places[i] = named{d.projects[i].ID, d.projects[i].Name}
	}
	p.offer(places, chosen)
	return p
}

func regionPicker(chosen []int64, d *directory) picker {
	p := picker{Name: "region", Label: "Regions", Count: len(chosen)}
	places := make([]named, len(d.regions))
	for i := range d.regions {
		places[i] = named{d.regions[i].ID, d.regions[i].Name}
	}
	p.offer(places, chosen)
	return p
}

// offer fills the options: places by name, and those chosen that are not there.
func (p *picker) offer(places []named, chosen []int64) {
	if len(places) > maxOptions {
		p.IDs = joined(chosen)
		return
	}
	for _, id := range chosen {
		if !slices.ContainsFunc(places, func(known named) bool { return known.ID == id }) {
			places = append(places, named{ID: id})
		}
	}
	slices.SortStableFunc(places, func(a, b named) int { return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	for _, known := range places {
		o := pickOption{Value: strconv.FormatInt(known.ID, 10), Label: known.String(), Chosen: slices.Contains(chosen, known.ID)}
		if known.Name != "" {
			o.Note = o.Value
		}
		p.Options = append(p.Options, o)
	}
}

func typeGroups(chosen []string) []typeGroup {
	var groups []typeGroup
	for _, f := range families() {
		g := typeGroup{Name: f.Name}
		for _, name := range f.types {
			g.Options = append(g.Options, pickOption{Value: name, Label: typeLabel(name), Chosen: slices.Contains(chosen, name)})
		}
		groups = append(groups, g)
	}
	return groups
}

// fieldGroups lists the fields that can be searched, by type.
func fieldGroups(chosen searchField) []fieldGroup {
	var groups []fieldGroup
	for _, f := range families() {
		for _, name := range f.types {
			t, known := metering.ResourceTypeNamed(name)
			if !known {
				metering.Bug("family %s has %s, which is no type", f.Name, name)
			}
			g := fieldGroup{Name: typeLabel(name)}
			for _, field := range t.FilterFields() {
				if field == "type" {
					continue // the filter of types does that
				}
				value := searchField{name, field}
				g.Options = append(g.Options, pickOption{Value: value.String(), Label: typeLabel(name) + ": " + fieldLabel(field), Chosen: chosen == value})
			}
			groups = append(groups, g)
		}
	}
	return groups
}

// maxChips is how many projects or regions have a chip each: as each chip holds
// the address of all others, their length grows with the square.
const maxChips = 50

// chipsOf lists the filters that are in force.
func chipsOf(q usageQuery, d *directory) []chip {
	var chips []chip
	add := func(label, value string, change func(*usageQuery)) {
		chips = append(chips, chip{label, value, q.with(change).address()})
	}
	if n := len(q.projects); n > maxChips {
		add("Projects", grouped(strconv.Itoa(n))+" projects", func(q *usageQuery) { q.projects = nil })
	} else {
		for i, id := range q.projects {
			add("Project", d.project(id).String(), func(q *usageQuery) { q.projects = slices.Delete(q.projects, i, i+1) })
		}
	}
	if n := len(q.regions); n > maxChips {
		add("Regions", grouped(strconv.Itoa(n))+" regions", func(q *usageQuery) { q.regions = nil })
	} else {
		for i, id := range q.regions {
			add("Region", d.region(id).String(), func(q *usageQuery) { q.regions = slices.Delete(q.regions, i, i+1) })
		}
	}
	for i, name := range q.types {
		add("Type", typeLabel(name), func(q *usageQuery) { q.types = slices.Delete(q.types, i, i+1) })
	}
	for i, row := range q.tags {
		add("Tag", row.words(), func(q *usageQuery) {
			q.tags = slices.Delete(q.tags, i, i+1)
			q.allTags = q.allTags && len(q.tags) > 0
		})
	}
	if q.in.Type != "" {
		add(typeLabel(q.in.Type)+": "+fieldLabel(q.in.Field), strings.Join(q.values, " or "), func(q *usageQuery) { q.in, q.values = searchField{}, nil })
	}
	return chips
}

// words says what the condition asks for.
func (t tagRow) words() string {
	key := t.Key
	switch {
	case t.Value == "":
		return key
	case key == "":
		key = "any"
	}
	if t.Contains {
		return key + " contains " + t.Value
	}
	return key + " = " + t.Value
}
