package ledger_test

import (
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// TestReportsAreConsistentWhileAllIsWrittenAndMerged reads without pause from
// mapped files while others write, correct themselves, and the ledger merges all
// the time. In each report count, lines and totals agree, nothing that was
// acknowledged before is missing, and no batch is there by half.
func TestReportsAreConsistentWhileAllIsWrittenAndMerged(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]ledger.Options{
		"mapped":    {Dir: t.TempDir(), Clock: noon, MergeUnits: 5},
		"in memory": {Dir: "store", FS: vfs.NewMem(), Clock: noon, MergeUnits: 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			readWhileWriting(t, open(t, o))
		})
	}
}

// inBatch is the number of machines that are written, and appear, together.
const inBatch = 6

func readWhileWriting(t *testing.T, l *ledger.Ledger) {
	t.Helper()
	const writers, batches = 2, 60
	var acknowledged atomic.Int64
	done := make(chan struct{})
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range batches {
				first := (w*batches + i) * inBatch
				for _, batch := range [][]report.Submission{machines(first, inBatch), renamed(first)} {
					if _, err := submitTogether(t.Context(), l, [][]report.Submission{batch}); err != nil {
						t.Errorf("submit: %v", err)
						return
					}
				}
				acknowledged.Add(inBatch)
			}
		})
	}
	for r := range 3 {
		reading.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					readOnce(t, l, int64(i+r), acknowledged.Load())
				}
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	readOnce(t, l, 0, writers*batches*inBatch)
	if err := l.Merge(t.Context()); err != nil {
		t.Error(err)
	}
	readOnce(t, l, 1, writers*batches*inBatch)
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// renamed tells the same machines, one hour later, under other ids and names.
func renamed(first int) []report.Submission {
	batch := machines(first, inBatch)
	for i := range batch {
		o := batch[i].Observation
		o.Name.ID += "-renamed"
		o.Time += 1800 * metering.Second
		o.Attributes.Texts[metering.Name] += " renamed"
	}
	return batch
}

// readOnce checks one report against itself and what it must hold at least.
func readOnce(t *testing.T, l *ledger.Ledger, turn, atLeast int64) {
	t.Helper()
	q := allLines()
	q.Order = []report.OrderTerm{{Field: report.OrderField(turn % 7), Descending: turn%2 == 0}}
	q.Limit = []int{math.MaxInt, 20_000, 4000}[turn%3]
	r, err := l.Report(t.Context(), q)
	if err != nil {
		t.Errorf("report: %v", err)
		return
	}
	defer r.Close()
	seen := map[metering.ResourceKey]bool{}
	var sum metering.Amount
	var previous report.Line
	for line := range r.Lines {
		if seen[line.Resource] {
			t.Errorf("%v is in the report twice", line.Resource)
		}
		seen[line.Resource] = true
		if sum = sum.Add(line.Value); line.Value != (metering.Amount{Lo: 60}) {
			t.Errorf("%v counts %v", line.Resource, line.Value)
		}
		if len(seen) > 1 && report.Compare(q.Order, &previous, line) >= 0 {
			t.Errorf("%v comes after %v", line.Resource, previous.Resource)
		}
		previous = *line
		previous.Attributes = &metering.Attributes{}
		previous.Attributes.Texts[metering.Name] = strings.Clone(line.Attributes.Texts[metering.Name])
	}
	var total metering.Amount
	for _, x := range r.Totals {
		total = total.Add(x.Value)
	}
	if len(seen) != r.Count || total != sum || int64(r.Count) < atLeast || r.Count%inBatch != 0 {
		t.Errorf("%d lines of %v, count %d, totals %v, acknowledged %d", len(seen), sum, r.Count, total, atLeast)
	}
}
