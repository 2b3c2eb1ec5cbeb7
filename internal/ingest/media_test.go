package ingest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/meterbook/meterbook/internal/metering"
)

// encode compresses a body as Content-Encoding says.
func encode(t testing.TB, encoding, body string) string {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		z, err := zstd.NewWriter(&out)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return body
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func binary() http.Header {
	return headers("content-type", "application/json", "ce-specversion", "1.0", "ce-id", "e-1", "ce-source", "/test",
		"ce-type", typeState, "ce-time", "2024-07-01T00:00:05Z")
}

// TestModesAndEncodings sends the same event in every mode and encoding.
func TestModesAndEncodings(t *testing.T) {
	t.Parallel()
	event := eventOf(typeNamed(t, "instance"))
	want, text := accept(t, event.text(t)), event.text(t)
	modes := []struct {
		h    http.Header
		body string
	}{
		{structured(), text},
		{batched(), "[" + text + "]"},
		{ndjson(), text + "\n"},
		{binary(), event["data"].(object).text(t)},
	}
	for _, m := range modes {
		for _, e := range []string{"", "identity", "gzip", "GZIP", "x-gzip", "zstd"} {
			h := m.h.Clone()
			if e != "" {
				h.Set("Content-Encoding", e)
			}
			store := newRecorder()
			r := receive(t, store.service(), anywhere(), h, encode(t, strings.ToLower(e), m.body))
			if r.Accepted != 1 || r.Status() != http.StatusOK || !store.only(t).SameContent(want) {
				t.Errorf("%v: receipt %+v, stored %+v", h, r, store.mu.stored)
			}
		}
	}
}

func TestContentTypesInAnyCaseWithParameters(t *testing.T) {
	t.Parallel()
	text := eventOf(typeNamed(t, "instance")).text(t)
	for contentType, body := range map[string]string{
		"application/cloudevents+json; charset=UTF-8":     text,
		"Application/CloudEvents+JSON;charset=\"utf-8\"":  text,
		"APPLICATION/cloudevents-batch+json; profile=any": "[" + text + "]",
		"application/X-NDJSON; charset=utf-8":             text,
	} {
		if r := receive(t, newRecorder().service(), anywhere(), headers("Content-Type", contentType), body); r.Accepted != 1 {
			t.Errorf("%s: receipt %+v", contentType, r)
		}
	}
}

func TestOtherMediaAreRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		h    http.Header
		says string
	}{
		"none":          {headers(), "application/x-ndjson"},
		"xml":           {headers("Content-Type", "application/cloudevents+xml"), "application/cloudevents-batch+json"},
		"broken":        {headers("Content-Type", "a;b;c"), "application/cloudevents+json"},
		"plain JSON":    {headers("Content-Type", "application/json"), "ce-specversion"},
		"other charset": {headers("Content-Type", "application/cloudevents+json; charset=latin1"), "charset must be UTF-8"},
		"brotli":        {headers("Content-Type", "application/x-ndjson", "Content-Encoding", "br"), "gzip, zstd"},
		"two encodings": {headers("Content-Type", "application/x-ndjson", "Content-Encoding", "gzip", "Content-Encoding", "gzip"), "gzip, zstd"},
	}
	for name, c := range cases {
		store := newRecorder()
		_, err := store.service().Receive(t.Context(), anywhere(), c.h, strings.NewReader("{}"))
		if metering.KindOf(err) != metering.KindUnsupportedMedia || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHeadersAreDecoded(t *testing.T) {
	t.Parallel()
	data := eventOf(typeNamed(t, "instance"))["data"].(object).text(t)
	for given, want := range map[string]string{
		"plain": "plain", "Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀", "%65": "e", "%22%5c": `"\`,
		`"in quotes"`: "in quotes", `"a \"b\" \\ %41"`: `a "b" \ A`, `"`: `"`, "ünïcode": "ünïcode",
	} {
		store := newRecorder()
		h := binary()
		h.Set("ce-id", given)
		h.Set("ce-sequence", "7")
		h.Set("ce-datacontenttype", "text/plain") // the data's type is the header Content-Type
		h.Set("ce-traceparent", "%zz")            // an extension that is not looked at
		if r := receive(t, store.service(), anywhere(), h, data); r.Accepted != 1 {
			t.Errorf("%s: receipt %+v", given, r)
			continue
		}
		if o := store.only(t); o.Name.ID != want || o.Sequence != 7 {
			t.Errorf("%s: id %q, sequence %d", given, o.Name.ID, o.Sequence)
		}
	}
}

func TestBinaryEventsThatAreMalformed(t *testing.T) {
	t.Parallel()
	good := eventOf(typeNamed(t, "instance"))["data"].(object).text(t)
	cases := []struct {
		header, value, body, field string
	}{
		{"ce-id", "%4", good, "id"},
		{"ce-id", "%zz", good, "id"},
		{"ce-id", "%ff", good, "id"},
		{"ce-id", "", good, "id"},
		{"ce-specversion", "0.3", good, "specversion"},
		{"ce-x", "", "", ""},
		{"ce-x", "", "null", "data"},
		{"ce-x", "", "[]", "data"},
		{"ce-x", "", `"text"`, "data"},
		{"ce-x", "", good + good, ""},
		{"ce-x", "", good[:len(good)-1], ""},
		{"ce-x", "", good + `,"id":"smuggled"`, ""},
	}
	s := newRecorder().service()
	for _, c := range cases {
		h := binary()
		h.Set(c.header, c.value)
		r := receive(t, s, anywhere(), h, c.body)
		if r.RejectedTotal != 1 || r.Rejected[0].Code != "malformed" || r.Rejected[0].Field != c.field {
			t.Errorf("%s: %q, %.40q: receipt %+v", c.header, c.value, c.body, r)
		}
	}
	h := binary()
	h.Add("ce-id", "e-2")
	if r := receive(t, s, anywhere(), h, good); r.RejectedTotal != 1 || r.Rejected[0].Field != "id" || r.Rejected[0].Source != "/test" {
		t.Errorf("an id twice: receipt %+v", r)
	}
}

func TestBodyAtItsGreatestSize(t *testing.T) {
	t.Parallel()
	const most = 2000
	event := "[" + eventOf(typeNamed(t, "instance")).text(t)
	for _, e := range []string{"identity", "gzip", "zstd"} {
		h := batched()
		h.Set("Content-Encoding", e)
		store := newRecorder()
		s := New(store, Options{Clock: testNow, Directory: store, MaxBodyBytes: most})
		full := event + strings.Repeat(" ", most-len(event)-1) + "]"
		if r := receive(t, s, anywhere(), h, encode(t, e, full)); r.Accepted != 1 {
			t.Errorf("%s: receipt %+v", e, r)
		}
		_, err := s.Receive(t.Context(), anywhere(), h, strings.NewReader(encode(t, e, full+" ")))
		if metering.KindOf(err) != metering.KindTooLarge || len(store.mu.stored) != 1 {
			t.Errorf("%s: %v, stored %d", e, err, len(store.mu.stored))
		}
	}
}

func TestDefaultBodyBound(t *testing.T) {
	t.Parallel()
	if s := newRecorder().service(); s.maxBodyBytes != 64<<20 {
		t.Errorf("the bound is %d", s.maxBodyBytes)
	}
}

// TestEmptyFramesAreBounded sends compressed frames without content, which no
// bound on the decompressed size would ever end.
func TestEmptyFramesAreBounded(t *testing.T) {
	t.Parallel()
	store := newRecorder()
	s := New(store, Options{Clock: testNow, Directory: store, MaxBodyBytes: 2000})
	for _, e := range []string{"gzip", "zstd"} {
		h := batched()
		h.Set("Content-Encoding", e)
		frame := encode(t, e, "")
		if e == "zstd" {
			frame = "\x50\x2a\x4d\x18\x04\x00\x00\x00skip" // a skippable frame
		}
		_, err := s.Receive(t.Context(), anywhere(), h, strings.NewReader(strings.Repeat(frame, 1000)))
		if metering.KindOf(err) != metering.KindTooLarge {
			t.Errorf("%s: %v", e, err)
		}
	}
}

func TestBodiesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	good := "[" + eventOf(typeNamed(t, "instance")).text(t) + "]"
	gone := errors.New("connection reset")
	cases := map[string]struct {
		encoding string
		body     io.Reader
		kind     metering.Kind
		says     string
	}{
		"not gzip":       {"gzip", strings.NewReader(good), metering.KindInvalid, "its gzip compression is broken"},
		"not zstd":       {"zstd", strings.NewReader(good), metering.KindInvalid, "its zstd compression is broken"},
		"half a gzip":    {"gzip", strings.NewReader(encode(t, "gzip", good)[:40]), metering.KindInvalid, "its gzip compression is cut short"},
		"half a zstd":    {"zstd", strings.NewReader(encode(t, "zstd", good)[:40]), metering.KindInvalid, "its zstd compression is cut short"},
		"half a header":  {"gzip", strings.NewReader(gzipStart), metering.KindInvalid, "its gzip compression is cut short"},
		"half a name":    {"gzip", strings.NewReader(encode(t, "gzip", good) + "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03name"), metering.KindInvalid, "its gzip compression is cut short"},
		"wide window":    {"zstd", strings.NewReader("\x28\xb5\x2f\xfd\x00\x78\x01\x00\x00"), metering.KindInvalid, "its zstd compression is broken"},
		"client gone":    {"identity", io.MultiReader(strings.NewReader(good), errReader{gone}), metering.KindInvalid, "connection reset"},
		"gone in a gzip": {"gzip", io.MultiReader(strings.NewReader(encode(t, "gzip", good)[:40]), errReader{gone}), metering.KindInvalid, "read: connection reset"},
		"server bound":   {"identity", errReader{&http.MaxBytesError{Limit: 5}}, metering.KindTooLarge, "at most"},
	}
	for name, c := range cases {
		store := newRecorder()
		h := batched()
		h.Set("Content-Encoding", c.encoding)
		_, err := store.service().Receive(t.Context(), anywhere(), h, c.body)
		if metering.KindOf(err) != c.kind || err == nil || !strings.Contains(err.Error(), c.says) || len(store.mu.stored) != 0 {
			t.Errorf("%s: %v, stored %d", name, err, len(store.mu.stored))
		}
	}
}

// TestCompressionThatNobodyAnnouncedIsRefusedAsAWhole sends compressed bodies
// without Content-Encoding, and bodies that are compressed twice.
func TestCompressionThatNobodyAnnouncedIsRefusedAsAWhole(t *testing.T) {
	t.Parallel()
	text := eventOf(typeNamed(t, "instance")).text(t)
	for name, h := range map[string]http.Header{"structured": structured(), "batch": batched(), "stream": ndjson(), "binary": binary()} {
		for _, packed := range []string{"gzip", "zstd"} {
			for _, said := range []string{"identity", "gzip", "zstd"} {
				store := newRecorder()
				h := h.Clone()
				h.Set("Content-Encoding", said)
				body := encode(t, said, encode(t, packed, text))
				_, err := store.service().Receive(t.Context(), anywhere(), h, strings.NewReader(body))
				remedy := "add the header Content-Encoding: " + packed
				if said != "identity" {
					remedy = "compress it only once"
				}
				if metering.KindOf(err) != metering.KindUnsupportedMedia || !strings.Contains(err.Error(), remedy) || store.mu.batches != 0 {
					t.Errorf("%s, %s in %s: %v", name, packed, said, err)
				}
			}
		}
	}
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }
