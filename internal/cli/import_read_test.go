package cli

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

func TestChunksKeepTheLinesNumbers(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 2*chunkLinesMax + 3 {
		fmt.Fprintf(&text, "line %d\r\n", i+1)
	}
	text.WriteString("the last, without an end")
	var firsts, counts []int64
	err := readChunksOf("f", strings.NewReader(text.String()), func(c chunk) error {
		firsts, counts = append(firsts, c.firstLine), append(counts, c.lines)
		if want := fmt.Sprintf("line %d", c.firstLine); string(c.line(c.firstLine)) != want {
			t.Errorf("line %d of the file is %q", c.firstLine, c.line(c.firstLine))
		}
		return nil
	})
	if err != nil || !slices.Equal(firsts, []int64{1, 1001, 2001}) || !slices.Equal(counts, []int64{1000, 1000, 4}) {
		t.Errorf("chunks from %v with %v lines, error %v", firsts, counts, err)
	}
}

func TestALineAsLongAsAnEventMayBeIsSentAndALongerOneIsNot(t *testing.T) {
	t.Parallel()
	fits := strings.Repeat("x", metering.MaxEventBytes)
	for name, c := range map[string]struct {
		text    string
		tooLong []int64
		bytes   int
	}{
		"fits":             {fits + "\nnext\n", nil, metering.MaxEventBytes + len("\nnext\n")},
		"fits, no end":     {"first\n" + fits, nil, metering.MaxEventBytes + len("first\n")},
		"too long":         {fits + "xyz\nnext\n", []int64{1}, len("\nnext\n")},
		"too long, no end": {"first\n" + fits + "xyz", []int64{2}, len("first\n\n")},
	} {
		var tooLong []int64
		sent := 0
		err := readChunksOf("f", strings.NewReader(c.text), func(next chunk) error {
			tooLong = append(tooLong, next.tooLong...)
			sent += len(next.text)
			return nil
		})
		if err != nil || !slices.Equal(tooLong, c.tooLong) || sent != c.bytes {
			t.Errorf("%s: too long %v, sent %d bytes, error %v; want %v and %d", name, tooLong, sent, err, c.tooLong, c.bytes)
		}
	}
}

// TestAFileThatEndsWithinAHeaderIsCutShort cuts a file of two members where the
// name of the second one stands.
func TestAFileThatEndsWithinAHeaderIsCutShort(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("line\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	packed.WriteString("\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x03name")
	err := readChunksOf("f", &packed, func(chunk) error { return nil })
	if metering.KindOf(err) != metering.KindInvalid || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("taken for whole: %v", err)
	}
}
