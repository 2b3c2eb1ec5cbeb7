// Package hostile attacks the built program, as a process of its own: with
// bodies that are not what they seem, with clients that are slow, many or
// silent, and with a tenant that makes up as many distinct things as it can.
//
// What is demanded each time: every answer is one that the contract knows, the
// memory of the process (RssAnon) stays within a bound that follows from the
// named limits, the process goes on and stops in good order, and meanwhile
// another tenant, the patron, gets every report that it asks for, right to the
// byte. No time is asserted.
package hostile

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// patronResources is the number of lines of the patron's report.
const patronResources = 200

// patron is a tenant that does nothing wrong: it asks for its report and sends
// an event, over and over.
type patron struct {
	t      *testing.T
	p      *process
	token  string
	want   string // its report
	client http.Client
	stop   chan struct{}
	ended  chan struct{}

	reports, events, delayed atomic.Int64
}

const patronReport = `{"time_from":"2024-07-01","time_to":"2024-08-01","limit":1000,"order_by":["last_name.desc"]}`

// tenant makes a client and an admin key for it.
func (p *process) tenant(id string) (token string) {
	p.t.Helper()
	if a := p.send("POST", "/v1/clients", rootToken, `{"id":"`+id+`"}`); a.status != http.StatusCreated {
		p.t.Fatalf("client %s: %d %s", id, a.status, a.body)
	}
	a := p.send("POST", "/v1/keys", rootToken, `{"client":"`+id+`","roles":["admin"]}`)
	_, rest, _ := strings.Cut(a.body, `"token":"`)
	token, _, ok := strings.Cut(rest, `"`)
	if a.status != http.StatusCreated || !ok {
		p.t.Fatalf("key of %s: %d %s", id, a.status, a.body)
	}
	return token
}

// welcome makes a patron, which acts until its visit ends.
func welcome(t *testing.T, p *process) *patron {
	t.Helper()
	v := &patron{t: t, p: p, token: p.tenant("patron"), stop: make(chan struct{}), ended: make(chan struct{})}
	v.client.Transport = &http.Transport{}
	var body strings.Builder
	for i := range patronResources {
		body.WriteString(instance(i, "2024-07-01T00:00:00Z", 1, 1, fmt.Sprintf(`"name":"machine-%d","flavor":"g1","tags":{"of":"patron"}`, i)))
	}
	if a := p.send("POST", "/v1/events", v.token, body.String(), "Content-Type: application/x-ndjson"); a.status != http.StatusOK {
		t.Fatalf("the patron's events: %d %s", a.status, a.body)
	}
	a := p.send("POST", "/cloud/v1/usage_report", v.token, patronReport)
	if v.want = a.body; a.status != http.StatusOK || !strings.HasPrefix(v.want, fmt.Sprintf(`{"count":%d,`, patronResources)) {
		t.Fatalf("the patron's report: %d %.500s", a.status, a.body)
	}
	go v.visit()
	return v
}

// instance is the NDJSON line of an instance that is there from an instant on.
func instance(n int, at string, project, region int64, attributes string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":"%d-%s","source":"/e2e","type":"meterbook.resource.state.v1","time":"%s",`+
		`"data":{"resource_type":"instance","resource_id":"3c90c3cc-0d44-4b50-8888-%012x","project_id":%d,"region_id":%d,"status":"active",%s}}`+"\n",
		n, at, at, n, project, region, attributes)
}

func (v *patron) visit() {
	defer close(v.ended)
	for n := 0; ; n++ {
		select {
		case <-v.stop:
			return
		default:
		}
		if !v.askReport() || !v.sendEvent(n) {
			return
		}
	}
}

func (v *patron) askReport() bool {
	a, err := ask(&v.client, "POST", v.p.URL("/cloud/v1/usage_report"), v.token, strings.NewReader(patronReport))
	if err != nil || a.status != http.StatusOK || a.body != v.want {
		v.t.Errorf("the patron's report after %d good ones: %v, %d %.1000s\n%s", v.reports.Load(), err, a.status, a.body, &v.p.Log)
		return false
	}
	v.reports.Add(1)
	return true
}

// sendEvent tells of something outside the report's period. The queue may be
// full at times: that is back-pressure, and the patron sends again.
func (v *patron) sendEvent(n int) bool {
	body := instance(n, "2024-09-01T00:00:00Z", 1, 1, `"flavor":"g1"`)
	a, err := ask(&v.client, "POST", v.p.URL("/v1/events"), v.token, strings.NewReader(body), "Content-Type: application/x-ndjson")
	switch {
	case err == nil && a.status == http.StatusOK:
		v.events.Add(1)
	case err == nil && a.status == http.StatusTooManyRequests && a.header.Get("Retry-After") != "":
		v.delayed.Add(1)
	default:
		v.t.Errorf("the patron's event after %d good ones: %v, %d %.1000s\n%s", v.events.Load(), err, a.status, a.body, &v.p.Log)
		return false
	}
	return true
}

// leave ends the visit: it must have been served, and is served still.
func (v *patron) leave() {
	v.t.Helper()
	close(v.stop)
	<-v.ended
	v.askReport()
	v.client.CloseIdleConnections()
	v.t.Logf("the patron got %d reports and %d receipts, %d of its events were put off", v.reports.Load(), v.events.Load(), v.delayed.Load())
	if v.reports.Load() < 3 || v.events.Load() == 0 {
		v.t.Errorf("the patron got %d reports and %d receipts only", v.reports.Load(), v.events.Load())
	}
}
