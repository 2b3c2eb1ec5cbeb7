package httpapi

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meterbook/meterbook/internal/metering"
)

// metrics are what the server counts itself.
type metrics struct {
	requests   *prometheus.CounterVec
	reports    prometheus.Histogram
	accepted   prometheus.Counter
	duplicates prometheus.Counter
	rejected   *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "meterbook_http_requests_total", Help: "HTTP requests by method, route and status.",
		}, []string{"method", "route", "status"}),
		reports: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "meterbook_report_duration_seconds", Help: "Time from a report's request to the last byte of its answer.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30, 60},
		}),
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "meterbook_ingest_accepted_total", Help: "Events that were stored.",
		}),
		duplicates: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "meterbook_ingest_duplicates_total", Help: "Events that were stored already with the same content.",
		}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "meterbook_ingest_rejected_total", Help: "Events that were refused, by code.",
		}, []string{"code"}),
	}
	r.MustRegister(m.requests, m.reports, m.accepted, m.duplicates, m.rejected)
	for _, code := range metering.RejectCodes() {
		m.rejected.WithLabelValues(code.String()) // so that a rate has a start
	}
	return m
}

func (m *metrics) observe(x *exchange, took time.Duration) {
	m.requests.WithLabelValues(knownMethod(x.r.Method), x.route, strconv.Itoa(x.status)).Inc()
	if x.route == reportPath && x.status == http.StatusOK {
		m.reports.Observe(took.Seconds())
	}
}

// knownMethod keeps what clients make up out of labels and logs.
func knownMethod(method string) string {
	known := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete, http.MethodOptions}
	if slices.Contains(known, method) {
		return method
	}
	return "other"
}

// CountAccepted counts stored events; it is meant for ingest.Options.OnAccepted.
func (s *Server) CountAccepted(events int) { s.metrics.accepted.Add(float64(events)) }

// CountDuplicates counts events that were known; it is meant for
// ingest.Options.OnDuplicates.
func (s *Server) CountDuplicates(events int) { s.metrics.duplicates.Add(float64(events)) }

// CountRejected counts a refused event; it is meant for
// ingest.Options.OnRejected.
func (s *Server) CountRejected(code metering.RejectCode) {
	s.metrics.rejected.WithLabelValues(code.String()).Inc()
}
