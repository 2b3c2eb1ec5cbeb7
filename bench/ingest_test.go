package main

import (
	"bytes"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// BenchmarkIngest decodes, validates and stores a fleet's batches in one
// process, without HTTP: what a profile of ingest should be taken of.
func BenchmarkIngest(b *testing.B) {
	recorded, events := batches(b)
	clock := func() metering.Instant { return metering.InstantOf(time.Now()) }
	header := http.Header{"Content-Type": {"application/cloudevents-batch+json"}}
	everywhere := ingest.Permission{AnyClient: true, Narrowing: report.FullScope()}
	b.ReportAllocs()
	for b.Loop() {
		store, err := ledger.Open(b.Context(), ledger.Options{Dir: b.TempDir(), Clock: clock})
		if err != nil {
			b.Fatal(err)
		}
		service := ingest.New(store, ingest.Options{Clock: clock, Directory: store})
		bodies := make(chan []byte)
		failed := make(chan error, 16)
		for range cap(failed) {
			go func() {
				var err error
				for body := range bodies {
					if err == nil {
						_, err = service.Receive(b.Context(), everywhere, header, bytes.NewReader(body))
					}
				}
				failed <- err
			}()
		}
		for _, body := range recorded {
			bodies <- body
		}
		close(bodies)
		for range cap(failed) {
			if err := <-failed; err != nil {
				b.Fatal(err)
			}
		}
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(events*b.N)/b.Elapsed().Seconds(), "events/s")
}

// batches are the bodies of a fleet's history, half of its events.
func batches(b *testing.B) (bodies [][]byte, events int) {
	b.Helper()
	tapes, err := record(scaleOf(benchResources(b), 12).fleet(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range tapes {
		if t.phase == streamed || t.phase == late {
			continue
		}
		p, err := t.play(false)
		if err != nil {
			b.Fatal(err)
		}
		for {
			var c chunk
			more, err := p.next(&c)
			if err != nil {
				b.Fatal(err)
			}
			if !more {
				break
			}
			bodies, events = append(bodies, c.body), events+c.events
		}
		if err := p.close(); err != nil {
			b.Fatal(err)
		}
	}
	return bodies, events
}

// benchResources is the size of the fleet: 10,000, or METERBOOK_BENCH_RESOURCES.
func benchResources(b *testing.B) int {
	b.Helper()
	text := os.Getenv("METERBOOK_BENCH_RESOURCES")
	if text == "" {
		return 10_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
