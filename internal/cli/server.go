package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/console"
	"github.com/meterbook/meterbook/internal/httpapi"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
)

// serverOptions are what a server is made of.
type serverOptions struct {
	open            openStore
	dataDir         string
	listen          string
	tls             *tls.Config // nil: plain HTTP
	adminToken      string      // "": a first start makes one
	temporaryAdmin  string      // instead: name of an admin key that the store never gets; "": none
	strictProjects  bool
	retention       time.Duration
	maxBodyBytes    int64
	rateLimit       access.RequestsPerSecond
	concurrency     int // 0: the default
	shutdownTimeout time.Duration
	slowClient      time.Duration
	logger          *slog.Logger
	clock           func() metering.Instant
	wall            func() time.Time
}

// server is a running Meterbook: the address is taken and answered from the
// start, the store is opened behind it, and everything is closed in the end.
type server struct {
	options  serverOptions
	listener net.Listener
	api      *httpapi.Server
	http     *http.Server
	fsync    prometheus.Histogram
	metrics  *prometheus.Registry
	store    *store // nil until it is open
}

// listenServer takes the address. The server answers, that it is starting, once
// run is called.
func listenServer(o serverOptions) (*server, error) {
	document, err := httpapi.OpenAPI(readBuild().version)
	if err != nil {
		return nil, fmt.Errorf("make the OpenAPI document: %w", err)
	}
	s := &server{options: o, metrics: prometheus.NewRegistry(), fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "meterbook_store_fsync_duration_seconds", Help: "Time that making a group of batches durable took.",
		Buckets: []float64{.0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
	})}
	s.metrics.MustRegister(s.fsync, newBuildInfo(), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.api = httpapi.New(httpapi.Options{
		Logger: o.logger, Clock: o.clock, Wall: o.wall, Metrics: s.metrics, OpenAPI: document,
		Version: readBuild().version, RateLimit: o.rateLimit, Concurrency: o.concurrency, SlowClientTimeout: o.slowClient,
	})
	pages := console.New(console.Options{
		API: s.api.Handler(), OpenAPI: document, Logger: o.logger, Clock: o.clock, Wall: o.wall, Version: readBuild().version, SlowClientTimeout: o.slowClient,
	})
	s.http = httpapi.NewHTTPServer(pages.Handler(), o.logger)
	s.listener, err = net.Listen("tcp", o.listen)
	if err != nil {
		return nil, metering.Errorf(metering.KindUnavailable, "listen on %s: %v; choose another address with --listen", o.listen, errors.Unwrap(err))
	}
	return s, nil
}

// url is where the server is reached from this machine.
func (s *server) url() string {
	scheme := "http"
	if s.options.tls != nil {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		metering.Bug("listener address %v: %v", s.listener.Addr(), err)
	}
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// run serves until ctx ends, then stops gracefully: new requests are refused,
// those that have begun are finished, and the store is closed. ready is called
// once, when requests are answered, with the admin token that was made, "" when
// none was; its error stops the server.
func (s *server) run(ctx context.Context, ready func(adminToken string) error) error {
	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	s.options.logger.Info("listening", "address", s.listener.Addr().String(), "url", s.url())
	err := s.load(ctx, ready)
	if err == nil {
		select {
		case <-ctx.Done():
		case failed := <-served: // it does not end by itself
			err = fmt.Errorf("serve on %s: %w", s.listener.Addr(), failed)
		}
	}
	return errors.Join(err, s.stop(ctx))
}

func (s *server) serve() error {
	if s.options.tls == nil {
		return s.http.Serve(s.listener)
	}
	s.http.TLSConfig = s.options.tls
	return s.http.ServeTLS(s.listener, "", "")
}

// load opens the store and makes the server ready. When ctx ends meanwhile, that
// is no failure.
func (s *server) load(ctx context.Context, ready func(adminToken string) error) error {
	started := s.options.wall()
	adminToken, err := s.openBackend(ctx)
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
		s.options.logger.Info("stopped while loading")
		return nil
	case err != nil:
		return err
	}
	s.options.logger.Info("ready", "loading_seconds", s.options.wall().Sub(started).Seconds())
	return ready(adminToken)
}

func (s *server) openBackend(ctx context.Context) (adminToken string, err error) {
	o := &s.options
	processors := runtime.GOMAXPROCS(0) // once the store is open, Go has more than there are
	s.store, err = o.open(ctx, storeOptions{
		dir: o.dataDir, strictProjects: o.strictProjects, retention: o.retention, clock: o.clock, logger: o.logger,
		onSync: func(took time.Duration) { s.fsync.Observe(took.Seconds()) },
	})
	if err != nil {
		return "", cannotOpen(err)
	}
	if s.store.metrics != nil {
		s.metrics.MustRegister(s.store.metrics)
	}
	registry, err := access.Open(ctx, s.store.records, access.Options{Clock: o.clock})
	if err != nil {
		return "", err
	}
	if adminToken, err = s.addAdmin(ctx, registry); err != nil {
		return "", err
	}
	s.api.Serve(httpapi.Backend{Store: s.store, Maintenance: s.store.maintenance, Access: registry, Ingest: ingest.New(s.store, ingest.Options{
		Clock: o.clock, Directory: s.store, MaxBodyBytes: o.maxBodyBytes, StrictProjects: o.strictProjects,
		Processors: processors, Behind: s.store.behind,
		OnAccepted: s.api.CountAccepted, OnDuplicates: s.api.CountDuplicates, OnRejected: s.api.CountRejected,
	})})
	return adminToken, nil
}

// addAdmin sees to it that there is an admin key, and returns its token if one
// was made that nobody knows yet.
func (s *server) addAdmin(ctx context.Context, registry *access.Registry) (adminToken string, err error) {
	if name := s.options.temporaryAdmin; name != "" {
		token, err := registry.AddTemporaryAdmin(ctx, name)
		if err != nil {
			return "", err
		}
		return token.Reveal(), nil
	}
	adminToken, created, err := registry.Bootstrap(ctx, s.options.adminToken)
	if err == nil && created {
		s.options.logger.Info("made an admin key above all clients")
	}
	return adminToken, err
}

// cannotOpen gives an error of the disk or of a lock, which has no kind, the
// kind of what may be well later.
func cannotOpen(err error) error {
	var known *metering.Error
	if errors.As(err, &known) {
		return err
	}
	return &metering.Error{Kind: metering.KindUnavailable, Message: "cannot open the store", Cause: err}
}

// stop drains and closes, whatever state the server is in. The address is
// answered, that the server is stopping, until the store is closed. Requests
// that last longer than the timeout are broken off.
func (s *server) stop(ctx context.Context) error {
	drained := s.api.Drain()
	s.options.logger.Info("stopping", "timeout_seconds", s.options.shutdownTimeout.Seconds())
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.shutdownTimeout)
	defer cancel()
	var err error
	select {
	case <-drained:
	case <-patience.Done():
		s.options.logger.Warn("broke off the requests that were still under way")
		err = s.http.Close()
	}
	if s.store != nil {
		if closing := s.store.Close(); closing != nil {
			err = errors.Join(err, fmt.Errorf("close the store in %s: %w", s.options.dataDir, closing))
		}
	}
	down := s.http.Shutdown(patience)
	if errors.Is(down, context.DeadlineExceeded) { // answers that nobody fetches
		down = s.http.Close()
	}
	err = errors.Join(err, down)
	s.options.logger.Info("stopped")
	return err
}

// newLogger makes the logger of a server. Formats are "json" and "text".
func newLogger(out io.Writer, format string, level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if format == "text" {
		return slog.New(slog.NewTextHandler(out, o))
	}
	return slog.New(slog.NewJSONHandler(out, o))
}
