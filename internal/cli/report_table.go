package cli

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/meterbook/meterbook/client"
)

// writeTable prints the page and the first totals for reading.
func writeTable(out io.Writer, stream *client.ReportStream, offset int64, totalsMax int) error {
	lines := newTable("project", "region", "type", "name", "id", "billed as", "value", "unit", "first seen", "last seen")
	printed := int64(0)
	for line, err := range stream.Lines() {
		if err != nil {
			return err
		}
		printed++
		lines.AppendRow(table.Row{
			line.ProjectID, line.RegionID, line.Type, nameOf(line), idOf(line), line.BillingMetricName,
			line.BillingValue, line.BillingValueUnit, line.FirstSeen.Format(time.DateTime), line.LastSeen.Format(time.DateTime),
		})
	}
	if stream.Count == 0 {
		_, err := fmt.Fprintln(out, "No usage in this period, as far as this key and these filters reach.")
		return err
	}
	_, err := fmt.Fprintf(out, "%s\n%s\n\nTotals of all %d lines, whatever the page:\n%s\n",
		lines.Render(), pageText(printed, offset, stream.Count), stream.Count, totalsTable(stream.Totals, totalsMax))
	return err
}

func totalsTable(totals []client.Total, most int) string {
	w := newTable("type", "region", "billed as", "split by", "value", "unit")
	for i := range totals[:min(most, len(totals))] {
		t := &totals[i]
		w.AppendRow(table.Row{t.Type, t.RegionID, t.BillingMetricName, dimensionOf(t), t.BillingValue, t.BillingValueUnit})
	}
	if more := len(totals) - most; more > 0 {
		return fmt.Sprintf("%s\nand %d more", w.Render(), more)
	}
	return w.Render()
}

func pageText(printed, offset, count int64) string {
	if printed == count {
		return fmt.Sprintf("%d lines. Times are UTC.", count)
	}
	return fmt.Sprintf("%d of %d lines, from line %d on. Times are UTC. For more: --limit, --offset.", printed, count, offset+1)
}

// newTable makes a table whose column "value" is aligned to the right.
func newTable(columns ...any) table.Writer {
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.AppendHeader(columns)
	w.SetColumnConfigs([]table.ColumnConfig{{Name: "value", Align: text.AlignRight, AlignHeader: text.AlignRight}})
	return w
}

func nameOf(l *client.Line) string {
	return cmp.Or(textOf(l.LastName), textOf(l.InstanceName), textOf(l.IPAddress))
}

func idOf(l *client.Line) string { return cmp.Or(textOf(l.UUID), textOf(l.PortID)) }

func dimensionOf(t *client.Total) string {
	return cmp.Or(textOf(t.Flavor), textOf(t.VolumeType), textOf(t.FileShareType), textOf(t.InstanceType))
}

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
