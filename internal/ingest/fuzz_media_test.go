package ingest

import (
	"bytes"
	stdgzip "compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/meterbook/meterbook/internal/metering"
)

// FuzzBatch: a body is taken as a batch just when it is an array in the grammar
// of JSON, and each element is judged as it would be alone.
func FuzzBatch(f *testing.F) {
	all := seeds(f)
	f.Add([]byte("[" + strings.Join(all[7:12], ",") + "]"))
	f.Add([]byte(` [ {} , [[]] , "a" , 1e3 , null , {"id":"a","id":"b"} ] `))
	for _, body := range []string{"", "[]", "[,]", "[1,]", "[1 2]", "{}", "[]]", "[\"\xff\"]", "\x1f\x8b"} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := newRecorder().service().Receive(t.Context(), anywhere(), batched(), bytes.NewReader(body))
		var elements []json.RawMessage
		if bad := json.Unmarshal(body, &elements); bad != nil || elements == nil { // null gives nil
			if kind := metering.KindOf(err); kind != metering.KindInvalid && (kind != metering.KindUnsupportedMedia || encodingOfBytes(body) == identity) {
				t.Fatalf("%v of what is no JSON array", err)
			}
			return
		}
		if err != nil || !r.Complete || r.Accepted+r.RejectedTotal != len(elements) {
			t.Fatalf("%+v, %v of %d elements", r, err, len(elements))
		}
		rejected := r.Rejected
		for index, element := range elements[:min(len(elements), MaxListedRejections)] {
			alone := receive(t, newRecorder().service(), anywhere(), structured(), " "+string(element))
			if alone.RejectedTotal == 0 {
				continue
			}
			want := alone.Rejected[0]
			if want.Index = index; len(rejected) == 0 || rejected[0] != want {
				t.Fatalf("element %d alone: %+v, in the batch: %+v", index, want, rejected)
			}
			rejected = rejected[1:]
		}
	})
}

// FuzzBinary: an event whose attributes are in headers is judged as the same
// event in structured form.
func FuzzBinary(f *testing.F) {
	data := eventOf(typeNamed(f, "instance"))["data"].(object).text(f)
	f.Add("e-1", "/test", typeState, "2024-07-01T00:00:05Z", "7", []byte(data))
	f.Add("%41%2", "%2Ftest", "", "%FF", "", []byte(data))
	f.Add(`"a\"b"`, "/ö", typeQuantity, "2024-07-01T00:00:05Z", "1e3", []byte(`{},"id":"other"`))
	f.Fuzz(func(t *testing.T, id, source, kind, at, sequence string, body []byte) {
		h, event, plain := binary(), map[string]any{"specversion": "1.0"}, true
		for name, value := range map[string]string{"id": id, "source": source, "type": kind, "time": at, "sequence": sequence} {
			h.Set("ce-"+name, value)
			text, err := url.PathUnescape(value)
			plain = plain && err == nil && utf8.ValidString(text) && !strings.Contains(value, `"`)
			event[name] = text
		}
		r, err := newRecorder().service().Receive(t.Context(), anywhere(), h, bytes.NewReader(body))
		if metering.KindOf(err) == metering.KindUnsupportedMedia && encodingOfBytes(body) != identity {
			return
		}
		if err != nil || r.Accepted+r.RejectedTotal != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		if !plain || !json.Valid(body) {
			if !json.Valid(body) && r.Accepted > 0 {
				t.Fatalf("taken, although the body is no JSON: %q", body)
			}
			return
		}
		event["data"] = json.RawMessage(bytes.Trim(body, jsonSpace))
		text, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if other := receive(t, newRecorder().service(), anywhere(), structured(), string(text)); other.Accepted != r.Accepted || other.Accepted == 0 && other.Rejected[0].Code != r.Rejected[0].Code {
			t.Fatalf("in headers: %+v, structured: %+v of %s", r, other, text)
		}
	})
}

// FuzzMedia: a content type is refused with a short message, or is one of the
// four, its parameters and its letter case aside.
func FuzzMedia(f *testing.F) {
	for _, pair := range [][2]string{
		{"application/cloudevents+json; charset=UTF-8", "gzip"}, {"APPLICATION/X-NDJSON", "Identity"}, {"application/json", ""}, {"", "zstd"},
		{"application/cloudevents-batch+json;charset=latin1", "br"}, {"application/x-ndjson; a=b; a=c", "gzip, gzip"}, {"text/plain; charset*=utf-8''x", "\x00"},
	} {
		f.Add(pair[0], pair[1], true)
	}
	f.Fuzz(func(t *testing.T, contentType, contentEncoding string, binary bool) {
		h := http.Header{"Content-Type": {contentType}, "Content-Encoding": {contentEncoding}}
		if binary {
			h["ce-id"] = []string{"1"}
		}
		m, err := mediaOf(h)
		name, _, bad := mime.ParseMediaType(contentType)
		names := []string{"application/cloudevents+json", "application/cloudevents-batch+json", "application/json", "application/x-ndjson"}
		place := slices.Index(names, name)
		encodings := map[string]encoding{"": identity, "identity": identity, "gzip": gzipped, "x-gzip": gzipped, "zstd": zstandard}
		e, known := encodings[strings.ToLower(strings.TrimSpace(contentEncoding))]
		switch {
		case err != nil && (metering.KindOf(err) != metering.KindUnsupportedMedia || len(err.Error()) > 600 || !utf8.ValidString(err.Error())):
			t.Errorf("%q, %q: %v", contentType, contentEncoding, err)
		case err == nil && (bad != nil || place < 0 || !known || m.encoding != e):
			t.Errorf("%q, %q are taken as %+v", contentType, contentEncoding, m)
		case err == nil && m.mode != []mode{modeStructured, modeBatch, modeBinary, modeStream}[place]:
			t.Errorf("%q is taken as mode %d", contentType, m.mode)
		}
	})
}

// FuzzCompressed: a compressed body is taken as what another decoder makes of
// it, or is refused; nothing makes it allocate more than its bound allows.
func FuzzCompressed(f *testing.F) {
	const most = 1 << 15
	event := eventOf(typeNamed(f, "instance")).text(f)
	for _, encoding := range []string{"gzip", "zstd"} {
		f.Add(encoding == "zstd", []byte(encode(f, encoding, event)))
		f.Add(encoding == "zstd", []byte(encode(f, encoding, strings.Repeat(" ", most-len(event)+1)+event)))
		f.Add(encoding == "zstd", []byte(encode(f, encoding, event[:9])+encode(f, encoding, event[9:])))
		f.Add(encoding == "zstd", []byte(encode(f, encoding, encode(f, encoding, event))))
	}
	f.Fuzz(func(t *testing.T, isZstd bool, packed []byte) {
		h, plain, bad := structured(), []byte(nil), error(nil)
		if h.Set("Content-Encoding", "gzip"); isZstd {
			h.Set("Content-Encoding", "zstd")
			plain, bad = unpackZstd(t, packed, most+1)
		} else {
			plain, bad = unpackGzip(packed, most+1)
		}
		store := newRecorder()
		s := New(store, Options{Clock: testNow, Directory: store, MaxBodyBytes: most})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := s.Receive(t.Context(), anywhere(), h, bytes.NewReader(packed))
		runtime.ReadMemStats(&after)
		const bound = 4*maxWindowBytes + 1<<20
		if used := after.TotalAlloc - before.TotalAlloc; used > bound {
			t.Errorf("%d bytes took %d bytes of memory", len(packed), used)
		}
		switch kind := metering.KindOf(err); {
		case encodingOfBytes(plain) != identity:
			if kind != metering.KindUnsupportedMedia && (bad == nil || kind != metering.KindInvalid) {
				t.Errorf("compressed twice: %v", err)
			}
		case len(plain) > most:
			if kind != metering.KindTooLarge && (bad == nil || kind != metering.KindInvalid) {
				t.Errorf("%d bytes: %v", len(plain), err)
			}
		case bad != nil:
			if kind != metering.KindInvalid && kind != metering.KindUnsupportedMedia && kind != metering.KindTooLarge {
				t.Errorf("taken, although it cannot be decompressed: %v, %v", bad, err)
			}
		case err != nil:
			t.Errorf("refused: %v", err)
		default:
			alone := receive(t, newRecorder().service(), anywhere(), structured(), " "+string(plain))
			if receiptText(t, alone) != receiptText(t, r) {
				t.Errorf("compressed: %+v, plain: %+v", r, alone)
			}
		}
	})
}

func unpackGzip(packed []byte, most int64) ([]byte, error) {
	z, err := stdgzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, most))
	if err == nil { // a decoder that reads ahead finds what is wrong further on
		_, err = io.Copy(io.Discard, io.LimitReader(z, 100*most))
	}
	return plain, err
}

// unpackZstd decodes all at once, as a stream would not.
func unpackZstd(t *testing.T, packed []byte, most int64) ([]byte, error) {
	t.Helper()
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<20), zstd.WithDecoderMaxWindow(maxWindowBytes))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	plain, err := z.DecodeAll(packed, nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return make([]byte, most), err // what it says of its size may be wrong in other ways
	}
	return plain[:min(int64(len(plain)), most)], err
}
