package fleet

import (
	"crypto/sha256"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/meterbook/meterbook/internal/metering"
)

func small(seed uint64) Config {
	return Config{Seed: seed, Resources: 400, TrafficPorts: 3, Months: 3}
}

func digest(events iter.Seq[*metering.Observation]) (sum [32]byte, n int) {
	h := sha256.New()
	var line []byte
	for o := range events {
		line = AppendEvent(line[:0], o)
		h.Write(line)
		n++
	}
	return [32]byte(h.Sum(nil)), n
}

func TestOneSeedGivesOneFleet(t *testing.T) {
	t.Parallel()
	f := New(small(7))
	first, n := digest(f.Events())
	again, _ := digest(f.Events())
	anew, _ := digest(New(small(7)).Events())
	other, _ := digest(New(small(8)).Events())
	if n == 0 || first != again || first != anew {
		t.Errorf("one seed gave different observations: %x, %x, %x (%d)", first, again, anew, n)
	}
	if first == other {
		t.Error("two seeds gave the same observations")
	}
}

func TestDefaultsAreAFleetOfAThousandOverAYear(t *testing.T) {
	t.Parallel()
	f := New(Config{})
	if got := f.Start().String(); got != "2024-01-01T00:00:00Z" {
		t.Errorf("starts at %s", got)
	}
	if len(f.Projects()) != 20 || len(f.Regions()) != 3 || len(f.types) != 1000 {
		t.Errorf("got %d projects, %d regions, %d resources", len(f.Projects()), len(f.Regions()), len(f.types))
	}
	end := metering.DayOf(2026, time.November, 22).Start() + 20*hour
	if got := New(Config{End: end, Months: 2}).Start().String(); got != "2026-09-01T00:00:00Z" {
		t.Errorf("two months before November start at %s", got)
	}
}

func TestEveryTypeOccurs(t *testing.T) {
	t.Parallel()
	states, quantities := map[metering.ResourceType]int{}, map[metering.ResourceType]int{}
	retractions := 0
	for o := range New(Config{Seed: 1, TrafficPorts: 20}).Events() {
		switch o.Kind {
		case metering.StateObserved:
			states[o.Resource.Type]++
		case metering.QuantityObserved:
			quantities[o.Resource.Type]++
		case metering.RetractionMade:
			retractions++
		}
	}
	for _, typ := range metering.ResourceTypes() {
		if counted := typ.Measure() == metering.Counted; counted != (quantities[typ] > 0) || counted == (states[typ] > 0) {
			t.Errorf("%s: %d states, %d quantities", typ, states[typ], quantities[typ])
		}
	}
	if retractions == 0 {
		t.Error("nothing was retracted")
	}
}

func TestObservationsAreValidAndInOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{Seed: 3, Months: 2}, {Seed: 4, Resources: 1, Months: 1, Regions: 20, Clients: 30}, small(5)} {
		f := New(c)
		names := map[metering.ObservationName]bool{}
		var last metering.Instant
		for o := range f.Events() {
			checkObservation(t, o)
			if o.Time < last || o.Time >= f.End() {
				t.Fatalf("%s comes after %s, the end is %s", o.Time, last, f.End())
			}
			last = o.Time
			if names[o.Name] {
				t.Fatalf("name %v is used twice", o.Name)
			}
			names[o.Name] = true
		}
	}
}

func checkObservation(t *testing.T, o *metering.Observation) {
	t.Helper()
	switch {
	case len(o.Name.ID) == 0 || len(o.Name.ID) > metering.MaxIDBytes || o.Name.Source == "" || o.Name.Project < 1:
		t.Fatalf("bad name %+v", o.Name)
	case o.Time < metering.MinEventTime:
		t.Fatalf("time %s is too early", o.Time)
	case o.Kind == metering.RetractionMade:
		if o.TargetSource != o.Name.Source || o.TargetID == o.Name.ID || o.TargetID == "" {
			t.Fatalf("bad retraction %+v", o)
		}
		return
	case !o.Resource.Type.Valid() || o.Resource.Region < 1 || o.Resource.ID[6]>>4 != 4 || o.Resource.Project != o.Name.Project:
		t.Fatalf("bad resource %+v", o.Resource)
	}
	measure := o.Resource.Type.Measure()
	switch {
	case o.Kind == metering.QuantityObserved:
		if measure != metering.Counted || o.To <= o.From || o.To-o.From > metering.MaxQuantityWindow || o.To > o.Time || !o.Resource.Type.CheckQuantity(o.Quantity) {
			t.Fatalf("bad quantity %+v", o)
		}
	case o.Deleted:
		if o.Multiplier != 0 || !o.Attributes.Equal(&metering.Attributes{}) || o.Meter != (metering.Meter{Type: o.Resource.Type}) || measure == metering.Counted {
			t.Fatalf("bad deletion %+v", o)
		}
		return
	case measure == metering.Present && (o.Multiplier < 1 || o.Multiplier > metering.MaxCount), o.Multiplier > metering.MaxSizeBytes, measure == metering.Counted:
		t.Fatalf("bad state %+v", o)
	}
	checkAttributes(t, o)
}

func checkAttributes(t *testing.T, o *metering.Observation) {
	t.Helper()
	typ := o.Resource.Type
	for i, text := range o.Attributes.Texts {
		a := metering.Attribute(i)
		if text == "" {
			if typ.Requires(a) {
				t.Fatalf("%s lacks %s", typ, a)
			}
			continue
		}
		ok := typ.Takes(a) && utf8.RuneCountInString(text) <= metering.MaxTextLength
		switch a.Form() {
		case metering.FormUUID:
			u, isUUID := metering.ParseUUID(text)
			ok = ok && isUUID && u.String() == text
		case metering.FormIP:
			ip, err := netip.ParseAddr(text)
			ok = ok && err == nil && ip.String() == text
		case metering.FormInstanceType:
			ok = ok && slices.Contains(metering.InstanceTypes(), text)
		}
		if !ok {
			t.Fatalf("%s must not have %s %q", typ, a, text)
		}
	}
	sorted := slices.IsSortedFunc(o.Attributes.Tags, func(a, b metering.Tag) int { return strings.Compare(a.Key, b.Key) })
	if !sorted || len(o.Attributes.Tags) > 0 && !typ.HasTags() {
		t.Fatalf("%s must not have tags %v", typ, o.Attributes.Tags)
	}
	if m := o.Meter; m.Type != typ || m.Metric == "" || m.Unit == "" || strings.Contains(m.Metric, "{") || typ.MetricTemplate() != "" && m != typ.Meter("", "", &o.Attributes) {
		t.Fatalf("bad meter %+v of %s", m, typ)
	}
}

// history is what a test notes of one fleet.
type history struct {
	living        map[metering.ResourceKey]metering.Instant // created at
	livingAtStart int
	replaced      int // of those that lived longer than a day
	short         int
	changes       int
}

func follow(f *Fleet) history {
	h := history{living: map[metering.ResourceKey]metering.Instant{}}
	for o := range f.Events() {
		if o.Kind != metering.StateObserved {
			continue
		}
		if o.Time < f.Start() {
			h.livingAtStart++
		}
		created, lives := h.living[o.Resource]
		switch {
		case !o.Deleted && !lives:
			h.living[o.Resource] = o.Time
		case !o.Deleted:
			h.changes++
		case o.Time-created < 11*hour:
			h.short++
			delete(h.living, o.Resource)
		default:
			h.replaced++
			delete(h.living, o.Resource)
		}
	}
	return h
}

func TestAFifthIsReplacedEachMonth(t *testing.T) {
	t.Parallel()
	f := New(Config{Seed: 2, Resources: 10_000, Months: 4})
	h := follow(f)
	months := float64(f.End()-f.Start()) / float64(month)
	within := func(what string, got int, perMonth, tolerance float64) {
		if share := float64(got) / 10_000 / months; share < perMonth-tolerance || share > perMonth+tolerance {
			t.Errorf("%s: %.4f of the resources a month, want about %.2f", what, share, perMonth)
		}
	}
	within("replaced", h.replaced, 0.20, 0.01)
	within("changed", h.changes, 0.07, 0.005)
	within("short-lived", h.short, 0.02, 0.006)
	if h.livingAtStart != 10_000-10 { // all but those that are counted
		t.Errorf("%d resources live at the start", h.livingAtStart)
	}
	if n := len(h.living); n < 9_900 || n > 10_050 {
		t.Errorf("%d resources live at the end, want about 10000", n)
	}
}

func TestSharesAreThoseOfThePackageComment(t *testing.T) {
	t.Parallel()
	f := New(Config{Resources: 100_000})
	got := map[metering.ResourceType]int{}
	for _, typ := range f.types {
		got[typ]++
	}
	sum := 0
	for _, s := range mix() {
		sum += s.share
		if n := got[typeNamed(s.name)]; n != s.share*10 {
			t.Errorf("%d of 100000 resources are %s, want %d", n, s.name, s.share*10)
		}
	}
	if sum != 10_000 || len(got) != metering.TypeCount-1 {
		t.Errorf("the shares of %d types sum to %d hundredths of a percent", len(got), sum)
	}
}

func TestAFewProjectsAreBigAndManySmall(t *testing.T) {
	t.Parallel()
	f := New(Config{Seed: 1, Resources: 10_000, Clients: 10, Projects: 100, Regions: 5})
	sizes := map[metering.ProjectID]int{}
	clients := map[Client]int{}
	sum := 0
	for _, p := range f.Projects() {
		sizes[p.ID] = p.slotCount
		sum += p.slotCount
		clients[p.Client]++
	}
	sorted := slices.Sorted(maps.Values(sizes))
	if sum != 10_000 || sorted[99] < 1500 || sorted[50] > 60 || sorted[0] == 0 || len(clients) != 10 {
		t.Errorf("%d resources in projects of %v, %d clients", sum, sorted, len(clients))
	}
}

func TestMemoryIsBoundedByTheLivingResources(t *testing.T) {
	t.Parallel()
	g := New(Config{Seed: 1, Resources: 3000, Months: 12}).newGenerator()
	slots, told, waiting := len(g.slots), 0, 0
	g.run(func(*metering.Observation) bool {
		told++
		waiting = max(waiting, len(g.due))
		return true
	})
	if len(g.slots) != slots || cap(g.slots) != slots || slots > 3000+3+2 {
		t.Errorf("%d slots became %d", slots, len(g.slots))
	}
	if told < 10*slots || waiting > slots/10 {
		t.Errorf("%d observations, up to %d steps in one hour", told, waiting)
	}
}

func TestEstimateIsWithinATenth(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{Resources: 3000}, {Resources: 2000, TrafficPorts: -1, Months: 2}, {Resources: 5000, ReplacedPercent: 50, ChangedPercent: -1}} {
		f := New(c)
		n := 0
		for range f.Events() {
			n++
		}
		if e := f.EstimatedEvents(); e < n*9/10 || e > n*11/10 {
			t.Errorf("%+v: estimated %d observations, got %d", c, e, n)
		}
	}
}

func TestNothingIsReplacedWhereNoneIsWanted(t *testing.T) {
	t.Parallel()
	c := Config{ReplacedPercent: -1, ChangedPercent: -1, ShortLivedPercent: -1, TrafficPorts: -1, Months: 2}
	resources := map[metering.ResourceKey]int{}
	for o := range New(c).Events() {
		if o.Kind != metering.QuantityObserved && o.Kind != metering.RetractionMade {
			resources[o.Resource]++
		}
		if o.Deleted || o.Resource.Type == typeNamed("egress_traffic") {
			t.Fatalf("got %+v", o)
		}
	}
	for key, n := range resources {
		if n != 1 {
			t.Errorf("%v has %d states", key, n)
		}
	}
}

func TestAPartOfTheEventsCanBeTaken(t *testing.T) {
	t.Parallel()
	n := 0
	for range New(small(1)).Events() {
		if n++; n == 10 {
			break
		}
	}
	if n != 10 {
		t.Errorf("took %d", n)
	}
}
