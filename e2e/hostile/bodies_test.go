package hostile

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// bomb compresses a text that repeats. Parts are compressed by themselves, which
// is what both formats allow, so that a bomb of any size is made at once.
func bomb(t *testing.T, encoding, text string, size int) []byte {
	t.Helper()
	const part = 16 << 20
	var packed bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&packed)
	if encoding == "zstd" {
		z, err := zstd.NewWriter(&packed)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	if _, err := w.Write(bytes.Repeat([]byte(text), part/len(text))); err != nil {
		t.Fatal(err)
	}
	must(t, w.Close)
	return bytes.Repeat(packed.Bytes(), size/part)
}

const (
	batchType  = "Content-Type: application/cloudevents-batch+json"
	eventType  = "Content-Type: application/cloudevents+json"
	streamType = "Content-Type: application/x-ndjson"
)

// TestBombsCostLittleMemory sends bodies of a gigabyte once decompressed, many
// at once. With --max-body 16 MiB two of them may be in memory: a growing buffer
// is twice what is in it while it moves, and the collector lets the heap grow by
// 40 %. Each of 64 requests has a window of zstd besides, 8 MiB. Without a bound
// over all bodies it would be 64 bodies more.
func TestBombsCostLittleMemory(t *testing.T) {
	t.Parallel()
	const maxBody, atOnce, bound = 16 << 20, 32, 2*3*16<<20 + 64*8<<20 + 128<<20
	p := start(t, "--max-body", "16MiB")
	visit, attacker := welcome(t, p), p.tenant("attacker")
	before, end := p.rssAnon(), p.peak()
	var bombs sync.WaitGroup
	var tooLarge, putOff, broken atomic.Int64
	for _, encoding := range []string{"gzip", "zstd"} {
		blanks := bomb(t, encoding, " ", 1<<30)
		for range atOnce {
			for _, media := range []string{batchType, eventType} {
				bombs.Go(func() {
					a, err := ask(http.DefaultClient, "POST", p.URL("/v1/events"), attacker, bytes.NewReader(blanks), media, "Content-Encoding: "+encoding)
					switch {
					case err != nil: // answered, and closed before all was sent
						broken.Add(1)
					case a.status == http.StatusRequestEntityTooLarge:
						tooLarge.Add(1)
					case a.status == http.StatusTooManyRequests:
						putOff.Add(1)
					default:
						t.Errorf("a bomb: %d %s", a.status, a.body)
					}
				})
			}
		}
		bombs.Wait()
	}
	grown := end() - before
	visit.leave()
	t.Logf("%d bombs were too large, %d put off, %d connections broke", tooLarge.Load(), putOff.Load(), broken.Load())
	if tooLarge.Load() == 0 || putOff.Load() == 0 {
		t.Error("bombs should be answered with 413, and with 429 when there are many")
	}
	t.Logf("RssAnon grew from %d by at most %d MiB, bound %d MiB", before>>20, grown>>20, bound>>20)
	if grown > bound {
		t.Errorf("RssAnon grew by %d MiB, more than %d MiB", grown>>20, bound>>20)
	}
	if grown < maxBody {
		t.Errorf("RssAnon grew by %d bytes: no bomb was ever in memory", grown)
	}
}
