package columns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/metering"
)

// Write stores the base in a new file, as Merge does.
func (b *Base) Write(fs vfs.FS, dir, name string) error {
	return newPlan(b, Build(nil, 0), false).write(fs, dir, name, b.Seq)
}

// write makes the file under another name first, and at last its header, whose
// checksums are not known before.
func (p *plan) write(fs vfs.FS, dir, name string, seq uint64) error {
	if max(p.end.nameBytes, p.end.extraBytes) > math.MaxUint32 {
		return fmt.Errorf("write base %s: it would have more than 4 GiB of names or other texts", name)
	}
	path := fs.PathJoin(dir, name)
	f, err := fs.Create(path+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create base %s: %w", name, err)
	}
	w := newFileWriter(f)
	p.writeSections(w)
	w.flush()
	if err := errors.Join(w.err, f.Close()); err != nil {
		return fmt.Errorf("write base %s: %w", name, err)
	}
	if err := writeHeader(fs, path+".tmp", w.header(seq)); err != nil {
		return fmt.Errorf("write the header of base %s: %w", name, err)
	}
	if err := fs.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("name base %s: %w", name, err)
	}
	return SyncDir(fs, dir)
}

// build makes the base in memory.
func (p *plan) build() *Base {
	data := memory{make([]byte, 0, p.prev.size+p.fresh.size+p.fresh.size/8+int64(2*headerSize))}
	w := newFileWriter(&data)
	p.writeSections(w)
	w.flush()
	sections := make([][]byte, sectionCount)
	for i := range sections {
		at := binary.LittleEndian.Uint64(w.entries[24*i:])
		sections[i] = data.bytes[at : at+binary.LittleEndian.Uint64(w.entries[24*i+8:])]
	}
	b := &Base{Seq: p.fresh.Seq, size: int64(len(data.bytes))}
	b.refs.Store(1)
	b.setSections(sections)
	return b
}

// memory is a file in memory.
type memory struct{ bytes []byte }

func (m *memory) Write(b []byte) (int, error) {
	m.bytes = append(m.bytes, b...)
	return len(b), nil
}

// writeHeader writes the beginning of a file and makes all of it durable.
func writeHeader(fs vfs.FS, path string, header []byte) error {
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(header, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// The places that columns go by.
func (a place) resources() int { return a.res }
func (a place) segments() int  { return a.seg }
func (a place) cells() int     { return a.cell }
func (a place) names() int     { return a.name }
func (a place) extras() int    { return a.extra }

// writeSections writes all sections, in the order of the file.
func (p *plan) writeSections(w *fileWriter) {
	w.section(raw(p.groups))
	copyColumn(w, p, place.resources, func(b *Base) []metering.UUID { return b.ids })
	p.writeItemEnds(w)
	copyColumn(w, p, place.resources, func(b *Base) []uint32 { return b.boundary })
	copyColumn(w, p, place.resources, func(b *Base) []uint8 { return b.flags })

	copyColumn(w, p, place.segments, func(b *Base) []uint32 { return b.seg.from })
	copyColumn(w, p, place.segments, func(b *Base) []uint32 { return b.seg.to })
	mapColumn(w, p, place.segments, func(b *Base) []uint32 { return b.seg.meter }, p.byMeter)
	mapColumn(w, p, place.segments, func(b *Base) []uint32 { return b.seg.name }, byName)
	mapColumn(w, p, place.segments, func(b *Base) []uint32 { return b.seg.tags }, p.byTags)
	mapColumn(w, p, place.segments, func(b *Base) []uint32 { return b.seg.extra }, byExtra)
	copyColumn(w, p, place.segments, func(b *Base) []uint64 { return b.seg.mult })

	copyColumn(w, p, place.cells, func(b *Base) []int32 { return b.cell.day })
	mapColumn(w, p, place.cells, func(b *Base) []uint32 { return b.cell.meter }, p.byMeter)
	mapColumn(w, p, place.cells, func(b *Base) []uint32 { return b.cell.name }, byName)
	mapColumn(w, p, place.cells, func(b *Base) []uint32 { return b.cell.tags }, p.byTags)
	mapColumn(w, p, place.cells, func(b *Base) []uint32 { return b.cell.extra }, byExtra)
	copyColumn(w, p, place.cells, func(b *Base) []uint64 { return b.cell.hi })
	copyColumn(w, p, place.cells, func(b *Base) []uint64 { return b.cell.lo })
	copyColumn(w, p, place.cells, func(b *Base) []int64 { return b.cell.first })
	copyColumn(w, p, place.cells, func(b *Base) []int64 { return b.cell.last })
	p.writeTexts(w)
}

func (p *plan) writeTexts(w *fileWriter) {
	meters := texts{off: []uint32{0}}
	for _, m := range p.meters {
		meters.arena = appendMeter(meters.arena, m)
		meters.off = append(meters.off, uint32(len(meters.arena)))
	}
	w.section(raw(meters.off))
	w.section(meters.arena)

	writeOffsets(w, p, place.names, func(b *Base) []uint32 { return b.names.off },
		func(r *run) int { return r.into.nameBytes - r.from.nameBytes })
	copyColumn(w, p, func(a place) int { return a.nameBytes }, func(b *Base) []byte { return b.names.arena })
	p.writeRanks(w)

	tagSets := texts{off: p.prev.tagSets.off[:len(p.prev.tagSets.off):len(p.prev.tagSets.off)], arena: p.prev.tagSets.arena[:len(p.prev.tagSets.arena):len(p.prev.tagSets.arena)]}
	for _, set := range p.newTags {
		tagSets.add(p.fresh.tagSets.at(set))
	}
	w.section(raw(tagSets.off))
	w.section(tagSets.arena)

	writeOffsets(w, p, place.extras, func(b *Base) []uint32 { return b.extras.off },
		func(r *run) int { return r.into.extraBytes - r.from.extraBytes })
	copyColumn(w, p, func(a place) int { return a.extraBytes }, func(b *Base) []byte { return b.extras.arena })
}

// writeItemEnds moves the ends of the resources' items, group by group, since
// they lie in one of two tables.
func (p *plan) writeItemEnds(w *fileWriter) {
	for i := range p.runs {
		r := &p.runs[i]
		for g := r.of.groupOf(r.from.res); g < len(r.of.groups) && int(r.of.groups[g].first) < r.to.res; g++ {
			from, to := max(int(r.of.groups[g].first), r.from.res), min(r.of.groupEnd(g), r.to.res)
			by := r.into.seg - r.from.seg
			if r.of.groups[g].resourceType().Measure() == metering.Counted {
				by = r.into.cell - r.from.cell
			}
			mapped(w, r.of.itemEnd[from:to], func(end uint32) uint32 { return end + uint32(by) })
		}
	}
	w.end()
}

// writeOffsets writes where texts begin: the empty one, then those of the runs.
func writeOffsets(w *fileWriter, p *plan, at func(place) int, of func(*Base) []uint32, by func(*run) int) {
	w.write(raw([]uint32{0, 0}))
	for i := range p.runs {
		r := &p.runs[i]
		shift := uint32(by(r))
		mapped(w, of(r.of)[at(r.from)+1:at(r.to)+1], func(off uint32) uint32 { return off + shift })
	}
	w.end()
}

func (p *plan) writeRanks(w *fileWriter) {
	ofPrev, ofFresh := p.ranks()
	w.write(raw([]uint32{noRank}))
	for i := range p.runs {
		r, ranks := &p.runs[i], ofPrev
		if r.of == p.fresh {
			ranks = ofFresh
		}
		mapped(w, r.of.rank[r.from.name:r.to.name], func(rank uint32) uint32 { return ranks[rank] })
	}
	w.end()
}

// copyColumn writes a column as the bases have it.
func copyColumn[T any](w *fileWriter, p *plan, at func(place) int, of func(*Base) []T) {
	for i := range p.runs {
		r := &p.runs[i]
		w.write(raw(of(r.of)[at(r.from):at(r.to)]))
	}
	w.end()
}

// mapColumn writes a column of numbers that may be others in the new base. by
// says how they change in a run; nil: not at all.
func mapColumn(w *fileWriter, p *plan, at func(place) int, of func(*Base) []uint32, by func(*run) func(uint32) uint32) {
	for i := range p.runs {
		r := &p.runs[i]
		column := of(r.of)[at(r.from):at(r.to)]
		if change := by(r); change == nil {
			w.write(raw(column))
		} else {
			mapped(w, column, change)
		}
	}
	w.end()
}

func (p *plan) byMeter(r *run) func(uint32) uint32 {
	if r.of == p.prev {
		return nil
	}
	return func(meter uint32) uint32 { return p.meterOf[meter] }
}

func (p *plan) byTags(r *run) func(uint32) uint32 {
	if r.of == p.prev {
		return nil
	}
	return func(set uint32) uint32 { return p.tagsOf[set] }
}

func byName(r *run) func(uint32) uint32 { return moved(r.into.name - r.from.name) }

func byExtra(r *run) func(uint32) uint32 { return moved(r.into.extra - r.from.extra) }

// moved changes the numbers of texts. 0 is the missing text everywhere.
func moved(by int) func(uint32) uint32 {
	if by == 0 {
		return nil
	}
	return func(number uint32) uint32 {
		if number == 0 {
			return 0
		}
		return number + uint32(by)
	}
}

// mapped writes numbers as they are after a change.
func mapped(w *fileWriter, numbers []uint32, change func(uint32) uint32) {
	var block [blockRows]uint32
	for len(numbers) > 0 {
		n := min(len(numbers), len(block))
		for i, number := range numbers[:n] {
			block[i] = change(number)
		}
		w.write(raw(block[:n]))
		numbers = numbers[n:]
	}
}

// fileWriter writes the sections of a base file one after the other. After an
// error it writes nothing more.
type fileWriter struct {
	to    io.Writer
	table *crc32.Table
	err   error

	buf     []byte
	at      int    // in the file, with what is in buf
	begin   int    // of the section
	sum     uint32 // of the section, up to buf[summed]
	summed  int
	entries []byte // of the header: a section each
}

// pieceBytes is how much is written at once: a device may take a large write
// badly, and many small ones are slow.
const pieceBytes = 1 << 20

func newFileWriter(to io.Writer) *fileWriter {
	w := &fileWriter{to: to, table: crc32.MakeTable(crc32.Castagnoli), buf: make([]byte, 0, pieceBytes)}
	w.buf = w.buf[:aligned(headerSize)] // the header comes at last
	w.at, w.begin, w.summed = len(w.buf), len(w.buf), len(w.buf)
	return w
}

// write appends to the section.
func (w *fileWriter) write(b []byte) {
	w.at += len(b)
	for len(b) > 0 {
		if len(w.buf) == cap(w.buf) {
			w.flush()
		}
		n := min(len(b), cap(w.buf)-len(w.buf))
		w.buf = append(w.buf, b[:n]...)
		b = b[n:]
	}
}

func (w *fileWriter) flush() {
	w.addSum()
	if w.err == nil {
		_, w.err = w.to.Write(w.buf)
	}
	w.buf, w.summed = w.buf[:0], 0
}

// addSum takes what is new in buf into the section's checksum.
func (w *fileWriter) addSum() {
	w.sum = crc32.Update(w.sum, w.table, w.buf[w.summed:])
	w.summed = len(w.buf)
}

// section writes a whole one.
func (w *fileWriter) section(b []byte) {
	w.write(b)
	w.end()
}

// end ends the section.
func (w *fileWriter) end() {
	w.addSum()
	for _, n := range []int{w.begin, w.at - w.begin, int(w.sum)} {
		w.entries = binary.LittleEndian.AppendUint64(w.entries, uint64(n))
	}
	w.write(make([]byte, aligned(w.at)-w.at))
	w.begin, w.sum, w.summed = w.at, 0, len(w.buf)
}

// header returns the header of the sections.
func (w *fileWriter) header(seq uint64) []byte {
	header := append(make([]byte, 0, headerSize), magic...)
	header = binary.LittleEndian.AppendUint64(header, formatVersion)
	header = binary.LittleEndian.AppendUint64(header, seq)
	header = append(header, w.entries...)
	return binary.LittleEndian.AppendUint64(header, uint64(checksum(header)))
}
