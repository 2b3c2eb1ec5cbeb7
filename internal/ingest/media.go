package ingest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// Limits on bodies.
const (
	// DefaultMaxBodyBytes bounds the decompressed size of a body that is not a
	// stream (spec 3-ingest).
	DefaultMaxBodyBytes = 64 << 20
	// keptBufferBytes is the largest body buffer that is kept for reuse.
	keptBufferBytes = 4 << 20
)

// jsonSpace is what may stand around a JSON value.
const jsonSpace = " \t\r\n"

type mode uint8

const (
	modeStructured mode = iota
	modeBatch
	modeBinary
	modeStream
)

// media is how the events are put into the body.
type media struct {
	mode     mode
	encoding encoding
}

const contentTypes = "application/cloudevents+json (one event), application/cloudevents-batch+json (an array of events), " +
	"application/json with the attributes in ce-* headers (binary mode), application/x-ndjson (one event a line)"

// mediaOf reads the content type and encoding, in any letter case.
func mediaOf(h http.Header) (media, error) {
	var m media
	given := h.Get("Content-Type")
	name, parameters, err := mime.ParseMediaType(given)
	if err != nil {
		name = ""
	}
	switch name {
	case "application/cloudevents+json":
		m.mode = modeStructured
	case "application/cloudevents-batch+json":
		m.mode = modeBatch
	case "application/x-ndjson":
		m.mode = modeStream
	case "application/json":
		m.mode = modeBinary
		if !hasEventHeaders(h) {
			return m, metering.Errorf(metering.KindUnsupportedMedia, "Content-Type application/json is for binary mode, "+
				"which needs the CloudEvents attributes in headers (ce-specversion, ce-id, ce-source, ce-type, ce-time); "+
				"send whole events as application/cloudevents+json, application/cloudevents-batch+json or application/x-ndjson")
		}
	default:
		return m, metering.Errorf(metering.KindUnsupportedMedia, "Content-Type must be one of %s; got %q", contentTypes, cut(given, echoBytes))
	}
	if charset, given := parameters["charset"]; given && !strings.EqualFold(charset, "utf-8") {
		return m, metering.Errorf(metering.KindUnsupportedMedia, "charset must be UTF-8, got %q", cut(charset, echoBytes))
	}
	m.encoding, err = encodingOf(h)
	return m, err
}

func encodingOf(h http.Header) (encoding, error) {
	given := strings.Join(h.Values("Content-Encoding"), ", ")
	switch strings.ToLower(strings.TrimSpace(given)) {
	case "", "identity":
		return identity, nil
	case "gzip", "x-gzip":
		return gzipped, nil
	case "zstd":
		return zstandard, nil
	}
	return identity, metering.Errorf(metering.KindUnsupportedMedia, "Content-Encoding must be gzip, zstd or identity, got %q", cut(given, echoBytes))
}

// readBody reads a whole body, decompressed, within the bound.
func (s *Service) readBody(into *bytes.Buffer, e encoding, body io.Reader, held *holding) error {
	// The compressed side is bounded too: frames without content cost time. Data
	// that cannot be compressed grows a little, hence the slack.
	raw := &io.LimitedReader{R: body, N: s.maxBodyBytes + s.maxBodyBytes/64 + 1<<10}
	plain, release, err := s.decompress(e, raw)
	if err == nil {
		_, err = into.ReadFrom(held.reader(io.LimitReader(plain, s.maxBodyBytes+1)))
		release()
	}
	var tooLong *http.MaxBytesError
	switch packed := encodingOfBytes(into.Bytes()); {
	case packed != identity:
		return unannounced(packed, e)
	case int64(into.Len()) > s.maxBodyBytes, raw.N == 0, errors.As(err, &tooLong):
		return metering.Errorf(metering.KindTooLarge, "the decompressed body must have at most %d bytes; send fewer events at once, or any number as application/x-ndjson", s.maxBodyBytes)
	case err == errCrowded:
		return metering.Errorf(metering.KindRateLimited, "too many large bodies are being received; send this one again in a moment, or as application/x-ndjson")
	case err != nil:
		return &metering.Error{Kind: metering.KindInvalid, Message: "the body could not be read: " + err.Error(), Cause: err}
	}
	return nil
}

func (s *Service) recycle(buffer *bytes.Buffer) {
	if buffer.Cap() <= keptBufferBytes {
		buffer.Reset()
		s.buffers.Put(buffer)
	}
}
