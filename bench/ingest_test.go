package main

import (
	"bytes"
	"net/http"
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
	l := makeLoad(scale{resources: 10_000, months: 12, ports: 10})
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
		failed := make(chan error, 4)
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
		for _, body := range l.bodies {
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
	b.ReportMetric(float64(l.events*b.N)/b.Elapsed().Seconds(), "events/s")
}
