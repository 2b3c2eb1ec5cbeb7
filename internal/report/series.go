package report

import (
	"cmp"
	"iter"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// Step is what a series divides its period into.
type Step uint8

const (
	ByDay   Step = iota // UTC days
	ByMonth             // UTC calendar months, the first and the last cut to the period
)

// String returns the word of the request.
func (s Step) String() string { return [...]string{"day", "month"}[s] }

// Starts yields the first day of each step of a period, in order.
func (s Step) Starts(in metering.Period) iter.Seq[metering.Day] {
	return func(yield func(metering.Day) bool) {
		for day := in.From; day < in.To && yield(day); {
			day = s.after(day)
		}
	}
}

// after returns the first day of the step behind the one that has the day.
func (s Step) after(day metering.Day) metering.Day {
	if s == ByDay {
		return day + 1
	}
	date := time.Unix(int64(day)*24*60*60, 0).UTC()
	return metering.DayOf(date.Year(), date.Month()+1, 1)
}

// Grouping is what a series keeps apart.
type Grouping uint8

const (
	GroupByType    Grouping = iota // the resource type
	GroupByMetric                  // the billing metric
	GroupByProject                 // the project
	GroupByRegion                  // the region
)

// String returns the word of the request.
func (g Grouping) String() string { return [...]string{"type", "metric", "project", "region"}[g] }

// Limits of a series.
const (
	DefaultSeriesTop = 10
	// MaxSeriesTop bounds the groups that are shown of a unit.
	MaxSeriesTop = 10_000
	// MaxSeriesSteps is ten years of days.
	MaxSeriesSteps = 3660
	// MaxSeriesValues bounds the values of all series of an answer, and with them
	// its memory.
	MaxSeriesValues = 1_000_000
)

// TooManyValues is the error for an answer of so many values.
func TooManyValues(values int) error {
	err := metering.Errorf(metering.KindInvalid, "The answer would have %d values, and may have %d; ask for fewer groups with top, for steps of a month, or for a shorter period", values, MaxSeriesValues)
	err.Fields = metering.FieldErrors{}
	err.Fields.Add("top", "Input should be less: %d values would be answered, at most %d are", values, MaxSeriesValues)
	return err
}

// SeriesQuery is a validated request for a series. Its Limit, Offset and Order
// say nothing: lines are selected over the whole period as in a report, whatever
// its pages, and what each counts is then divided by steps.
type SeriesQuery struct {
	Query
	Step Step
	By   Grouping
	Top  int // greatest number of groups of a unit that are shown, at least 1
}

// GroupKey names a group: a type or a metric by its name, a project or a region by
// its id.
type GroupKey struct {
	Name string
	ID   int64
}

// Compare orders by id, then by the bytes of the names.
func (k GroupKey) Compare(l GroupKey) int {
	return cmp.Or(cmp.Compare(k.ID, l.ID), cmp.Compare(k.Name, l.Name))
}

// Key returns the group of what a meter counts in a project and a region.
func (g Grouping) Key(p metering.ProjectID, r metering.RegionID, m *metering.Meter) GroupKey {
	switch g {
	case GroupByMetric:
		return GroupKey{Name: m.Metric}
	case GroupByProject:
		return GroupKey{ID: int64(p)}
	case GroupByRegion:
		return GroupKey{ID: int64(r)}
	}
	return GroupKey{Name: m.Type.String()}
}

// SeriesScale is the decimal scale of every amount of a series: one unit may have
// types of several measures, which have nine places at most.
const SeriesScale = maxScale

// Flow is what some lines count, in all and step by step. The values, one for each
// step, sum to the total.
type Flow struct {
	Lines  int
	Total  metering.Amount
	Values []metering.Amount
}

// GroupSeries is one group.
type GroupSeries struct {
	Key GroupKey
	Flow
}

// UnitSeries is what is counted in one billing value unit. Types that a report has
// no totals for (backup) are apart from the others, so that the totals of a report
// and those of its series agree.
type UnitSeries struct {
	Unit     string
	InTotals bool // a report has totals for it
	Flow          // of all groups
	// Groups are the largest ones by total, the largest first; of equal ones the one
	// with the lesser key.
	Groups []GroupSeries
	// Others are the rest, which are OtherGroups many.
	Others      Flow
	OtherGroups int
}

// Series is the answer to a SeriesQuery. It holds all it has: nothing is to be
// closed.
type Series struct {
	Starts []metering.Day // the first day of each step
	// Units are in the order of their names, one that is in the totals first.
	Units         []UnitSeries
	CompleteUntil metering.Instant
}
