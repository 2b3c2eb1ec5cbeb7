package columns

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// world is what a base must hold, in a map: the naive store beside which bases
// are tested. It is a function of its seed.
type world struct {
	*rand.Rand
	now  metering.Instant
	keys []metering.ResourceKey
	is   map[metering.ResourceKey]Change
}

// The world's states and windows begin in this week.
const (
	worldStart = metering.Day(19_900)
	worldDays  = 7
)

func newWorld(seed uint64, resources int) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7)), now: (worldStart + worldDays + 2).Start() + 12*3600*metering.Second, is: map[metering.ResourceKey]Change{}}
	types := metering.ResourceTypes()
	for range resources {
		k := metering.ResourceKey{
			Project: metering.ProjectID(1 + w.IntN(12)), Region: metering.RegionID(1 + w.IntN(3)), Type: types[w.IntN(len(types))],
		}
		if w.IntN(3) > 0 { // most are of few types, so that groups are large
			k.Type = types[w.IntN(4)*5]
		}
		for i := range k.ID {
			k.ID[i] = byte(w.UintN(256))
		}
		w.keys = append(w.keys, k)
	}
	return w
}

func draw[T any](w *world, items ...T) T { return items[w.IntN(len(items))] }

// attributes draws some for a type: names of which many are equal, or begin
// alike, or are missing; tag sets that repeat.
func (w *world) attributes(t metering.ResourceType) (a metering.Attributes) {
	for _, attribute := range t.Attributes() {
		if !t.Requires(attribute) && w.IntN(3) == 0 {
			continue
		}
		switch attribute.Form() {
		case metering.FormUUID:
			a.Texts[attribute] = metering.UUID{byte(w.IntN(3))}.String()
		case metering.FormIP:
			a.Texts[attribute] = draw(w, "192.0.2.1", "2001:db8::1")
		case metering.FormInstanceType:
			a.Texts[attribute] = draw(w, metering.InstanceTypes()...)
		default:
			a.Texts[attribute] = draw(w, "a", "ab", "b", "é", "z", strings.Repeat("long", 60), fmt.Sprint("name ", w.IntN(500)))
		}
	}
	if t.HasTags() && w.IntN(2) == 0 {
		for _, key := range []string{"env", "os", "team"}[:1+w.IntN(3)] {
			a.Tags = append(a.Tags, metering.Tag{Key: key, Value: draw(w, "", "prod", "Test", "ä")})
		}
	}
	return a
}

func (w *world) instant() metering.Instant {
	return worldStart.Start() + metering.Instant(w.Int64N(int64(worldDays)*86400))*metering.Second
}

// change draws what a resource is like; one in ten is gone.
func (w *world) change(k metering.ResourceKey) Change {
	c := Change{Key: k}
	if w.IntN(10) == 0 {
		return c
	}
	if k.Type.Measure() == metering.Counted {
		for d := worldStart; d < worldStart+worldDays; d++ {
			c.Sums = append(c.Sums, w.day(k.Type, d)...)
		}
		return c
	}
	var states []metering.State
	for i := range 1 + w.IntN(5) {
		s := metering.State{At: w.instant(), Source: "s", ID: fmt.Sprint(i)}
		if w.IntN(4) > 0 {
			s.Is = &metering.Description{Multiplier: 1 + w.Uint64N(100<<30), Attributes: w.attributes(k.Type)}
			s.Is.Meter = k.Type.Meter(draw(w, "", "", "own"), "", &s.Is.Attributes)
		}
		states = append(states, s)
	}
	c.Timeline = metering.FoldStates(states)
	return c
}

func (w *world) day(t metering.ResourceType, d metering.Day) []metering.DaySum {
	var windows []metering.Window
	alike, a := w.IntN(2) == 0, w.attributes(t)
	for i := range w.IntN(3) {
		if !alike {
			a = w.attributes(t)
		}
		a := a
		from := d.Start() + metering.Instant(w.IntN(24))*3600*metering.Second
		windows = append(windows, metering.Window{
			From: from, To: from + metering.Instant(1+w.IntN(30))*1800*metering.Second, At: from, ID: fmt.Sprint(i),
			Quantity: metering.Amount{Hi: w.Uint64N(2), Lo: w.Uint64()}, Meter: t.Meter(draw(w, "", "own"), "", &a), Attributes: &a,
		})
	}
	return metering.FoldDay(d, windows)
}

// changes draws some for a part of the resources, and notes them.
func (w *world) changes(percent int) []Change {
	var drawn []Change
	for _, k := range w.keys {
		if w.IntN(100) < percent {
			c := w.change(k)
			drawn, w.is[k] = append(drawn, c), c
		}
	}
	slices.SortFunc(drawn, func(a, b Change) int { return a.Key.Compare(b.Key) })
	return drawn
}

// all returns what there is, in canonical order.
func (w *world) all() []Change {
	all := slices.Collect(maps.Values(w.is))
	slices.SortFunc(all, func(a, b Change) int { return a.Key.Compare(b.Key) })
	return slices.DeleteFunc(all, func(c Change) bool { return !c.Timeline.Known && len(c.Sums) == 0 })
}

// lines computes the lines of changes from the domain's own sums.
func lines(changes []Change, q *report.Query) (selected []report.Line) {
	from, to := q.Period.Minutes(q.Now)
	for _, c := range changes {
		usages := c.Timeline.Usage(from, to)
		if c.Key.Type.Measure() == metering.Counted {
			usages = metering.SumDays(c.Sums, q.Period)
		}
		for _, u := range usages {
			l := report.Line{Resource: c.Key, Meter: u.Meter, Value: u.Value, First: u.First, Last: u.Last, Attributes: u.Attributes}
			if c.Key.Type.Measure() == metering.Sized {
				l.SizeBytes = u.Multiplier
			}
			if q.Selects(&l) {
				selected = append(selected, l)
			}
		}
	}
	return selected
}

// naive answers a query without any column.
func (w *world) naive(q *report.Query) answer {
	all := lines(w.all(), q)
	slices.SortFunc(all, func(a, b report.Line) int { return report.Compare(q.Order, &a, &b) })
	a := answer{count: len(all)}
	for _, l := range all {
		fresh := report.Total{Region: l.Resource.Region, Meter: l.Meter, Value: l.Value}
		at, found := slices.BinarySearchFunc(a.totals, fresh, func(x, y report.Total) int { return x.Compare(&y) })
		switch {
		case !l.Meter.Type.HasTotals():
		case found:
			a.totals[at].Value = a.totals[at].Value.Add(l.Value)
		default:
			a.totals = slices.Insert(a.totals, at, fresh)
		}
	}
	for i := min(q.Offset, len(all)); i < len(all) && i-q.Offset < q.Limit; i++ {
		a.lines = append(a.lines, show(&all[i]))
	}
	return a
}

// answer is a report as it can be compared.
type answer struct {
	count  int
	totals []report.Total
	lines  []string
}

func read(r *report.Report) answer {
	a := answer{count: r.Count, totals: r.Totals}
	for l := range r.Lines {
		a.lines = append(a.lines, show(l))
	}
	r.Close()
	return a
}

func show(l *report.Line) string {
	return fmt.Sprintf("%+v %+v %v %s %s %d %q %q", l.Resource, l.Meter, l.Value, l.First, l.Last, l.SizeBytes, l.Attributes.Texts, l.Attributes.Tags)
}

func (a *answer) differs(t *testing.T, what string, b answer) bool {
	t.Helper()
	switch {
	case a.count != b.count:
		t.Errorf("%s: want %d lines, got %d", what, a.count, b.count)
	case !slices.Equal(a.totals, b.totals):
		t.Errorf("%s: totals\nwant %+v\ngot  %+v", what, a.totals, b.totals)
	case !slices.Equal(a.lines, b.lines):
		for i := range max(len(a.lines), len(b.lines)) {
			if i >= len(a.lines) || i >= len(b.lines) || a.lines[i] != b.lines[i] {
				t.Errorf("%s: lines differ from number %d on\nwant %.900q\ngot  %.900q", what, i, a.lines[i:min(i+2, len(a.lines))], b.lines[i:min(i+2, len(b.lines))])
				break
			}
		}
	default:
		return false
	}
	return true
}

// wide asks for everything.
func (w *world) wide() report.Query {
	return report.Query{
		Period: metering.Period{From: worldStart - 1, To: worldStart + worldDays + 1}, Now: w.now, Limit: math.MaxInt,
		Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		Order: []report.OrderTerm{{Field: report.ByProject}},
	}
}

// query draws a report request.
func (w *world) query() report.Query {
	q := w.wide()
	q.Order = w.order()
	if w.IntN(2) == 0 {
		q.Period.From = worldStart + metering.Day(w.IntN(worldDays))
		q.Period.To = q.Period.From + metering.Day(w.IntN(worldDays))
	}
	if w.IntN(2) == 0 { // the clock stands in the midst of it
		q.Now = w.instant()
	}
	if w.IntN(2) == 0 {
		q.Limit, q.Offset = 1+w.IntN(20), w.IntN(30)
	}
	if w.IntN(3) == 0 {
		q.Projects = report.Only(metering.ProjectID(w.IntN(14)), metering.ProjectID(w.IntN(14)))
	}
	if w.IntN(4) == 0 {
		q.Regions = report.Only(metering.RegionID(1 + w.IntN(4)))
	}
	if w.IntN(4) == 0 {
		q.Types = report.TypeSet(w.Uint32()) & report.AllTypes
	}
	if w.IntN(4) == 0 {
		q.Where = w.where()
	}
	if w.IntN(4) == 0 {
		key, value := draw(w, "env", "os", "none"), draw(w, "", "prod", "test", "es")
		q.Tags = &report.TagFilter{Conditions: []report.TagCondition{{Key: &key, Value: &value, Strict: w.IntN(2) == 0}, {Value: &value, Strict: true}}, All: w.IntN(2) == 0}
	}
	return q
}

func (w *world) order() (order []report.OrderTerm) {
	fields := []report.OrderField{report.ByProject, report.ByRegion, report.ByType, report.ByValue, report.ByFirstSeen, report.ByLastSeen, report.ByLastName}
	w.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	for _, f := range fields[:1+w.IntN(3)] {
		order = append(order, report.OrderTerm{Field: f, Descending: w.IntN(2) == 0})
	}
	return order
}

func (w *world) where() *report.FieldFilter {
	k := draw(w, w.keys...)
	field := draw(w, k.Type.FilterFields()...)
	values := []string{k.ID.String(), "a", "é", "name 7", "192.0.2.1", "vm", metering.UUID{1}.String(), "17", "50", k.Type.String()}
	f, ok := report.NewFieldFilter(k.Type, field, values)
	if !ok {
		metering.Bug("%s has no field %s", k.Type, field)
	}
	return f
}

// merge merges on a disk in memory.
func merge(t *testing.T, prev *Base, changes []Change, seq uint64) *Base {
	t.Helper()
	base, err := Merge(vfs.NewMem(), "", "base", prev, Changed(changes, 0), seq)
	if err != nil {
		t.Fatal(err)
	}
	return base
}

// layered reports changes that are a base of their own, over a base.
func layered(base *Base, changes []Change, q *report.Query) *report.Report {
	fresh, mask := Changed(nil, 0), base.NewMask()
	for half := range slices.Chunk(changes, len(changes)/2+1) {
		fresh = fresh.With(Changed(half, 0))
	}
	for res := range fresh.Resources() {
		if under := base.Find(fresh.Key(res)); under != NotFound {
			mask.Add(under)
		}
	}
	return Report(q, NewOverlay(q), Layer{Base: base, Mask: []Mask{mask}}, Layer{Base: fresh})
}

// laid reports changes laid over a base.
func laid(base *Base, changes []Change, q *report.Query) *report.Report {
	o, mask := NewOverlay(q), base.NewMask()
	for _, c := range changes {
		if res := base.Find(c.Key); res != NotFound {
			mask.Add(res)
		}
	}
	for _, l := range lines(changes, q) {
		o.Add(&l)
	}
	return Report(q, o, Layer{Base: base, Mask: []Mask{mask}})
}
