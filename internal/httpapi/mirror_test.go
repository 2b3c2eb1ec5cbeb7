package httpapi

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-json-experiment/json"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

const (
	seedVariable = "METERBOOK_SEED"
	// worlds are the seeds that are tried where the variable gives none.
	worlds         = 6
	keysPerWorld   = 8
	questionsOfKey = 40
)

// TestAnswersAreThoseOfAServerThatHoldsOnlyWhatExistsForTheKey asks two servers
// the same: one on the embedded store with the data of several clients, as a key
// of one of them with a random narrowing, and one on the naive model that holds
// only what exists for that key, as a key that sees everything there. Whatever
// they differ in would tell of something that does not exist.
func TestAnswersAreThoseOfAServerThatHoldsOnlyWhatExistsForTheKey(t *testing.T) {
	t.Parallel()
	first, last := uint64(0), uint64(worlds-1)
	if text := os.Getenv(seedVariable); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s must be a number, got %q", seedVariable, text)
		}
		first, last = seed, seed
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("%s=%d", seedVariable, seed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, seed)
			for range keysPerWorld {
				w.tryKey()
			}
			w.checkThatSomethingWasSeen()
		})
	}
}

// world is a server with the data of three clients.
type world struct {
	*site
	rng         *rand.Rand
	histories   []*storetest.History
	projects    []metering.ProjectID
	clients     []string
	owner       map[metering.ProjectID]report.ClientID
	stored      []report.Submission // all that was accepted
	seen, blank int                 // questions with and without lines in the answer
}

func newWorld(t *testing.T, seed uint64) *world {
	clock, rng := newHandClock(start), rand.New(rand.NewPCG(seed, 3))
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: clock.now, MergeUnits: pick(rng, []int{0, 8, 40})})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{site: newSiteOn(t, l, &access.MemoryRecords{}, clock), rng: rng, owner: map[metering.ProjectID]report.ClientID{}}
	w.server.Serve(w.backend)
	w.clients = []string{"acme", "other", "third"}
	for _, id := range w.clients {
		w.client(id)
	}
	for i := range uint64(8) { // neighbours, so of one time
		w.histories = append(w.histories, storetest.NewHistory(seed*50%250+i))
	}
	for _, h := range w.histories {
		for _, id := range h.Projects {
			w.owner[id] = report.ClientID(pick(w.rng, append(w.clients, "default")))
		}
		w.projects = append(w.projects, h.Projects...)
	}
	for i, h := range w.histories {
		w.store(h)
		if i%3 == 2 { // so some of it is in the base, and some beside it
			if err := l.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return w
}

func pick[T any](rng *rand.Rand, items []T) T { return items[rng.IntN(len(items))] }

// store sends a history to the store, and a part of it once more as if other
// projects had the same resources, so that ids are in the projects of several
// clients.
func (w *world) store(h *storetest.History) {
	w.t.Helper()
	var batch []report.Submission
	for _, s := range h.WithoutConflicts() {
		batch = append(batch, w.of(s.Observation))
		if w.rng.IntN(100) < 30 {
			twin := *s.Observation
			twin.Name.Project = pick(w.rng, w.projects)
			if twin.Kind != metering.RetractionMade {
				twin.Resource.Project = twin.Name.Project
			}
			batch = append(batch, w.of(&twin))
		}
	}
	for i, outcome := range submit(w.t, w.backend.Store, batch) {
		if outcome.Rejected == nil && !outcome.Duplicate {
			w.stored = append(w.stored, batch[i])
		}
	}
}

func (w *world) of(o *metering.Observation) report.Submission {
	return report.Submission{Observation: o, Client: w.owner[o.Name.Project], ReceivedAt: w.clock.now()}
}

func submit(t *testing.T, store report.Store, batch []report.Submission) []report.Outcome {
	t.Helper()
	pending, err := store.Submit(context.WithoutCancel(t.Context()), batch)
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := pending.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return outcomes
}

// narrowing is what a random key is narrowed to; an empty list is none.
type narrowing struct {
	client   report.ClientID // "" above all clients
	projects []metering.ProjectID
	regions  []metering.RegionID
	types    []metering.ResourceType
}

func (w *world) drawNarrowing() (n narrowing) {
	if w.rng.IntN(5) > 0 {
		n.client = report.ClientID(pick(w.rng, w.clients))
	}
	if w.rng.IntN(2) == 0 {
		n.projects = some(w.rng, append(w.projects, metering.MaxProjectID-1))
	}
	if w.rng.IntN(3) == 0 {
		n.regions = some(w.rng, []metering.RegionID{1, 2, 76, metering.MaxRegionID})
	}
	if w.rng.IntN(3) == 0 {
		n.types = some(w.rng, metering.ResourceTypes())
	}
	return n
}

// some draws about half of the items, at least one.
func some[T any](rng *rand.Rand, items []T) (kept []T) {
	for _, item := range items {
		if rng.IntN(2) == 0 {
			kept = append(kept, item)
		}
	}
	if len(kept) == 0 {
		kept = append(kept, pick(rng, items))
	}
	return kept
}

func (n *narrowing) hasProject(w *world, id metering.ProjectID) bool {
	return (n.client == "" || w.owner[id] == n.client) && (n.projects == nil || slices.Contains(n.projects, id))
}

func (n *narrowing) hasRegion(id metering.RegionID) bool {
	return n.regions == nil || slices.Contains(n.regions, id)
}

// has reports whether an observation exists for the key.
func (n *narrowing) has(w *world, o *metering.Observation) bool {
	if !n.hasProject(w, o.Name.Project) || o.Kind == metering.RetractionMade {
		return n.hasProject(w, o.Name.Project)
	}
	return n.hasRegion(o.Resource.Region) && (n.types == nil || slices.Contains(n.types, o.Resource.Type))
}

// request is the body that makes the key.
func (n *narrowing) request(t *testing.T) string {
	t.Helper()
	body := map[string]any{"roles": []string{"admin"}}
	if n.client != "" {
		body["client"] = n.client
	}
	if n.projects != nil {
		body["projects"] = n.projects
	}
	if n.regions != nil {
		body["regions"] = n.regions
	}
	if n.types != nil {
		var names []string
		for _, typ := range n.types {
			names = append(names, typ.String())
		}
		body["types"] = names
	}
	return text(t, body)
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// mirror is a server that holds only what exists for the key.
func (w *world) mirror(n *narrowing) *site {
	w.t.Helper()
	model := storetest.NewModel(w.clock.now)
	m := newSiteOn(w.t, model, &access.MemoryRecords{}, w.clock)
	m.server.Serve(m.backend)
	for _, id := range w.clients {
		m.client(id)
	}
	for _, p := range w.backend.Store.Projects("") {
		if p.Client = w.owner[p.ID]; n.hasProject(w, p.ID) {
			must(w.t, model.PutProject(w.t.Context(), p))
		}
	}
	for _, r := range w.backend.Store.Regions() {
		if n.hasRegion(r.ID) {
			must(w.t, model.PutRegion(w.t.Context(), r))
		}
	}
	var batch []report.Submission
	for _, s := range w.stored {
		if n.has(w, s.Observation) {
			batch = append(batch, s)
		}
	}
	for i, outcome := range submit(w.t, model, batch) {
		if outcome.Rejected != nil || outcome.Duplicate {
			w.t.Fatalf("the mirror did not take %+v", batch[i].Observation)
		}
	}
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tryKey makes a random key and asks both servers.
func (w *world) tryKey() {
	w.t.Helper()
	n := w.drawNarrowing()
	token, m := w.key(w.root, n.request(w.t)), w.mirror(&n)
	for range questionsOfKey {
		body := w.question()
		w.compare(m, &n, token, "POST", reportPath, body)
	}
	in := w.histories[0]
	days := fmt.Sprintf("from=%s&to=%s", in.Start.String()[:10], (in.End + 5*86400*metering.Second).String()[:10])
	paths := []string{"/v1/projects", "/v1/regions", "/cloud/v1/projects", "/cloud/v1/regions", "/v1/projects?limit=1&offset=1", "/v1/findings?limit=1000&" + days, "/v1/findings?limit=1&" + days}
	for _, id := range append(w.projects, metering.MaxProjectID) {
		paths = append(paths, fmt.Sprint("/v1/projects/", id), fmt.Sprint("/cloud/v1/projects/", id))
	}
	for _, id := range []metering.RegionID{1, 2, 76, 77, metering.MaxRegionID} {
		paths = append(paths, fmt.Sprint("/v1/regions/", id), fmt.Sprint("/cloud/v1/regions/", id))
	}
	for _, k := range w.resources() {
		account := fmt.Sprintf("/v1/resources/%d/%d/%s/%s?%s", k.Project, k.Region, k.Type, k.ID, days)
		paths = append(paths, account, account+"&line=0&term=0", account+"&status=retracted")
	}
	for _, path := range paths {
		w.compare(m, &n, token, "GET", path, "")
	}
}

// resources are those of all clients, and one that is not there.
func (w *world) resources() []metering.ResourceKey {
	keys := map[metering.ResourceKey]bool{{Project: w.projects[0], Region: 76, Type: 1}: true}
	for _, s := range w.stored {
		if s.Observation.Kind != metering.RetractionMade {
			keys[s.Observation.Resource] = true
		}
	}
	return slices.SortedFunc(maps.Keys(keys), metering.ResourceKey.Compare)
}

// storeNumber is where in its store an observation stands, which the narrower
// store must count in its own way.
var storeNumber = regexp.MustCompile(`"number":\d+`)

func (w *world) compare(m *site, n *narrowing, token, method, path, body string) {
	w.t.Helper()
	mask := func(r reply) string { return storeNumber.ReplaceAllString(withoutRequestID(r.body), `"number":0`) }
	want, got := m.ask(method, path, m.root, body), w.ask(method, path, token, body)
	if got.status != want.status || mask(got) != mask(want) {
		w.t.Fatalf("%+v asks %s %s %s\ngot  %d %.3000s\nwant %d %.3000s", *n, method, path, body, got.status, got.body, want.status, want.body)
	}
	switch empty := strings.Contains(string(got.body), `"resources":[]`) || strings.Contains(string(got.body), `"results":[]`); {
	case got.status == 200 && !empty:
		w.seen++
	default:
		w.blank++
	}
}

func (w *world) checkThatSomethingWasSeen() {
	w.t.Helper()
	w.t.Logf("%d answers with something, %d without", w.seen, w.blank)
	if w.seen < keysPerWorld*5 || w.blank == 0 {
		w.t.Errorf("%d answers had something in them, %d nothing: the test proves nothing", w.seen, w.blank)
	}
}

// question draws a request about one history, with projects of all clients.
func (w *world) question() string {
	q := pick(w.rng, w.histories).Query(w.rng, w.clock.now())
	// The day after the last of the calendar has no notation.
	body := map[string]any{"time_from": q.Period.From.String(), "time_to": q.Period.To.String(), "order_by": orderOf(q.Order), "limit": q.Limit, "offset": q.Offset}
	if q.Period.To > q.Period.From && (w.rng.IntN(2) == 0 || q.Period.To > metering.DayOf(9999, 12, 31)) {
		body["time_to"], body["enable_last_day"] = (q.Period.To - 1).String(), true
	}
	if w.rng.IntN(3) > 0 {
		body["projects"] = some(w.rng, append(w.projects, metering.MaxProjectID, -1, math.MaxInt64))
	}
	if !q.Regions.All {
		body["regions"] = q.Regions.Items
	}
	if q.Types != report.AllTypes {
		names, _ := access.TypeNames(q.Types)
		body["types"] = names
	}
	if q.Where != nil {
		body["schema_filter"] = filterOf(q.Where)
	}
	if q.Tags != nil {
		body["tags"] = tagsOf(q.Tags)
	}
	return text(w.t, body)
}

func orderOf(terms []report.OrderTerm) (names []string) {
	fields := [...]string{report.ByProject: "project", report.ByRegion: "region", report.ByType: "type", report.ByValue: "billing_value",
		report.ByFirstSeen: "first_seen", report.ByLastSeen: "last_seen", report.ByLastName: "last_name"}
	for _, term := range terms {
		names = append(names, fields[term.Field]+map[bool]string{false: ".asc", true: ".desc"}[term.Descending])
	}
	return names
}

func filterOf(f *report.FieldFilter) map[string]any {
	field, values := "type", slices.Clone(f.Texts)
	switch f.Field {
	case report.FilterID:
		field = f.Type.IDField()
		for _, id := range f.IDs {
			values = append(values, id.String())
		}
	case report.FilterSize:
		field = "last_size"
		for _, size := range f.Sizes {
			values = append(values, strconv.FormatUint(size, 10))
		}
	case report.FilterAttribute:
		field = f.Attribute.LineField()
	}
	if len(values) == 0 {
		values = []string{"nothing"}
	}
	return map[string]any{"type": f.Type.String(), "field": field, "values": values}
}

func tagsOf(f *report.TagFilter) map[string]any {
	conditions := []map[string]any{}
	for _, c := range f.Conditions {
		condition := map[string]any{"strict": c.Strict}
		if c.Key != nil && *c.Key != "" {
			condition["key"] = *c.Key
		}
		if c.Value != nil && *c.Value != "" {
			condition["value"] = *c.Value
		}
		if len(condition) == 1 { // the empty text cannot be asked for
			condition["key"] = "nothing"
		}
		conditions = append(conditions, condition)
	}
	return map[string]any{"conditions": conditions, "condition_type": map[bool]string{false: "OR", true: "AND"}[f.All]}
}
