package httpapi

import (
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
)

// RequestID names a request: in the header X-Request-Id, in the body of errors,
// and in the log. The server always makes its own.
type RequestID string

const requestIDBytes = 16

// exchange is one request and its answer. It is the http.ResponseWriter that
// handlers get, so that everything about the answer passes through it.
type exchange struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	body    *pacedBody // nil: the request has none
	control *http.ResponseController
	id      RequestID
	begun   time.Time

	route   string         // pattern of the path, "" when unknown
	quiet   bool           // logged at debug level only
	backend *Backend       // nil for operational routes
	caller  *access.Caller // nil for public routes

	started bool // the status is on its way
	status  int
	written int64 // bytes of the body
	err     error // what the request ended with
}

var _ http.ResponseWriter = (*exchange)(nil)

// serveHTTP is the way of every request.
func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{s: s, w: w, r: r, control: http.NewResponseController(w), id: s.newRequestID(), begun: s.options.Wall()}
	defer x.end()
	x.Header().Set("X-Request-Id", string(x.id))
	x.watchClient()
	if err := s.answer(x); err != nil {
		x.fail(err)
	}
}

func (s *Server) answer(x *exchange) error {
	if !operational(x.r.URL.Path) {
		b, err := s.enter()
		if err != nil {
			return err
		}
		defer s.leave()
		x.backend = b
	}
	// The mux would redirect paths with "//", "/./" or "/../"; here they are
	// unknown, as are those with a slash at the end.
	if p := x.r.URL.EscapedPath(); p != path.Clean(p) {
		return unknownPath()
	}
	s.mux.ServeHTTP(x, x.r)
	return nil
}

func unknownPath() error {
	return metering.Errorf(metering.KindNotFound, "Unknown path; /openapi.json lists all paths")
}

func (s *Server) newRequestID() RequestID {
	raw := make([]byte, requestIDBytes)
	if _, err := io.ReadFull(s.options.Random, raw); err != nil {
		metering.Bug("the source of randomness is exhausted: %v", err)
	}
	return RequestID(hex.EncodeToString(raw))
}

// end settles a panic, then writes the log line and the metrics.
func (x *exchange) end() {
	aborted := false
	if p := recover(); p != nil {
		aborted = x.settlePanic(p)
	}
	took := x.s.options.Wall().Sub(x.begun)
	x.s.metrics.observe(x, took)
	x.log(took, aborted)
	if aborted {
		panic(http.ErrAbortHandler) // net/http closes the connection
	}
}

// settlePanic answers 500 if that is still possible. It reports whether the
// connection must be broken off.
func (x *exchange) settlePanic(p any) (aborted bool) {
	if p == http.ErrAbortHandler {
		return true
	}
	err := fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	if x.started {
		x.err = err
		return true
	}
	defer func() {
		if again := recover(); again != nil {
			aborted = true
		}
	}()
	x.fail(err)
	return false
}

func (x *exchange) log(took time.Duration, aborted bool) {
	level := slog.LevelInfo
	attributes := []slog.Attr{
		slog.String("request_id", string(x.id)), slog.String("method", knownMethod(x.r.Method)), slog.String("route", x.route),
		slog.Int("status", x.status), slog.Int64("bytes", x.written), slog.Float64("duration_seconds", took.Seconds()),
		slog.String("remote", x.r.RemoteAddr),
	}
	if x.quiet {
		level = slog.LevelDebug
	}
	if x.caller != nil {
		attributes = append(attributes, slog.String("key", string(x.caller.Key().ID)))
	}
	if aborted {
		attributes = append(attributes, slog.Bool("aborted", true))
	}
	if x.err != nil {
		attributes = append(attributes, slog.String("error", x.err.Error()))
		if x.status == http.StatusInternalServerError {
			level = slog.LevelError
		}
	}
	x.s.options.Logger.LogAttrs(x.r.Context(), level, "request", attributes...)
}

// Header implements http.ResponseWriter.
func (x *exchange) Header() http.Header { return x.w.Header() }

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if x.started {
		return
	}
	x.started, x.status = true, status
	x.extendWrite()
	x.w.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	x.WriteHeader(http.StatusOK)
	x.extendWrite()
	n, err := x.w.Write(p)
	x.written += int64(n)
	return n, err
}

// json answers with a whole document.
func (x *exchange) json(status int, body any) error {
	// Messages may quote what a client sent, which need not be UTF-8.
	text, err := json.Marshal(body, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return x.document(status, text)
}

func (x *exchange) document(status int, text []byte) error {
	x.Header().Set("Content-Type", "application/json")
	x.WriteHeader(status)
	_, err := x.Write(text)
	return err
}
