package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// lines returns n good events.
func lines(t testing.TB, n int) []string {
	t.Helper()
	out, event := make([]string, n), eventOf(typeNamed(t, "instance"))
	for i := range out {
		out[i] = event.set("id", fmt.Sprint(i)).text(t)
	}
	return out
}

func TestLinesAreCountedWithBlankOnes(t *testing.T) {
	t.Parallel()
	good := lines(t, 2)
	r := receive(t, newRecorder().service(), anywhere(), ndjson(), strings.Join([]string{"", good[0], " \t", "{}\r", "\r", good[1], "[]"}, "\n"))
	if r.Accepted != 2 || r.RejectedTotal != 2 || !r.Complete || r.Rejected[0].Index != 3 || r.Rejected[1].Index != 6 {
		t.Errorf("receipt %+v", r)
	}
}

func TestLastLineNeedsNoLineFeed(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"", "\n", "\r\n", "\n\n"} {
		if r := receive(t, newRecorder().service(), anywhere(), ndjson(), strings.Join(lines(t, 3), "\r\n")+end); r.Accepted != 3 || r.Status() != http.StatusOK {
			t.Errorf("%q: receipt %+v", end, r)
		}
	}
	if r := receive(t, newRecorder().service(), anywhere(), ndjson(), ""); r.Accepted != 0 || r.Status() != http.StatusOK {
		t.Errorf("receipt %+v", r)
	}
}

func TestTwoValuesInALineAreMalformed(t *testing.T) {
	t.Parallel()
	good := lines(t, 2)
	r := receive(t, newRecorder().service(), anywhere(), ndjson(), good[0]+" "+good[1])
	if r.RejectedTotal != 1 || r.Rejected[0].Code != "malformed" {
		t.Errorf("receipt %+v", r)
	}
}

// TestLineAtItsGreatestLength: the stream goes on after a line of MaxLineBytes
// and breaks off at a longer one.
func TestLineAtItsGreatestLength(t *testing.T) {
	t.Parallel()
	good := lines(t, 3)
	long := func(n int) string {
		return good[1][:len(good[1])-1] + `,"padding":"` + strings.Repeat("x", n-len(good[1])-len(`,"padding":""`)) + `"}`
	}
	r := receive(t, newRecorder().service(), anywhere(), ndjson(), strings.Join([]string{good[0], long(MaxLineBytes), good[2]}, "\n"))
	if r.Accepted != 2 || !r.Complete || r.RejectedTotal != 1 || r.Rejected[0].Code != "too_large" || r.Rejected[0].ID != "1" {
		t.Errorf("receipt %+v", r)
	}
	for _, end := range []string{"\n" + good[2], ""} {
		store := newRecorder()
		r = receive(t, store.service(), anywhere(), ndjson(), good[0]+"\n"+long(MaxLineBytes+1)+end)
		if r.Accepted != 1 || r.Complete || r.Status() != http.StatusUnprocessableEntity || !strings.Contains(r.Message, "line 1,") || r.Cause == nil {
			t.Errorf("receipt %+v", r)
		}
		if r.RejectedTotal != 1 || r.Rejected[0].Code != "too_large" || r.Rejected[0].Index != 1 || store.only(t).Name.ID != "0" {
			t.Errorf("receipt %+v", r)
		}
	}
}

func TestBrokenStreamKeepsWhatStoodBefore(t *testing.T) {
	t.Parallel()
	const n = 2500 // more than two chunks
	whole := strings.Join(lines(t, n), "\n")
	damaged := func(encoding string) string {
		b := []byte(encode(t, encoding, whole))
		return string(b[:len(b)-20]) // the end of the last block and the checksum
	}
	cases := map[string]struct {
		encoding string
		body     io.Reader
		says     string
	}{
		"client gone": {"identity", io.MultiReader(strings.NewReader(whole[:len(whole)-1]), errReader{errors.New("connection reset")}), "connection reset"},
		"gzip":        {"gzip", strings.NewReader(damaged("gzip")), "its gzip compression is cut short"},
		"zstd":        {"zstd", strings.NewReader(damaged("zstd")), "its zstd compression is cut short"},
	}
	for name, c := range cases {
		store := newRecorder()
		h := ndjson()
		h.Set("Content-Encoding", c.encoding)
		r, err := store.service().Receive(t.Context(), anywhere(), h, c.body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		stored := len(store.mu.stored)
		if r.Complete || r.Accepted != stored || r.RejectedTotal != 0 || r.Status() != http.StatusUnprocessableEntity || stored >= n {
			t.Errorf("%s: receipt %+v, stored %d", name, r, stored)
		}
		if !strings.Contains(r.Message, fmt.Sprintf("line %d,", stored)) || !strings.Contains(r.Message, c.says) {
			t.Errorf("%s: %q of %d stored", name, r.Message, stored)
		}
		if name == "client gone" && stored != n-1 {
			t.Errorf("stored %d of the %d whole lines", stored, n-1)
		}
	}
}

func TestStreamThatIsNoGzip(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"gzip", "zstd"} {
		h := ndjson()
		h.Set("Content-Encoding", encoding)
		r := receive(t, newRecorder().service(), anywhere(), h, lines(t, 1)[0])
		if r.Complete || r.Accepted != 0 || r.Status() != http.StatusUnprocessableEntity || !strings.Contains(r.Message, "line 0, counted from 0: its "+encoding+" compression is broken") {
			t.Errorf("%s: receipt %+v", encoding, r)
		}
	}
}

// TestClientGoneDoesNotCancelTheStore ends the request's context at once.
func TestClientGoneDoesNotCancelTheStore(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	store := &heedful{newRecorder()}
	s := New(store, Options{Clock: testNow, Directory: store})
	r, err := s.Receive(ctx, anywhere(), ndjson(), strings.NewReader(lines(t, 1)[0]))
	if err != nil || r.Accepted != 1 {
		t.Errorf("receipt %+v, %v", r, err)
	}
}

// heedful is a store that heeds the context.
type heedful struct{ *recorder }

func (s *heedful) Submit(ctx context.Context, batch []report.Submission) (report.Pending, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.recorder.Submit(ctx, batch)
}

func TestStoreErrorEndsTheStream(t *testing.T) {
	t.Parallel()
	full := metering.Errorf(metering.KindUnavailable, "the disk is full")
	body := strings.Join(lines(t, 5*maxChunkEvents), "\n")
	for name, store := range map[string]*troubled{
		"submit": {recorder: newRecorder(), submit: full, goodBatches: 3},
		"wait":   {recorder: newRecorder(), wait: full, goodBatches: 3},
		"a bug":  {recorder: newRecorder(), wait: errors.New("secret detail"), goodBatches: 3},
	} {
		s := New(store, Options{Clock: testNow, Directory: store})
		r := receive(t, s, anywhere(), ndjson(), body)
		if r.Complete || r.Accepted != 3*maxChunkEvents || r.Cause == nil || !strings.Contains(r.Message, "line 3000,") || strings.Contains(r.Message, "secret") {
			t.Errorf("%s: receipt %+v", name, r)
		}
	}
}

func TestChunksAreSubmittedInOrderAndPipelined(t *testing.T) {
	t.Parallel()
	const chunks = 7
	store := &gated{recorder: newRecorder()}
	s := New(store, Options{Clock: testNow, Directory: store})
	receive(t, s, anywhere(), ndjson(), strings.Join(lines(t, chunks*maxChunkEvents), "\n"))
	var want []string
	for i := range chunksInFlight + 1 {
		want = append(want, fmt.Sprint("submit ", i))
	}
	for i := chunksInFlight + 1; i < chunks; i++ {
		want = append(want, fmt.Sprint("wait ", i-chunksInFlight-1), fmt.Sprint("submit ", i))
	}
	for i := chunks - chunksInFlight - 1; i < chunks; i++ {
		want = append(want, fmt.Sprint("wait ", i))
	}
	if !reflect.DeepEqual(store.calls, want) {
		t.Errorf("calls are %v\nwant %v", store.calls, want)
	}
	for i, o := range store.mu.stored {
		if o.Name.ID != fmt.Sprint(i) {
			t.Fatalf("observation %d is %s", i, o.Name.ID)
		}
	}
}

// gated records the order of the calls.
type gated struct {
	*recorder
	calls []string
}

func (g *gated) Submit(ctx context.Context, batch []report.Submission) (report.Pending, error) {
	n := g.mu.batches
	g.calls = append(g.calls, fmt.Sprint("submit ", n))
	p, err := g.recorder.Submit(ctx, batch)
	return gatedPending{p, g, n}, err
}

type gatedPending struct {
	report.Pending
	g *gated
	n int
}

func (p gatedPending) Wait(ctx context.Context) ([]report.Outcome, error) {
	p.g.calls = append(p.g.calls, fmt.Sprint("wait ", p.n))
	return p.Pending.Wait(ctx)
}

// repeated is a stream of one text, over and over, up to a size. Now and then it
// looks at what is in memory.
type repeated struct {
	text     string
	at, left int
	look     func()
	lookIn   int
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	if r.lookIn -= len(p); r.lookIn <= 0 {
		r.lookIn = 8 << 20
		r.look()
	}
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	r.left -= n
	return n, nil
}

// TestStreamMemoryDoesNotGrow sends 64 MB through a store that forgets. Of what
// was decoded only a few chunks are still in memory at any time.
func TestStreamMemoryDoesNotGrow(t *testing.T) {
	t.Parallel()
	big := eventOf(typeNamed(t, "instance")).set("data.tags", tagsOf(100, 250)).text(t) + "\n"
	bad := strings.Repeat("x", 2000) + "\n"
	store, most := &discard{watched: true}, 0
	s := New(store, Options{Clock: testNow, Directory: newRecorder()})
	body := &repeated{text: strings.Repeat(big, 3) + bad, left: 64 << 20, look: func() { most = max(most, store.alive()) }}
	r, err := s.Receive(t.Context(), anywhere(), ndjson(), body)
	if err != nil || r.Accepted != store.mu.events || r.Accepted < 1500 || r.RejectedTotal < r.Accepted/3-1 {
		t.Fatalf("%v, accepted %d of %d", err, r.Accepted, store.mu.events)
	}
	bound := (chunksInFlight + 1) * (maxChunkBytes/len(big) + 1)
	if store.mu.most > bound {
		t.Errorf("%d events were in flight, want at most %d", store.mu.most, bound)
	}
	if most > bound || most == 0 {
		t.Errorf("%d of %d observations were in memory at once, want 1 to %d", most, store.mu.events, bound)
	}
}

func tagsOf(n, length int) object {
	tags := object{}
	for i := range n {
		tags[fmt.Sprintf("key-%03d", i)] = strings.Repeat("v", length)
	}
	return tags
}
