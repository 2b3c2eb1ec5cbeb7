package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// FuzzParseSeries: a request for a series selects what a report with the same
// filters does, is refused for just the reasons for which that report is, and for
// those of its own members, and has no more steps and groups than it may.
func FuzzParseSeries(f *testing.F) {
	for _, members := range []string{
		`"step":"day","by":"type"`,
		`"by":"region","step":"month","top":10000,"enable_last_day":true,"projects":[12,11,-1,11],"regions":[-1]`,
		`"step":"day","by":"metric","top":10001,"limit":1,"offset":0,"order_by":[],"sorting":[]`,
		`"step":"day","by":"metric","sorting":[],"top":0`,
		`"step":"Day","by":"","top":0,"tags":{"conditions":[{"key":""},[]]},"nope":{"step":[null,{}]}`,
		`"step":"month","by":"project","top":1.0,"schema_filter":{"field":"last_size","values":["1","x"],"type":"volume"}`,
		`"step":7,"by":null,"top":-0,"top":1,"types":["volume","x"],"a.b/c~d":"\ud83d\ude00"`,
		`"step":"\u0064ay","b\u0079":"type","t\u006fp":9223372036854775808`,
	} {
		f.Add([]byte(withPeriod(members)))
	}
	for _, body := range []string{
		`{"time_from":"2000-01-31","time_to":"2010-02-07","step":"day","by":"type"}`,
		`{"time_from":"2000-01-31","time_to":"2010-02-07","enable_last_day":true,"step":"day","by":"type"}`,
		`{"time_from":"2000-01-31T23:59:59+01:00","time_to":"2304-12-31","enable_last_day":true,"step":"month","by":"type"}`,
		`{"time_from":"0001-01-01T00:00:00+23:59","time_to":"9999-12-31","enable_last_day":true,"step":"month","by":"type"}`,
		`{"time_from":"2024-07-02","time_to":"2024-07-01","step":"month","by":"type"}`,
		"", "[]", "{", `{"step":"\ud800"}`, "{}{}", "{\"\xff\":1}",
	} {
		f.Add([]byte(body))
	}
	scope := report.FullScope()
	scope.Projects = report.Only[metering.ProjectID](11, 12)
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := report.ParseSeries(body, 7, scope)
		strict := jsontext.Value(body).IsValid() && jsontext.Value(body).Kind() == '{'
		if err != nil {
			expectUsefulError(t, err, strict)
		}
		if !strict {
			if err == nil {
				t.Error("taken, although it is no JSON object without duplicate members")
			}
			return
		}
		asked, refused := report.Parse(without(t, body, append(ownMembers(), pageMembers()...)...), 7, scope)
		expectFaults(t, err, refused, wrongMembers(t, body, asked.Period))
		if err == nil {
			asked.Limit = 0
			expectSeries(t, body, &q, &asked)
		}
	})
}

func ownMembers() []string  { return []string{"step", "by", "top"} }
func pageMembers() []string { return []string{"limit", "offset", "order_by", "sorting"} }

// without leaves members out of an object, and the others as they are.
func without(t *testing.T, body []byte, names ...string) []byte {
	t.Helper()
	d := jsontext.NewDecoder(bytes.NewReader(body))
	_, err := d.ReadToken()
	var left [][]byte
	for err == nil && d.PeekKind() != '}' {
		name, failed := d.ReadValue()
		member := slices.Clone(name) // which the next read may overwrite
		value, ended := d.ReadValue()
		text, unreadable := jsontext.AppendUnquote(nil, member)
		if err = errors.Join(failed, ended, unreadable); !slices.Contains(names, string(text)) {
			left = append(left, slices.Concat(member, []byte(":"), value))
		}
	}
	if err != nil {
		t.Fatalf("%s cannot be read: %v", body, err)
	}
	return slices.Concat([]byte("{"), bytes.Join(left, []byte(",")), []byte("}"))
}

// wrongMembers are the names of the members of a series that are wrong, in order,
// as the standard library reads them, in a series over a period.
func wrongMembers(t *testing.T, body []byte, in metering.Period) (wrong []string) {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range pageMembers() {
		if members[name] != nil {
			wrong = append(wrong, name)
		}
	}
	steps := map[string]int{"day": int(in.To - in.From), "month": monthsOf(in)}
	if count, known := steps[textIn(members["step"])]; !known || count > report.MaxSeriesSteps {
		wrong = append(wrong, "step")
	}
	if !slices.Contains([]string{"type", "metric", "project", "region"}, textIn(members["by"])) {
		wrong = append(wrong, "by")
	}
	if raw := members["top"]; raw != nil {
		if top, err := strconv.Atoi(string(raw)); err != nil || top < 1 || top > report.MaxSeriesTop {
			wrong = append(wrong, "top")
		}
	}
	slices.Sort(wrong)
	return wrong
}

// textIn is the text of a value, "" of all else.
func textIn(raw json.RawMessage) (text string) {
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// monthsOf counts the months of which a period has a day.
func monthsOf(in metering.Period) int {
	if in.From >= in.To {
		return 0
	}
	first, last := dateOf(in.From), dateOf(in.To-1)
	return (last.Year()-first.Year())*12 + int(last.Month()) - int(first.Month()) + 1
}

func dateOf(d metering.Day) time.Time { return time.Unix(int64(d)*24*60*60, 0).UTC() }

func wrongFields(err error) metering.FieldErrors {
	if invalid, ok := errors.AsType[*metering.Error](err); ok {
		return invalid.Fields
	}
	return nil
}

// expectFaults compares what is wrong with a series with what is wrong with its own
// members, and with the report of the others. What is cut cannot be compared.
func expectFaults(t *testing.T, err, refused error, own []string) {
	t.Helper()
	shared, asked := maps.Clone(wrongFields(err)), wrongFields(refused)
	if (err == nil) != (refused == nil && len(own) == 0) {
		t.Fatalf("got %v; wrong are %v, and with a report %v", err, own, refused)
	}
	if max(len(shared), len(asked)) == report.MaxInvalidFields {
		return
	}
	var got []string
	for _, name := range slices.Sorted(slices.Values(append(ownMembers(), pageMembers()...))) {
		// The number of steps may be wrong where a report is for other reasons.
		if shared[name] != nil && (name != "step" || refused == nil || slices.Contains(own, name)) {
			got = append(got, name)
		}
		delete(shared, name)
	}
	if !slices.Equal(got, own) || len(shared)+len(asked) > 0 && !reflect.DeepEqual(shared, asked) {
		t.Errorf("wrong is %v, want %v, and with a report %v", err, own, refused)
	}
}

// expectSeries compares a series that was taken with the report that was.
func expectSeries(t *testing.T, body []byte, q *report.SeriesQuery, asked *report.Query) {
	t.Helper()
	expectValid(t, &q.Query)
	if !reflect.DeepEqual(q.Query, *asked) {
		t.Errorf("%+v is selected, and by a report %+v", q.Query, *asked)
	}
	want := struct {
		Step, By string
		Top      int
	}{Top: report.DefaultSeriesTop}
	if err := json.Unmarshal(body, &want); err != nil {
		t.Fatal(err)
	}
	if q.Step.String() != want.Step || q.By.String() != want.By || q.Top != want.Top {
		t.Errorf("got steps of a %s by %s, top %d, want %+v", q.Step, q.By, q.Top, want)
	}
	starts := slices.Collect(q.Step.Starts(q.Period))
	count := int(q.Period.To - q.Period.From)
	if q.Step == report.ByMonth {
		count = monthsOf(q.Period)
	}
	if len(starts) != count || count > 0 && starts[0] != q.Period.From {
		t.Errorf("%d steps of %v, want %d, start at %v", len(starts), q.Period, count, starts)
	}
	for i, start := range starts[min(1, count):] {
		if start <= starts[i] || start >= q.Period.To || q.Step == report.ByMonth && dateOf(start).Day() != 1 {
			t.Errorf("step %d starts at %s, after one at %s", i+1, start, starts[i])
		}
	}
}
