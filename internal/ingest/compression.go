package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/meterbook/meterbook/internal/metering"
)

// maxWindowBytes bounds what a zstd stream may make its decoder remember: what
// RFC 8878 asks every decoder to support, enough for levels up to 19.
const maxWindowBytes = 8 << 20

type encoding uint8

const (
	identity encoding = iota
	gzipped
	zstandard
)

// String names the encoding as Content-Encoding does.
func (e encoding) String() string { return [...]string{"identity", "gzip", "zstd"}[e] }

// The first bytes of what is compressed. No JSON begins with them.
const (
	gzipStart  = "\x1f\x8b"
	zstdStart  = "\x28\xb5\x2f\xfd"
	startBytes = len(zstdStart)
)

// encodingOfBytes tells compression by the first bytes.
func encodingOfBytes(text []byte) encoding {
	switch {
	case bytes.HasPrefix(text, []byte(gzipStart)):
		return gzipped
	case bytes.HasPrefix(text, []byte(zstdStart)):
		return zstandard
	}
	return identity
}

// unannounced refuses a body that is still compressed once what Content-Encoding
// says is undone. Its lines would otherwise be refused one by one, as malformed.
func unannounced(packed, said encoding) error {
	if said == identity {
		return metering.Errorf(metering.KindUnsupportedMedia,
			"the body is compressed with %s, but no Content-Encoding says so: add the header Content-Encoding: %[1]s, or send it uncompressed", packed)
	}
	return metering.Errorf(metering.KindUnsupportedMedia,
		"the body is compressed with %s once more within its Content-Encoding: %s; compress it only once", packed, said)
}

// decompress returns the plain body. Call release after the last read from it,
// even after an error of a read.
func (s *Service) decompress(e encoding, body io.Reader) (plain io.Reader, release func(), err error) {
	if e == identity {
		return body, func() {}, nil
	}
	u := &unpacker{encoding: e, packed: &errorKeeper{Reader: body}}
	switch e {
	case gzipped:
		z, _ := s.gzips.Get().(*gunzipper)
		if z == nil {
			z = &gunzipper{packed: bufio.NewReader(nil)}
		}
		u.plain, err = z, z.reset(u.packed)
		release = func() { s.gzips.Put(z) }
	case zstandard:
		z, _ := s.zstds.Get().(*zstd.Decoder)
		if z == nil {
			// One at a time means without goroutines, so that a decoder that the
			// pool drops leaves nothing behind.
			z, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindowBytes))
			if err != nil {
				return nil, nil, err
			}
		}
		u.plain, err = z, z.Reset(u.packed)
		release = func() { s.zstds.Put(z) }
	}
	if err != nil {
		return nil, nil, u.explain(err)
	}
	return u, release, nil
}

// gunzipper decompresses the members of a gzip stream one after the other. The
// library does so, too, but takes a stream that ends within the file name or the
// comment of a later member for whole.
type gunzipper struct {
	packed *bufio.Reader
	member gzip.Reader
}

func (g *gunzipper) reset(packed io.Reader) error {
	g.packed.Reset(packed)
	return g.begin()
}

// begin reads the header of a member.
func (g *gunzipper) begin() error {
	err := g.member.Reset(g.packed)
	g.member.Multistream(false)
	return err
}

// Read implements io.Reader.
func (g *gunzipper) Read(p []byte) (n int, err error) {
	for n == 0 {
		if n, err = g.member.Read(p); err != io.EOF {
			return n, err
		}
		if _, err = g.packed.Peek(1); err != nil {
			return n, err // io.EOF after a whole member
		}
		if err = g.begin(); err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// unpacker decompresses, and says of an error whether the compression is to
// blame or the connection.
type unpacker struct {
	encoding encoding
	packed   *errorKeeper
	plain    io.Reader
}

// Read implements io.Reader.
func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.plain.Read(p)
	if err != nil && err != io.EOF {
		err = u.explain(err)
	}
	return n, err
}

func (u *unpacker) explain(err error) error {
	switch {
	case u.packed.err != nil && u.packed.err != io.EOF:
		return u.packed.err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // though what was sent has come to its end
		return fmt.Errorf("its %s compression is cut short: the end is missing", u.encoding)
	}
	return fmt.Errorf("its %s compression is broken: %w", u.encoding, err)
}

// errorKeeper remembers how reading ended.
type errorKeeper struct {
	io.Reader
	err error
}

// Read implements io.Reader.
func (k *errorKeeper) Read(p []byte) (int, error) {
	n, err := k.Reader.Read(p)
	if err != nil {
		k.err = err
	}
	return n, err
}
