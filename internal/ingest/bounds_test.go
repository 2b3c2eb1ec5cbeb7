package ingest

import (
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// TestWindowAtItsGreatestSize sends frames of zstd that ask their decoder to
// remember 8 MiB, and the next size that the format has, 9 MiB.
func TestWindowAtItsGreatestSize(t *testing.T) {
	t.Parallel()
	const window8, window9 = "\x68", "\x69" // 2^(10+13) bytes, and an eighth more
	h := batched()
	h.Set("Content-Encoding", "zstd")
	frame := func(window string) string { return zstdStart + "\x00" + window + "\x11\x00\x00[]" }
	s := newRecorder().service()
	if r := receive(t, s, anywhere(), h, frame(window8)); !r.Complete || r.Status() != 200 {
		t.Errorf("a window of %d bytes: %+v", maxWindowBytes, r)
	}
	_, err := s.Receive(t.Context(), anywhere(), h, strings.NewReader(frame(window9)))
	if metering.KindOf(err) != metering.KindInvalid || !strings.Contains(err.Error(), "its zstd compression is broken") {
		t.Errorf("a window of more: %v", err)
	}
}

// TestCitedTextsAreCutAtTheirLimit: what an answer cites of an event is short,
// however long the event makes it.
func TestCitedTextsAreCutAtTheirLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{maxSyntaxTextBytes, echoBytes, metering.MaxIDBytes} {
		if at := strings.Repeat("x", limit); cut(at, limit) != at || cut(at+"x", limit) != at+"…" {
			t.Errorf("texts of %d and %d bytes are %q and %q", limit, limit+1, cut(at, limit), cut(at+"x", limit))
		}
		if wide := strings.Repeat("я", limit); len(cut(wide, limit)) > limit+len("…") || strings.Contains(cut(wide, limit), "\uFFFD") {
			t.Errorf("a text of wide characters is cut to %q", cut(wide, limit))
		}
	}
	long := strings.Repeat("n", 100_000)
	for _, event := range []string{`{"` + long + `":{"a":tru}}`, `{"id":"` + long + `","source":"` + long + `"}`, `{"data":{"` + long + `":1}}`} {
		r := receive(t, newRecorder().service(), anywhere(), structured(), event)
		if got := r.Rejected[0]; len(got.Message)+len(got.Field)+len(got.ID)+len(got.Source) > 2*maxSyntaxTextBytes+2*metering.MaxIDBytes+100 {
			t.Errorf("a long event is answered with %d bytes of message", len(got.Message))
		}
	}
}
