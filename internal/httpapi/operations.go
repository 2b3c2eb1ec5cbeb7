package httpapi

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// health answers 200 as long as the process lives.
func health(x *exchange) error {
	return x.json(http.StatusOK, map[string]string{"status": "ok", "version": x.s.options.Version})
}

// ready answers 200 when requests are answered, 503 while starting or stopping.
func ready(x *exchange) error {
	if _, err := x.s.available(); err != nil {
		return err
	}
	return x.json(http.StatusOK, map[string]string{"status": "ready"})
}

func (s *Server) showMetrics() func(*exchange) error {
	h := promhttp.HandlerFor(s.options.Metrics, promhttp.HandlerOpts{Registry: s.options.Metrics})
	return func(x *exchange) error {
		h.ServeHTTP(x, x.r)
		return nil
	}
}

func showOpenAPI(x *exchange) error { return x.document(http.StatusOK, x.s.options.OpenAPI) }
