package ledger_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// -update makes testdata/format-2-base-2 anew, and that one only: the others were
// written by earlier programs (format-2 with bases of format 1), and this one could
// not write them again. Once a program that writes these bytes has been released, its
// fixture must never change again either: whoever changes them makes another format,
// with a fixture of its own beside these.
var update = flag.Bool("update", false, "make the fixture of the present format on disk anew")

// fixture is a store that was written long ago.
type fixture struct {
	folder  string              // that has it, and what it must be read as
	closed  string              // the first month that is open; "": none was closed
	derived []string            // what the names of derived files in force begin with
	changed int                 // units since the base, as Stats counts them
	made    string              // what the log says is made again, the first time; "": nothing
	known   []report.Submission // that are stored already
	refused []report.Submission // of closed months
}

// fixtureOfFormat1 has a base, an id filter of an earlier form, a journal behind
// them, Pebble tables and a log.
func fixtureOfFormat1() *fixture {
	return &fixture{
		folder: "testdata/format-1", derived: []string{"base-", "ids-"}, changed: 20,
		made: "the id filter is made again from the ids", known: machines(0, 60),
	}
}

// fixtureOfFormat2 has closed months, a base with an id filter, what changed since
// in columns, a journal behind that, Pebble tables and a log.
func fixtureOfFormat2() *fixture {
	return &fixture{
		folder: "testdata/format-2", closed: "2024-07", derived: []string{"base-", "ids-", "recent-"}, changed: 37,
		known: slices.Concat(afterClosing(), machines(0, 90), toCondense(), toJournal()),
		refused: append(beforeClosing(), active("late", 9, "2024-06-10T00:00:00Z"), used("late used", 9, "2024-06-30T23:00:00Z", "2024-07-01T01:00:00Z"),
			takesBack("not dropped", "dropped"), takesBack("not kept", "kept")),
	}
}

// fixtureOfBase2 is the same with bases that know windows.
func fixtureOfBase2() *fixture {
	f := fixtureOfFormat2()
	f.folder = "testdata/format-2-base-2"
	return f
}

// beforeClosing is told while nothing is closed. Closing June drops some of it and
// keeps the others.
func beforeClosing() []report.Submission {
	return []report.Submission{
		active("dropped", 1, "2024-06-05T00:00:00Z"), active("kept", 1, "2024-06-20T00:00:00Z"),
		active("gone", 2, "2024-06-06T00:00:00Z"), deleted("end of gone", 2, "2024-06-07T00:00:00Z"),
		used("used", 1, "2024-06-02T00:00:00Z", "2024-06-02T01:00:00Z"), used("over", 1, "2024-06-30T23:30:00Z", "2024-07-01T00:30:00Z"),
	}
}

func afterClosing() []report.Submission {
	return []report.Submission{
		deleted("end of kept", 1, "2024-07-03T00:00:00Z"), active("open", 3, "2024-07-04T00:00:00Z"),
		used("used in July", 1, "2024-07-02T00:00:00Z", "2024-07-02T01:00:00Z"), takesBack("not open", "open"),
	}
}

// toCondense changes enough of the base to be condensed, and too little to be merged.
func toCondense() []report.Submission {
	return append(grown(0, 25), active("new", 4, "2024-07-11T00:00:00Z"), used("used later", 1, "2024-07-11T00:00:00Z", "2024-07-11T01:00:00Z"))
}

func toJournal() []report.Submission {
	return append(grown(20, 8), used("used last", 2, "2024-07-12T00:00:00Z", "2024-07-12T01:00:00Z"), takesBack("not new", "new"))
}

// grown returns a later state of machines, told under ids that name the first one.
func grown(first, n int) []report.Submission {
	batch := machines(first, n)
	for _, s := range batch {
		o := s.Observation
		o.Name.ID = fmt.Sprint(o.Name.ID, " from ", first)
		o.Time += metering.Instant(1+first) * 60 * metering.Second
		o.Attributes.Texts[metering.Flavor] = "g2"
		o.Meter = o.Resource.Type.Meter("", "", &o.Attributes)
	}
	return batch
}

// fixtureNow is the clock of those who open a fixture, later than all in it.
func fixtureNow() metering.Instant { return storetest.At("2024-08-15T12:00:30Z") }

// fixtureQuery asks for all lines that a fixture can give.
func fixtureQuery() report.Query {
	q := allLines()
	q.Period = metering.Period{From: storetest.At("2023-01-01T00:00:00Z").Day(), To: storetest.At("2024-09-01T00:00:00Z").Day()}
	q.Now = fixtureNow()
	return q
}

// TestStoresOfEachFormatAreReadAsEver opens copies of stores that were written long
// ago. What they hold must be the same at first, and when the present program has
// written it.
func TestStoresOfEachFormatAreReadAsEver(t *testing.T) {
	t.Parallel()
	if *update {
		makeFixture(t, fixtureOfBase2())
	}
	for _, f := range []*fixture{fixtureOfFormat1(), fixtureOfFormat2(), fixtureOfBase2()} {
		t.Run(path.Base(f.folder), func(t *testing.T) {
			t.Parallel()
			f.isReadAsEver(t)
		})
	}
}

func (f *fixture) isReadAsEver(t *testing.T) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(f.folder, "report.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	o := ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: fixtureNow, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	f.unpack(t, o.FS)
	f.isClean(t, o)
	for _, when := range []string{"first", "merged and opened again"} {
		l := open(t, o)
		if when == "first" {
			f.isInForce(t, o.FS, l)
		}
		if got := f.describe(t, l); got != string(want) {
			t.Errorf("%s: the store reads otherwise than it did\nwant\n%s\ngot\n%s", when, want, got)
		}
		f.answers(t, l, when)
		if err := l.Merge(t.Context()); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		f.isClean(t, o)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if f.made == "" && log.Len() > 0 {
		t.Errorf("something was made again: %s", log.String())
	}
	if f.made != "" && (len(lines) != 1 || !strings.Contains(lines[0], "level=INFO") || !strings.Contains(lines[0], f.made)) {
		t.Errorf("the log should say once that %s, and nothing else: %s", f.made, log.String())
	}
}

// isClean verifies the store while nobody uses it.
func (f *fixture) isClean(t *testing.T, o ledger.Options) {
	t.Helper()
	found, err := ledger.Verify(t.Context(), ledger.Options{Dir: o.Dir, FS: o.FS}, ignoreProgress)
	if err != nil || found.Total != 0 {
		t.Fatalf("verify: %v, %+v", err, found)
	}
	if f.closed == "" && (found.Closed != 0 || found.Dropped != 0) || f.closed != "" && (found.Closed != month(t, f.closed) || found.Dropped == 0) {
		t.Errorf("the first open month should be %q: %+v", f.closed, found)
	}
}

// isInForce looks for the derived files: opening a store removes those that its
// pointer does not name. What changed since is counted otherwise where it is not
// condensed.
func (f *fixture) isInForce(t *testing.T, fs vfs.FS, l *ledger.Ledger) {
	t.Helper()
	names, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range f.derived {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, prefix) }) {
			t.Errorf("no file %s is in force, only %v", prefix, names)
		}
	}
	if s := l.Stats(); s.ChangedUnits != f.changed {
		t.Errorf("%d units changed since the base; want %d", s.ChangedUnits, f.changed)
	}
}

// answers sends what is known, and what is refused for its month is closed.
func (f *fixture) answers(t *testing.T, l *ledger.Ledger, when string) {
	t.Helper()
	outcomes, err := submitTogether(t.Context(), l, [][]report.Submission{f.known, f.refused})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range outcomes[0] {
		if !o.Duplicate {
			t.Errorf("%s: %v is not known: %+v", when, f.known[i].Observation.Name, o)
		}
	}
	for i, o := range outcomes[1] {
		if o.Rejected == nil || o.Rejected.Code != metering.PeriodClosed {
			t.Errorf("%s: %v is of a closed month: %+v", when, f.refused[i].Observation.Name, o)
		}
	}
}

// describe shows all that the fixture holds; when months are closed, also what lies
// before and behind the boundary, findings, and what is told of the event sources.
func (f *fixture) describe(t *testing.T, l *ledger.Ledger) string {
	t.Helper()
	text := describe(t, l)
	if f.closed == "" {
		return text
	}
	before, behind := fixtureQuery(), fixtureQuery()
	before.Period.To = month(t, f.closed).Start()
	behind.Period.From = before.Period.To
	text += "before " + f.closed + "\n" + linesOf(t, l, before) + "from " + f.closed + " on\n" + linesOf(t, l, behind)
	kinds := report.KindsOf(report.IDInTwoProjects, report.OverlappingWindows, report.ReusedIDs)
	err := l.Findings(t.Context(), report.FindingQuery{Period: behind.Period, Scope: report.FullScope(), Kinds: kinds}, func(found *report.Finding) error {
		text += "finding " + storetest.FormatFinding(found) + "\n"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range l.Sources(report.SourceScope{All: true}) { // but for what sending again changes
		text += fmt.Sprintf("source %+v since %s, accepted at %s, of %s, lag %d\n", s.Key, s.Since, s.Received, s.LastEvent, s.LastLag)
	}
	return text
}

// describe shows all that a store holds.
func describe(t *testing.T, l *ledger.Ledger) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%d observations, %s", l.Stats().Observations, linesOf(t, l, fixtureQuery()))
	for _, p := range l.Projects("") {
		fmt.Fprintf(&b, "project %+v\n", p)
	}
	for _, r := range l.Regions() {
		fmt.Fprintf(&b, "region %+v\n", r)
	}
	records, err := l.Records().Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "records %q\n", records)
	return b.String()
}

// linesOf shows a report.
func linesOf(t *testing.T, l *ledger.Ledger, q report.Query) string {
	t.Helper()
	a, err := storetest.Ask(t.Context(), l, q)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d lines\n", a.Count)
	for i := range a.Lines {
		fmt.Fprintf(&b, "line %s\n", storetest.FormatLine(&a.Lines[i]))
	}
	for i := range a.Totals {
		fmt.Fprintf(&b, "total %s\n", storetest.FormatTotal(&a.Totals[i]))
	}
	return b.String()
}

// makeFixture makes the store of a fixture, and the report of what it holds.
func makeFixture(t *testing.T, f *fixture) {
	t.Helper()
	fs := vfs.NewMem()
	live(t, month(t, f.closed), fs)
	if err := os.MkdirAll(f.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	f.pack(t, fs)
	copied := vfs.NewMem()
	f.unpack(t, copied)
	made := open(t, ledger.Options{Dir: "store", FS: copied, Clock: fixtureNow})
	if err := os.WriteFile(filepath.Join(f.folder, "report.txt"), []byte(f.describe(t, made)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
}

// live plays a script in whose midst months are closed. Then it leaves something
// condensed beside the base, and a journal behind that.
func live(t *testing.T, before metering.Month, disk *vfs.MemFS) {
	t.Helper()
	s, condensed := newScript(13, 12), newGate() // from June 29 to July 2
	s.now = storetest.At("2024-07-15T00:00:00Z")
	close(condensed.open)
	watched := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpRename && strings.HasPrefix(path.Base(op.Path), "recent-") {
			condensed.pass()
		}
		return nil
	}))
	l := &life{script: s, options: ledger.Options{Dir: "store", FS: watched, Clock: s.clock}}
	l.ledger = open(t, l.options)
	play := func(steps ...step) {
		t.Helper()
		for i := range steps {
			if err := l.play(t.Context(), &steps[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	tell := func(batch []report.Submission) { t.Helper(); play(step{batches: [][]report.Submission{batch}}) }
	tell(beforeClosing())
	half := len(s.steps) / 2
	play(s.steps[:half]...)
	done, err := l.ledger.Retain(t.Context(), report.Retention{Before: before}, ignoreProgress)
	if err != nil || done.Observations < 20 || done.Kept < 20 {
		t.Fatalf("closing the months before %v: %+v, %v", before, done, err)
	}
	tell(afterClosing())
	tell([]report.Submission{active("open", 3, "2024-07-05T00:00:00Z")}) // an id is used again
	play(s.steps[half:]...)
	l.options.MergeUnits = 20
	play(step{record: &record{"keys/a", "{}"}}, step{record: &record{"clients/client-a", `{"name":"A"}`}}, step{reopen: true})
	tell(machines(0, 90))
	play(step{merge: true})
	tell(toCondense())
	<-condensed.reached
	tell(toJournal())
	disk.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40}) // Close must not merge
	if err := l.ledger.Close(); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) pack(t *testing.T, fs vfs.FS) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, dir := range []string{"store", "store/observations"} {
		names, err := fs.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		for _, name := range names {
			if name == "observations" || name == "LOCK" {
				continue
			}
			data := readAll(t, fs, path.Join(dir, name))
			err := w.WriteHeader(&tar.Header{Name: path.Join(dir, name), Size: int64(len(data)), Mode: 0o644})
			if err == nil {
				_, err = w.Write(data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close(), os.WriteFile(filepath.Join(f.folder, "store.tar.gz"), b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	const limit = 200 << 10
	if b.Len() > limit {
		t.Errorf("the fixture has %d bytes, more than a repository should carry", b.Len())
	}
}

func (f *fixture) unpack(t *testing.T, fs vfs.FS) {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join(f.folder, "store.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if err := fs.MkdirAll("store/observations", 0o755); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		writeAll(t, fs, h.Name, data)
	}
}

// TestABaseThatIsMadeAgainTakesNothingThatWasCondensed removes the base of a store
// whose condensed figures are wrong, as whoever is told so by verify does.
func TestABaseThatIsMadeAgainTakesNothingThatWasCondensed(t *testing.T) {
	t.Parallel()
	f, fs := fixtureOfBase2(), vfs.NewMem()
	f.unpack(t, fs)
	recent := "store/" + derivedFile(t, fs, "recent-")
	data := readAll(t, fs, recent)
	alterSection(data, 11, func(multipliers []byte) {
		for i := 0; i < len(multipliers); i += 8 {
			multipliers[i] ^= 1
		}
	})
	writeAll(t, fs, recent, data)
	if err := fs.Remove("store/" + derivedFile(t, fs, "base-")); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(f.folder, "report.txt"))
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, ledger.Options{Dir: "store", FS: fs, Clock: fixtureNow, Logger: slog.New(slog.DiscardHandler)})
	if got := f.describe(t, l); got != string(want) {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	f.isClean(t, ledger.Options{Dir: "store", FS: fs})
}
