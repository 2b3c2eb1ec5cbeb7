package storetest

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// scene is a bench with words to tell short stories: observations by their
// instants, and what the report must say.
type scene struct {
	*bench
	told int
}

// thing names the resource n of a type, in project 10 and region 76.
func thing(t metering.ResourceType, n byte) metering.ResourceKey {
	return metering.ResourceKey{Project: 10, Region: 76, Type: t, ID: metering.UUID{15: n}}
}

func typeNamed(name string) metering.ResourceType {
	t, known := metering.ResourceTypeNamed(name)
	if !known {
		metering.Bug("type %q", name)
	}
	return t
}

func instance(n byte) metering.ResourceKey  { return thing(typeNamed("instance"), n) }
func volume(n byte) metering.ResourceKey    { return thing(typeNamed("volume"), n) }
func image(n byte) metering.ResourceKey     { return thing(typeNamed("image"), n) }
func functions(n byte) metering.ResourceKey { return thing(typeNamed("functions"), n) }
func port(n byte) metering.ResourceKey      { return thing(typeNamed("egress_traffic"), n) }
func address(n byte) metering.ResourceKey   { return thing(typeNamed("external_ip"), n) }

// draft is an observation before its meter is known.
type draft struct {
	*metering.Observation
	metric, unit string
}

// edit changes one thing of an observation.
type edit func(*draft)

func named(name string) edit { return with(metering.Name, name) }
func with(a metering.Attribute, text string) edit {
	return func(d *draft) { d.Attributes.Texts[a] = text }
}
func multiplied(n uint64) edit    { return func(d *draft) { d.Multiplier = n } }
func sequence(n int64) edit       { return func(d *draft) { d.Sequence = metering.Sequence(n) } }
func from(source, id string) edit { return func(d *draft) { d.Name.Source, d.Name.ID = source, id } }
func metered(metric string) edit  { return func(d *draft) { d.metric = metric } }
func inUnit(unit string) edit     { return func(d *draft) { d.unit = unit } }
func toldAt(at string) edit       { return func(d *draft) { d.Time = At(at) } }
func tagged(key, value string) edit {
	return func(d *draft) {
		d.Attributes.Tags = append(slices.Clone(d.Attributes.Tags), metering.Tag{Key: key, Value: value})
		metering.SortTags(d.Attributes.Tags)
	}
}

func (s *scene) name(p metering.ProjectID) metering.ObservationName {
	s.told++
	return metering.ObservationName{Project: p, Source: "/test", ID: fmt.Sprintf("e%03d", s.told)}
}

// finish makes an observation of a resource that is there: what the type
// requires is filled in, the meter follows.
func (s *scene) finish(o *metering.Observation, edits []edit) *metering.Observation {
	o.Name = s.name(o.Resource.Project)
	d := &draft{Observation: o}
	for _, a := range o.Resource.Type.Attributes() {
		if o.Resource.Type.Requires(a) {
			o.Attributes.Texts[a] = "g1"
			if a == metering.InstanceType {
				o.Attributes.Texts[a] = "vm"
			}
		}
	}
	for _, e := range edits {
		e(d)
	}
	o.Meter = o.Resource.Type.Meter(d.metric, d.unit, &o.Attributes)
	return o
}

// state says that the resource is there from an instant on: one of it, or a
// gigabyte.
func (s *scene) state(k metering.ResourceKey, at string, edits ...edit) *metering.Observation {
	o := &metering.Observation{Kind: metering.StateObserved, Resource: k, Time: At(at), Multiplier: 1}
	if k.Type.Measure() == metering.Sized {
		o.Multiplier = 1_000_000_000
	}
	return s.finish(o, edits)
}

// gone says that the resource is not there from an instant on.
func (s *scene) gone(k metering.ResourceKey, at string, edits ...edit) *metering.Observation {
	o := &metering.Observation{Kind: metering.StateObserved, Resource: k, Time: At(at), Deleted: true, Name: s.name(k.Project)}
	for _, e := range edits {
		e(&draft{Observation: o})
	}
	return o
}

// quantity says what was consumed in a window; it is told at the window's end.
func (s *scene) quantity(k metering.ResourceKey, begin, end, amount string, edits ...edit) *metering.Observation {
	q, ok := metering.ParseQuantity(amount)
	if !ok {
		metering.Bug("quantity %q", amount)
	}
	return s.finish(&metering.Observation{Kind: metering.QuantityObserved, Resource: k, Time: At(end), From: At(begin), To: At(end), Quantity: q}, edits)
}

// retraction takes an observation back.
func (s *scene) retraction(target *metering.Observation, edits ...edit) *metering.Observation {
	o := &metering.Observation{Kind: metering.RetractionMade, Name: s.name(target.Name.Project), Time: s.clock.Now(),
		TargetSource: target.Name.Source, TargetID: target.Name.ID}
	for _, e := range edits {
		e(&draft{Observation: o})
	}
	return o
}

// elsewhere puts a resource into another project and region.
func elsewhere(k metering.ResourceKey, p metering.ProjectID, r metering.RegionID) metering.ResourceKey {
	k.Project, k.Region = p, r
	return k
}

// batchOf makes submissions of the client "client-a".
func batchOf(observations ...*metering.Observation) []report.Submission {
	batch := make([]report.Submission, len(observations))
	for i, o := range observations {
		batch[i] = report.Submission{Observation: o, Client: "client-a"}
	}
	return batch
}

// send submits one batch, waits, and demands the outcomes in words, such as
// "accepted duplicate id_reused".
func (s *scene) send(want string, observations ...*metering.Observation) {
	s.t.Helper()
	s.sendBatch(want, batchOf(observations...))
}

func (s *scene) sendBatch(want string, batch []report.Submission) {
	s.t.Helper()
	if got := words(s.wait(s.submit(batch))); got != want {
		s.t.Fatalf("outcomes: want %q, got %q", want, got)
	}
}

func words(outcomes []report.Outcome) string {
	texts := make([]string, len(outcomes))
	for i, o := range outcomes {
		texts[i] = word(o)
	}
	return strings.Join(texts, " ")
}

// accept sends one batch of which all must be accepted.
func (s *scene) accept(observations ...*metering.Observation) {
	s.t.Helper()
	s.send(strings.TrimSuffix(strings.Repeat("accepted ", len(observations)), " "), observations...)
}

// period is the half-open range of days between two dates.
func period(first, end string) metering.Period {
	from, ok := metering.ParseDate(first)
	to, ok2 := metering.ParseDate(end)
	if !ok || !ok2 {
		metering.Bug("period %q to %q", first, end)
	}
	return metering.Period{From: from, To: to}
}

// query asks for everything in the period, as of now, in the canonical order.
func (s *scene) query(p metering.Period) report.Query {
	return report.Query{
		Period: p, Now: s.clock.Now(), Limit: math.MaxInt,
		Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		Order: []report.OrderTerm{{Field: report.ByProject}},
	}
}

// expect demands the lines of a period, as [brief] writes them; the same again
// after merging, and again after a restart.
func (s *scene) expect(p metering.Period, want ...string) {
	s.t.Helper()
	s.expectQuery(func() report.Query { return s.query(p) }, want...)
}

func (s *scene) expectQuery(query func() report.Query, want ...string) {
	s.t.Helper()
	s.check("", query(), want)
	if s.merge() {
		s.check(" after merging", query(), want)
	}
	if s.restart() {
		s.check(" after a restart", query(), want)
	}
}

func (s *scene) check(when string, q report.Query, want []string) {
	s.t.Helper()
	a := s.ask(q)
	got := formatAll(a.Lines, brief)
	if !slices.Equal(got, want) {
		s.t.Fatalf("lines%s:\nwant %s\ngot  %s", when, strings.Join(want, "\n     "), strings.Join(got, "\n     "))
	}
	if a.Count != len(want) {
		s.t.Fatalf("count%s: want %d, got %d", when, len(want), a.Count)
	}
	if diff := diffTotals(a); diff != "" {
		s.t.Fatalf("totals%s are not the sums of the lines:\n%s", when, diff)
	}
	if a.CompleteUntil != q.Now {
		s.t.Fatalf("complete until%s: want the instant of the report, %s, got %s", when, q.Now, a.CompleteUntil)
	}
}

// brief writes a line as "<type>/<n> <metric>=<value> <first>..<last>", with
// "@<project>/<region>" where these are not 10 and 76, the unit where it is not
// the type's, and the attributes that are not part of the metric.
func brief(l *report.Line) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d", l.Resource.Type, l.Resource.ID[15])
	if l.Resource.Project != 10 || l.Resource.Region != 76 {
		fmt.Fprintf(&b, "@%d/%d", l.Resource.Project, l.Resource.Region)
	}
	fmt.Fprintf(&b, " %s=%s", l.Meter.Metric, l.Value.Format(l.Meter.Type.Measure().Scale()))
	if l.Meter.Unit != l.Resource.Type.Unit() {
		b.WriteString(l.Meter.Unit)
	}
	fmt.Fprintf(&b, " %s..%s", l.First, l.Last)
	if l.Resource.Type.Measure() == metering.Sized && l.SizeBytes != 1_000_000_000 {
		fmt.Fprintf(&b, " size=%d", l.SizeBytes)
	}
	for i, text := range l.Attributes.Texts {
		if text != "" && !l.Resource.Type.Requires(metering.Attribute(i)) {
			fmt.Fprintf(&b, " %s=%s", metering.Attribute(i), text)
		}
	}
	for _, tag := range l.Attributes.Tags {
		fmt.Fprintf(&b, " %s:%s", tag.Key, tag.Value)
	}
	return b.String()
}

// diffTotals compares the totals of an answer that holds all lines with the
// sums of these lines.
func diffTotals(a *Answer) string {
	lines := make([]*modelLine, len(a.Lines))
	for i := range a.Lines {
		l := &a.Lines[i]
		lines[i] = &modelLine{resource: l.Resource, meter: l.Meter, value: new(big.Int).Set(bigAmount(l.Value))}
	}
	var b strings.Builder
	diffTexts(&b, "total", formatAll(totals(lines), FormatTotal), formatAll(a.Totals, FormatTotal))
	return b.String()
}
