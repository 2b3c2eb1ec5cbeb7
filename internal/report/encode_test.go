package report_test

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// contract is the data of the published contract, as far as members go.
type contract struct {
	CommonLine  []string `json:"common_line_fields"`
	CommonTotal []string `json:"common_total_fields"`
	Types       map[string]struct {
		Line     []string  `json:"line_fields_beyond_common"`
		Total    *[]string `json:"total_fields_beyond_common"`
		SizeUnit string    `json:"size_unit"`
	} `json:"types"`
}

func readContract(t testing.TB) (c contract) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "metering", "testdata", "resource_types.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// members decodes an object, which must be strict JSON.
func members(t testing.TB, object []byte) map[string]jsontext.Value {
	t.Helper()
	var m map[string]jsontext.Value
	if err := json.Unmarshal(object, &m); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	return m
}

func TestEveryTypeHasExactlyItsMembers(t *testing.T) {
	t.Parallel()
	c := readContract(t)
	if len(c.Types) != metering.TypeCount {
		t.Fatalf("%d types in the contract, want %d", len(c.Types), metering.TypeCount)
	}
	for name, fields := range c.Types {
		l := line(t, name, nil)
		got := members(t, report.AppendLine(nil, l))
		want := slices.Sorted(slices.Values(slices.Concat(c.CommonLine, fields.Line)))
		if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
			t.Errorf("line of %s: %v, want %v", name, names, want)
		}
		if unit, printed := got["size_unit"]; printed && string(unit) != `"`+fields.SizeUnit+`"` {
			t.Errorf("line of %s: size_unit %s, want %s", name, unit, fields.SizeUnit)
		}
		if string(got["type"]) != `"`+name+`"` {
			t.Errorf("line of %s: type %s", name, got["type"])
		}
		if fields.Total == nil {
			continue
		}
		total := members(t, report.AppendTotal(nil, &report.Total{Meter: l.Meter}))
		want = slices.Sorted(slices.Values(slices.Concat(c.CommonTotal, *fields.Total)))
		if names := slices.Sorted(maps.Keys(total)); !slices.Equal(names, want) {
			t.Errorf("total of %s: %v, want %v", name, names, want)
		}
	}
}

func TestAbsentTextsAreNull(t *testing.T) {
	t.Parallel()
	for _, rt := range metering.ResourceTypes() {
		l := line(t, rt.String(), nil)
		l.Meter.Dimension = ""
		got, total := members(t, report.AppendLine(nil, l)), members(t, report.AppendTotal(nil, &report.Total{Meter: l.Meter}))
		for _, a := range rt.Attributes() {
			if string(got[a.LineField()]) != "null" {
				t.Errorf("%s: absent %s is %s", rt, a.LineField(), got[a.LineField()])
			}
		}
		if rt.HasTags() && string(got["tags"]) != "null" {
			t.Errorf("%s: no tags are %s", rt, got["tags"])
		}
		if d := rt.Dimension(); d != metering.NoAttribute && string(total[d.LineField()]) != "null" {
			t.Errorf("%s: absent %s of a total is %s", rt, d.LineField(), total[d.LineField()])
		}
	}
}

func TestValuesArePrintedAsTheContractSays(t *testing.T) {
	t.Parallel()
	l := line(t, "volume", map[metering.Attribute]string{
		metering.Name: "a\"b\\c\n\u007f\u2028é😀<&>\x00", metering.VolumeType: "ssd", metering.AttachedToVM: anID,
	}, metering.Tag{Key: "a \"k\"", Value: ""}, metering.Tag{Key: "ü", Value: "\t"})
	l.Resource.Project, l.Resource.Region = 1<<53-1, 76
	l.Value = metering.AmountOf(1168553_227059200)
	l.First, l.Last = 1719792000*metering.Second+999_999_999, 1719792030*metering.Second
	got := string(report.AppendLine([]byte("before "), l))
	want := `before {"attached_to_vm":"` + anID + `","billing_metric_name":"volume_t_ssd_gbm","billing_value":1168553.2270592,` +
		`"billing_value_unit":"gbminutes","first_seen":"2024-07-01T00:00:00Z","last_name":"a\"b\\c\n` + "\u007f\u2028é😀<&>" + `\u0000",` +
		`"last_seen":"2024-07-01T00:00:30Z","last_size":101,"project_id":9007199254740991,"region":76,"region_id":76,"size_unit":"GiB",` +
		`"tags":[{"a \"k\"":""},{"ü":"\t"}],"type":"volume","uuid":"` + anID + `","volume_type":"ssd"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestEveryCharacterIsEscapedThatMustBe(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= 0x200; r++ {
		want := "<" + string(r) + ">"
		l := line(t, "volume", map[metering.Attribute]string{metering.Name: want})
		var got string
		if err := json.Unmarshal(members(t, report.AppendLine(nil, l))["last_name"], &got); err != nil || got != want {
			t.Errorf("%U: reads back as %q, %v", r, got, err)
		}
	}
}

func TestBillingValuesHaveTheScaleOfTheirMeasure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typeName string
		amount   metering.Amount
		want     string
	}{
		{"instance", metering.AmountOf(43200), "43200"},
		{"instance", metering.Amount{}, "0"},
		{"volume", metering.AmountOf(1), "0.000000001"},
		{"functions", metering.AmountOf(12_000_001), "12.000001"},
		{"egress_traffic", metering.Product(math.MaxInt64, 1e6), "9223372036854775807"},
		{"volume", metering.Amount{Hi: 1}, "18446744073.709551616"},
	} {
		l := line(t, c.typeName, nil)
		l.Value = c.amount
		if got := members(t, report.AppendLine(nil, l))["billing_value"]; string(got) != c.want {
			t.Errorf("line of %s: %s, want %s", c.typeName, got, c.want)
		}
		if got := members(t, report.AppendTotal(nil, &report.Total{Meter: l.Meter, Value: c.amount}))["billing_value"]; string(got) != c.want {
			t.Errorf("total of %s: %s, want %s", c.typeName, got, c.want)
		}
	}
}

func TestTextThatIsNotUTF8DoesNotBreakTheReport(t *testing.T) {
	t.Parallel()
	l := line(t, "volume", map[metering.Attribute]string{metering.Name: "a\xffb"})
	if got := members(t, report.AppendLine(nil, l))["last_name"]; string(got) != "\"a\ufffdb\"" {
		t.Errorf("last_name %s", got)
	}
}

func TestEmptyReportHasEmptyLists(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := report.WriteJSON(&out, &report.Report{Lines: slices.Values([]*report.Line{})}); err != nil {
		t.Fatal(err)
	}
	if want := `{"count":0,"resources":[],"totals":[]}`; out.String() != want {
		t.Errorf("got %s, want %s", &out, want)
	}
}

// pieces counts the writes and remembers the largest; it fails at the given one.
type pieces struct {
	bytes.Buffer
	writes, largest, failAt int
}

var errConnectionReset = errors.New("connection reset")

func (p *pieces) Write(b []byte) (int, error) {
	p.writes++
	p.largest = max(p.largest, len(b))
	if p.writes == p.failAt {
		return 0, errConnectionReset
	}
	return p.Buffer.Write(b)
}

// repeated yields the line n times and counts in asked how many were asked for.
func repeated(l *report.Line, n int, asked *int) *report.Report {
	return &report.Report{Count: n, Totals: []report.Total{{Meter: l.Meter}}, Lines: func(yield func(*report.Line) bool) {
		for range n {
			*asked++
			if !yield(l) {
				return
			}
		}
	}}
}

func TestLongReportIsWrittenInBoundedPieces(t *testing.T) {
	t.Parallel()
	const n = 10_000
	var out pieces
	asked := 0
	l := line(t, "instance", nil)
	if err := report.WriteJSON(&out, repeated(l, n, &asked)); err != nil {
		t.Fatal(err)
	}
	if least := out.Len() / (80 << 10); out.largest > 80<<10 || out.writes < least {
		t.Errorf("%d bytes in %d writes of up to %d bytes", out.Len(), out.writes, out.largest)
	}
	var got struct {
		Count     int              `json:"count"`
		Resources []jsontext.Value `json:"resources"`
		Totals    []jsontext.Value `json:"totals"`
	}
	if err := json.Unmarshal(out.Bytes(), &got, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	if got.Count != n || len(got.Resources) != n || len(got.Totals) != 1 {
		t.Errorf("count %d, %d lines, %d totals", got.Count, len(got.Resources), len(got.Totals))
	}
	want := string(report.AppendLine(nil, l))
	if i := slices.IndexFunc(got.Resources, func(v jsontext.Value) bool { return string(v) != want }); i >= 0 {
		t.Errorf("line %d is %s, want %s", i, got.Resources[i], want)
	}
}

func TestFailedWriteEndsTheReport(t *testing.T) {
	t.Parallel()
	const n = 10_000
	for _, failAt := range []int{1, 2} {
		out, asked := pieces{failAt: failAt}, 0
		err := report.WriteJSON(&out, repeated(line(t, "instance", nil), n, &asked))
		if !errors.Is(err, errConnectionReset) {
			t.Errorf("error %v, want %v", err, errConnectionReset)
		}
		if out.writes != failAt || asked >= n/2 {
			t.Errorf("failed at write %d: %d writes, %d of %d lines asked for", failAt, out.writes, asked, n)
		}
	}
}

func TestFailedLastWriteIsReported(t *testing.T) {
	t.Parallel()
	out, asked := pieces{failAt: 1}, 0
	if err := report.WriteJSON(&out, repeated(line(t, "instance", nil), 1, &asked)); !errors.Is(err, errConnectionReset) {
		t.Errorf("error %v, want %v", err, errConnectionReset)
	}
}
