package ledger

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"regexp"
	"runtime"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/record"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/bloom"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// FuzzFormat: FORMAT has one form for each version that this program reads; any
// other text is refused with a short message.
func FuzzFormat(f *testing.F) {
	for _, text := range []string{"meterbook store format 1\n", "meterbook store format 1", "meterbook store format 01", "meterbook store format +1", "meterbook store format 99999999999999999999", "meterbook store format -1", "", "\x00"} {
		f.Add([]byte(text))
	}
	valid := regexp.MustCompile(`^meterbook store format [1-` + string(rune('0'+formatVersion)) + `]$`)
	f.Fuzz(func(t *testing.T, text []byte) {
		err := judgeFormatText("dir", text)
		if (err == nil) != valid.MatchString(strings.TrimSpace(string(text))) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%q: a message of %d bytes", text, len(err.Error()))
		}
	})
}

// FuzzIDFilter: a file whose checksum is right is refused, or is a filter that
// is written as the same bytes again, takes further ids, and knows them.
func FuzzIDFilter(f *testing.F) {
	size := blocksOfFilter(0) * bloom.BlockSize
	f.Add(uint64(firstFilterIDs), uint64(1), []byte{1, 2, 3})
	f.Add(uint64(0), uint64(1), []byte{1})
	f.Add(uint64(0), uint64(0), []byte{})
	f.Add(uint64(1<<63), uint64(1<<40), []byte{1})
	zeros := make([]byte, size)
	f.Fuzz(func(t *testing.T, room, count uint64, words []byte) {
		data := binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64([]byte(filterMagic), room), count)
		data = append(data, words...)
		if len(words) < len(zeros) && len(words)%2 == 1 { // often as long as it should be
			data = append(data, zeros[len(words):]...)
		}
		data = binary.LittleEndian.AppendUint32(data, idChecksum(data))
		used := allocated(func() {
			filter, err := parseIDFilter(data)
			if err != nil {
				return
			}
			if again := filter.snapshot(); !bytes.Equal(again, data) {
				t.Errorf("%d filters with room for %d are written as other bytes", len(filter.filters), filter.room)
			}
			if filter.add(room); !filter.mayHave(room) {
				t.Error("an id that was added is not known")
			}
		})
		if used > 8*uint64(len(data))+1<<20 {
			t.Errorf("%d bytes took %d bytes of memory", len(data), used)
		}
	})
}

func allocated(run func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// archiveOf packs files into an archive, with a head and with checksums.
func archiveOf(f testing.TB, names []string, head, sums string) []byte {
	f.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	add := func(name, text string) {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
			f.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			f.Fatal(err)
		}
	}
	add(backupHeadName, head)
	for _, name := range names {
		add(name, "content of "+name)
		sum := sha256.Sum256([]byte("content of " + name))
		sums += hex.EncodeToString(sum[:]) + "  " + name + "\n"
	}
	add(backupSumsName, sums)
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}

// FuzzBackup: what is taken for a whole backup is one: another reader finds the
// same files, each once, with names that stay in the folder and the checksums
// that it lists.
func FuzzBackup(f *testing.F) {
	const head = `{"backup_format":1,"files":2,"bytes":50}`
	f.Add(archiveOf(f, []string{"FORMAT", "base-0000000000000001"}, head, ""), true)
	f.Add(archiveOf(f, []string{"FORMAT", "observations/000001.sst"}, head, ""), true)
	f.Add(archiveOf(f, []string{"FORMAT", "../etc/passwd"}, head, ""), true)
	f.Add(archiveOf(f, []string{"FORMAT", "FORMAT"}, head, ""), true)
	f.Add(archiveOf(f, []string{"FORMAT"}, head, strings.Repeat("0", 64)+"  ids-1\n"), true)
	f.Add([]byte("\x28\xb5\x2f\xfd\x00"), false)
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte, isTar bool) {
		if isTar { // otherwise few inputs would get as far as that
			data = z.EncodeAll(data, nil)
		}
		var seen []string
		err := readBackup(t.Context(), bytes.NewReader(data), func(report.Progress) {}, func(name string, content io.Reader) error {
			seen = append(seen, name)
			_, err := io.Copy(io.Discard, content)
			return err
		})
		if err != nil {
			if metering.KindOf(err) != metering.KindInvalid {
				t.Errorf("%v is no KindInvalid", err)
			}
			return
		}
		if want := archived(t, data); !slices.Equal(seen, want) || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != len(seen) {
			t.Errorf("files %q were read, want %q", seen, want)
		}
		for _, name := range seen {
			if strings.Contains(name, "..") && strings.Contains(name, "/..") || strings.HasPrefix(name, "/") || strings.Contains(name, "\\") {
				t.Errorf("a file is named %q", name)
			}
		}
	})
}

// archived reads an archive with the standard library, and compares each file
// with its line in the list.
func archived(t *testing.T, data []byte) (names []string) {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	files, r := map[string]string{}, tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("taken, although it is no archive: %v", err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		if files[h.Name] = hex.EncodeToString(sum[:]); h.Name == backupSumsName {
			files[h.Name] = string(content)
		} else if h.Name != backupHeadName {
			names = append(names, h.Name)
		}
	}
	lines := strings.FieldsFunc(files[backupSumsName], func(r rune) bool { return r == '\n' })
	for _, name := range names {
		if !slices.Contains(lines, files[name]+"  "+name) {
			t.Errorf("the checksum of %s is not in the list: %q", name, lines)
		}
	}
	if len(lines) != len(names) {
		t.Errorf("%d checksums of %d files", len(lines), len(names))
	}
	return names
}

// FuzzManifest: of records of which one bit is another, the one with that bit is
// found, and whether it is the last one. Behind what was cut off there is none.
func FuzzManifest(f *testing.F) {
	f.Add([]byte("first\x00second\x00third"), uint32(9), uint8(3))
	f.Add([]byte("first\x00second\x00third"), uint32(46), uint8(0))
	f.Add([]byte("one"), uint32(0), uint8(7))
	f.Add([]byte("from one block into the next"+strings.Repeat(" ", 200)+"\x00and on"), uint32(120), uint8(1))
	const block = 32 << 10
	before := make([]byte, block-100) // records are cut where a block ends
	f.Fuzz(func(t *testing.T, texts []byte, at uint32, bit uint8) {
		if len(texts) > 1<<12 {
			return // Pebble tries which bit is wrong
		}
		data, begin := recordsOf(t, append([][]byte{before}, bytes.Split(texts, []byte{0})...))
		if broken := brokenRecord(data); broken != len(data) {
			t.Fatalf("of %d records in %d bytes, the one at byte %d is broken", len(begin), len(data), broken)
		}
		at = uint32(begin[1]) + at%uint32(len(data)-begin[1])
		if cut := data[:at]; holdsRecord(cut[brokenRecord(cut):]) {
			t.Errorf("cut off at byte %d: damaged", at)
		}
		padding := data[at] == 0 && at%block > block-8 // where no record can begin
		data[at] ^= 1 << (bit % 8)
		of := sort.SearchInts(begin, int(at)+1) - 1
		got := brokenRecord(data)
		if padding && got == len(data) {
			return
		}
		if got != begin[of] {
			t.Errorf("bit of byte %d: the record at %d is broken, want %d", at, got, begin[of])
		}
		if last := of == len(begin)-1; holdsRecord(data[got:]) == last {
			t.Errorf("bit of byte %d, in record %d of %d: there is one behind it: %t", at, of+1, len(begin), last)
		}
	})
}

// recordsOf returns a file of records and where each begins.
func recordsOf(t *testing.T, texts [][]byte) (data []byte, begin []int) {
	t.Helper()
	var file bytes.Buffer
	w, end := record.NewWriter(&file), int64(0)
	for _, text := range texts {
		begin = append(begin, int(end))
		var err error
		if end, err = w.WriteRecord(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), begin
}
