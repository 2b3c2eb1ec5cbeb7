package storetest

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// historiesPerStore is the number of neighbouring seeds whose histories share
// an era, and in [RunRandom] a store.
const historiesPerStore = 50

// History is a random history of a few resources over hours to days: what
// sources send, in the order of its instants but for what is late. It is a
// function of its seed, and no two seeds share a project.
type History struct {
	Seed       uint64
	Start, End metering.Instant // states and windows begin within [Start, End]
	Projects   []metering.ProjectID
	Registered []report.Project // to be registered by hand before the first submission
	// Submissions are in canonical form, as ingest makes them. ReceivedAt is
	// left to whoever submits them.
	Submissions []report.Submission

	resources []metering.ResourceKey
	reused    map[*metering.Observation]bool // those whose name says something else already
}

// NewHistory makes the history of a seed.
func NewHistory(seed uint64) *History {
	return newHistory(seed, rand.New(rand.NewPCG(seed, 1)))
}

// newHistory makes a history with the projects and in the era of a seed, of
// which all else is drawn.
func newHistory(seed uint64, drawn *rand.Rand) *History {
	g := &generator{Rand: drawn, h: &History{Seed: seed, reused: map[*metering.Observation]bool{}}}
	g.choosePeriod()
	g.chooseProjects()
	for range 1 + g.IntN(6) {
		g.addResource()
	}
	g.addRetractions()
	slices.SortStableFunc(g.told, func(a, b *metering.Observation) int { return cmp.Compare(a.Time, b.Time) })
	g.repeatSome()
	g.reuseSomeNames()
	g.submit()
	return g.h
}

// WithoutConflicts returns what of the history can be sent in any order with
// the same result: each name says one thing, and every client may write.
func (h *History) WithoutConflicts() []report.Submission {
	var peaceful []report.Submission
	for _, s := range h.Submissions {
		if !h.reused[s.Observation] {
			s.AnyClient = true
			peaceful = append(peaceful, s)
		}
	}
	return peaceful
}

// generator draws one history.
type generator struct {
	*rand.Rand
	h     *History
	told  []*metering.Observation
	names []metering.ObservationName // given so far
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *rand.Rand, items ...T) T { return items[g.IntN(len(items))] }

// choosePeriod begins the history in the era of its seed's neighbours: near a
// month's end, a leap day, a year's end, on a plain day, or on the first day that
// is taken.
func (g *generator) choosePeriod() {
	eras := []string{"2024-07-10T00:00:00Z", "2024-06-29T00:00:00Z", "2024-02-28T00:00:00Z", "2023-12-30T00:00:00Z", "2023-02-27T00:00:00Z", "2000-01-01T00:00:00Z"}
	era := int(g.h.Seed/historiesPerStore) % len(eras)
	if farthest := len(eras) - 1; era != farthest && g.chance(10) { // not decades apart, for the model counts every minute
		era = g.IntN(farthest)
	}
	const hour = 3600 * metering.Second
	g.h.Start = At(eras[era]) + metering.Instant(g.IntN(30))*hour
	span := hour * metering.Instant(1+g.IntN(12))
	if g.chance(50) {
		span = hour * metering.Instant(12+g.IntN(60))
	}
	g.h.End = g.h.Start + span
}

// chooseProjects gives the history up to three projects of its own, half of the
// time registered by hand.
func (g *generator) chooseProjects() {
	for i := range 1 + g.IntN(3) {
		g.h.Projects = append(g.h.Projects, metering.ProjectID(g.h.Seed*4+uint64(i)+1))
	}
	if g.chance(50) {
		return
	}
	for i, id := range g.h.Projects {
		g.h.Registered = append(g.h.Registered, report.Project{ID: id, Client: ownerOf(i), Name: "by hand", CreatedAt: g.h.Start})
	}
}

func ownerOf(project int) report.ClientID {
	return []report.ClientID{"client-a", "client-b", "client-a"}[project]
}

// addResource tells the story of one resource.
func (g *generator) addResource() {
	k := metering.ResourceKey{
		Project: pick(g.Rand, g.h.Projects...), Region: metering.RegionID(pick(g.Rand, 1, 2, 76, metering.MaxRegionID)),
		Type: metering.ResourceType(1 + g.IntN(metering.TypeCount)),
	}
	switch {
	case g.chance(10): // the zero id is an id like any other
	case len(g.h.resources) > 0 && g.chance(20): // the same id elsewhere is another resource
		k.ID = pick(g.Rand, g.h.resources...).ID
	default:
		for i := range k.ID {
			k.ID[i] = byte(g.UintN(256))
		}
	}
	if slices.Contains(g.h.resources, k) {
		return
	}
	g.h.resources = append(g.h.resources, k)
	if k.Type.Measure() == metering.Counted {
		g.addWindows(k)
	} else {
		g.addStates(k)
	}
}

// name gives an observation a name of its own: ids of different lengths,
// sources that sort apart from their ids, UUIDs in both letter cases (which are
// different names), and ids that other sources or projects use as well.
func (g *generator) name(project metering.ProjectID) metering.ObservationName {
	id := pick(g.Rand, "e", "zz", "é", "") + strconv.Itoa(len(g.names)+1)
	if g.chance(25) {
		id = fmt.Sprintf("abcdef00-0000-4000-8000-%012x", g.IntN(6))
		if g.chance(40) {
			id = strings.ToUpper(id)
		}
	}
	if len(g.names) > 0 && g.chance(10) {
		id = pick(g.Rand, g.names...).ID
	}
	n := metering.ObservationName{Project: project, Source: pick(g.Rand, "/openstack/region-76", "/ops", "/ö"), ID: id}
	for slices.Contains(g.names, n) {
		n.ID += "'"
	}
	g.names = append(g.names, n)
	return n
}

func (g *generator) sequence() metering.Sequence {
	if g.chance(75) {
		return 0
	}
	return pick[metering.Sequence](g.Rand, 1, 2, 10, math.MaxInt64)
}

// instant draws one in [Start, End], often on an edge of the minute grid.
func (g *generator) instant() metering.Instant {
	const minute, day = 60 * metering.Second, 86400 * metering.Second
	at := g.h.Start + metering.Instant(g.Int64N(int64(g.h.End-g.h.Start)))
	at -= at % minute
	if g.chance(15) {
		at -= at % day // midnight
		if g.chance(50) {
			at -= minute // the last minute of the day before
		}
	}
	at += pick(g.Rand, 0, 30*metering.Second, 30*metering.Second+1, 30*metering.Second-1, 29_999_000_000,
		metering.Instant(g.Int64N(int64(minute))), metering.Instant(g.Int64N(int64(minute))))
	return max(at, metering.MinEventTime)
}

// instants draws n in ascending order, some of them equal.
func (g *generator) instants(n int) []metering.Instant {
	var drawn []metering.Instant
	for i := range n {
		if i > 0 && g.chance(20) {
			drawn = append(drawn, drawn[i-1])
			continue
		}
		drawn = append(drawn, g.instant())
	}
	slices.Sort(drawn)
	return drawn
}

// addRetractions retracts some of what is told, some of what is never told, and
// some retractions, before or after it arrives.
func (g *generator) addRetractions() {
	for range g.IntN(1 + len(g.told)/4) {
		target := pick(g.Rand, g.told...)
		name := target.Name
		switch {
		case g.chance(5):
			name.ID = "never told"
		case g.chance(5):
			name.Project = pick(g.Rand, g.h.Projects...)
		}
		at := g.instant()
		if g.chance(50) {
			at = max(target.Time-metering.Instant(g.Int64N(int64(3600*metering.Second))), metering.MinEventTime)
		}
		g.told = append(g.told, &metering.Observation{
			Kind: metering.RetractionMade, Name: g.name(name.Project), Time: at, Sequence: g.sequence(),
			TargetSource: name.Source, TargetID: name.ID, Reason: pick(g.Rand, "", "double probe"),
		})
	}
}

// insertLater puts an observation at a random place after index i.
func (g *generator) insertLater(i int, o *metering.Observation) {
	g.told = slices.Insert(g.told, i+1+g.IntN(len(g.told)-i), o)
}

// repeatSome delivers some observations again, in memory of their own.
func (g *generator) repeatSome() {
	for range g.IntN(1 + len(g.told)/4) {
		i := g.IntN(len(g.told))
		again := *g.told[i]
		again.Attributes.Tags = slices.Clone(again.Attributes.Tags)
		g.insertLater(i, &again)
	}
}

// reuseSomeNames gives the names of some observations to others that say
// something else.
func (g *generator) reuseSomeNames() {
	for range g.IntN(1 + len(g.told)/10) {
		i := g.IntN(len(g.told))
		if g.h.reused[g.told[i]] {
			continue
		}
		other := *g.told[i]
		g.alter(&other)
		g.h.reused[&other] = true
		g.insertLater(i, &other)
	}
}

func (g *generator) alter(o *metering.Observation) {
	switch {
	case g.chance(30):
		o.Sequence ^= 1
	case o.Kind == metering.RetractionMade:
		o.Reason += "!"
	case o.Kind == metering.QuantityObserved && g.chance(50):
		o.Quantity = metering.AmountOf(1_000_000 * (1 - min(o.Quantity.Lo, 1))) // 0 becomes 1, others 0
	case o.Kind == metering.StateObserved && !o.Deleted && g.chance(50):
		o.Multiplier = 1 + o.Multiplier%2 // another one, and valid for every type
	default:
		o.Time++
	}
}

// submit decides who sends what. In most histories everybody writes to projects
// of their own; in the others clients contend for them.
func (g *generator) submit() {
	contested := g.chance(15)
	for _, o := range g.told {
		s := report.Submission{Observation: o, Client: ownerOf(slices.Index(g.h.Projects, o.Name.Project))}
		switch {
		case contested && g.chance(40):
			s.Client = pick(g.Rand, report.ClientID("client-a"), "client-b")
		case (contested || g.h.Registered != nil) && g.chance(15):
			s.Client, s.AnyClient = report.DefaultClient, true
		}
		g.h.Submissions = append(g.h.Submissions, s)
	}
}
