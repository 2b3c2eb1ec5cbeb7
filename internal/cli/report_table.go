package cli

import (
	"cmp"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/meterbook/meterbook/client"
)

// tableOptions say what of a report is printed for reading.
type tableOptions struct {
	wide      bool  // ids, metrics and dimensions too
	offset    int64 // of the page
	totalsMax int
}

// writeTable prints the page and the first totals for reading.
func writeTable(out io.Writer, stream *client.ReportStream, o tableOptions) error {
	columns := table.Row{"project", "region", "type", "name", "value", "unit", "first seen", "last seen"}
	if o.wide {
		columns = append(columns, "billed as", "id")
	}
	lines := newTable(columns...)
	printed := int64(0)
	for line, err := range stream.Lines() {
		if err != nil {
			return err
		}
		printed++
		lines.AppendRow(rowOf(line, o.wide))
	}
	if stream.Count == 0 {
		_, err := fmt.Fprintln(out, "No usage in this period, as far as this key and these filters reach.")
		return err
	}
	_, err := fmt.Fprintf(out, "%s\n%s\n\nTotals of all %d lines, whatever the page:\n%s\n",
		lines.Render(), pageText(printed, o.offset, stream.Count), stream.Count, totalsTable(stream.Totals, o))
	return err
}

func rowOf(l *client.Line, wide bool) table.Row {
	const toTheMinute = "2006-01-02 15:04"
	row := table.Row{
		l.ProjectID, l.RegionID, l.Type, nameOf(l), l.BillingValue, l.BillingValueUnit,
		l.FirstSeen.Format(toTheMinute), l.LastSeen.Format(toTheMinute),
	}
	if wide {
		row = append(row, l.BillingMetricName, idOf(l))
	}
	return row
}

func totalsTable(totals []client.Total, o tableOptions) string {
	columns := table.Row{"type", "region", "billed as", "value", "unit"}
	if o.wide {
		columns = append(columns, "split by")
	}
	w := newTable(columns...)
	for i := range totals[:min(o.totalsMax, len(totals))] {
		t := &totals[i]
		row := table.Row{t.Type, t.RegionID, t.BillingMetricName, t.BillingValue, t.BillingValueUnit}
		if o.wide {
			row = append(row, cmp.Or(textOf(t.Flavor), textOf(t.VolumeType), textOf(t.FileShareType), textOf(t.InstanceType)))
		}
		w.AppendRow(row)
	}
	if more := len(totals) - o.totalsMax; more > 0 {
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

// nameOf is what people know the resource by; its id where it has no name.
func nameOf(l *client.Line) string {
	return cmp.Or(textOf(l.LastName), textOf(l.InstanceName), textOf(l.IPAddress), idOf(l))
}

func idOf(l *client.Line) string { return cmp.Or(textOf(l.UUID), textOf(l.PortID)) }

func textOf(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
