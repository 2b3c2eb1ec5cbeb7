package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// minProgress is how much of a body must arrive within the slow client timeout.
// A body that only drips is cut off; one that flows may be as long as it likes.
const minProgress = 4 << 10

// watchClient limits how slowly the client may send and read.
func (x *exchange) watchClient() {
	if x.r.Body != nil && x.r.Body != http.NoBody {
		x.body = &pacedBody{ReadCloser: x.r.Body, x: x}
		x.body.renew()
		// Also for a body that no handler reads: net/http reads its rest.
		x.setReadDeadline(x.s.options.Wall().Add(x.body.left))
		// A copy, since net/http looks at the body that it made itself.
		x.r = x.r.WithContext(x.r.Context())
		x.r.Body = x.body
	}
	x.extendWrite()
}

// extendWrite gives the client the whole timeout again to accept what is
// written next. Before net/http writes, it reads what is left of the body.
func (x *exchange) extendWrite() {
	timeout := x.s.options.SlowClientTimeout
	if x.body != nil && !x.body.ended {
		timeout += x.body.left
	}
	x.noteDeadline(x.control.SetWriteDeadline(x.s.options.Wall().Add(timeout)))
}

func (x *exchange) setReadDeadline(at time.Time) { x.noteDeadline(x.control.SetReadDeadline(at)) }

// noteDeadline keeps an error for the log. A connection that is closed already
// will tell so by itself, and recorders in tests have no deadlines.
func (x *exchange) noteDeadline(err error) {
	if err != nil && !errors.Is(err, http.ErrNotSupported) && x.err == nil {
		x.err = err
	}
}

// pacedBody is a request body of which minProgress must arrive within the
// timeout, again and again. Only time spent waiting for the client counts, not
// the time in which the server does not read.
type pacedBody struct {
	io.ReadCloser
	x     *exchange
	left  time.Duration // until progress must have been made
	got   int           // bytes since the last progress
	ended bool
}

func (b *pacedBody) renew() { b.left, b.got = b.x.s.options.SlowClientTimeout, 0 }

// Read implements io.Reader. One goroutine at a time may call it.
func (b *pacedBody) Read(p []byte) (int, error) {
	wall := b.x.s.options.Wall
	before := wall()
	b.x.setReadDeadline(before.Add(b.left))
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		// net/http goes on reading to notice when the client leaves; that must
		// not run into this deadline.
		b.x.setReadDeadline(time.Time{})
		b.ended = true
	}
	b.left -= wall().Sub(before)
	if b.got += n; b.got >= minProgress {
		b.renew()
	}
	return n, err
}
