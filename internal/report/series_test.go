package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestSeriesRequestSelectsAsAReportDoes(t *testing.T) {
	t.Parallel()
	const filters = `"time_from":"2024-07-01","time_to":"2024-07-31T23:00:00-02:00","enable_last_day":true,"projects":[10,11],"regions":[76],` +
		`"types":["volume"],"schema_filter":{"values":["a"],"field":"last_name","type":"volume"},"tags":{"conditions":[{"key":"env"}]}`
	scope := report.Scope{Projects: report.Only[metering.ProjectID](11, 12), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes}
	asked, err := report.Parse([]byte("{"+filters+`}`), 7, scope)
	if err != nil {
		t.Fatal(err)
	}
	asked.Limit = 0
	got, err := report.ParseSeries([]byte("{"+filters+`,"step":"month","by":"region","top":3}`), 7, scope)
	if err != nil {
		t.Fatal(err)
	}
	want := report.SeriesQuery{Query: asked, Step: report.ByMonth, By: report.GroupByRegion, Top: 3}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	got, err = report.ParseSeries([]byte("{"+filters+`,"step":"day","by":"type"}`), 7, scope)
	if err != nil || got.Top != report.DefaultSeriesTop || got.Step != report.ByDay || got.By != report.GroupByType {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSeriesRequestsThatAreWrongSayWhere(t *testing.T) {
	t.Parallel()
	const ok = `"time_from":"2024-07-01","time_to":"2024-08-01","step":"day","by":"type"`
	for _, c := range []struct{ body, path, message string }{
		{`{` + ok + `,"limit":1}`, "limit", extra},
		{`{` + ok + `,"offset":1}`, "offset", extra},
		{`{` + ok + `,"order_by":[]}`, "order_by", extra},
		{`{` + ok + `,"sorting":[]}`, "sorting", extra},
		{`{` + ok + `,"foo":1}`, "foo", extra},
		{`{` + ok + `,"step":"day"}`, "step", twice},
		{`{` + ok + `,"top":0}`, "top", "Input should be greater than 0"},
		{`{` + ok + `,"top":10001}`, "top", "Input should be less than or equal to 10000"},
		{`{` + ok + `,"top":null}`, "top", notInteger},
		{`{` + ok + `,"types":["x"]}`, "types.0", ""},
		{`{"time_from":"2024-07-01","time_to":"2024-08-01","step":"Day","by":"type"}`, "step", "Input should be 'day' or 'month'"},
		{`{"time_from":"2024-07-01","time_to":"2024-08-01","step":"day","by":7}`, "by", notString},
		{`{"time_from":"2024-07-01","time_to":"2024-08-01","step":"day","by":""}`, "by", "Input should be 'type', 'metric', 'project' or 'region'"},
		{`{"time_from":"2024-07-01","time_to":"2024-08-01","step":"day"}`, "by", missing},
		{`{"time_from":"2024-07-01","time_to":"2024-08-01","by":"type"}`, "step", missing},
		{`{"time_from":"2024-07-02","time_to":"2024-07-01","step":"day","by":"type"}`, "time_to", ""},
		{``, "step", missing},
	} {
		_, err := report.ParseSeries([]byte(c.body), 7, report.FullScope())
		var wrong *metering.Error
		if !errors.As(err, &wrong) || wrong.Kind != metering.KindInvalid || len(wrong.Fields[c.path]) == 0 {
			t.Errorf("%s: want %s to be wrong, got %v", c.body, c.path, err)
			continue
		}
		if c.message != "" && !slices.Contains(wrong.Fields[c.path], c.message) {
			t.Errorf("%s: %s: want %q, got %q", c.body, c.path, c.message, wrong.Fields[c.path])
		}
	}
}

func TestSeriesHaveSoManyStepsAtMost(t *testing.T) {
	t.Parallel()
	first := metering.DayOf(2000, 1, 31)
	for _, c := range []struct {
		step string
		end  metering.Day
		ok   bool
	}{
		{"day", first + report.MaxSeriesSteps, true},
		{"day", first + report.MaxSeriesSteps + 1, false},
		{"month", metering.DayOf(2000, 1+report.MaxSeriesSteps, 1), true},
		{"month", metering.DayOf(2000, 1+report.MaxSeriesSteps, 2), false},
	} {
		body := fmt.Sprintf(`{"time_from":"%s","time_to":"%s","step":"%s","by":"type"}`, first, c.end, c.step)
		_, err := report.ParseSeries([]byte(body), 7, report.FullScope())
		var wrong *metering.Error
		if refused := errors.As(err, &wrong) && len(wrong.Fields["step"]) == 1; refused == c.ok || (err == nil) != c.ok {
			t.Errorf("%s: got %v", body, err)
		}
	}
	_, err := report.ParseSeries([]byte(`{"time_from":"0001-01-01","time_to":"9999-12-31","step":"month","by":"type"}`), 7, report.FullScope())
	if metering.KindOf(err) != metering.KindInvalid {
		t.Errorf("all of time: got %v", err)
	}
}

func TestStepsCoverThePeriod(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		step     report.Step
		from, to string
		want     string
	}{
		{report.ByDay, "2024-02-28", "2024-03-02", "[2024-02-28 2024-02-29 2024-03-01]"},
		{report.ByMonth, "2023-12-31", "2024-02-01", "[2023-12-31 2024-01-01]"},
		{report.ByMonth, "2024-02-01", "2024-02-02", "[2024-02-01]"},
		{report.ByMonth, "2024-02-02", "2024-02-02", "[]"},
		{report.ByMonth, "0001-01-31", "0001-03-01", "[0001-01-31 0001-02-01]"},
	} {
		from, _ := metering.ParseDate(c.from)
		to, _ := metering.ParseDate(c.to)
		if got := fmt.Sprint(slices.Collect(c.step.Starts(metering.Period{From: from, To: to}))); got != c.want {
			t.Errorf("%s from %s to %s: got %s, want %s", c.step, c.from, c.to, got, c.want)
		}
	}
}

func TestSeriesAreWrittenDigitByDigit(t *testing.T) {
	t.Parallel()
	flow := func(lines int, values ...uint64) (f report.Flow) {
		f.Lines = lines
		for _, v := range values {
			f.Values, f.Total = append(f.Values, metering.AmountOf(v)), f.Total.Add(metering.AmountOf(v))
		}
		return f
	}
	first := metering.DayOf(2024, 7, 1)
	q := &report.SeriesQuery{Query: report.Query{Period: metering.Period{From: first, To: first + 2}}, By: report.GroupByProject, Top: 1}
	s := &report.Series{Starts: []metering.Day{first, first + 1}, CompleteUntil: first.Start() + 1, Units: []report.UnitSeries{
		{Unit: `a"b`, InTotals: true, Flow: flow(3, 1, 2_500_000_000), OtherGroups: 4, Others: flow(1, 0, 500_000_000),
			Groups: []report.GroupSeries{{Key: report.GroupKey{ID: 9007199254740991}, Flow: flow(2, 1, 2_000_000_000)}}},
		{Unit: "b", Flow: flow(1, 0, 0), Groups: []report.GroupSeries{{Key: report.GroupKey{ID: 1}, Flow: flow(1, 0, 0)}}},
	}}
	const want = `{"from":"2024-07-01","to":"2024-07-03","step":"day","by":"project","top":1,"as_of":"2024-07-01T00:00:00.000000001Z",` +
		`"steps":["2024-07-01","2024-07-02"],"units":[` +
		`{"unit":"a\"b","in_totals":true,"count":3,"total":2.500000001,"values":[0.000000001,2.5],` +
		`"groups":[{"key":"9007199254740991","count":2,"total":2.000000001,"values":[0.000000001,2]}],` +
		`"others":{"groups":4,"count":1,"total":0.5,"values":[0,0.5]}},` +
		`{"unit":"b","in_totals":false,"count":1,"total":0,"values":[0,0],"groups":[{"key":"1","count":1,"total":0,"values":[0,0]}],"others":null}]}`
	var got bytes.Buffer
	if err := report.WriteSeriesJSON(&got, q, s); err != nil || got.String() != want {
		t.Errorf("got %s, %v\nwant %s", got.String(), err, want)
	}
	q.By = report.GroupByMetric
	s.Units[0].Groups[0].Key = report.GroupKey{Name: "m"}
	got.Reset()
	if err := report.WriteSeriesJSON(&got, q, s); err != nil || !strings.Contains(got.String(), `{"key":"m","count"`) {
		t.Errorf("got %s, %v", got.String(), err)
	}
}

func TestSeriesThatCannotBeWrittenSaySo(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	err := report.WriteSeriesJSON(failingWriter{broken}, &report.SeriesQuery{}, &report.Series{})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
