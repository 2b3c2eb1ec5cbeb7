package hostile

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// fixed is what the store takes whatever is written: up to 4 memtables of
// 64 MiB, its cache as far as it is used, and garbage.
const fixed = 320 << 20

// inventions are things that one key makes up, and what one may cost in memory.
func inventions() []invention {
	const tagsOfEvent = 100
	return []invention{
		// A text of 12 bytes as key and one as value, both with their headers of
		// 16 bytes, in the delta and once more while it is merged.
		{"a million tags", 1_000_000, tagsOfEvent, 150, func(b *bytes.Buffer, n int) {
			var tags strings.Builder
			for i := range tagsOfEvent {
				fmt.Fprintf(&tags, `,"key-%d":"value-%d"`, n*tagsOfEvent+i, n*tagsOfEvent+i)
			}
			event(b, 1_000_000+n, "/tags", 50, 1, `"flavor":"g1","tags":{`+tags.String()[1:]+`}`)
		}},
		// A project, a region, a source and a resource are entries of tables that
		// stay in memory; name, flavor, metric, tag and tag set are texts of the
		// delta and then of the base, which is a file.
		{"all else", 50_000, 1, 4000, func(b *bytes.Buffer, n int) {
			event(b, 2_000_000+n, fmt.Sprintf("/source/%d", n), 1000+n, 1000+n,
				fmt.Sprintf(`"flavor":"flavor-%d","name":"name-%d","billing_metric_name":"metric-%d","tags":{"key-%d":"value-%d"}`, n, n, n, n, n))
		}},
	}
}

type invention struct {
	name  string
	count int
	each  int // how many one event brings
	bytes int // bound on what one costs
	event func(b *bytes.Buffer, n int)
}

// event appends the NDJSON line of a resource of its own.
func event(b *bytes.Buffer, n int, source string, project, region int, attributes string) {
	fmt.Fprintf(b, `{"specversion":"1.0","id":"%d","source":"%s","type":"meterbook.resource.state.v1","time":"2024-07-01T00:00:00Z",`+
		`"data":{"resource_type":"instance","resource_id":"3c90c3cc-0d44-4b50-8888-%012x","project_id":%d,"region_id":%d,"status":"active",%s}}`+"\n",
		n, source, n, project, region, attributes)
}

// TestDistinctThingsCostWhatTheyAre has one tenant make up things as fast as it
// can; memory may grow by what they are, and no more for the attempt.
func TestDistinctThingsCostWhatTheyAre(t *testing.T) {
	t.Parallel()
	p := start(t)
	visit, attacker := welcome(t, p), p.tenant("attacker")
	begin, bound := p.rssAnon(), int64(fixed)
	for _, i := range inventions() {
		var body bytes.Buffer
		for n := range i.count / i.each {
			i.event(&body, n)
		}
		before, end := p.rssAnon(), p.peak()
		a := p.send("POST", "/v1/events", attacker, body.String(), streamType)
		if want := fmt.Sprintf(`{"accepted":%d,`, i.count/i.each); a.status != http.StatusOK || !strings.HasPrefix(a.body, want) {
			t.Fatalf("%s: %d %.500s", i.name, a.status, a.body)
		}
		most := end()
		bound += int64(i.count * i.bytes)
		t.Logf("%s, %d: RssAnon went from %d to %d MiB at most, bound %d MiB: %d bytes each", i.name, i.count, before>>20, most>>20, (begin+bound)>>20, (most-before)/int64(i.count))
		if most-begin > bound {
			t.Errorf("%s: RssAnon grew by %d MiB, more than %d MiB", i.name, (most-begin)>>20, bound>>20)
		}
	}
	for _, asked := range []string{
		patronReport, `{"time_from":"2024-07-01","time_to":"2024-08-01","tags":{"conditions":[{"key":"key-999999"}]}}`,
		`{"time_from":"2024-07-01","time_to":"2024-08-01","tags":{"conditions":[{"value":"ALUE-12345","strict":false}]}}`,
	} {
		if a := p.send("POST", "/cloud/v1/usage_report", attacker, asked); a.status != http.StatusOK || strings.HasPrefix(a.body, `{"count":0,`) {
			t.Errorf("the attacker's own report: %d %.300s", a.status, a.body)
		}
	}
	visit.leave()
}
