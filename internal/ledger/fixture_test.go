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

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// -update makes testdata/format-1 anew. Once a program that writes format 1 has
// been released, its fixture must never change again: whoever changes the bytes
// on the disk makes a format 2, with a fixture of its own beside this one.
var update = flag.Bool("update", false, "make the fixture of the format on disk anew")

const fixture = "testdata/format-1"

// fixtureNow is the clock of those who open the fixture, later than all in it.
func fixtureNow() metering.Instant { return storetest.At("2024-08-15T12:00:30Z") }

// fixtureQuery asks for all lines that the fixture can give.
func fixtureQuery() report.Query {
	q := allLines()
	q.Period = metering.Period{From: storetest.At("2023-01-01T00:00:00Z").Day(), To: storetest.At("2024-09-01T00:00:00Z").Day()}
	q.Now = fixtureNow()
	return q
}

// TestStoresOfFormat1AreReadAsEver opens a copy of a store that was written long
// ago: with a base, an id filter, a journal behind them, Pebble tables and a log.
func TestStoresOfFormat1AreReadAsEver(t *testing.T) {
	t.Parallel()
	if *update {
		makeFixture(t)
	}
	want, err := os.ReadFile(filepath.Join(fixture, "report.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	o := ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: fixtureNow, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	unpack(t, o.FS)
	for _, when := range []string{"first", "merged and opened again"} {
		l := open(t, o)
		if got := describe(t, l); got != string(want) {
			t.Errorf("%s: the store reads otherwise than it did\nwant\n%s\ngot\n%s", when, want, got)
		}
		known, err := submitTogether(t.Context(), l, [][]report.Submission{machines(0, 60)})
		if err != nil || slices.ContainsFunc(known[0], func(o report.Outcome) bool { return !o.Duplicate }) {
			t.Errorf("%s: observations of the fixture are not known: %v, %v", when, known, err)
		}
		if err := l.Merge(t.Context()); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if log.Len() > 0 {
		t.Errorf("something was made again: %s", log.String())
	}
}

// describe shows all that a store holds.
func describe(t *testing.T, l *ledger.Ledger) string {
	t.Helper()
	a, err := storetest.Ask(t.Context(), l, fixtureQuery())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d observations, %d lines\n", l.Stats().Observations, a.Count)
	for i := range a.Lines {
		fmt.Fprintf(&b, "line %s\n", storetest.FormatLine(&a.Lines[i]))
	}
	for i := range a.Totals {
		fmt.Fprintf(&b, "total %s\n", storetest.FormatTotal(&a.Totals[i]))
	}
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

// makeFixture plays a script, then leaves a journal behind.
func makeFixture(t *testing.T) {
	t.Helper()
	s, fs := newScript(1, 12), vfs.NewMem()
	l := &life{script: s, options: ledger.Options{Dir: "store", FS: fs, Clock: s.clock}}
	l.ledger = open(t, l.options)
	if _, err := submitTogether(t.Context(), l.ledger, [][]report.Submission{machines(0, 40)}); err != nil {
		t.Fatal(err)
	}
	for i := range s.steps {
		if err := l.play(t.Context(), &s.steps[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.play(t.Context(), &step{reopen: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := submitTogether(t.Context(), l.ledger, [][]report.Submission{machines(30, 30)}); err != nil {
		t.Fatal(err)
	}
	for _, record := range []record{{"keys/a", "{}"}, {"clients/client-a", `{"name":"A"}`}} {
		if err := l.play(t.Context(), &step{record: &record}); err != nil {
			t.Fatal(err)
		}
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 1 << 40}) // Close must not merge
	if err := l.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(fixture, 0o755); err != nil {
		t.Fatal(err)
	}
	pack(t, fs)
	copied := vfs.NewMem()
	unpack(t, copied)
	made := open(t, ledger.Options{Dir: "store", FS: copied, Clock: fixtureNow})
	if err := os.WriteFile(filepath.Join(fixture, "report.txt"), []byte(describe(t, made)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, fs vfs.FS) {
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
	if err := errors.Join(w.Close(), z.Close(), os.WriteFile(filepath.Join(fixture, "store.tar.gz"), b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	const limit = 200 << 10
	if b.Len() > limit {
		t.Errorf("the fixture has %d bytes, more than a repository should carry", b.Len())
	}
}

func unpack(t *testing.T, fs vfs.FS) {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join(fixture, "store.tar.gz"))
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
