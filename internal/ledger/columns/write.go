package columns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"runtime"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/metering"
)

// Write stores the base in a new file, as Merge does.
func (b *Base) Write(fs vfs.FS, dir, name string) error {
	if b.image != nil {
		return b.writeImage(fs, dir, name)
	}
	return newPlan(b, Build(nil, 0), false).write(fs, dir, name, b.Seq)
}

// writeImage writes the file that the base in memory is already, under another
// name first.
func (b *Base) writeImage(fs vfs.FS, dir, name string) error {
	path := fs.PathJoin(dir, name)
	f, err := fs.Create(path+".tmp", vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create base %s: %w", name, err)
	}
	buf := make([]byte, 0, pieceBytes) // a vfs.File may change what is written, and the base lies in image
	for piece := range slices.Chunk(b.image, pieceBytes) {
		if _, err = f.Write(append(buf, piece...)); err != nil {
			break
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write base %s: %w", name, err)
	}
	return appear(fs, dir, name)
}

// appear gives a file its name, which another one may have, once it is durable.
func appear(fs vfs.FS, dir, name string) error {
	path := fs.PathJoin(dir, name)
	if err := fs.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("name base %s: %w", name, err)
	}
	return SyncDir(fs, dir)
}

// write makes the file under another name first, and at last its header, whose
// checksums are not known before.
func (p *plan) write(fs vfs.FS, dir, name string, seq uint64) error {
	if max(p.end[ofNameBytes], p.end[ofExtraBytes]) > math.MaxUint32 {
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
	return appear(fs, dir, name)
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
	b := &Base{Seq: p.fresh.Seq, size: int64(len(data.bytes)), image: data.bytes}
	copy(b.image, w.header(b.Seq))
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

// writeSections writes all sections, in the order of the file.
func (p *plan) writeSections(w *fileWriter) {
	w.section(raw(p.groups))
	copyColumn(w, p, ofResources, func(b *Base) []metering.UUID { return b.ids })
	p.writeItemEnds(w)
	copyColumn(w, p, ofResources, func(b *Base) []uint32 { return b.boundary })
	copyColumn(w, p, ofResources, func(b *Base) []uint8 { return b.flags })

	copyColumn(w, p, ofSegments, func(b *Base) []uint32 { return b.seg.from })
	copyColumn(w, p, ofSegments, func(b *Base) []uint32 { return b.seg.to })
	p.lookUpColumn(w, ofSegments, func(b *Base) []uint32 { return b.seg.meter }, nil, p.meterOf)
	p.moveColumn(w, ofSegments, func(b *Base) []uint32 { return b.seg.name }, ofNames)
	p.lookUpColumn(w, ofSegments, func(b *Base) []uint32 { return b.seg.tags }, nil, p.tagsOf)
	p.moveColumn(w, ofSegments, func(b *Base) []uint32 { return b.seg.extra }, ofExtras)
	copyColumn(w, p, ofSegments, func(b *Base) []uint64 { return b.seg.mult })

	copyColumn(w, p, ofCells, func(b *Base) []int32 { return b.cell.day })
	p.lookUpColumn(w, ofCells, func(b *Base) []uint32 { return b.cell.meter }, nil, p.meterOf)
	p.moveColumn(w, ofCells, func(b *Base) []uint32 { return b.cell.name }, ofNames)
	p.lookUpColumn(w, ofCells, func(b *Base) []uint32 { return b.cell.tags }, nil, p.tagsOf)
	p.moveColumn(w, ofCells, func(b *Base) []uint32 { return b.cell.extra }, ofExtras)
	copyColumn(w, p, ofCells, func(b *Base) []uint64 { return b.cell.hi })
	copyColumn(w, p, ofCells, func(b *Base) []uint64 { return b.cell.lo })
	copyColumn(w, p, ofCells, func(b *Base) []int64 { return b.cell.first })
	copyColumn(w, p, ofCells, func(b *Base) []int64 { return b.cell.last })
	p.writeTexts(w)

	copyColumn(w, p, ofResources, func(b *Base) []uint32 { return b.hidden })
	p.writeWindows(w)
}

// writeWindows writes what is known of windows. Where that is too much, nothing is.
func (p *plan) writeWindows(w *fileWriter) {
	if p.end[ofWindowBytes] > p.maxWindowBytes {
		w.section(make([]byte, 4*p.end[ofCells]))
		w.section(nil)
		return
	}
	into := uint32(0)
	for i := range p.runs {
		r := &p.runs[i]
		w.moved(r.of.cell.windowsEnd[r.from[ofCells]:r.to[ofCells]], into-r.from[ofWindowBytes])
		into += r.to[ofWindowBytes] - r.from[ofWindowBytes]
	}
	w.end()
	copyColumn(w, p, ofWindowBytes, func(b *Base) []byte { return b.cell.windows })
}

func (p *plan) writeTexts(w *fileWriter) {
	meters := texts{off: []uint32{0}}
	for _, m := range p.meters {
		meters.arena = appendMeter(meters.arena, m)
		meters.off = append(meters.off, uint32(len(meters.arena)))
	}
	w.section(raw(meters.off))
	w.section(meters.arena)

	p.writeOffsets(w, ofNames, ofNameBytes, func(b *Base) []uint32 { return b.names.off })
	copyColumn(w, p, ofNameBytes, func(b *Base) []byte { return b.names.arena })
	ofPrev, ofFresh := p.ranks()
	w.write(raw([]uint32{noRank}))
	p.lookUpColumn(w, ofNames, func(b *Base) []uint32 { return b.rank }, ofPrev, ofFresh)

	tagSets := texts{off: p.prev.tagSets.off[:len(p.prev.tagSets.off):len(p.prev.tagSets.off)], arena: p.prev.tagSets.arena[:len(p.prev.tagSets.arena):len(p.prev.tagSets.arena)]}
	for _, set := range p.newTags {
		tagSets.add(p.fresh.tagSets.at(set))
	}
	w.section(raw(tagSets.off))
	w.section(tagSets.arena)

	p.writeOffsets(w, ofExtras, ofExtraBytes, func(b *Base) []uint32 { return b.extras.off })
	copyColumn(w, p, ofExtraBytes, func(b *Base) []byte { return b.extras.arena })
}

// writeItemEnds moves the ends of the resources' items, group by group, since
// they lie in one of two tables.
func (p *plan) writeItemEnds(w *fileWriter) {
	var into [partCount]uint32
	for i := range p.runs {
		r := &p.runs[i]
		if r.days > 0 {
			w.moved([]uint32{into[ofCells]}, r.days)
			continue
		}
		from, to := int(r.from[ofResources]), int(r.to[ofResources])
		for g := r.of.groupOf(from); g < len(r.of.groups) && int(r.of.groups[g].first) < to; g++ {
			items := ofSegments
			if r.of.groups[g].resourceType().Measure() == metering.Counted {
				items = ofCells
			}
			ends := r.of.itemEnd[max(int(r.of.groups[g].first), from):min(r.of.groupEnd(g), to)]
			w.moved(ends, into[items]-r.from[items])
		}
		for _, items := range []part{ofSegments, ofCells} {
			into[items] += r.to[items] - r.from[items]
		}
	}
	w.end()
}

// writeOffsets writes where texts begin: the empty one, then those of the runs.
func (p *plan) writeOffsets(w *fileWriter, texts, bytes part, of func(*Base) []uint32) {
	w.write(raw([]uint32{0, 0}))
	prev, fresh, into := of(p.prev), of(p.fresh), uint32(0)
	for i := range p.runs {
		r, column := &p.runs[i], prev
		if r.of == p.fresh {
			column = fresh
		}
		w.moved(column[r.from[texts]+1:r.to[texts]+1], into-r.from[bytes])
		into += r.to[bytes] - r.from[bytes]
	}
	w.end()
}

// copyColumn writes a column as the bases have it.
func copyColumn[T any](w *fileWriter, p *plan, at part, of func(*Base) []T) {
	prev, fresh := of(p.prev), of(p.fresh)
	for i := range p.runs {
		r, column := &p.runs[i], prev
		if r.of == p.fresh {
			column = fresh
		}
		w.write(raw(column[r.from[at]:r.to[at]]))
	}
	w.end()
}

// moveColumn writes a column of numbers of texts, which move with the runs.
func (p *plan) moveColumn(w *fileWriter, at part, of func(*Base) []uint32, texts part) {
	prev, fresh, into := of(p.prev), of(p.fresh), uint32(1)
	for i := range p.runs {
		r, column := &p.runs[i], prev
		if r.of == p.fresh {
			column = fresh
		}
		w.movedTexts(column[r.from[at]:r.to[at]], into-r.from[texts])
		into += r.to[texts] - r.from[texts]
	}
	w.end()
}

// lookUpColumn writes a column of numbers, each as a list has it: one for those of
// prev and one for those of fresh; nil: as they are.
func (p *plan) lookUpColumn(w *fileWriter, at part, of func(*Base) []uint32, ofPrev, ofFresh []uint32) {
	prev, fresh := of(p.prev), of(p.fresh)
	for i := range p.runs {
		r, column, list := &p.runs[i], prev, ofPrev
		if r.of == p.fresh {
			column, list = fresh, ofFresh
		}
		if numbers := column[r.from[at]:r.to[at]]; list == nil {
			w.write(raw(numbers))
		} else {
			w.lookedUp(numbers, list)
		}
	}
	w.end()
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

// room returns memory for numbers at the end of what was written, at most for as
// many, and at least for one. The columns of numbers begin at multiples of 64
// bytes, so there is never room for a part of one.
func (w *fileWriter) room(most int) []uint32 {
	if len(w.buf) == cap(w.buf) {
		w.flush()
	}
	from := len(w.buf)
	n := min(4*most, cap(w.buf)-from)
	w.buf, w.at = w.buf[:from+n], w.at+n
	return as[uint32](w.buf[from:])
}

// moved writes numbers, each greater by as much, modulo 2^32.
func (w *fileWriter) moved(numbers []uint32, by uint32) {
	for len(numbers) > 0 {
		dst := w.room(len(numbers))
		for i, number := range numbers[:len(dst)] {
			dst[i] = number + by
		}
		numbers = numbers[len(dst):]
	}
}

// movedTexts is moved for the numbers of texts: 0, the missing one, stays.
func (w *fileWriter) movedTexts(numbers []uint32, by uint32) {
	if by == 0 {
		w.write(raw(numbers))
		return
	}
	for len(numbers) > 0 {
		dst := w.room(len(numbers))
		for i, number := range numbers[:len(dst)] {
			if number != 0 {
				number += by
			}
			dst[i] = number
		}
		numbers = numbers[len(dst):]
	}
}

// lookedUp writes the numbers that a list has for numbers.
func (w *fileWriter) lookedUp(numbers, list []uint32) {
	for len(numbers) > 0 {
		dst := w.room(len(numbers))
		for i, number := range numbers[:len(dst)] {
			dst[i] = list[number]
		}
		numbers = numbers[len(dst):]
	}
}

func (w *fileWriter) flush() {
	runtime.Gosched() // a merge is long, and a report may be waiting for the processor
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
