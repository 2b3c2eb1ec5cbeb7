package cli

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/meterbook/meterbook/internal/metering"
)

// FuzzChunks: the chunks of a file are its lines, none lost or doubled, each under
// its number, however the file is compressed and in whatever pieces it is read; what
// cannot be read is refused with the file's name.
func FuzzChunks(f *testing.F) {
	for _, text := range []string{"", "\n", "a", "a\n", "a\r\n\r\n \nb", "\n\n\nlast", "\xef\xbb\xbf{}\n", "\xff\x00\n\u2028\n", "[{}]", "\x1f\x8b\n", "\x28\xb5\x2f\xfd", "\r", "{}\n[\n"} {
		for packed := range uint8(3) {
			f.Add([]byte(text), uint16(0), packed, packed == 1)
		}
	}
	f.Add([]byte("x\n"), uint16(chunkLinesMax), uint8(0), false)
	f.Add([]byte("x\n"), uint16(chunkLinesMax-2), uint8(1), true)
	f.Add([]byte("\ny"), uint16(2*chunkLinesMax+1), uint8(2), false)
	for repeated := range uint16(4) {
		f.Add([]byte("y\r\n\n"), 4*chunkLinesMax+repeated, uint8(repeated+4), false)
	}
	f.Add([]byte("one\ntwo"), uint16(3), uint8(9), true)
	f.Add([]byte("one\ntwo"), uint16(3), uint8(14), true)
	f.Fuzz(func(t *testing.T, text []byte, repeated uint16, packed uint8, slowly bool) {
		text = slices.Concat(text, bytes.Repeat(text, min(int(repeated), 1<<20/max(len(text), 1))))
		if packed&4 != 0 { // beside lines that are as long as they may be, and too long
			text = slices.Concat(bytes.Repeat([]byte("x"), metering.MaxEventBytes+int(repeated%4)), []byte("\n"), text)
		}
		file, source := packedAs(t, packed, text)
		if slowly {
			source = iotest.HalfReader(source)
		}
		var chunks []chunk
		err := readChunksOf(file, source, func(c chunk) error {
			chunks = append(chunks, c)
			return nil
		})
		plain := packed&3 == 0 || packed&3 == 3
		isArray, byItself := bytes.HasPrefix(text, []byte("[")), bytes.HasPrefix(text, []byte("\x1f\x8b")) || bytes.HasPrefix(text, []byte("\x28\xb5\x2f\xfd"))
		refused := plain && (isArray || byItself)
		if refused && byItself && err == nil {
			return // it is compressed by itself, and well
		}
		if refused != (err != nil) || err != nil && (metering.KindOf(err) != metering.KindInvalid || !strings.HasPrefix(err.Error(), "read "+file+": ")) {
			t.Fatalf("%.40q: %v", text, err)
		}
		if err == nil {
			expectLines(t, chunks, text)
		}
	})
}

// packedAs is a file of the text: as it is, or compressed, once or in two parts.
func packedAs(t *testing.T, packed uint8, text []byte) (name string, source io.Reader) {
	t.Helper()
	var out bytes.Buffer
	parts := [][]byte{text}
	if packed&8 != 0 {
		parts = [][]byte{text[:len(text)/2], text[len(text)/2:]}
	}
	for _, part := range parts {
		var w io.WriteCloser
		var err error
		switch packed & 3 {
		case 1:
			name, w = "f.gz", gzip.NewWriter(&out)
		case 2:
			name = "f.zst"
			w, err = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
		default:
			return "f.ndjson", bytes.NewReader(text)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(part)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return name, &out
}

// expectLines compares chunks with the lines of a text.
func expectLines(t *testing.T, chunks []chunk, text []byte) {
	t.Helper()
	lines := slices.Collect(bytes.Lines(text))
	next := int64(1)
	for i, c := range chunks {
		if c.firstLine != next || c.lines > chunkLinesMax || c.lines == 0 && i < len(chunks)-1 || int64(len(lines)) < next+c.lines-1 {
			t.Fatalf("chunk %d has %d lines from %d on, of %d; want them from %d on", i, c.lines, c.firstLine, len(lines), next)
		}
		var want []byte
		var tooLong []int64
		for j, line := range lines[next-1 : next-1+c.lines] {
			number := next + int64(j)
			if most := metering.MaxEventBytes + len("\r\n"); len(line) > most || len(line) == most && line[most-1] != '\n' {
				tooLong, line = append(tooLong, number), []byte("\n")
			}
			want = append(want, line...)
			if got := c.line(number); (j < 5 || j > int(c.lines)-5) && !bytes.Equal(got, bytes.TrimSpace(line)) {
				t.Errorf("line %d is %.40q, want %.40q", number, got, line)
			}
		}
		if !bytes.Equal(c.text, want) || !slices.Equal(c.tooLong, tooLong) {
			t.Errorf("chunk %d is %.40q, want %.40q; too long are %v, want %v", i, c.text, want, c.tooLong, tooLong)
		}
		next += c.lines
	}
	if next != int64(len(lines))+1 {
		t.Errorf("%d lines of %d", next-1, len(lines))
	}
}
