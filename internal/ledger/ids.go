package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/parquet-go/parquet-go/bloom"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
)

// idFilter tells that an id entry is not in the store without asking it: a
// chain of Bloom filters, each twice the one before, so that it grows without
// reading the ids again. All bits of an id lie in one block of 32 bytes, so that
// looking for it costs one cache line a filter. It belongs to the sequencer.
type idFilter struct {
	filters []bloom.SplitBlockFilter
	room    int // ids that the last filter may still take
}

const (
	firstFilterIDs  = 1 << 20
	filterBitsPerID = 20 // one look-up in two thousand finds what is not there
)

func newIDFilter() *idFilter {
	f := &idFilter{}
	f.grow()
	return f
}

// grow adds a filter.
func (f *idFilter) grow() {
	f.room = idsOfFilter(len(f.filters))
	f.filters = append(f.filters, make(bloom.SplitBlockFilter, blocksOfFilter(len(f.filters))))
}

// idsOfFilter returns how many ids the filter at a place of the chain takes.
func idsOfFilter(place int) int { return firstFilterIDs << place }

func blocksOfFilter(place int) int {
	return bloom.NumSplitBlocksOf(int64(idsOfFilter(place)), filterBitsPerID)
}

func (f *idFilter) add(hash uint64) {
	if f.room == 0 {
		f.grow()
	}
	f.room--
	f.filters[len(f.filters)-1].Insert(hash)
}

func (f *idFilter) mayHave(hash uint64) bool {
	for i := len(f.filters) - 1; i >= 0; i-- {
		if f.filters[i].Check(hash) {
			return true
		}
	}
	return false
}

// bytes is the memory of the filters.
func (f *idFilter) bytes() (n int64) {
	for _, filter := range f.filters {
		n += int64(len(filter) * bloom.BlockSize)
	}
	return n
}

// snapshot returns the filter as a file holds it, with a checksum at the end: a
// damaged filter would let an id be counted twice.
func (f *idFilter) snapshot() []byte {
	b := make([]byte, 0, filterHead+int(f.bytes())+filterSum)
	b = append(b, filterMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(f.room))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(f.filters)))
	for _, filter := range f.filters {
		b = append(b, filter.Bytes()...)
	}
	return binary.LittleEndian.AppendUint32(b, idChecksum(b))
}

const (
	filterMagic = "meterbook ids 2\n"
	filterHead  = len(filterMagic) + 16 // bytes before the filters of a file
	filterSum   = 4                     // bytes behind them
)

func idChecksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

var errFilterDamaged = errors.New("the id filter is damaged: the checksum differs")

// readIDFilter reads the filter that a pointer names in a store's folder.
func readIDFilter(fs vfs.FS, dir string, p *pointer) (*idFilter, error) {
	data, err := readFile(fs, fs.PathJoin(dir, p.IDs))
	if err != nil {
		return nil, err
	}
	f, err := parseIDFilter(data)
	if err == nil && p.IDsSum != 0 && p.IDsSum != checksumAtEnd(data) {
		return nil, fmt.Errorf("the id filter is another one's file: its checksum is %08x, not %08x", checksumAtEnd(data), p.IDsSum)
	}
	return f, err
}

// checksumAtEnd returns the checksum that ends a filter's file.
func checksumAtEnd(data []byte) uint32 { return binary.LittleEndian.Uint32(data[len(data)-4:]) }

// parseIDFilter reads what snapshot returned. It trusts no length, although the
// checksum is right: who restores a backup may have it from anybody.
func parseIDFilter(data []byte) (*idFilter, error) {
	end := len(data) - filterSum
	switch {
	case end < filterHead || idChecksum(data[:end]) != checksumAtEnd(data):
		return nil, errFilterDamaged
	case string(data[:len(filterMagic)]) != filterMagic:
		return nil, errFilterEarlier
	}
	room, count := binary.LittleEndian.Uint64(data[len(filterMagic):]), binary.LittleEndian.Uint64(data[len(filterMagic)+8:])
	f, rest := &idFilter{}, data[filterHead:end]
	for uint64(len(f.filters)) < count {
		size := blocksOfFilter(len(f.filters)) * bloom.BlockSize
		if len(rest) < size {
			return nil, errFilterForm
		}
		f.grow()
		copy(f.filters[len(f.filters)-1].Bytes(), rest)
		rest = rest[size:]
	}
	if count == 0 || len(rest) > 0 || room > uint64(f.room) {
		return nil, errFilterForm
	}
	f.room = int(room)
	return f, nil
}

var (
	errFilterForm    = errors.New("the id filter is not of this form")
	errFilterEarlier = errors.New("the id filter has the form of an earlier program")
)

// rebuildIDFilter makes the filter from the ids in the store.
func rebuildIDFilter(r pebble.Reader) (*idFilter, error) {
	f := newIDFilter()
	err := scan(r, []byte{layout.IDs}, func(key, _ []byte) error {
		f.add(xxhash.Sum64(key))
		return nil
	})
	return f, err
}

// writeDurably writes a new file under its final name.
func writeDurably(fs vfs.FS, dir, name string, data []byte) error {
	path := fs.PathJoin(dir, name)
	f, err := fs.Create(path+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := fs.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("name %s: %w", name, err)
	}
	return columns.SyncDir(fs, dir)
}
