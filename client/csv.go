package client

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// csvColumn is one column of a report as CSV.
type csvColumn struct {
	name string
	cell func(l *Line) string
}

// csvColumns are the members that any type's lines have, "region" besides
// "region_id" as on the wire. Texts that came from a source are guarded.
func csvColumns() []csvColumn {
	region := func(l *Line) string { return strconv.FormatInt(l.RegionID, 10) }
	columns := []csvColumn{
		{"project_id", func(l *Line) string { return strconv.FormatInt(l.ProjectID, 10) }},
		{"region_id", region},
		{"region", region},
		{"type", func(l *Line) string { return l.Type }},
		textColumn("uuid", func(l *Line) *string { return l.UUID }),
		textColumn("port_id", func(l *Line) *string { return l.PortID }),
		textColumn("last_name", func(l *Line) *string { return l.LastName }),
		textColumn("billing_metric_name", func(l *Line) *string { return &l.BillingMetricName }),
		{"billing_value", func(l *Line) string { return string(l.BillingValue) }},
		textColumn("billing_value_unit", func(l *Line) *string { return &l.BillingValueUnit }),
		{"first_seen", func(l *Line) string { return l.FirstSeen.Format(time.RFC3339) }},
		{"last_seen", func(l *Line) string { return l.LastSeen.Format(time.RFC3339) }},
		textColumn("last_size", func(l *Line) *string { return (*string)(l.LastSize) }),
		textColumn("size_unit", func(l *Line) *string { return l.SizeUnit }),
	}
	return append(append(columns, attributeColumns()...), csvColumn{"tags", func(l *Line) string { return tagsText(l.Tags) }})
}

func attributeColumns() []csvColumn {
	return []csvColumn{
		textColumn("flavor", func(l *Line) *string { return l.Flavor }),
		textColumn("volume_type", func(l *Line) *string { return l.VolumeType }),
		textColumn("file_share_type", func(l *Line) *string { return l.FileShareType }),
		textColumn("instance_type", func(l *Line) *string { return l.InstanceType }),
		textColumn("instance_name", func(l *Line) *string { return l.InstanceName }),
		textColumn("vm_id", func(l *Line) *string { return l.VMID }),
		textColumn("attached_to_vm", func(l *Line) *string { return l.AttachedToVM }),
		textColumn("ip_address", func(l *Line) *string { return l.IPAddress }),
		textColumn("network_id", func(l *Line) *string { return l.NetworkID }),
		textColumn("subnet_id", func(l *Line) *string { return l.SubnetID }),
		textColumn("schedule_id", func(l *Line) *string { return l.ScheduleID }),
		textColumn("source_volume_uuid", func(l *Line) *string { return l.SourceVolumeUUID }),
	}
}

// textColumn is empty where the member is null or not of the type.
func textColumn(name string, member func(*Line) *string) csvColumn {
	return csvColumn{name, func(l *Line) string {
		text := member(l)
		if text == nil {
			return ""
		}
		return withoutFormula(*text)
	}}
}

// withoutFormula puts a ' before a text that a spreadsheet would compute: names
// come from whoever made the resource.
func withoutFormula(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// tagsText prints tags as one JSON object, sorted by key; "" without any.
func tagsText(tags Tags) string {
	if len(tags) == 0 {
		return ""
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(tags); err != nil {
		panic(fmt.Sprintf("bug: tags %v cannot be encoded: %v", tags, err))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// WriteCSV writes the page as it arrives: a header, then a record a line, with a
// column for each member that any type's lines have. A cell is empty both for
// null and for what the type does not have; tags are one JSON object; a text that
// a spreadsheet would take for a formula gets a ' in front.
func (s *ReportStream) WriteCSV(out io.Writer) error {
	columns := csvColumns()
	row := make([]string, len(columns))
	for i, column := range columns {
		row[i] = column.name
	}
	w := csv.NewWriter(out)
	if err := w.Write(row); err != nil {
		return err
	}
	for line, err := range s.Lines() {
		if err != nil {
			w.Flush()
			return err
		}
		for i, column := range columns {
			row[i] = column.cell(line)
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// WriteNDJSON writes the page as it arrives, a line of the report a line, as the
// server wrote it.
func (s *ReportStream) WriteNDJSON(out io.Writer) error {
	w := bufio.NewWriter(out)
	for line, err := range s.RawLines() {
		if err == nil {
			_, err = w.Write(append(line, '\n'))
		}
		if err != nil {
			return errors.Join(err, w.Flush())
		}
	}
	return w.Flush()
}
