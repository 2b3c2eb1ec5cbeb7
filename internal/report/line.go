package report

import (
	"cmp"
	"iter"

	"github.com/meterbook/meterbook/internal/metering"
)

// Line is one line of a report: one meter of one resource in the period.
type Line struct {
	Resource metering.ResourceKey
	Meter    metering.Meter
	Value    metering.Amount // at the scale of the type's measure
	// First and Last are the first and the last counted instant within the
	// period; lines print them cut to whole seconds.
	First, Last metering.Instant
	SizeBytes   uint64 // of a sized type, as in effect at Last
	Attributes  *metering.Attributes
}

// CompareIdentity is the canonical order of lines, which breaks all ties:
// project, region, type, resource id, metric, dimension, unit.
func (l *Line) CompareIdentity(m *Line) int {
	return cmp.Or(l.Resource.Compare(m.Resource), l.Meter.Compare(m.Meter))
}

// Total sums all matching lines of one region and meter, across projects.
type Total struct {
	Region metering.RegionID
	Meter  metering.Meter
	Value  metering.Amount
}

// Compare is the order of totals: type, region, metric, dimension, unit.
func (t *Total) Compare(u *Total) int {
	return cmp.Or(cmp.Compare(t.Meter.Type, u.Meter.Type), cmp.Compare(t.Region, u.Region), t.Meter.Compare(u.Meter))
}

// Report is the answer to a Query.
type Report struct {
	Count         int     // all matching lines
	Totals        []Total // of all matching lines, in order; types without totals left out
	CompleteUntil metering.Instant
	// Lines yields the page in order. The line and its texts are valid only
	// until the next one is asked for. Iterate at most once.
	Lines iter.Seq[*Line]
	// Close frees the snapshot. Call it once, after the last use of Lines.
	Close func()
}
