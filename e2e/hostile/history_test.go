package hostile

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// flap appends the NDJSON line of the state n of one resource, which is another
// one each minute.
func flap(b *bytes.Buffer, id string, at time.Time, n int) {
	fmt.Fprintf(b, `{"specversion":"1.0","id":"%s","source":"/flap","type":"meterbook.resource.state.v1","time":"%s",`+
		`"data":{"resource_type":"instance","resource_id":"3c90c3cc-0d44-4b50-8888-0000000000ff","project_id":50,"region_id":1,"status":"active","flavor":"g%d"}}`+"\n",
		id, at.Format(time.RFC3339), n%2)
}

// TestALongHistoryOfOneResourceCostsWhatItIs sends what one resource did each
// minute for a month and more, all at once and then state by state. A change has
// the whole timeline of its resource, 16 bytes a segment; what is stale of that
// is bounded by 64 MiB in the log, as much again in the view before it, and what
// the collector has not found yet.
func TestALongHistoryOfOneResourceCostsWhatItIs(t *testing.T) {
	t.Parallel()
	const states, single, bound = 50_000, 300, 512 << 20
	p := start(t)
	visit, attacker := welcome(t, p), p.tenant("attacker")
	before, end := p.rssAnon(), p.peak()
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	var body bytes.Buffer
	for n := range states {
		flap(&body, fmt.Sprint(n), at.Add(time.Duration(n)*time.Minute), n)
	}
	begun := time.Now()
	if a := p.send("POST", "/v1/events", attacker, body.String(), streamType); a.status != http.StatusOK {
		t.Fatalf("%d %.300s", a.status, a.body)
	}
	inOrder := time.Since(begun)
	begun = time.Now()
	for n := states; n < states+single; n++ {
		body.Reset()
		flap(&body, fmt.Sprint(n), at.Add(time.Duration(n)*time.Minute), n)
		if a := p.send("POST", "/v1/events", attacker, body.String(), eventType); a.status != http.StatusOK {
			t.Fatalf("%d %.300s", a.status, a.body)
		}
	}
	one := time.Since(begun) / single
	begun = time.Now()
	const late = 5
	for n := range late { // all in one minute: the resource is folded anew
		body.Reset()
		flap(&body, fmt.Sprint("late-", n), at.Add(-time.Minute+time.Duration(n)*time.Second), n)
		if a := p.send("POST", "/v1/events", attacker, body.String(), eventType); a.status != http.StatusOK {
			t.Fatalf("%d %.300s", a.status, a.body)
		}
	}
	t.Logf("%d states in order took %s, then one %s, a late one %s", states, inOrder, one, time.Since(begun)/late)
	// Each state holds for a minute, in turn one of two flavors.
	a := p.send("POST", "/cloud/v1/usage_report", attacker, `{"time_from":"2024-01-01","time_to":"2024-02-01"}`)
	if !strings.Contains(a.body, `"count":2,`) || strings.Count(a.body, `"billing_value":22320,`) < 2 {
		t.Errorf("the attacker's own report: %.1500s", a.body)
	}
	grown := end() - before
	visit.leave()
	t.Logf("RssAnon grew from %d by at most %d MiB, bound %d MiB", before>>20, grown>>20, bound>>20)
	if grown > bound {
		t.Errorf("RssAnon grew by %d MiB, more than %d MiB", grown>>20, bound>>20)
	}
}
