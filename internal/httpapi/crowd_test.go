package httpapi

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/meterbook/meterbook/internal/report"
)

// TestOneClientsRequestsAtOnceAreBounded holds as many requests of one client as
// it may have, by several keys, then asks for one more.
func TestOneClientsRequestsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	const most = 3
	s, store := newOddSite(t, func(o *Options) { o.Concurrency = most })
	s.client("acme")
	s.client("other")
	key := func(client string) string { return s.key(s.root, `{"client":"`+client+`","roles":["admin"]}`) }
	acme, second, other := key("acme"), key("acme"), key("other")

	begun, end := make(chan struct{}), make(chan struct{})
	store.report = func(ctx context.Context, q report.Query) (*report.Report, error) {
		begun <- struct{}{}
		<-end
		return store.Store.Report(ctx, q)
	}
	var held sync.WaitGroup
	hold := func(token string) {
		held.Go(func() { s.ask("POST", reportPath, token, july).want(http.StatusOK) })
		<-begun
	}
	for range most {
		hold(acme)
	}
	for _, token := range []string{acme, second} {
		r := s.ask("GET", "/v1/projects", token, "")
		if m := r.wantError(http.StatusTooManyRequests, "HTTPError"); !strings.HasPrefix(m, "3 requests of client acme are under way") || r.header.Get("Retry-After") == "" {
			t.Errorf("%s, %v", m, r.header)
		}
	}
	for _, token := range []string{other, s.root} {
		for range most - 1 {
			hold(token)
		}
		s.ask("GET", "/v1/projects", token, "").want(http.StatusOK) // the limit itself
		hold(token)
		s.ask("GET", "/v1/projects", token, "").wantError(http.StatusTooManyRequests, "HTTPError")
	}
	close(end)
	held.Wait()
	for _, token := range []string{acme, other, s.root} {
		s.ask("GET", "/v1/projects", token, "").want(http.StatusOK)
	}
	if left := len(s.server.crowd.mu.underWay); left != 0 {
		t.Errorf("%d clients are remembered though nothing is under way", left)
	}
}

func TestARequestThatPanicsLeavesRoom(t *testing.T) {
	t.Parallel()
	s, store := newOddSite(t, func(o *Options) { o.Concurrency = 1 })
	store.report = func(context.Context, report.Query) (*report.Report, error) { panic("a bug") }
	for range 3 {
		s.ask("POST", reportPath, s.root, july).wantError(http.StatusInternalServerError, "InternalError")
	}
}
