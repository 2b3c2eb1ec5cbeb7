package columns

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/metering"
)

// The file is a header, then the sections, each at a multiple of 64 bytes (see
// docs/format/base.md). All numbers are little-endian, as in memory.
const (
	magic         = "meterbook base\r\n"
	formatVersion = 2
	alignment     = 64
	sectionCount  = 33
	headerSize    = len(magic) + 8 + 8 + sectionCount*24 + 8
)

// sectionsOfFormat1 is how many sections a file of format 1 has.
const sectionsOfFormat1 = 30

// fromFormat1 makes the sections that a file of format 1 does not have: what it does
// not say is not known. Observations say it, where that matters.
func fromFormat1(sections [][]byte) [][]byte {
	const known, hides = 1, 2 // the flags that it has
	flags := slices.Clone(sections[4])
	hidden := make([]uint32, len(flags))
	for i, was := range flags {
		if flags[i] = was&known*flagKnown | flagShared; was&hides != 0 {
			hidden[i] = uint32(metering.ManyHidden)
		}
	}
	sections[4] = flags
	return append(sections, raw(hidden), make([]byte, len(sections[12])), nil)
}

func (b *Base) setSections(s [][]byte) {
	b.groups, b.ids, b.itemEnd, b.boundary, b.flags = as[group](s[0]), as[metering.UUID](s[1]), as[uint32](s[2]), as[uint32](s[3]), s[4]
	for i, column := range []*[]uint32{&b.seg.from, &b.seg.to, &b.seg.meter, &b.seg.name, &b.seg.tags, &b.seg.extra} {
		*column = as[uint32](s[5+i])
	}
	b.seg.mult = as[uint64](s[11])
	b.cell.day = as[int32](s[12])
	for i, column := range []*[]uint32{&b.cell.meter, &b.cell.name, &b.cell.tags, &b.cell.extra} {
		*column = as[uint32](s[13+i])
	}
	b.cell.hi, b.cell.lo = as[uint64](s[17]), as[uint64](s[18])
	b.cell.first, b.cell.last = as[int64](s[19]), as[int64](s[20])
	meters := texts{off: as[uint32](s[21]), arena: s[22]}
	for i := range meters.count() {
		b.meters = append(b.meters, decodeMeter(meters.at(uint32(i))))
	}
	b.names, b.rank = texts{as[uint32](s[23]), s[24]}, as[uint32](s[25])
	b.tagSets, b.extras = texts{as[uint32](s[26]), s[27]}, texts{as[uint32](s[28]), s[29]}
	b.hidden, b.cell.windowsEnd, b.cell.windows = as[uint32](s[30]), as[uint32](s[31]), s[32]
}

// raw and as look at the same memory as bytes and as numbers. The sections are
// aligned, and the program runs on little-endian machines only.
func raw[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0])))
}

func as[T any](b []byte) []T {
	var t T
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(t)))
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// SyncDir makes the names of a folder durable.
func SyncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open folder %s: %w", dir, err)
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

func aligned(n int) int { return (n + alignment - 1) / alignment * alignment }

// Open loads a base file: mapped where fs is the machine's own, read otherwise.
// An error names the file and what is wrong with it.
func Open(fs vfs.FS, dir, name string) (*Base, error) { return open(fs, dir, name, load, asFound) }

// Read loads a base file into memory, so that nobody need release it. Its errors
// are those of Open.
func Read(fs vfs.FS, dir, name string) (*Base, error) {
	return open(fs, dir, name, readWhole, asFound)
}

// origin says what is known about the bytes of a file.
type origin bool

const (
	asFound   origin = false // nothing: the sections' checksums must agree
	asWritten origin = true  // this program wrote them just now
)

func open(fs vfs.FS, dir, name string, load func(vfs.FS, string) ([]byte, func() error, error), bytes origin) (*Base, error) {
	data, release, err := load(fs, fs.PathJoin(dir, name))
	if err != nil {
		return nil, fmt.Errorf("read base %s: %w", name, err)
	}
	b := &Base{release: release, file: data, size: int64(len(data))}
	b.refs.Store(1)
	sections, err := split(data, &b.Seq, bytes)
	if err == nil {
		err = b.adopt(sections)
	}
	if err != nil {
		_ = b.Release() // the file is refused; that it could be unmapped adds nothing
		return nil, fmt.Errorf("base %s: %w", name, err)
	}
	return b, nil
}

func load(fs vfs.FS, path string) ([]byte, func() error, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if fd := f.Fd(); fd != vfs.InvalidFd {
		return mapFile(path)
	}
	return readWhole(fs, path)
}

func readWhole(fs vfs.FS, path string) ([]byte, func() error, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	data := raw(make([]uint64, (info.Size()+7)/8))[:info.Size()]
	_, err = io.ReadFull(f, data)
	return data, nil, err
}

// split checks the header and, of a file as it was found, every checksum.
func split(data []byte, seq *uint64, as origin) ([][]byte, error) {
	if len(data) < headerSize || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("this is no base file, or its beginning is damaged")
	}
	field := func(i int) uint64 { return binary.LittleEndian.Uint64(data[len(magic)+8*i:]) }
	version, count, size := field(0), sectionCount, headerSize
	if version == 1 {
		count, size = sectionsOfFormat1, headerSize-24*(sectionCount-sectionsOfFormat1)
	} else if version != formatVersion {
		return nil, fmt.Errorf("its format is %d, this program reads 1 to %d", version, formatVersion)
	}
	if uint64(checksum(data[:size-8])) != field(2+3*count) {
		return nil, fmt.Errorf("its header is damaged: the checksum differs")
	}
	*seq = field(1)
	sections, end := make([][]byte, count), uint64(size)
	for i := range sections {
		at, length, sum := field(2+3*i), field(3+3*i), field(4+3*i)
		if at > uint64(len(data)) || length > uint64(len(data))-at {
			return nil, fmt.Errorf("it is cut off: section %d ends behind the file", i)
		}
		sections[i] = data[at : at+length : at+length]
		if as == asFound && checksum(sections[i]) != uint32(sum) {
			return nil, fmt.Errorf("section %d is damaged: the checksum differs", i)
		}
		if at < end || nonZero(data[end:at]) {
			return nil, fmt.Errorf("what stands before section %d is damaged: it is not zero", i)
		}
		end = at + length
	}
	if nonZero(data[end:]) {
		return nil, fmt.Errorf("what stands behind the last section is damaged: it is not zero")
	}
	if version == 1 {
		sections = fromFormat1(sections)
	}
	return sections, nil
}

func nonZero(b []byte) bool { return bytes.ContainsFunc(b, func(r rune) bool { return r != 0 }) }
