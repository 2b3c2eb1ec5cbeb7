package columns

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// sealed is a base file whose sections a test changes; the checksums are put in
// order again.
type sealed struct{ data []byte }

func (s *sealed) entry(section int) []byte { return s.data[len(magic)+16+24*section:][:24] }

func (s *sealed) section(i int) []byte {
	at, length := binary.LittleEndian.Uint64(s.entry(i)), binary.LittleEndian.Uint64(s.entry(i)[8:])
	return s.data[at : at+length]
}

func (s *sealed) seal() []byte {
	for i := range sectionCount {
		binary.LittleEndian.PutUint64(s.entry(i)[16:], uint64(checksum(s.section(i))))
	}
	binary.LittleEndian.PutUint64(s.data[headerSize-8:], uint64(checksum(s.data[:headerSize-8])))
	return s.data
}

// sealedWorld is the file of a small world.
func sealedWorld(t testing.TB, seed uint64) *sealed {
	t.Helper()
	fs := vfs.NewMem()
	w := newWorld(seed, 40)
	if err := Build(w.changes(100), 7).Write(fs, "", "base"); err != nil {
		t.Fatal(err)
	}
	data, _, err := load(fs, "base")
	if err != nil {
		t.Fatal(err)
	}
	return &sealed{data}
}

func openBytes(t testing.TB, data []byte) (*Base, error) {
	t.Helper()
	fs := vfs.NewMem()
	f, err := fs.Create("base", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return Open(fs, "", "base")
}

func TestABaseThatLeadsNowhereIsRefused(t *testing.T) {
	t.Parallel()
	whole := sealedWorld(t, 1)
	if b, err := openBytes(t, whole.seal()); err != nil || len(flaws(b)) > 0 {
		t.Fatalf("%v, %v", err, flaws(b))
	}
	for section := range sectionCount {
		if s := sealedWorld(t, 1); len(s.section(section)) > 0 { // one element, or some bytes of text, too few
			short := s.entry(section)[8:]
			binary.LittleEndian.PutUint64(short, binary.LittleEndian.Uint64(short)-min(uint64(len(s.section(section))), 8))
			if b, err := openBytes(t, s.seal()); err == nil && len(flaws(b)) == 0 {
				t.Errorf("section %d is too short, and nobody noticed", section)
			}
		}
	}
	for _, section := range []int{0, 2, 7, 8, 9, 10, 13, 14, 15, 16, 21, 23, 25, 26, 28, 31} { // of numbers
		s := sealedWorld(t, 1)
		numbers := s.section(section)
		place := len(numbers) / 8 * 4
		if section == 0 {
			place += 20 - place%32 // the first resource of a group
		}
		binary.LittleEndian.PutUint32(numbers[place:], 1<<30)
		if _, err := openBytes(t, s.seal()); err == nil {
			t.Errorf("a number of section %d leads nowhere, and nobody noticed", section)
		}
	}
}

func flaws(b *Base) (all []Flaw) {
	if b != nil {
		b.Flaws(func(f Flaw) { all = append(all, f) })
	}
	return all
}

// FuzzBase changes a file whose checksums are right: it is refused, or its flaws
// are named, or all of it can be read, reported and merged.
func FuzzBase(f *testing.F) {
	for section := range sectionCount {
		f.Add(uint8(section), uint16(0), []byte{1})
		f.Add(uint8(section), uint16(9), []byte{0xff, 0xff, 0xff, 0xff})
	}
	f.Add(uint8(200), uint16(32), []byte{0xff}) // of the header
	pristine := sealedWorld(f, 3).data
	f.Fuzz(func(t *testing.T, section uint8, at uint16, change []byte) {
		s := &sealed{append([]byte(nil), pristine...)}
		part := s.data[:headerSize]
		if int(section) < sectionCount {
			part = s.section(int(section))
		}
		for i, b := range change {
			if place := int(at) + i; place < len(part) {
				part[place] ^= b
			}
		}
		if int(section) < sectionCount {
			s.seal()
		}
		b, err := openBytes(t, s.data)
		if err != nil || len(flaws(b)) > 0 {
			return
		}
		all := contents(b)
		w := newWorld(3, 40)
		q := w.wide()
		if r := read(Report(&q, NewOverlay(&q), Layer{Base: b})); r.count != len(r.lines) {
			t.Errorf("%d lines, count %d", len(r.lines), r.count)
		}
		if len(all) != b.Resources() {
			t.Errorf("%d of %d resources were read", len(all), b.Resources())
		}
	})
}
