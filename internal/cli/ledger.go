package cli

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
)

// openLedger opens the embedded store.
func openLedger(ctx context.Context, o storeOptions) (*store, error) {
	l, err := ledger.Open(ctx, ledger.Options{
		Dir: o.dir, MergeUnits: o.mergeUnits, Clock: o.clock, Logger: o.logger, StrictProjects: o.strictProjects, Retention: o.retention, OnSync: o.onSync, OnRest: o.onRest, OnFatal: o.onFatal,
	})
	if err != nil {
		return nil, err
	}
	return &store{Store: l, records: l.Records(), metrics: newLedgerMetrics(l.Stats, l.Writable), maintenance: l, behind: l.Behind}, nil
}

// ledgerMetrics shows a ledger's statistics. They are read when they are asked
// for.
type ledgerMetrics struct {
	stats  func() ledger.Stats
	series []ledgerSeries
}

type ledgerSeries struct {
	description *prometheus.Desc
	kind        prometheus.ValueType
	value       func(*ledger.Stats) float64
}

func newLedgerMetrics(stats func() ledger.Stats, writable func() error) *ledgerMetrics {
	m := &ledgerMetrics{stats: stats}
	add := func(name, help string, kind prometheus.ValueType, value func(*ledger.Stats) float64) {
		m.series = append(m.series, ledgerSeries{prometheus.NewDesc("meterbook_store_"+name, help, nil, nil), kind, value})
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	add("observations_total", "Observations that are stored, retractions among them.", counter, func(s *ledger.Stats) float64 { return float64(s.Observations) })
	add("merges_total", "Merges of the changes into a new base since the start.", counter, func(s *ledger.Stats) float64 { return float64(s.Merges) })
	add("resources", "Resources in the base.", gauge, func(s *ledger.Stats) float64 { return float64(s.Resources) })
	add("segments", "Segments of resources' timelines in the base.", gauge, func(s *ledger.Stats) float64 { return float64(s.Segments) })
	add("day_sums", "Day sums of quantities in the base.", gauge, func(s *ledger.Stats) float64 { return float64(s.DaySums) })
	add("changed_units", "Resources, and days of counted ones, that changed since the base was made.", gauge, func(s *ledger.Stats) float64 { return float64(s.ChangedUnits) })
	add("projection_rows", "Rows of the periods that are kept for reports.", gauge, func(s *ledger.Stats) float64 { return float64(s.ProjectionRows) })
	add("column_bytes", "Size of the base's columns, which are mapped into memory.", gauge, func(s *ledger.Stats) float64 { return float64(s.ColumnBytes) })
	add("disk_bytes", "Size of the observations on disk.", gauge, func(s *ledger.Stats) float64 { return float64(s.DiskBytes) })
	add("cache_bytes", "Size of the block cache.", gauge, func(s *ledger.Stats) float64 { return float64(s.CacheBytes) })
	add("memtable_bytes", "Size of the tables of recent writes in memory.", gauge, func(s *ledger.Stats) float64 { return float64(s.MemTableBytes) })
	add("queued_batches", "Batches that wait to be stored.", gauge, func(s *ledger.Stats) float64 { return float64(s.QueuedBatches) })
	add("writable", "1, or 0 while writes are refused with 503: the disk is full, or writing to it has failed.", gauge, func(*ledger.Stats) float64 {
		// Whoever meets a full queue is only asked to wait.
		if err := writable(); err != nil && metering.KindOf(err) == metering.KindUnavailable {
			return 0
		}
		return 1
	})
	return m
}

// Describe implements prometheus.Collector.
func (m *ledgerMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, s := range m.series {
		out <- s.description
	}
}

// Collect implements prometheus.Collector.
func (m *ledgerMetrics) Collect(out chan<- prometheus.Metric) {
	stats := m.stats()
	for _, s := range m.series {
		out <- prometheus.MustNewConstMetric(s.description, s.kind, s.value(&stats))
	}
}
