package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// The steps of a series.
const (
	StepDay   = "day"
	StepMonth = "month"
)

// What a series may keep apart.
const (
	ByType    = "type"
	ByMetric  = "metric"
	ByProject = "project"
	ByRegion  = "region"
)

// SeriesRequest asks for usage over time. Its filters are those of [Request], and
// the lines are selected as there, over the whole period.
type SeriesRequest struct {
	// The period is half-open, [TimeFrom, TimeTo), in whole UTC days: the
	// server floors both to the start of their UTC day.
	TimeFrom      time.Time `json:"time_from"`
	TimeTo        time.Time `json:"time_to"`
	EnableLastDay bool      `json:"enable_last_day,omitempty"` // the day of TimeTo is included

	// Step is StepDay or StepMonth: UTC days, at most 3660, or UTC months, of
	// which the first and the last are cut to the period.
	Step string `json:"step"`
	// By is ByType, ByMetric, ByProject or ByRegion.
	By string `json:"by"`
	// Top is how many groups of a unit are shown, the largest ones, from 1 to
	// 10,000; 0 is the server's default, 10. The rest is in Others.
	Top int64 `json:"top,omitempty"`

	Projects     []int64       `json:"projects,omitempty"`
	Regions      []int64       `json:"regions,omitempty"`
	Types        []string      `json:"types,omitempty"`
	SchemaFilter *SchemaFilter `json:"schema_filter,omitempty"`
	Tags         *TagFilter    `json:"tags,omitempty"`
}

// Series is usage over time. Every list of values has one for each of Steps, zeros
// included, and sums to its total, digit by digit.
type Series struct {
	From  string       `json:"from"` // first UTC day, such as 2024-07-01
	To    string       `json:"to"`   // UTC day before which the period ends
	Step  string       `json:"step"`
	By    string       `json:"by"`
	Top   int64        `json:"top"`
	AsOf  time.Time    `json:"as_of"` // nothing after it is counted
	Steps []string     `json:"steps"` // first UTC day of each step, such as 2024-07-01
	Units []UnitSeries `json:"units"` // by unit, one that is in the totals first
}

// UnitSeries is what is counted in one unit.
type UnitSeries struct {
	Unit string `json:"unit"` // billing value unit
	// InTotals says that the report has totals of it: what the Totals of a report
	// have of a unit sums to Total. What has no totals (backup) is apart, as
	// another UnitSeries of the same unit.
	InTotals bool          `json:"in_totals"`
	Count    int64         `json:"count"` // lines
	Total    json.Number   `json:"total"`
	Values   []json.Number `json:"values"` // of all groups together
	// Groups are the largest ones, the largest first.
	Groups []SeriesGroup `json:"groups"`
	Others *SeriesOthers `json:"others"` // nil: there are no more groups
}

// SeriesGroup is what one type, metric, project or region counts.
type SeriesGroup struct {
	// Key is the name of the type or metric, or the id of the project or region in
	// decimal digits.
	Key    string        `json:"key"`
	Count  int64         `json:"count"` // lines
	Total  json.Number   `json:"total"`
	Values []json.Number `json:"values"`
}

// SeriesOthers is what the groups that are not shown count together.
type SeriesOthers struct {
	Groups int64         `json:"groups"` // how many there are
	Count  int64         `json:"count"`  // lines
	Total  json.Number   `json:"total"`
	Values []json.Number `json:"values"`
}

// UsageSeries asks for usage over time. What the groups of a unit and Others count
// sums to the unit's own values and total, and those of the units to the report's
// totals. An answer of more than 1,000,000 values is refused.
func (c *Client) UsageSeries(ctx context.Context, r SeriesRequest) (*Series, error) {
	return exchanged[Series](ctx, c, call{method: http.MethodPost, path: "/v1/usage/series", safe: true}, r)
}
