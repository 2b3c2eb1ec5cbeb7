package cli

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
)

func TestTheGaugeTellsWhetherWritesAreRefused(t *testing.T) {
	t.Parallel()
	full, queued := metering.Errorf(metering.KindUnavailable, "the disk is full"), metering.Errorf(metering.KindRateLimited, "the queue is full")
	for want, why := range map[float64][]error{0: {full}, 1: {nil, queued}} {
		for _, err := range why {
			r := prometheus.NewRegistry()
			r.MustRegister(newLedgerMetrics(func() ledger.Stats { return ledger.Stats{} }, func() error { return err }))
			families, gathering := r.Gather()
			if gathering != nil {
				t.Fatal(gathering)
			}
			got := -1.0
			for _, f := range families {
				if f.GetName() == "meterbook_store_writable" {
					got = f.GetMetric()[0].GetGauge().GetValue()
				}
			}
			if got != want {
				t.Errorf("%v: the gauge is %v, want %v", err, got, want)
			}
		}
	}
}
