package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

// Request asks for a usage report (spec 1-usage-report, "Request"). Only the
// times are required; what is left at its zero value takes the server's
// default.
type Request struct {
	// The period is half-open, [TimeFrom, TimeTo), in whole UTC days: the
	// server floors both to the start of their UTC day.
	TimeFrom      time.Time `json:"time_from"`
	TimeTo        time.Time `json:"time_to"`
	EnableLastDay bool      `json:"enable_last_day,omitempty"` // the day of TimeTo is included

	Limit  int64 `json:"limit,omitempty"`  // lines in the page; 0: the server's default, 10
	Offset int64 `json:"offset,omitempty"` // lines to skip

	Projects     []int64       `json:"projects,omitempty"`
	Regions      []int64       `json:"regions,omitempty"`
	Types        []string      `json:"types,omitempty"`
	SchemaFilter *SchemaFilter `json:"schema_filter,omitempty"`
	Tags         *TagFilter    `json:"tags,omitempty"`

	// OrderBy are terms such as "billing_value.desc"; the fields are
	// billing_value, first_seen, last_name, last_seen, project, region, type.
	OrderBy []string `json:"order_by,omitempty"`
}

// SchemaFilter restricts the report to one type, and to those lines of it
// whose field equals one of the values.
type SchemaFilter struct {
	Type   string   `json:"type"`
	Field  string   `json:"field"`
	Values []string `json:"values"`
}

// TagFilter selects lines by their tags.
type TagFilter struct {
	Conditions    []TagCondition `json:"conditions"`               // 1 to 10
	ConditionType string         `json:"condition_type,omitempty"` // "OR" (default) or "AND"
}

// TagCondition is met by one tag of a line. An empty key or value is not
// given; not both may be empty.
type TagCondition struct {
	Key    string `json:"key,omitempty"`
	Value  string `json:"value,omitempty"`
	Strict *bool  `json:"strict,omitempty"` // false: the value is contained in the tag's, ignoring case
}

// Line is one line of a report: one meter of one resource in the period.
// Members that its type does not have, or that have no value, are nil.
type Line struct {
	Type              string      `json:"type"`
	ProjectID         int64       `json:"project_id"`
	RegionID          int64       `json:"region_id"`
	BillingMetricName string      `json:"billing_metric_name"`
	BillingValue      json.Number `json:"billing_value"` // exact, in BillingValueUnit
	BillingValueUnit  string      `json:"billing_value_unit"`
	FirstSeen         time.Time   `json:"first_seen"` // first counted instant in the period, UTC
	LastSeen          time.Time   `json:"last_seen"`  // last counted instant in the period, UTC

	UUID             *string      `json:"uuid"`
	PortID           *string      `json:"port_id"`
	LastName         *string      `json:"last_name"`
	Flavor           *string      `json:"flavor"`
	LastSize         *json.Number `json:"last_size"` // in SizeUnit
	SizeUnit         *string      `json:"size_unit"`
	VolumeType       *string      `json:"volume_type"`
	FileShareType    *string      `json:"file_share_type"`
	InstanceType     *string      `json:"instance_type"`
	InstanceName     *string      `json:"instance_name"`
	VMID             *string      `json:"vm_id"`
	AttachedToVM     *string      `json:"attached_to_vm"`
	IPAddress        *string      `json:"ip_address"`
	NetworkID        *string      `json:"network_id"`
	SubnetID         *string      `json:"subnet_id"`
	ScheduleID       *string      `json:"schedule_id"`
	SourceVolumeUUID *string      `json:"source_volume_uuid"`
	Tags             Tags         `json:"tags"`
}

// Tags of a line; the keys are distinct.
type Tags map[string]string

// UnmarshalJSON reads the report's form, a list of one-pair objects, or null.
func (t *Tags) UnmarshalJSON(text []byte) error {
	var pairs []map[string]string
	if err := json.Unmarshal(text, &pairs); err != nil {
		return err
	}
	*t = nil
	for _, pair := range pairs {
		for key, value := range pair {
			if *t == nil {
				*t = make(Tags, len(pairs))
			}
			(*t)[key] = value
		}
	}
	return nil
}

// Total sums all matching lines of one type, region, billing metric, dimension
// and unit, across projects.
type Total struct {
	Type              string      `json:"type"`
	RegionID          int64       `json:"region_id"`
	BillingMetricName string      `json:"billing_metric_name"`
	BillingValue      json.Number `json:"billing_value"` // exact, in BillingValueUnit
	BillingValueUnit  string      `json:"billing_value_unit"`

	// The dimension by which the type's totals are split, if it has one.
	Flavor        *string `json:"flavor"`
	VolumeType    *string `json:"volume_type"`
	FileShareType *string `json:"file_share_type"`
	InstanceType  *string `json:"instance_type"`
}

// Report is a usage report.
type Report struct {
	Count     int64   `json:"count"`     // all matching lines, whatever the page
	Resources []Line  `json:"resources"` // the page
	Totals    []Total `json:"totals"`    // of all matching lines, whatever the page
	// CompleteUntil is the instant up to which everything acknowledged is in
	// the report, UTC; zero when the server did not say.
	CompleteUntil time.Time `json:"-"`
}

const (
	reportPath          = "/cloud/v1/usage_report"
	completeUntilHeader = "Meterbook-Complete-Until"
)

// UsageReport asks for a report and reads it whole. For a page of more lines
// than memory should hold, use [Client.StreamUsageReport].
func (c *Client) UsageReport(ctx context.Context, r Request) (report *Report, err error) {
	stream, err := c.StreamUsageReport(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stream.Close()) }()
	report = &Report{Resources: []Line{}, CompleteUntil: stream.CompleteUntil}
	for line, err := range stream.Lines() {
		if err != nil {
			return nil, err
		}
		report.Resources = append(report.Resources, *line)
	}
	report.Count, report.Totals = stream.Count, stream.Totals
	return report, nil
}

// UsageReportJSON asks for a report and returns the server's own bytes. The
// caller closes them.
func (c *Client) UsageReportJSON(ctx context.Context, r Request) (io.ReadCloser, error) {
	response, err := c.requestReport(ctx, r)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

func (c *Client) requestReport(ctx context.Context, r Request) (*http.Response, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the report request: %w", err)
	}
	return c.send(ctx, call{
		method: http.MethodPost, path: reportPath, contentType: "application/json",
		body: bytesBody(text), safe: true, stream: true,
	})
}

// ReportStream is a report that is read as it arrives. Read Lines or RawLines
// once, to the end; Totals are there afterwards. Close it in the end.
type ReportStream struct {
	Count         int64     // all matching lines; known once the first line is there
	Totals        []Total   // known once the lines are read to their end
	CompleteUntil time.Time // as in [Report]

	body    io.ReadCloser
	decoder *json.Decoder
}

// StreamUsageReport asks for a report whose lines are read one at a time. An
// answer that breaks off on the way is an error of its lines, and is not
// repeated.
func (c *Client) StreamUsageReport(ctx context.Context, r Request) (*ReportStream, error) {
	response, err := c.requestReport(ctx, r)
	if err != nil {
		return nil, err
	}
	s := &ReportStream{body: response.Body, decoder: json.NewDecoder(response.Body)}
	if text := response.Header.Get(completeUntilHeader); text != "" {
		s.CompleteUntil, err = time.Parse(time.RFC3339, text)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("header %s: %w", completeUntilHeader, err), s.Close())
		}
	}
	return s, nil
}

// Close frees the connection.
func (s *ReportStream) Close() error { return s.body.Close() }

// Lines yields the page in order, and in the end the error if it broke off.
func (s *ReportStream) Lines() iter.Seq2[*Line, error] {
	return func(yield func(*Line, error) bool) {
		for raw, err := range s.RawLines() {
			var line Line
			if err == nil {
				err = json.Unmarshal(raw, &line)
			}
			if !yield(&line, err) || err != nil {
				return
			}
		}
	}
}

// RawLines yields the page in order, each line a JSON object as the server sent
// it, valid until the next one, and in the end the error if it broke off.
func (s *ReportStream) RawLines() iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		stopped := false
		err := s.read(func(line json.RawMessage) bool {
			stopped = !yield(line, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(nil, fmt.Errorf("the report broke off: %w", err))
		}
	}
}

// read walks the answer's members; line returns false to stop early.
func (s *ReportStream) read(line func(json.RawMessage) bool) error {
	if err := s.expect(json.Delim('{')); err != nil {
		return err
	}
	for s.decoder.More() {
		member, err := s.decoder.Token()
		if err != nil {
			return truncated(err)
		}
		more := true
		switch member {
		case "count":
			err = s.decoder.Decode(&s.Count)
		case "resources":
			more, err = s.readLines(line)
		case "totals":
			err = s.decoder.Decode(&s.Totals)
		default: // of a newer server
			var skipped json.RawMessage
			err = s.decoder.Decode(&skipped)
		}
		if err != nil || !more {
			return truncated(err)
		}
	}
	return s.expect(json.Delim('}'))
}

func (s *ReportStream) readLines(line func(json.RawMessage) bool) (more bool, err error) {
	if err := s.expect(json.Delim('[')); err != nil {
		return false, err
	}
	var raw json.RawMessage
	for s.decoder.More() {
		if err := s.decoder.Decode(&raw); err != nil {
			return false, err
		}
		if !line(bytes.TrimSpace(raw)) {
			return false, nil
		}
	}
	return true, s.expect(json.Delim(']'))
}

func (s *ReportStream) expect(want json.Delim) error {
	got, err := s.decoder.Token()
	if err != nil {
		return truncated(err)
	}
	if got != want {
		return fmt.Errorf("expected %v, got %v", want, got)
	}
	return nil
}

// truncated turns an end of input, which is never in order within a report,
// into an error that says so.
func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
