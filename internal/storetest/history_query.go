package storetest

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Query draws a report request about the history, as of now: any period, every
// filter, order and page, and narrowed scopes. It never selects a project of
// another history.
func (h *History) Query(rng *rand.Rand, now metering.Instant) report.Query {
	g := &asker{Rand: rng, h: h}
	q := report.Query{
		Period: g.period(), Now: now,
		Projects: report.Only(h.Projects...), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		Order: g.order(),
	}
	q.Limit, q.Offset = g.page()
	if g.chance(30) {
		q.Projects = g.narrow(h.Projects)
	}
	if g.chance(20) {
		q.Regions = report.Only(pick[metering.RegionID](g.Rand, 1, 2, 76), pick[metering.RegionID](g.Rand, 76, 9999, metering.MaxRegionID))
	}
	if g.chance(20) {
		q.Types = g.types()
	}
	if g.chance(30) {
		q.Where = g.where()
	}
	if g.chance(30) {
		q.Tags = g.tags()
	}
	return q
}

// everything asks for all lines of the history in the canonical order.
func (h *History) everything(now metering.Instant) report.Query {
	return report.Query{
		Period: metering.Period{From: dayOf(h.Start) - 2, To: dayOf(h.End) + 4}, Now: now, Limit: math.MaxInt,
		Projects: report.Only(h.Projects...), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		Order: []report.OrderTerm{{Field: report.ByProject}},
	}
}

func dayOf(i metering.Instant) metering.Day {
	return metering.Day(floorDivide(int64(i), daySeconds*secondNanos))
}

// asker draws the parts of a request.
type asker struct {
	*rand.Rand
	h *History
}

func (g *asker) chance(percent int) bool { return g.IntN(100) < percent }

func (g *asker) period() metering.Period {
	first, last := dayOf(g.h.Start), dayOf(g.h.End)
	day := first - 1 + metering.Day(g.IntN(int(last-first)+3))
	switch t := g.h.Start.Time(); g.IntN(11) {
	case 0:
		return metering.Period{From: day, To: day} // empty
	case 1:
		return metering.Period{From: metering.DayOf(1, 1, 1), To: metering.DayOf(9999, 12, 31) + 1}
	case 2:
		return metering.Period{From: metering.DayOf(t.Year(), t.Month(), 1), To: metering.DayOf(t.Year(), t.Month()+1, 1)}
	case 3:
		return metering.Period{From: metering.DayOf(t.Year(), 1, 1), To: metering.DayOf(t.Year()+1, 1, 1)}
	case 4:
		return metering.Period{From: metering.DayOf(t.Year(), t.Month()+1, 1), To: metering.DayOf(t.Year(), t.Month()+2+time.Month(g.IntN(2)), 1)}
	case 5, 6, 7:
		return metering.Period{From: day, To: day + 1}
	}
	return metering.Period{From: day, To: day + 1 + metering.Day(g.IntN(4))}
}

// page draws a page; as in every query, its end does not overflow.
func (g *asker) page() (limit, offset int) {
	limit = pick(g.Rand, 1, 2, 3, 10, 1_000_000, math.MaxInt)
	if g.chance(40) {
		offset = pick(g.Rand, 1, 2, 3, 5, 8, 13, 1000, math.MaxInt-1)
	}
	return min(limit, math.MaxInt-offset), offset
}

// narrow draws a part of the projects, sometimes none, sometimes with one that
// does not exist.
func (g *asker) narrow(projects []metering.ProjectID) report.Selection[metering.ProjectID] {
	var kept []metering.ProjectID
	for _, id := range projects {
		if g.chance(60) {
			kept = append(kept, id)
		}
	}
	if g.chance(20) {
		kept = append(kept, metering.MaxProjectID)
	}
	return report.Only(kept...)
}

func (g *asker) types() report.TypeSet {
	types := []metering.ResourceType{g.aType()}
	for range g.IntN(12) {
		types = append(types, g.aType())
	}
	return report.TypesOf(types...)
}

func (g *asker) aType() metering.ResourceType {
	if g.chance(30) || len(g.h.resources) == 0 {
		return metering.ResourceType(1 + g.IntN(metering.TypeCount))
	}
	return pick(g.Rand, g.h.resources...).Type
}

// where draws a schema_filter on any field that the type allows, with values
// that occur and values that don't.
func (g *asker) where() *report.FieldFilter {
	t := g.aType()
	f := &report.FieldFilter{Type: t}
	switch name := pick(g.Rand, t.FilterFields()...); name {
	case "type":
		f.Field, f.Texts = report.FilterType, pick(g.Rand, []string{t.String()}, []string{"instance", "volume"}, nil)
	case "uuid", "port_id":
		f.Field, f.IDs = report.FilterID, []metering.UUID{{1}}
		for _, k := range g.h.resources {
			if g.chance(60) {
				f.IDs = append(f.IDs, k.ID)
			}
		}
	case "last_size":
		f.Field, f.Sizes = report.FilterSize, g.sizes(t)
	default:
		f.Field = report.FilterAttribute
		for f.Attribute = 0; f.Attribute.LineField() != name; {
			f.Attribute++
		}
		f.Texts = []string{g.textOf(t, f.Attribute), "nowhere"}
	}
	return sortValues(f)
}

// sortValues brings the values of a filter into the order that its contract
// demands: ascending, each once.
func sortValues(f *report.FieldFilter) *report.FieldFilter {
	slices.SortFunc(f.IDs, func(a, b metering.UUID) int { return bytes.Compare(a[:], b[:]) })
	slices.Sort(f.Sizes)
	slices.Sort(f.Texts)
	f.IDs, f.Sizes, f.Texts = slices.Compact(f.IDs), slices.Compact(f.Sizes), slices.Compact(f.Texts)
	return f
}

func (g *asker) sizes(t metering.ResourceType) []uint64 {
	if t.SizeUnit() == metering.GiB {
		return []uint64{pick[uint64](g.Rand, 0, 1), pick[uint64](g.Rand, 2, 100, metering.MaxSizeBytes>>30)}
	}
	return []uint64{pick[uint64](g.Rand, 0, 1), pick[uint64](g.Rand, 1<<30, 100<<30, metering.MaxSizeBytes)}
}

// textOf finds a text of an attribute that occurs in the history.
func (g *asker) textOf(t metering.ResourceType, a metering.Attribute) string {
	for _, i := range g.Perm(len(g.h.Submissions)) {
		o := g.h.Submissions[i].Observation
		if text := o.Attributes.Texts[a]; o.Resource.Type == t && text != "" {
			return text
		}
	}
	return "nobody"
}

func (g *asker) tags() *report.TagFilter {
	f := &report.TagFilter{All: g.chance(40)}
	for range 1 + g.IntN(3) {
		c := report.TagCondition{Strict: g.chance(50)}
		if g.chance(60) {
			c.Key = pointer(pick(g.Rand, tagKeys()...))
		}
		if c.Key == nil || g.chance(50) {
			c.Value = pointer(g.tagValue(c.Strict))
		}
		f.Conditions = append(f.Conditions, c)
	}
	return f
}

// tagValue draws a value, and for a condition that is not strict a part of one
// in another letter case.
func (g *asker) tagValue(strict bool) string {
	value := pick(g.Rand, tagValues()...)
	if strict {
		return value
	}
	runes := []rune(value)
	from := g.IntN(len(runes))
	part := string(runes[from : from+1+g.IntN(len(runes)-from)])
	return pick(g.Rand, part, strings.ToUpper(part), strings.ToLower(part))
}

func pointer[T any](v T) *T { return &v }

// order draws up to four fields, each once.
func (g *asker) order() []report.OrderTerm {
	fields := []report.OrderField{
		report.ByProject, report.ByRegion, report.ByType, report.ByValue,
		report.ByFirstSeen, report.ByLastSeen, report.ByLastName,
	}
	g.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	var order []report.OrderTerm
	for _, f := range slices.Clone(fields[:1+g.IntN(4)]) {
		order = append(order, report.OrderTerm{Field: f, Descending: g.chance(50)})
	}
	return order
}
