package httpapi

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// pacedWriter notes the deadlines that are set.
type pacedWriter struct {
	*httptest.ResponseRecorder
	read, write time.Time
}

func (w *pacedWriter) SetReadDeadline(at time.Time) error  { w.read = at; return nil }
func (w *pacedWriter) SetWriteDeadline(at time.Time) error { w.write = at; return nil }

// slowBody takes time for each read, and fails as a socket does when its
// deadline passes.
type slowBody struct {
	clock   *handClock
	w       *pacedWriter
	takes   metering.Instant
	piece   int
	pieces  int
	expired bool
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.pieces == 0 {
		return 0, io.EOF
	}
	b.clock.advance(b.takes)
	if b.clock.now().Time().After(b.w.read) {
		b.expired = true
		return 0, os.ErrDeadlineExceeded
	}
	b.pieces--
	return copy(p, bytes.Repeat([]byte{' '}, b.piece)), nil
}

func (*slowBody) Close() error { return nil }

// receive reads a body of the given pieces, each taking so long, and reports
// whether it was cut off.
func receive(t *testing.T, takes metering.Instant, piece, pieces int, pause metering.Instant) (cut bool) {
	t.Helper()
	clock := newHandClock(start)
	s := New(Options{Clock: clock.now})
	w := &pacedWriter{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/v1/events", &slowBody{clock: clock, w: w, takes: takes, piece: piece, pieces: pieces})
	x := &exchange{s: s, w: w, r: r, control: http.NewResponseController(w)}
	x.watchClient()
	buffer := make([]byte, 64<<10)
	for {
		_, err := x.r.Body.Read(buffer)
		clock.advance(pause) // the server is busy with something else
		switch {
		case errors.Is(err, io.EOF):
			if !w.read.IsZero() {
				t.Errorf("after the body the deadline is %v", w.read)
			}
			return false
		case err != nil:
			return true
		}
	}
}

func TestBodyThatFlowsMayTakeForEver(t *testing.T) {
	t.Parallel()
	if receive(t, 29*metering.Second, minProgress, 10_000, 0) {
		t.Error("a body of 80 hours was cut off though it flowed")
	}
	if receive(t, 9*metering.Second, minProgress/2, 10_000, 0) {
		t.Error("a body whose progress takes several reads was cut off")
	}
}

func TestBodyThatDripsIsCutOff(t *testing.T) {
	t.Parallel()
	if !receive(t, metering.Second, 1, 100, 0) {
		t.Error("a byte a second was let through")
	}
	if !receive(t, 31*metering.Second, minProgress, 1, 0) {
		t.Error("a body that does not begin was let through")
	}
}

func TestTimeInWhichTheServerDoesNotReadIsNotTheClients(t *testing.T) {
	t.Parallel()
	if receive(t, metering.Second, 256, 100, 3600*metering.Second) {
		t.Error("the client was blamed for the server's pauses")
	}
}

func TestEachWriteHasTheWholeTimeout(t *testing.T) {
	t.Parallel()
	clock := newHandClock(start)
	s := New(Options{Clock: clock.now, SlowClientTimeout: 7 * time.Second})
	w := &pacedWriter{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	x := &exchange{s: s, w: w, r: r, control: http.NewResponseController(w)}
	x.watchClient()
	for range 3 {
		clock.advance(6 * metering.Second)
		if _, err := x.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if want := clock.now().Time().Add(7 * time.Second); !w.write.Equal(want) {
			t.Errorf("deadline %v, want %v", w.write, want)
		}
	}
}

// pipes is a listener of connections in memory. In a bubble of synctest their
// deadlines pass when nobody has anything to do, however busy the machine is.
type pipes chan net.Conn

// Accept implements net.Listener.
func (p pipes) Accept() (net.Conn, error) {
	if conn, open := <-p; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (p pipes) Close() error { close(p); return nil }

// Addr implements net.Listener.
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// serve returns how to connect to the site, and what waits until it has answered
// everything.
func (s *site) serve() (dial func() net.Conn, shutdown func()) {
	server, listener, served := NewHTTPServer(s.server.Handler(), slog.New(slog.NewTextHandler(s.log, nil))), make(pipes), make(chan error)
	go func() { served <- server.Serve(listener) }()
	dial = func() net.Conn {
		browser, conn := net.Pipe()
		listener <- conn
		return browser
	}
	return dial, func() {
		if err := server.Shutdown(s.t.Context()); err != nil {
			s.t.Errorf("shut down: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("serve: %v", err)
		}
	}
}

func TestClientThatStopsSendingIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		dial, shutdown := s.serve()
		for name, head := range map[string]string{
			"read body":   "POST " + reportPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: apikey " + s.root + "\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
			"unread body": "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		} {
			conn := dial()
			if _, err := io.WriteString(conn, head); err != nil {
				t.Fatal(err)
			}
			text, err := readAll(t, conn) // until the server closes
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !strings.Contains(text, "X-Request-Id") || !strings.HasPrefix(text, "HTTP/1.1 4") {
				t.Errorf("%s: %q", name, text)
			}
		}
		shutdown()
	})
}

func TestClientThatStopsReadingLosesItsConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, store := newOddSite(t)
		store.report = endless
		dial, shutdown := s.serve()
		conn := dial()
		head := "POST " + reportPath + " HTTP/1.1\r\nHost: x\r\nAuthorization: apikey " + s.root + "\r\nContent-Type: application/json\r\nContent-Length: " +
			"50\r\n\r\n" + july + strings.Repeat(" ", 50-len(july))
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // until the answer cannot be written
		shutdown()      // returns when no request is left
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if log := s.log.String(); !strings.Contains(log, `"aborted":true`) || !strings.Contains(log, "timeout") {
			t.Errorf("the log is %s", log)
		}
	})
}
