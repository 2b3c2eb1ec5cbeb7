package report_test

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// exampleReport is a worked example of the contract, read back into lines.
type exampleReport struct {
	Count     int              `json:"count"`
	Resources []exampleMembers `json:"resources"`
	Totals    []exampleMembers `json:"totals"`
}

type exampleMembers struct {
	Type    string              `json:"type"`
	Project metering.ProjectID  `json:"project_id"`
	Region  metering.RegionID   `json:"region"`
	UUID    string              `json:"uuid"`
	PortID  string              `json:"port_id"`
	Metric  string              `json:"billing_metric_name"`
	Unit    string              `json:"billing_value_unit"`
	Value   jsontext.Value      `json:"billing_value"`
	First   time.Time           `json:"first_seen"`
	Last    time.Time           `json:"last_seen"`
	Size    uint64              `json:"last_size"`
	Tags    []map[string]string `json:"tags"`
	Name    string              `json:"last_name"`

	raw jsontext.Value
}

// UnmarshalJSON keeps the whole object too, for the attributes in it.
func (m *exampleMembers) UnmarshalJSON(object []byte) error {
	type plain exampleMembers
	m.raw = slices.Clone(object)
	return json.Unmarshal(object, (*plain)(m))
}

// line turns the members back into the line that prints them.
func (m exampleMembers) line(t testing.TB) *report.Line {
	t.Helper()
	rt := resourceType(t, m.Type)
	l := &report.Line{
		Resource:   metering.ResourceKey{Project: m.Project, Region: m.Region, Type: rt},
		Value:      amount(t, string(m.Value), rt.Measure().Scale()),
		First:      metering.InstantOf(m.First),
		Last:       metering.InstantOf(m.Last),
		SizeBytes:  m.Size,
		Attributes: m.attributes(t),
	}
	if id := m.UUID + m.PortID; id != "" {
		l.Resource.ID = uuid(t, id)
	}
	if rt.SizeUnit() == metering.GiB {
		l.SizeBytes <<= 30
	}
	l.Meter = rt.Meter(m.Metric, m.Unit, l.Attributes)
	return l
}

func (m exampleMembers) attributes(t testing.TB) *metering.Attributes {
	t.Helper()
	a := &metering.Attributes{}
	for name, value := range members(t, m.raw) {
		attribute, ok := metering.AttributeNamed(name)
		if !ok || value.Kind() != '"' {
			continue // null, or a member that follows from another one
		}
		if err := json.Unmarshal(value, &a.Texts[attribute]); err != nil {
			t.Fatal(err)
		}
	}
	a.Texts[metering.Name] = m.Name
	for _, pair := range m.Tags {
		for key, value := range pair {
			a.Tags = append(a.Tags, metering.Tag{Key: key, Value: value})
		}
	}
	return a
}

// amount reads a decimal number at the scale.
func amount(t testing.TB, decimal string, scale int) metering.Amount {
	t.Helper()
	whole, fraction, _ := strings.Cut(decimal, ".")
	n, ok := new(big.Int).SetString(whole+(fraction + strings.Repeat("0", scale))[:scale], 10)
	if !ok || len(fraction) > scale {
		t.Fatalf("no amount of scale %d: %s", scale, decimal)
	}
	low := new(big.Int).And(n, new(big.Int).SetUint64(^uint64(0)))
	return metering.Amount{Hi: new(big.Int).Rsh(n, 64).Uint64(), Lo: low.Uint64()}
}

func TestWorkedExamplesAreSelectedOrderedAndWrittenDigitByDigit(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob(filepath.Join("testdata", "reports", "*"))
	if err != nil || len(examples) != 6 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	for _, dir := range examples {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			q := parse(t, readFile(t, dir, "request.json"))
			golden := jsontext.Value(readFile(t, dir, "report.json"))
			var example exampleReport
			if err := json.Unmarshal(golden, &example); err != nil {
				t.Fatal(err)
			}
			expectWritten(t, q, example, golden)
		})
	}
}

// expectWritten wants the lines in the query's order, and the very bytes of the
// example but for its white space: members are in the order of their names.
func expectWritten(t *testing.T, q report.Query, example exampleReport, golden jsontext.Value) {
	t.Helper()
	r := &report.Report{Count: example.Count}
	var lines []*report.Line
	for _, m := range example.Resources {
		l := m.line(t)
		if n := len(lines); n > 0 && report.Compare(q.Order, lines[n-1], l) >= 0 {
			t.Errorf("line %d should come before line %d: %+v", n, n-1, l)
		}
		if !q.Selects(l) {
			t.Errorf("line %d is not selected: %+v", len(lines), l)
		}
		lines = append(lines, l)
	}
	for _, m := range example.Totals {
		l := m.line(t)
		r.Totals = append(r.Totals, report.Total{Region: m.Region, Meter: l.Meter, Value: l.Value})
	}
	if from, to := q.Page(example.Count); to-from != len(lines) {
		t.Errorf("the page is [%d, %d), want %d lines", from, to, len(lines))
	}
	r.Lines = slices.Values(lines)
	var got bytes.Buffer
	if err := report.WriteJSON(&got, r); err != nil {
		t.Fatal(err)
	}
	if err := golden.Compact(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), golden) {
		t.Errorf("got  %s\nwant %s", &got, golden)
	}
}

func readFile(t testing.TB, path ...string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
