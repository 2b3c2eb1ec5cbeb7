package httpapi

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// DefaultSlowClientTimeout is how long a client may take to send or to accept
// the next piece of a body.
const DefaultSlowClientTimeout = 30 * time.Second

// Options are the server's surroundings. Logger and Clock are required.
type Options struct {
	Logger *slog.Logger
	// Clock is the now of reports, of ingest and of rate limits.
	Clock func() metering.Instant
	// Wall is the machine's clock, against which sockets time out and durations
	// are measured. nil: Clock; give both where Clock is not the machine's.
	Wall    func() time.Time
	Random  io.Reader            // of request ids; nil: crypto/rand
	Metrics *prometheus.Registry // shown at /metrics; nil: one of its own
	OpenAPI []byte               // the document of /openapi.json
	Version string
	// RateLimit holds for keys that have none of their own; 0: no limit.
	RateLimit access.RequestsPerSecond
	// Concurrency is how many requests of one client may be under way at once;
	// 0: DefaultConcurrency.
	Concurrency int
	// SlowClientTimeout; 0: DefaultSlowClientTimeout.
	SlowClientTimeout time.Duration
}

// Backend is what a server needs to answer.
type Backend struct {
	Store  report.Store
	Access *access.Registry
	Ingest *ingest.Service
	// Maintenance is the same store; nil: it can neither verify nor copy itself.
	Maintenance report.Maintainer
}

// Server answers requests. It is safe for concurrent use.
type Server struct {
	options  Options
	mux      *http.ServeMux
	metrics  *metrics
	limiters *limiters
	crowd    *crowd

	backend  atomic.Pointer[Backend]
	draining atomic.Bool

	mu struct {
		sync.Mutex
		underWay int           // requests that were let in and have not ended
		drained  chan struct{} // closed when the last of them has; nil before Drain
	}

	// registering makes changes of projects and regions one after the other,
	// from the check to the change.
	registering struct{ sync.Mutex }
}

// New makes a server that is not ready yet.
func New(o Options) *Server {
	if o.Wall == nil {
		o.Wall = func() time.Time { return o.Clock().Time() }
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Metrics == nil {
		o.Metrics = prometheus.NewRegistry()
	}
	if o.SlowClientTimeout == 0 {
		o.SlowClientTimeout = DefaultSlowClientTimeout
	}
	if o.Concurrency == 0 {
		o.Concurrency = DefaultConcurrency
	}
	s := &Server{options: o, metrics: newMetrics(o.Metrics), limiters: newLimiters(o.RateLimit), crowd: newCrowd(o.Concurrency)}
	s.mux = s.routes()
	return s
}

// Serve makes the server ready: from now on requests are answered from b.
func (s *Server) Serve(b Backend) { s.backend.Store(&b) }

// Drain makes the server refuse new requests with 503. Those that have begun
// are finished; when the last of them has ended, the channel is closed.
func (s *Server) Drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true)
	if s.mu.drained == nil {
		s.mu.drained = make(chan struct{})
		if s.mu.underWay == 0 {
			close(s.mu.drained)
		}
	}
	return s.mu.drained
}

// enter lets a request in, which must leave when it ends. The error is that of
// available.
func (s *Server) enter() (*Backend, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.available()
	if err == nil {
		s.mu.underWay++
	}
	return b, err
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.underWay--
	if s.mu.underWay == 0 && s.mu.drained != nil {
		close(s.mu.drained) // once: nobody enters any more
	}
}

// Handler answers all paths.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

// available returns what requests are answered from, KindUnavailable when the
// server is starting or stopping.
func (s *Server) available() (*Backend, error) {
	if s.draining.Load() {
		return nil, metering.Errorf(metering.KindUnavailable, "The server is stopping; try again")
	}
	b := s.backend.Load()
	if b == nil {
		return nil, metering.Errorf(metering.KindUnavailable, "The server is starting; try again")
	}
	return b, nil
}

// Limits of the HTTP server.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// NewHTTPServer makes an http.Server for h with limits against slow clients:
// 10 s for the header, 2 minutes between requests, 64 KiB of header. Bodies have
// no limit on the whole, so that long uploads and long reports go on; h limits
// their pace. What net/http itself has to say goes to the logger.
func NewHTTPServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}
