package ledger_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// broken is a store with a tool to break it.
type broken struct {
	*testing.T
	db *pebble.DB
}

// each visits the pairs under a prefix.
func (b *broken) each(prefix byte, visit func(key, value []byte) (more bool)) {
	b.Helper()
	it, err := b.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
	if err != nil {
		b.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		if !visit(append([]byte(nil), it.Key()...), append([]byte(nil), it.Value()...)) {
			break
		}
	}
	if err := it.Close(); err != nil {
		b.Fatal(err)
	}
}

// first returns the first pair under a prefix that is wanted.
func (b *broken) first(prefix byte, wanted func(key, value []byte) bool) (k, v []byte) {
	b.Helper()
	b.each(prefix, func(key, value []byte) bool {
		if !wanted(key, value) {
			return true
		}
		k, v = key, value
		return false
	})
	if k == nil {
		b.Fatalf("the store holds no such pair under %q", prefix)
	}
	return k, v
}

func (b *broken) set(key, value []byte) {
	b.Helper()
	if err := b.db.Set(key, value, pebble.Sync); err != nil {
		b.Fatal(err)
	}
}

func (b *broken) remove(key []byte) {
	b.Helper()
	if err := b.db.Delete(key, pebble.Sync); err != nil {
		b.Fatal(err)
	}
}

func anyPair(_, _ []byte) bool     { return true }
func isMark(key, _ []byte) bool    { return layout.IsMark(key) }
func noMark(key, _ []byte) bool    { return !layout.IsMark(key) }
func isKnown(_, value []byte) bool { return value[0]&1 == 1 }
func isState(_, value []byte) bool { return value[0] == 1|1<<2 }
func isEarly(_, value []byte) bool { return value[0] == 2 }
func retracted(_, v []byte) bool   { return v[0]&3 == 3 }
func unmarked(k []byte) []byte     { return k[:len(k)-1] }

// TestVerifyNamesWhatIsBroken breaks one thing at a time.
func TestVerifyNamesWhatIsBroken(t *testing.T) {
	t.Parallel()
	k := keep(t, 7)
	for _, test := range []struct {
		name  string
		harm  func(*broken)
		check string // of one of the differences
		text  string // that it holds
	}{
		{"an id entry is gone", func(b *broken) { b.remove(key(b.first(layout.IDs, isState))) }, "ids", "without id entry"},
		{"an observation is gone", func(b *broken) { b.remove(key(b.first(layout.States, noMark))) }, "ids", "where nothing is stored"},
		{"an observation leaves a hole in the numbers", func(b *broken) { b.remove(key(b.first(layout.States, noMark))) }, "sequence", "missing"},
		{"an observation and its id entry are gone", removeWhole, "usage", "segment"},
		{"an observation's value is another one", func(b *broken) {
			key, s := b.standing()
			s.Multiplier++
			value := binary.AppendUvarint(nil, uint64(s.Source))
			b.set(key, layout.AppendValue(value, &s.Observation, s.ReceivedAt))
		}, "usage", "segment"},
		{"an observation is cut short", func(b *broken) {
			key, value := b.first(layout.States, noMark)
			b.set(key, value[:len(value)-1])
		}, "observation", "cut short"},
		{"a mark is gone", func(b *broken) { b.remove(key(b.first(layout.States, isMark))) }, "marks", "not marked as retracted"},
		{"a mark is too many", func(b *broken) {
			k, _ := b.standing()
			b.set(layout.MarkKey(k), nil)
		}, "marks", "marked as retracted"},
		{"a mark stands alone", func(b *broken) { b.remove(unmarked(key(b.first(layout.States, isMark)))) }, "marks", "that is not there"},
		{"an entry forgets its retraction", func(b *broken) {
			key, value := b.first(layout.IDs, retracted)
			b.set(key, append([]byte{value[0] &^ 2}, value[1:]...))
		}, "retractions", "a retraction names it"},
		{"an entry claims a retraction", func(b *broken) {
			key, value := b.first(layout.IDs, isState)
			b.set(key, append([]byte{value[0] | 2}, value[1:]...))
		}, "retractions", "no retraction names it"},
		{"an early retraction is forgotten", func(b *broken) { b.remove(key(b.first(layout.IDs, isEarly))) }, "retractions", "no id entry"},
		{"a retraction is gone", func(b *broken) { b.remove(key(b.first(layout.Retractions, anyPair))) }, "ids", "where nothing is stored"},
		{"an id entry is damaged", func(b *broken) { b.set(key(b.first(layout.IDs, isKnown)), []byte{5}) }, "ids", "cut short"},
		{"two names point to one observation", func(b *broken) {
			_, value := b.first(layout.IDs, isState)
			b.set(layout.AppendID(nil, 1, 1, "another"), value)
		}, "ids", "another"},
		{"an observation is stored twice", storeTwice, "ids", "its id entry points to"},
		{"a number is given twice", storeTwice, "sequence", "another observation has too"},
		{"a source is gone", func(b *broken) { b.remove(layout.AppendSeqKey(nil, layout.Sources, 1)) }, "sources", "not in the table"},
		{"a source has two numbers", func(b *broken) {
			_, value := b.first(layout.Sources, anyPair)
			b.set(layout.AppendSeqKey(nil, layout.Sources, 900), value)
		}, "sources", "numbers 1 and 900"},
		{"a project is gone", func(b *broken) { b.remove(key(b.first(layout.Projects, seen))) }, "directory", "not registered"},
		{"a region is gone", func(b *broken) { b.remove(key(b.first(layout.Regions, seen))) }, "directory", "not registered"},
		{"a project's record is damaged", func(b *broken) { b.set(key(b.first(layout.Projects, seen)), []byte("{}")) }, "directory", "project at key"},
		{"the journal is damaged", func(b *broken) { b.set(layout.AppendSeqKey(nil, layout.Journal, 1<<40), []byte{9}) }, "journal", "cut short"},
		{"the base is not the one of its pointer", func(b *broken) {
			b.set([]byte("mbase"), []byte(`{"seq":1,"base":"","ids":""}`))
		}, "sequence", "from 1 to 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fs := k.copy()
			breakStore(t, fs, test.harm)
			wantDifference(t, verifyAtRest(t, fs), test.check, test.text)
		})
	}
}

func key(k, _ []byte) []byte { return k }

func seen(_, value []byte) bool { return strings.Contains(string(value), `"seen":true`) }

func breakStore(t *testing.T, fs vfs.FS, how func(*broken)) {
	t.Helper()
	db, err := pebble.Open("store/observations", &pebble.Options{FS: fs, Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	how(&broken{T: t, db: db})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// wantDifference wants a difference of the check that holds the text.
func wantDifference(t *testing.T, v *report.Verification, check, text string) {
	t.Helper()
	for _, d := range v.Differences {
		if (check == "" || d.Check == check) && strings.Contains(d.Of+" "+d.Stored+" "+d.Want, text) {
			return
		}
	}
	t.Errorf("no difference of %q with %q among %d:\n%+v", check, text, v.Total, v.Differences)
}

// standing returns the first active state that is not retracted.
func (b *broken) standing() (key []byte, s *layout.Stored) {
	b.Helper()
	b.each(layout.States, func(k, value []byte) bool {
		if layout.IsMark(k) {
			s = nil
			return true
		}
		if s != nil {
			return false
		}
		var err error
		if s, err = layout.Decode(k, value); err != nil {
			b.Fatal(err)
		}
		key = k
		if s.Deleted {
			s = nil
		}
		return true
	})
	if s == nil {
		b.Fatal("all states are retracted")
	}
	return key, s
}

// removeWhole removes a state as if it had never been.
func removeWhole(b *broken) {
	k, s := b.standing()
	b.remove(k)
	b.remove(layout.AppendID(nil, s.Name.Project, s.Source, s.Name.ID))
}

// storeTwice stores an observation once more, a minute later.
func storeTwice(b *broken) {
	k, value := b.first(layout.States, noMark)
	s, err := layout.Decode(k, value)
	if err != nil {
		b.Fatal(err)
	}
	s.Time += 60 * metering.Second
	b.set(layout.AppendKey(nil, &s.Observation, s.Seq), value)
}

func TestVerifyNamesAFigureThatIsNotWhatWasObserved(t *testing.T) {
	t.Parallel()
	k := keep(t, 7)
	for _, test := range []struct {
		name   string
		change func(*columns.Change)
		text   string
	}{
		{"a segment is longer", func(c *columns.Change) { c.Timeline.Segments[0].From-- }, "segment 1 from"},
		{"a size is another one", func(c *columns.Change) {
			is := *c.Timeline.Segments[0].Is
			is.Multiplier++
			c.Timeline.Segments[0].Is = &is
		}, "segment 1 from"},
		{"a name is another one", func(c *columns.Change) {
			is := *c.Timeline.Segments[0].Is
			is.Attributes.Texts[metering.Name] = "somebody"
			c.Timeline.Segments[0].Is = &is
		}, "somebody"},
		{"a boundary moved", func(c *columns.Change) { c.Timeline.LastBoundary++ }, "last boundary"},
		{"a timeline is gone", func(c *columns.Change) { c.Timeline = metering.Timeline{} }, "no segment 1"},
		{"a timeline is too many", func(c *columns.Change) { c.Key.ID[0]++ }, "there is no observation"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			fs := k.copy()
			alterBase(t, fs, test.change)
			wantDifference(t, verifyAtRest(t, fs), "usage", test.text)
		})
	}
}

// alterBase changes one resource with segments in the base, and leaves the
// checksums in order.
func alterBase(t *testing.T, fs vfs.FS, change func(*columns.Change)) {
	t.Helper()
	name := derivedFile(t, fs, "base-")
	base, err := columns.Open(fs, "store", name)
	if err != nil {
		t.Fatal(err)
	}
	for res := range base.Resources() {
		c := columns.Change{Key: base.Key(res)}
		if c.Key.Type.Measure() == metering.Counted {
			continue
		}
		if c.Timeline = base.Timeline(res); len(c.Timeline.Segments) == 0 {
			continue
		}
		change(&c)
		merged, err := columns.Merge(fs, "store", name, base, columns.Changed([]columns.Change{c}, 0), base.Seq)
		if err != nil {
			t.Fatal(err)
		}
		if err := merged.Release(); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("no resource of the base has a segment")
}

// derivedFile returns the newest derived file: the removal of the one before
// need not have reached the disk.
func derivedFile(t *testing.T, fs vfs.FS, prefix string) string {
	t.Helper()
	names, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	newest := ""
	for _, name := range names {
		if strings.HasPrefix(name, prefix) && !strings.HasSuffix(name, ".tmp") {
			newest = max(newest, name)
		}
	}
	if newest == "" {
		t.Fatalf("no %s among %v", prefix, names)
	}
	return newest
}

func TestVerifyNamesAFlippedBitOfADerivedFile(t *testing.T) {
	t.Parallel()
	k := keep(t, 7)
	for prefix, check := range map[string]string{"base-": "base", "ids-": "id filter"} {
		fs := k.copy()
		name := derivedFile(t, fs, prefix)
		path := fs.PathJoin("store", name)
		data := readAll(t, fs, path)
		data[len(data)/2] ^= 4
		writeAll(t, fs, path, data)
		wantDifference(t, verifyAtRest(t, fs), check, name)
	}
}

func TestVerifyNamesAMissingDerivedFile(t *testing.T) {
	t.Parallel()
	k := keep(t, 7)
	for prefix, check := range map[string]string{"base-": "base", "ids-": "id filter"} {
		fs := k.copy()
		name := derivedFile(t, fs, prefix)
		if err := fs.Remove(fs.PathJoin("store", name)); err != nil {
			t.Fatal(err)
		}
		wantDifference(t, verifyAtRest(t, fs), check, name)
	}
}

// TestVerifyNamesAnIDFilterOfAnotherTime gives a store an intact filter, under the
// right name, that is not its own. With a pointer of an earlier program, which
// does not tell them apart, the ids tell.
func TestVerifyNamesAnIDFilterOfAnotherTime(t *testing.T) {
	t.Parallel()
	k, other := keep(t, 7), keep(t, 8)
	fs, name := k.copy(), derivedFile(t, other.fs, "ids-")
	data := readAll(t, other.fs, other.fs.PathJoin("store", name))
	writeAll(t, fs, fs.PathJoin("store", derivedFile(t, fs, "ids-")), data)
	wantDifference(t, verifyAtRest(t, fs), "id filter", "another one's file")
	breakStore(t, fs, func(b *broken) {
		_, value := b.first('m', func(key, _ []byte) bool { return string(key) == "mbase" })
		var p map[string]any
		if err := json.Unmarshal(value, &p); err != nil {
			t.Fatal(err)
		}
		if _, has := p["ids_crc32c"]; !has {
			t.Errorf("pointer %s", value)
		}
		b.set([]byte("mbase"), fmt.Appendf(nil, `{"seq":%.0f,"base":%q,"ids":%q}`, p["seq"], p["base"], p["ids"]))
	})
	wantDifference(t, verifyAtRest(t, fs), "id filter", "taken for unknown")
}
