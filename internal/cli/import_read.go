package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/meterbook/meterbook/internal/metering"
)

// chunk is a run of lines of one file that is sent as one request.
type chunk struct {
	file      string
	firstLine int64 // from 1
	lines     int64
	text      []byte // whole lines
	tooLong   []int64
	read      int64 // bytes of the file, compressed as it is, up to the end of the chunk
}

// A chunk has at most as many lines as a receipt lists rejections, so that no
// rejection goes unnamed.
const (
	chunkLinesMax = 1000
	chunkBytesMax = 4 << 20
)

// stdinName stands for standard input among the files.
const stdinName = "-"

// unreadable says that a file cannot be imported, and why.
func unreadable(file string, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return metering.Errorf(metering.KindInvalid, "read %s: %v", file, err)
}

// fileSizes adds up the sizes of the files; 0 when one of them is unknown.
func fileSizes(files []string) (total int64, err error) {
	known := true
	for _, file := range files {
		if file == stdinName {
			known = false
			continue
		}
		info, err := os.Stat(file)
		switch {
		case err != nil:
			return 0, unreadable(file, err)
		case info.IsDir():
			return 0, metering.Errorf(metering.KindInvalid, "read %s: it is a directory; name the files in it", file)
		}
		known = known && info.Mode().IsRegular()
		total += info.Size()
	}
	if !known {
		return 0, nil
	}
	return total, nil
}

// readChunks yields the lines of a file, decompressed, in chunks, of which the
// last one may be empty; yield returns an error to stop.
func readChunks(env *Env, file string, yield func(chunk) error) error {
	if file == stdinName {
		return readChunksOf(file, env.Stdin, yield)
	}
	f, err := os.Open(file)
	if err != nil {
		return unreadable(file, err)
	}
	return errors.Join(readChunksOf(file, f, yield), f.Close())
}

func readChunksOf(file string, source io.Reader, yield func(chunk) error) error {
	counted := &countingReader{r: source}
	text, done, err := decompress(file, counted)
	if err != nil {
		return err
	}
	defer done()
	return splitLines(file, text, counted, yield)
}

// countingReader counts the bytes that were read. A decompressor may read in a
// goroutine of its own.
type countingReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// decompress finds out by its first bytes how a file is compressed.
func decompress(file string, source io.Reader) (text io.Reader, done func(), err error) {
	buffered := bufio.NewReaderSize(source, 256<<10)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, unreadable(file, err)
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, nil, unreadable(file, err)
		}
		return z, func() {}, nil
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(buffered)
		if err != nil {
			return nil, nil, unreadable(file, err)
		}
		return z, z.Close, nil
	case len(magic) > 0 && (strings.HasSuffix(file, ".gz") || strings.HasSuffix(file, ".zst")):
		return nil, nil, metering.Errorf(metering.KindInvalid, "read %s: its name says that it is compressed, but it is not", file)
	case len(magic) > 0 && magic[0] == '[':
		return nil, nil, metering.Errorf(metering.KindInvalid, "read %s: it is a JSON array; import takes one event a line (jq -c '.[]' %s)", file, file)
	}
	return buffered, func() {}, nil
}

// splitLines cuts the text into chunks of whole lines. A line that is longer
// than any event may be is noted and left blank, so that the lines after it
// keep their numbers.
func splitLines(file string, text io.Reader, counted *countingReader, yield func(chunk) error) error {
	lines := bufio.NewReaderSize(text, metering.MaxEventBytes+len("\r\n"))
	next := chunk{file: file, firstLine: 1}
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			next.tooLong = append(next.tooLong, next.firstLine+next.lines)
			line, err = []byte{'\n'}, skipLine(lines)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return unreadable(file, err)
		}
		next.text = append(next.text, line...)
		if len(line) > 0 {
			next.lines++
		}
		ended := err != nil
		if ended || next.lines == chunkLinesMax || len(next.text) >= chunkBytesMax {
			next.read = counted.n.Load()
			if err := yield(next); err != nil || ended {
				return err
			}
			next = chunk{file: file, firstLine: next.firstLine + next.lines}
		}
	}
}

// skipLine reads on to the end of the line, however long it is.
func skipLine(lines *bufio.Reader) error {
	for {
		_, err := lines.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// line returns a line of the chunk by its number in the file.
func (c *chunk) line(number int64) []byte {
	n := c.firstLine
	for line := range bytes.Lines(c.text) {
		if n == number {
			return bytes.TrimSpace(line)
		}
		n++
	}
	return nil
}
