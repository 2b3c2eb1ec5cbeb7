package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/bits-and-blooms/bloom/v3"
	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
)

// idFilter tells that an id entry is not in the store without asking it: a
// chain of Bloom filters, each twice the one before, so that it grows without
// reading the ids again. It belongs to the sequencer.
type idFilter struct {
	filters []*bloom.BloomFilter
	room    uint // ids that the last filter may still take
}

const (
	firstFilterIDs  = 1 << 20
	filterBitsPerID = 12
	filterHashes    = 8
)

func newIDFilter() *idFilter {
	f := &idFilter{}
	f.grow(firstFilterIDs)
	return f
}

func (f *idFilter) grow(ids uint) {
	f.filters = append(f.filters, bloom.New(ids*filterBitsPerID, filterHashes))
	f.room = ids
}

func filterKey(hash uint64) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 0, 8), hash)
}

func (f *idFilter) add(hash uint64) {
	if f.room == 0 {
		f.grow(f.filters[len(f.filters)-1].Cap() / filterBitsPerID * 2)
	}
	f.room--
	f.filters[len(f.filters)-1].Add(filterKey(hash))
}

func (f *idFilter) mayHave(hash uint64) bool {
	key := filterKey(hash)
	for i := len(f.filters) - 1; i >= 0; i-- {
		if f.filters[i].Test(key) {
			return true
		}
	}
	return false
}

// bytes is the memory of the filters.
func (f *idFilter) bytes() (n int64) {
	for _, filter := range f.filters {
		n += int64(filter.Cap() / 8)
	}
	return n
}

// snapshot returns the filter as a file holds it, with a checksum at the end: a
// damaged filter would let an id be counted twice.
func (f *idFilter) snapshot() ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(f.bytes()) + 64*len(f.filters))
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(f.room)))
	b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(f.filters))))
	for _, filter := range f.filters {
		if _, err := filter.WriteTo(&b); err != nil {
			return nil, fmt.Errorf("write id filter: %w", err)
		}
	}
	return binary.LittleEndian.AppendUint32(b.Bytes(), idChecksum(b.Bytes())), nil
}

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
	end := len(data) - 4
	if end < 16 || idChecksum(data[:end]) != binary.LittleEndian.Uint32(data[end:]) {
		return nil, errFilterDamaged
	}
	f, rest := &idFilter{room: uint(binary.LittleEndian.Uint64(data))}, data[16:end]
	for range binary.LittleEndian.Uint64(data[8:]) {
		filter, n := parseBloom(rest, uint(firstFilterIDs)<<len(f.filters))
		if filter == nil {
			return nil, errFilterForm
		}
		f.filters, rest = append(f.filters, filter), rest[n:]
	}
	if len(f.filters) == 0 || len(rest) > 0 || f.room > uint(firstFilterIDs)<<(len(f.filters)-1) {
		return nil, errFilterForm
	}
	return f, nil
}

var errFilterForm = errors.New("the id filter is not of this form")

// parseBloom reads one filter for so many ids, as the library writes it: its
// bits, its hashes, its bits again, and the bits themselves. It returns how many
// bytes that were, and nil for what is none.
func parseBloom(data []byte, ids uint) (*bloom.BloomFilter, int) {
	const head = 3 * 8
	if len(data) < head {
		return nil, 0
	}
	field := func(i int) uint64 { return binary.BigEndian.Uint64(data[8*i:]) }
	bits := uint64(ids) * filterBitsPerID
	n := head + int(bits/8)
	if field(0) != bits || field(1) != filterHashes || field(2) != bits || len(data) < n {
		return nil, 0
	}
	filter := &bloom.BloomFilter{}
	if _, err := filter.ReadFrom(bytes.NewReader(data[:n])); err != nil {
		return nil, 0
	}
	return filter, n
}

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
