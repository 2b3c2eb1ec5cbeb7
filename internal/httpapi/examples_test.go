package httpapi

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// openedStore is a store with the records of access beside it.
type openedStore struct {
	report.Store
	records access.Records
}

// exampleStores are the stores that must give the examples' reports. Opened
// again on the same directory, a durable one goes on where it was.
var exampleStores = map[string]struct {
	open    func(t *testing.T, dir string, clock func() metering.Instant) openedStore
	durable bool
}{
	"model": {open: func(_ *testing.T, _ string, clock func() metering.Instant) openedStore {
		return openedStore{storetest.NewModel(clock), &access.MemoryRecords{}}
	}},
	"ledger": {durable: true, open: func(t *testing.T, dir string, clock func() metering.Instant) openedStore {
		l, err := ledger.Open(t.Context(), ledger.Options{Dir: dir, Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		return openedStore{l, l.Records()}
	}},
}

// deliveries are ways to send the same events. Each gives the bodies of the
// requests, one event a line.
var deliveries = map[string]func(lines []string) []string{
	"as is":    func(lines []string) []string { return []string{strings.Join(lines, "\n")} },
	"one each": slices.Clone[[]string],
	"shuffled": func(lines []string) []string { return []string{strings.Join(shuffled(lines), "\n")} },
	"twice":    func(lines []string) []string { return slices.Repeat([]string{strings.Join(lines, "\n")}, 2) },
	"twice at once, shuffled": func(lines []string) []string {
		return []string{strings.Join(shuffled(slices.Repeat(lines, 2)), "\n")}
	},
	"shuffled, one each": shuffled,
	"in two requests":    func(lines []string) []string { return halves(lines) },
}

const shuffleSeed = 20240701

func shuffled(lines []string) []string {
	mixed := slices.Clone(lines)
	rand.New(rand.NewPCG(shuffleSeed, 0)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	return mixed
}

func halves(lines []string) []string {
	half := len(lines) / 2
	return []string{strings.Join(lines[:half], "\n"), strings.Join(lines[half:], "\n")}
}

// example is a directory of testdata/examples.
type example struct {
	name, request, report string
	lines                 []string
}

func examples(t *testing.T) []example {
	t.Helper()
	dirs, err := filepath.Glob("testdata/examples/*")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("examples %v, %v", dirs, err)
	}
	var all []example
	for _, dir := range dirs {
		read := func(name string) string {
			text, err := fs.ReadFile(os.DirFS(dir), name)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		events := strings.TrimRight(read("events.ndjson"), "\n")
		all = append(all, example{filepath.Base(dir), read("request.json"), read("report.json"), strings.Split(events, "\n")})
	}
	return all
}

func TestExamplesGiveTheirReportsDigitByDigit(t *testing.T) {
	t.Parallel()
	for store, opener := range exampleStores {
		for delivery, requests := range deliveries {
			for _, e := range examples(t) {
				t.Run(store+"/"+delivery+"/"+e.name, func(t *testing.T) {
					t.Parallel()
					d := &delivering{t: t, open: opener.open, durable: opener.durable, dir: t.TempDir(), clock: newHandClock(start)}
					d.run(e, requests(e.lines))
				})
			}
		}
	}
}

// TestExamplesGiveTheirReportsFromCloudEventsBatches sends batches instead of
// lines: all in one, and one each.
func TestExamplesGiveTheirReportsFromCloudEventsBatches(t *testing.T) {
	t.Parallel()
	for _, e := range examples(t) {
		for _, size := range []int{len(e.lines), 1} {
			s := newSite(t)
			for batch := range slices.Chunk(e.lines, size) {
				s.ask("POST", eventsPath, s.root, "["+strings.Join(batch, ",")+"]", "Content-Type: application/cloudevents-batch+json").want(200)
			}
			sameReport(t, s.ask("POST", reportPath, s.root, e.request).want(200), e.report)
		}
	}
}

// maxRestarts bounds the restarts among the requests of one example.
const maxRestarts = 2

// delivering is an example on its way through a server, which is restarted
// after the first requests and after the last one where the store is durable.
type delivering struct {
	t       *testing.T
	open    func(t *testing.T, dir string, clock func() metering.Instant) openedStore
	durable bool
	dir     string
	clock   *handClock
	token   string
	site    *site
}

func (d *delivering) run(e example, requests []string) {
	d.t.Helper()
	d.start()
	for i, lines := range requests {
		d.site.send(d.token, lines).want(200)
		if d.durable && i < maxRestarts {
			d.stop()
			d.start()
		}
	}
	sameReport(d.t, d.site.ask("POST", reportPath, d.token, e.request).want(200), e.report)
	if d.durable {
		d.stop()
		d.start()
		sameReport(d.t, d.site.ask("POST", reportPath, d.token, e.request).want(200), e.report)
		d.site.send(d.token, strings.Join(e.lines, "\n")).want(200) // all are duplicates
		sameReport(d.t, d.site.ask("POST", reportPath, d.token, e.request).want(200), e.report)
	}
	d.stop()
}

func (d *delivering) start() {
	d.t.Helper()
	store := d.open(d.t, d.dir, d.clock.now)
	d.site = newSiteOn(d.t, store, store.records, d.clock)
	d.site.server.Serve(d.site.backend)
	if d.token == "" { // the first start prints it, later ones do not
		d.token = d.site.root
	}
}

func (d *delivering) stop() {
	d.t.Helper()
	d.site.server.Drain()
	if err := d.site.backend.Store.Close(); err != nil {
		d.t.Error(err)
	}
}

// sameReport compares as JSON: the order of members is free, numbers are equal
// digit by digit.
func sameReport(t *testing.T, got reply, want string) {
	t.Helper()
	if a, b := inOrder(t, got.body), inOrder(t, []byte(want)); a != b {
		t.Errorf("got %s\nwant %s", a, b)
	}
	if at := got.header.Get(completeUntilHeader); at != start.String() || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", got.header)
	}
}

func inOrder(t *testing.T, text []byte) string {
	t.Helper()
	v := jsontext.Value(slices.Clone(text))
	if err := v.Format(jsontext.ReorderRawObjects(true), jsontext.Multiline(true)); err != nil {
		t.Fatal(err)
	}
	return string(v)
}

func TestComparisonOfReportsSeesEveryDigit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{{`{"a":1,"b":[{"c":2,"d":3}]}`, `{ "b" : [{"d":3,"c":2}], "a" : 1 }`, true}, {`1`, `1.0`, false}, {`9007199254740993`, `9007199254740992`, false}, {`100`, `1e2`, false}, {`[1,2]`, `[2,1]`, false}} {
		if same := inOrder(t, []byte(c.a)) == inOrder(t, []byte(c.b)); same != c.same {
			t.Errorf("%s and %s: same %v", c.a, c.b, same)
		}
	}
}
