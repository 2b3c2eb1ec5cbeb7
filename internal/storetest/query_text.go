package storetest

import (
	"fmt"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// FormatQuery shows a query on one row of text, without what it does not ask.
func FormatQuery(q *report.Query) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s, %s) now %s limit %d offset %d", q.Period.From, q.Period.To, q.Now, q.Limit, q.Offset)
	if !q.Projects.All {
		fmt.Fprintf(&b, " projects %v", q.Projects.Items)
	}
	if !q.Regions.All {
		fmt.Fprintf(&b, " regions %v", q.Regions.Items)
	}
	if q.Types != report.AllTypes {
		b.WriteString(" types")
		for _, t := range metering.ResourceTypes() {
			if hasType(q.Types, t) {
				fmt.Fprintf(&b, " %s", t)
			}
		}
	}
	if f := q.Where; f != nil {
		fmt.Fprintf(&b, " where %s %s ids %v sizes %v texts %q", f.Type, filterFieldName(f), f.IDs, f.Sizes, f.Texts)
	}
	if f := q.Tags; f != nil {
		fmt.Fprintf(&b, " tags all=%t", f.All)
		for _, c := range f.Conditions {
			fmt.Fprintf(&b, " (%s=%s strict=%t)", formatOptional(c.Key), formatOptional(c.Value), c.Strict)
		}
	}
	b.WriteString(" order")
	for _, term := range q.Order {
		fmt.Fprintf(&b, " %s desc=%t", orderFieldName(term.Field), term.Descending)
	}
	return b.String()
}

func filterFieldName(f *report.FieldFilter) string {
	if f.Field == report.FilterAttribute {
		return f.Attribute.LineField()
	}
	return [...]string{report.FilterType: "type", report.FilterID: "id", report.FilterSize: "last_size"}[f.Field]
}

func orderFieldName(f report.OrderField) string {
	return [...]string{
		report.ByProject: "project", report.ByRegion: "region", report.ByType: "type", report.ByValue: "billing_value",
		report.ByFirstSeen: "first_seen", report.ByLastSeen: "last_seen", report.ByLastName: "last_name",
	}[f]
}

func formatOptional(text *string) string {
	if text == nil {
		return "*"
	}
	return fmt.Sprintf("%q", *text)
}
