package httpapi

import (
	"fmt"
	"maps"
	"math"
	"net/http"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// seriesTexts describe usage over time.
func seriesTexts() map[string]operationText {
	return map[string]operationText{
		postRoute + seriesPath: {tag: "report", id: "getUsageSeries", summary: "Usage over time",
			more: "Selects lines over the whole period, exactly as a report with the same filters does, and divides what each of them counts by days or months. " +
				"So the series of a unit sum to the totals of the report, to the digit, and those of a group to its lines. " +
				fmt.Sprintf("An answer of more than %d values is not given: ask for fewer groups, for steps of a month, or for a shorter period. ", report.MaxSeriesValues) +
				fmt.Sprintf("Answers from one consistent snapshot that has everything acknowledged before. Bodies have at most %d bytes.", MaxRequestBytes),
			body:    content("UsageSeriesRequest"),
			answers: map[int]map[string]any{http.StatusOK: answer("The series.", "UsageSeries", completeUntilHeader)}},
	}
}

func seriesSchemas() map[string]schema {
	return map[string]schema{
		"UsageSeriesRequest": seriesRequestSchema(),
		"UsageSeries":        seriesSchema(),
		"UsageSeriesUnit":    seriesUnitSchema(),
		"UsageSeriesGroup": seriesFlowSchema(map[string]schema{
			"key": anyText().describe("The name of the type or metric, or the id of the project or region in decimal digits."),
		}).describe("What one type, metric, project or region counts."),
		"UsageSeriesOthers": seriesFlowSchema(map[string]schema{
			"groups": integerFromTo(1, math.MaxInt64).describe("How many groups these are."),
		}).describe("What the groups that are not shown count together."),
	}
}

// seriesRequestSchema is the report's request without what is about pages, and what
// is about series besides.
func seriesRequestSchema() schema {
	properties := maps.Clone(requestSchema()["properties"].(map[string]schema))
	for _, name := range []string{"limit", "offset", "order_by", "sorting"} {
		delete(properties, name)
	}
	properties["step"] = enumOf(report.ByDay.String(), report.ByMonth.String()).
		describe(fmt.Sprintf("UTC days, or UTC calendar months, of which the first and the last are cut to the period. At most %d steps.", report.MaxSeriesSteps))
	properties["by"] = enumOf(report.GroupByType.String(), report.GroupByMetric.String(), report.GroupByProject.String(), report.GroupByRegion.String()).
		describe("What is kept apart.")
	properties["top"] = integerFromTo(1, report.MaxSeriesTop).with("default", report.DefaultSeriesTop).
		describe("The greatest number of groups of a unit to show, the largest ones; the rest is in others.")
	return objectSchema(properties, "time_from", "time_to", "step", "by").
		describe("The filters are those of UsageReportRequest. Unknown and duplicate members at any depth are errors.").
		with("examples", []any{map[string]any{
			"time_from": "2024-07-01T00:00:00Z", "time_to": "2024-08-01T00:00:00Z", "step": "day", "by": "type", "top": 5,
			"types": []string{"instance", "volume"},
		}})
}

func seriesSchema() schema {
	day := schema{"type": "string", "format": "date"}
	return answerSchema(map[string]schema{
		"from":  day.describe("The first UTC day of the period."),
		"to":    day.describe("The UTC day before which the period ends."),
		"step":  enumOf(report.ByDay.String(), report.ByMonth.String()),
		"by":    enumOf(report.GroupByType.String(), report.GroupByMetric.String(), report.GroupByProject.String(), report.GroupByRegion.String()),
		"top":   integerFromTo(1, report.MaxSeriesTop),
		"as_of": schema{"type": "string", "format": "date-time", "description": "The instant of the answer: no minute after it counts, and everything acknowledged before is in it."},
		"steps": listSchema(day).with("maxItems", report.MaxSeriesSteps).describe("The first UTC day of each step, over the whole period."),
		"units": listSchema(schemaRef("UsageSeriesUnit")).describe("In the order of the units' names, of one name the one that is in the totals first. None where no line matches."),
	}).with("examples", []any{seriesExample()})
}

func seriesUnitSchema() schema {
	return seriesFlowSchema(map[string]schema{
		"unit": plainText(metering.MaxTextLength).describe("The billing_value_unit."),
		"in_totals": schema{"type": "boolean", "description": "true: the totals of the report have it, and what they have of the unit sums to total. " +
			"false: they do not (backup), so it is apart from what they have of the same unit."},
		"groups": listSchema(schemaRef("UsageSeriesGroup")).with("minItems", 1).with("maxItems", report.MaxSeriesTop).
			describe("The largest groups by total, the largest first; of equal ones the lesser key."),
		"others": schema{"anyOf": []schema{schemaRef("UsageSeriesOthers"), {"type": "null"}}, "description": "null where all groups are shown."},
	}).describe("What is counted in one unit. Its own values are the sums of those of groups and others.")
}

// seriesFlowSchema is an object of these members and of what lines count.
func seriesFlowSchema(members map[string]schema) schema {
	const exact = "An exact decimal: no exponent, no trailing zeros, no rounding."
	value := schema{"type": "number", "minimum": 0}
	members = maps.Clone(members)
	members["count"] = integerFromTo(1, math.MaxInt64).describe("The number of lines of the report that these are.")
	members["total"] = value.describe("The sum of their billing_value. " + exact)
	members["values"] = listSchema(value).with("minItems", 1).with("maxItems", report.MaxSeriesSteps).describe("One for each step, zeros included; they sum to total. " + exact)
	return answerSchema(members)
}

// seriesExample is three days of two instances and of a volume of 100 GiB.
func seriesExample() map[string]any {
	gb := func(days uint64) any {
		return decimal{metering.Product(days*exampleMinutes, exampleBytes), report.SeriesScale}
	}
	minutes := map[string]any{"count": 2, "total": 5040, "values": []any{2880, 1440, 720}}
	volumes := map[string]any{"count": 1, "total": gb(2), "values": []any{gb(1), gb(1), 0}}
	unit := func(name, key string, flow map[string]any) any {
		group, whole := maps.Clone(flow), maps.Clone(flow)
		group["key"] = key
		whole["unit"], whole["in_totals"], whole["groups"], whole["others"] = name, true, []any{group}, nil
		return whole
	}
	return map[string]any{
		"from": "2024-07-01", "to": "2024-07-04", "step": "day", "by": "type", "top": 5, "as_of": "2024-07-03T12:00:00Z",
		"steps": []any{"2024-07-01", "2024-07-02", "2024-07-03"},
		"units": []any{unit("gbminutes", "volume", volumes), unit("minutes", "instance", minutes)},
	}
}
