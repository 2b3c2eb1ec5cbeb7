package ingest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Limits of a stream. At most chunksInFlight + 1 chunks are in memory.
const (
	// MaxLineBytes is the longest line that a stream goes on after. An event
	// above [metering.MaxEventBytes] is refused alone; what is longer than this
	// is not read to its end, so the stream breaks off.
	MaxLineBytes = 1 << 20

	maxChunkEvents = 1000
	maxChunkBytes  = 1 << 20
	chunksInFlight = 4
	lineBuffer     = 64 << 10
)

// errLineTooLong breaks off a stream.
var errLineTooLong = fmt.Errorf("the line is longer than %d bytes", MaxLineBytes)

// stream takes in one body of lines. A chunk is submitted when it is full, and
// the next one is decoded while earlier ones are on their way to the disk.
type stream struct {
	*Service
	decoder *decoder
	receipt *Receipt
	chunk   *chunk
	flights []flight // oldest first
}

// flight is a chunk on its way to the disk.
type flight struct {
	chunk   *chunk
	pending report.Pending
}

// receiveStream decodes line by line. Memory does not grow with the body.
func (s *Service) receiveStream(ctx context.Context, d *decoder, m media, body io.Reader) (*Receipt, error) {
	// When the client is gone, reading fails; what it sent before is stored.
	ctx = context.WithoutCancel(ctx)
	st := &stream{Service: s, decoder: d, receipt: newReceipt(), chunk: new(chunk)}
	plain, release, err := s.decompress(m.encoding, body)
	if err != nil {
		st.breakBody(0, err)
		return st.receipt, nil
	}
	defer release()
	lines := bufio.NewReaderSize(plain, lineBuffer)
	// An error of Peek comes again with the first line.
	if first, _ := lines.Peek(startBytes); encodingOfBytes(first) != identity {
		return nil, unannounced(encodingOfBytes(first), m.encoding)
	}
	if err := st.run(ctx, lines); err != nil && st.receipt.Accepted+st.receipt.Duplicates == 0 {
		return nil, err
	}
	return st.receipt, nil
}

// run takes in all lines. An error is the store's; what breaks the body is
// noted only.
func (st *stream) run(ctx context.Context, body *bufio.Reader) error {
	lines := lineReader{source: body}
	for index := 0; ; {
		line, err := lines.next()
		if err != nil {
			if err != io.EOF {
				st.breakBody(index, err)
			}
			if err == errLineTooLong {
				st.chunk.refuse(refusal{index: index, why: &metering.Rejection{Code: metering.TooLarge,
					Message: fmt.Sprintf("an event must have at most %d bytes, got more than %d", metering.MaxEventBytes, MaxLineBytes)}})
			}
			break
		}
		if index = st.decode(index, line, &lines); st.chunk.full() {
			if err := st.launch(ctx, index); err != nil {
				return err
			}
		}
	}
	if err := st.launch(ctx, 0); err != nil {
		return err
	}
	return st.land(ctx, 0)
}

// decode decodes the line of an index and those that have been read with it, until
// the chunk is full, and returns the index of the next one.
func (st *stream) decode(index int, line []byte, lines *lineReader) (next int) {
	st.turns.take()
	defer st.turns.give()
	st.behind(func() {
		for next = index + 1; ; next++ {
			if line = bytes.Trim(line, jsonSpace); len(line) > 0 {
				st.decoder.decode(st.chunk, next-1, line)
			}
			if st.chunk.full() || !lines.ready() {
				return
			}
			line, _ = lines.next() // it is there as a whole: no error
		}
	})
	return next
}

func (c *chunk) full() bool {
	return len(c.submissions)+len(c.refusals) >= maxChunkEvents || c.bytes >= maxChunkBytes
}

// launch submits the chunk, waits until few enough are in flight, and begins a
// new chunk at the line next.
func (st *stream) launch(ctx context.Context, next int) error {
	pending, err := st.submit(ctx, &st.decoder.permission, st.chunk)
	if err != nil {
		if earlier := st.land(ctx, 0); earlier != nil {
			return earlier
		}
		st.breakStore(st.chunk.first, err)
		return err
	}
	st.flights = append(st.flights, flight{st.chunk, pending})
	events := len(st.chunk.submissions)
	st.chunk = &chunk{first: next}
	st.chunk.expect(events) // as many as there were
	return st.land(ctx, chunksInFlight)
}

// land waits for the oldest chunks until at most left are in flight. After an
// error those behind it are not waited for: the receipt ends there.
func (st *stream) land(ctx context.Context, left int) error {
	for len(st.flights) > left {
		oldest := st.flights[0]
		st.flights = slices.Delete(st.flights, 0, 1) // so that nothing holds the chunk
		if err := st.await(ctx, st.receipt, oldest.chunk, oldest.pending); err != nil {
			st.breakStore(oldest.chunk.first, err)
			return err
		}
	}
	return nil
}

// breakBody notes that the body could not be read on at a line.
func (st *stream) breakBody(index int, why error) {
	st.breakOff(index, why.Error(), why)
}

// breakStore notes that the chunk that begins at a line was not stored.
func (st *stream) breakStore(index int, why error) {
	text := "internal error"
	var known *metering.Error
	if errors.As(why, &known) && known.Kind != metering.KindInternal {
		text = known.Message
	}
	st.breakOff(index, text, why)
}

func (st *stream) breakOff(index int, text string, cause error) {
	st.receipt.Complete = false
	st.receipt.Cause = cause
	st.receipt.Message = fmt.Sprintf("the stream broke off at line %d, counted from 0: %s; "+
		"send it again from there or as a whole, what is stored counts as duplicate", index, text)
}

// lineReader splits a body into lines of at most MaxLineBytes.
type lineReader struct {
	source *bufio.Reader
	long   []byte // a line that is longer than the source's buffer
}

// ready reports whether a whole line has been read already.
func (l *lineReader) ready() bool {
	read, _ := l.source.Peek(l.source.Buffered()) // as much as is there: no error
	return bytes.IndexByte(read, '\n') >= 0
}

// next returns the next line, which is valid until the next call. The last one
// need not end with a line feed, but one that is cut off by an error is not
// returned.
func (l *lineReader) next() ([]byte, error) {
	l.long = l.long[:0]
	for {
		part, err := l.source.ReadSlice('\n')
		ended := err == nil
		if ended {
			part = part[:len(part)-1]
		}
		if len(l.long)+len(part) > MaxLineBytes {
			return nil, errLineTooLong
		}
		if ended && len(l.long) == 0 {
			return part, nil
		}
		l.long = append(l.long, part...)
		switch {
		case ended, err == io.EOF && len(l.long) > 0:
			return l.long, nil
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}
