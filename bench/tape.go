package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// batchSize is the number of events in a body.
const batchSize = 1000

// phase is a part of the load.
type phase uint8

const (
	inBatches phase = iota // history, in batches
	streamed               // history, as NDJSON
	alone                  // the last month, in batches
	beside                 // the last month, in batches, beside readers
	late                   // events about all months, when all is loaded
)

// tape is a part of the load as request bodies in a file, so that making events
// is no part of what is measured. Each body stands behind its length, and behind
// each body stands what the store commits for it.
type tape struct {
	phase
	path    string
	events  int
	bytes   int64 // of the bodies
	payload int64 // of keys and values
}

// tapeWriter fills a tape. It encodes keys and values as the ledger does, but for
// the marks of what is retracted (a few in ten thousand), which need look-ups.
type tapeWriter struct {
	*tape
	file    *os.File
	out     *bufio.Writer
	body    []byte
	pairs   []byte
	key     []byte
	value   []byte
	n       int // events in body
	seq     *layout.Seq
	sources map[string]layout.SourceNumber
	touched layout.Touched
}

// recorder cuts a fleet's events into tapes.
type recorder struct {
	dir     string
	tapes   []*tape
	now     *tapeWriter
	seq     layout.Seq
	sources map[string]layout.SourceNumber
	sample  sample
}

// record writes a fleet's events to tapes: the history in parts that alternate
// between batches and streams, the last month in parts that alternate between
// alone and beside readers, and then late events.
func record(f *fleet.Fleet, dir string) ([]*tape, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	r := &recorder{dir: dir, sources: map[string]layout.SourceNumber{}}
	lastMonth := metering.InstantOf(f.End().Time().AddDate(0, -1, 0))
	partEvents := max(batchSize, f.EstimatedEvents()/10)
	r.sample = sample{random: rand.New(rand.NewPCG(3, 3)), from: f.Start(), size: max(2*batchSize, min(f.EstimatedEvents()/40, 200_000))}
	for o := range f.Events() {
		want := phase(0)
		if o.Time >= lastMonth {
			quarter := int(4 * (o.Time - lastMonth) / (f.End() - lastMonth))
			want = alone + phase(quarter%2)
		} else if r.now != nil {
			want = r.now.phase
			if r.now.events >= partEvents && r.now.n == 0 {
				want = 1 - want
			}
		}
		if err := r.put(o, want); err != nil {
			return nil, err
		}
		r.sample.see(o)
	}
	for o := range r.sample.late(f.End()) {
		if err := r.put(o, late); err != nil {
			return nil, err
		}
	}
	return r.tapes, r.finish()
}

func (r *recorder) put(o *metering.Observation, p phase) error {
	if r.now == nil || r.now.phase != p {
		if err := r.finish(); err != nil {
			return err
		}
		t := &tape{phase: p, path: filepath.Join(r.dir, fmt.Sprintf("%02d", len(r.tapes)))}
		file, err := os.Create(t.path)
		if err != nil {
			return err
		}
		r.tapes = append(r.tapes, t)
		r.now = &tapeWriter{tape: t, file: file, out: bufio.NewWriterSize(file, 1<<20), seq: &r.seq, sources: r.sources}
	}
	return r.now.put(o)
}

func (r *recorder) finish() error {
	if r.now == nil {
		return nil
	}
	w := r.now
	r.now = nil
	// Synced, so that writing it back is no part of what is measured either.
	return errors.Join(w.flush(), w.out.Flush(), w.file.Sync(), w.file.Close())
}

func (w *tapeWriter) put(o *metering.Observation) error {
	switch {
	case w.phase == streamed && w.n > 0:
		w.body = append(w.body, '\n')
	case w.phase != streamed && w.n == 0:
		w.body = append(w.body, '[')
	case w.phase != streamed:
		w.body = append(w.body, ',')
	}
	w.body = fleet.AppendEvent(w.body, o)
	w.putPairs(o)
	w.events++
	if w.n++; w.n == batchSize {
		return w.flush()
	}
	return nil
}

func (w *tapeWriter) putPairs(o *metering.Observation) {
	*w.seq++
	source, known := w.sources[o.Name.Source]
	if !known {
		source = layout.SourceNumber(len(w.sources) + 1)
		w.sources[o.Name.Source] = source
	}
	entry := layout.EntryOf(o, *w.seq)
	w.key = layout.AppendID(w.key[:0], o.Name.Project, source, o.Name.ID)
	w.value = entry.Append(w.value[:0])
	w.pair()
	w.touched.IDs = append(w.touched.IDs, uint64(*w.seq)) // as many bytes as a hash
	if o.Kind != metering.RetractionMade {
		w.touched.Units = append(w.touched.Units, layout.UnitOf(o))
	}
	w.key = layout.AppendKey(w.key[:0], o, *w.seq)
	w.value = binary.AppendUvarint(w.value[:0], uint64(source))
	w.value = layout.AppendValue(w.value, o, metering.InstantOf(time.Now()))
	w.pair()
}

func (w *tapeWriter) pair() {
	w.payload += int64(len(w.key) + len(w.value))
	w.pairs = append(binary.AppendUvarint(w.pairs, uint64(len(w.key))), w.key...)
	w.pairs = append(binary.AppendUvarint(w.pairs, uint64(len(w.value))), w.value...)
}

func (w *tapeWriter) flush() error {
	if w.n == 0 {
		return nil
	}
	if w.phase == streamed {
		w.body = append(w.body, '\n')
	} else {
		w.body = append(w.body, ']')
	}
	w.key = layout.AppendSeqKey(w.key[:0], layout.Journal, uint64(*w.seq))
	w.value = w.touched.Append(w.value[:0])
	w.pair()
	w.bytes += int64(len(w.body))
	var head [12]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(w.body)))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(w.pairs)))
	binary.LittleEndian.PutUint32(head[8:], uint32(w.n))
	for _, part := range [][]byte{head[:], w.body, w.pairs} {
		if _, err := w.out.Write(part); err != nil {
			return err
		}
	}
	w.body, w.pairs, w.n = w.body[:0], w.pairs[:0], 0
	w.touched.IDs, w.touched.Units = w.touched.IDs[:0], w.touched.Units[:0]
	return nil
}

// chunk is one body of a tape.
type chunk struct {
	body   []byte
	pairs  []byte
	events int
}

// player hands out a tape's bodies, in order, to several senders.
type player struct {
	withPairs bool
	mu        struct {
		sync.Mutex
		in  *bufio.Reader
		err error
	}
	file *os.File
}

func (t *tape) play(withPairs bool) (*player, error) {
	file, err := os.Open(t.path)
	if err != nil {
		return nil, err
	}
	p := &player{withPairs: withPairs, file: file}
	p.mu.in = bufio.NewReaderSize(file, 1<<20)
	return p, nil
}

// next reads the next body into c's memory; more is false at the end, and once
// fail was called.
func (p *player) next(c *chunk) (more bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.err != nil {
		return false, nil // who failed tells it
	}
	var head [12]byte
	if _, err := io.ReadFull(p.mu.in, head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	size, pairs := int(binary.LittleEndian.Uint32(head[:])), int(binary.LittleEndian.Uint32(head[4:]))
	c.events = int(binary.LittleEndian.Uint32(head[8:]))
	c.body = sized(c.body, size)
	if _, err := io.ReadFull(p.mu.in, c.body); err != nil {
		return false, err
	}
	if !p.withPairs {
		_, err := p.mu.in.Discard(pairs)
		return err == nil, err
	}
	c.pairs = sized(c.pairs, pairs)
	_, err = io.ReadFull(p.mu.in, c.pairs)
	return err == nil, err
}

func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n, n+n/4)
	}
	return b[:n]
}

// fail makes the other senders stop.
func (p *player) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.err = errors.Join(p.mu.err, err)
}

func (p *player) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.mu.err, p.file.Close())
}
