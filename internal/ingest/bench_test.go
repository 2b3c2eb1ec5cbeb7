package ingest

import (
	"fmt"
	"strings"
	"testing"
)

// benchmarkEvents are typical: states of instances with a name and two tags,
// every fourth an hour's traffic.
func benchmarkEvents(b *testing.B, n int) []string {
	events := make([]string, n)
	for i := range events {
		e := eventOf(typeNamed(b, "instance")).set("data.name", fmt.Sprintf("web-%d", i)).
			set("data.tags", object{"os_distro": "ubuntu", "os_version": "22.04"}).set("data.flavor", fmt.Sprintf("g1-standard-%d-2", i%7))
		if i%4 == 3 {
			e = eventOf(typeNamed(b, "egress_traffic")).set("data.vm_id", someUUID).set("data.instance_name", fmt.Sprintf("web-%d", i))
		}
		events[i] = e.set("id", fmt.Sprintf("7f9c24e8-0000-4000-8000-%012d", i)).set("source", "/openstack/region-76").
			set("data.resource_id", fmt.Sprintf("3c90c3cc-0d44-4b50-8888-%012d", i)).text(b)
	}
	return events
}

// BenchmarkDecode is one core's work from text to observation, validation
// included.
func BenchmarkDecode(b *testing.B) {
	events := benchmarkEvents(b, 1000)
	d := newRecorder().service().decoders.Get().(*decoder)
	d.permission = anywhere()
	texts, size := make([][]byte, len(events)), 0
	for i := range events {
		texts[i] = []byte(events[i])
		size += len(events[i])
	}
	b.SetBytes(int64(size / len(events)))
	b.ReportAllocs()
	c := new(chunk)
	for i := 0; b.Loop(); i++ {
		if i%len(texts) == 0 {
			clear(c.submissions)
			c.submissions, c.indexes = c.submissions[:0], c.indexes[:0]
		}
		d.decode(c, i, texts[i%len(texts)])
	}
	if len(c.refusals) > 0 {
		b.Fatalf("refused: %+v", c.refusals[0].why)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkReceive is a batch of 1000 events from body to receipt, without the
// time of a store.
func BenchmarkReceive(b *testing.B) {
	events := benchmarkEvents(b, 1000)
	store := &discard{}
	s := New(store, Options{Clock: testNow, Directory: newRecorder()})
	for _, body := range []struct {
		name, text string
		batch      bool
	}{
		{"batch", "[" + strings.Join(events, ",") + "]", true},
		{"ndjson", strings.Join(events, "\n"), false},
	} {
		b.Run(body.name, func(b *testing.B) {
			h := ndjson()
			if body.batch {
				h = batched()
			}
			b.ReportAllocs()
			for b.Loop() {
				if r := receive(b, s, anywhere(), h, body.text); r.Accepted != len(events) {
					b.Fatalf("receipt %+v", r)
				}
			}
			b.ReportMetric(float64(b.N*len(events))/b.Elapsed().Seconds(), "events/s")
		})
	}
}
