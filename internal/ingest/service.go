package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Permission says who writes, and where to.
type Permission struct {
	Client    report.ClientID // owner of the projects that are first seen
	AnyClient bool            // the key stands above all clients
	Narrowing report.Scope    // what the key is narrowed to
}

// Options configure a Service. Clock and Directory are required.
type Options struct {
	Clock     func() metering.Instant
	Directory report.Directory
	// MaxBodyBytes bounds the decompressed size of bodies that are not streams;
	// 0 means DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// StrictProjects refuses projects and regions that the directory does not
	// know; otherwise they are created on first sight.
	StrictProjects bool

	// Processors is how many there are; a quarter of them decode events. 0: one does.
	Processors int
	// Behind calls a function that decodes events, and waits for it; reports may come
	// before it. nil: the function is called.
	Behind func(func())

	// What follows is told to metrics as soon as it is known; each may be nil.
	OnAccepted   func(events int)
	OnDuplicates func(events int)
	OnRejected   func(metering.RejectCode) // once for each event
}

// Service receives events. It is safe for concurrent use.
type Service struct {
	writer       report.Writer
	clock        func() metering.Instant
	maxBodyBytes int64
	bodies       *budget
	rules        *rules
	turns        turns
	behind       func(func())

	onAccepted, onDuplicates func(int)
	onRejected               func(metering.RejectCode)

	decoders, buffers, gzips, zstds sync.Pool
}

// New makes a Service that writes to w.
func New(w report.Writer, o Options) *Service {
	if o.Behind == nil {
		o.Behind = func(f func()) { f() }
	}
	s := &Service{
		writer: w, clock: o.Clock, maxBodyBytes: o.MaxBodyBytes, turns: newTurns(o.Processors), behind: o.Behind,
		onAccepted: o.OnAccepted, onDuplicates: o.OnDuplicates, onRejected: o.OnRejected,
	}
	if s.maxBodyBytes == 0 {
		s.maxBodyBytes = DefaultMaxBodyBytes
	}
	s.bodies = newBudget(bodiesAtOnce*s.maxBodyBytes, bodiesOfClient*s.maxBodyBytes)
	if s.onAccepted == nil {
		s.onAccepted = func(int) {}
	}
	if s.onDuplicates == nil {
		s.onDuplicates = func(int) {}
	}
	if s.onRejected == nil {
		s.onRejected = func(metering.RejectCode) {}
	}
	s.rules = &rules{schema: newSchema(), clock: o.Clock, directory: o.Directory, strict: o.StrictProjects}
	s.decoders.New = func() any { return newDecoder(s.rules) }
	s.buffers.New = func() any { return new(bytes.Buffer) }
	return s
}

// Receive takes the body of one POST /v1/events and returns after all of its
// events are durable. The store is asked before the body is read.
//
// An error is a [metering.Error] and means that nothing of the request was
// stored: KindRateLimited and KindUnavailable from the store, KindRateLimited
// also when too much of other bodies is in memory, KindUnsupportedMedia for the content type or encoding, also for compression
// that no header names, KindTooLarge, and
// KindInvalid for a batch that is no JSON array or a body that cannot be read.
// A stream of which something was stored gives a receipt instead.
func (s *Service) Receive(ctx context.Context, p Permission, h http.Header, body io.Reader) (*Receipt, error) {
	if err := s.writer.Writable(); err != nil {
		return nil, err
	}
	m, err := mediaOf(h)
	if err != nil {
		return nil, err
	}
	d := s.decoders.Get().(*decoder)
	defer s.retire(d)
	d.permission = p
	if m.mode == modeStream {
		return s.receiveStream(ctx, d, m, body)
	}
	return s.receiveWhole(ctx, d, m, h, body)
}

// retire keeps a decoder for reuse, without the body that it read last.
func (s *Service) retire(d *decoder) {
	d.begin(nil)
	d.buffer = bytes.Buffer{}
	d.json.Reset(&d.buffer)
	s.decoders.Put(d)
}

// receiveWhole decodes all of the body before it submits any of it.
func (s *Service) receiveWhole(ctx context.Context, d *decoder, m media, h http.Header, body io.Reader) (*Receipt, error) {
	buffer := s.buffers.Get().(*bytes.Buffer)
	defer s.recycle(buffer)
	held := s.bodies.begin(d.permission.Client)
	defer held.release() // not before the events are on the disk
	if err := s.readBody(buffer, m.encoding, body, held); err != nil {
		return nil, err
	}
	c, err := s.decodeWhole(d, m, h, buffer.Bytes())
	if err != nil {
		return nil, err
	}
	receipt := newReceipt()
	pending, err := s.submit(ctx, &d.permission, c)
	if err != nil {
		return nil, err
	}
	// The batch goes on even if the client does not wait for it, so does the
	// count of what became of it.
	if err := s.await(context.WithoutCancel(ctx), receipt, c, pending); err != nil {
		return nil, err
	}
	return receipt, nil
}

const (
	usualEventBytes = 384    // a little less than most events take
	mostExpected    = 10_000 // events of a batch, however long it is
)

// decodeWhole decodes a body when its turn has come.
func (s *Service) decodeWhole(d *decoder, m media, h http.Header, text []byte) (c *chunk, err error) {
	s.turns.take()
	defer s.turns.give()
	c = new(chunk)
	s.behind(func() {
		switch m.mode {
		case modeStructured:
			d.decode(c, 0, bytes.Trim(text, jsonSpace))
		case modeBinary:
			d.decodeBinary(c, h, bytes.Trim(text, jsonSpace))
		default:
			c.expect(min(len(text)/usualEventBytes, mostExpected))
			err = d.decodeBatch(c, text, s.turns.rest)
		}
	})
	return c, err
}

// submit hands a chunk to the store, with what was refused of it, which the store
// counts for the event's source; an empty chunk has nothing pending.
func (s *Service) submit(ctx context.Context, p *Permission, c *chunk) (report.Pending, error) {
	batch := c.batch(p, s.clock())
	if len(batch) == 0 {
		return nil, nil
	}
	pending, err := s.writer.Submit(ctx, batch)
	if err != nil {
		return nil, fmt.Errorf("submit %d events: %w", len(c.submissions), err)
	}
	return pending, nil
}

// await waits for a chunk to be durable and adds it to the receipt.
func (s *Service) await(ctx context.Context, r *Receipt, c *chunk, pending report.Pending) error {
	var outcomes []report.Outcome
	if pending != nil {
		var err error
		if outcomes, err = pending.Wait(ctx); err != nil {
			return fmt.Errorf("store %d events: %w", len(c.submissions), err)
		}
	}
	s.settle(r, c, outcomes)
	return nil
}
