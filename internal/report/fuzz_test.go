package report_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func FuzzParse(f *testing.F) {
	for _, members := range []string{
		``,
		`"limit":9223372036854775807,"offset":9223372036854775807,"enable_last_day":true`,
		`"projects":[1,2],"regions":[-1],"types":["volume","instance"]`,
		`"projects":null,"regions":[],"types":[],"order_by":[],"sorting":[]`,
		`"schema_filter":{"field":"last_size","values":["1","x"],"type":"volume"}`,
		`"schema_filter":{"type":"external_ip","field":"ip_address","values":["2001:DB8::1","fe80::1%eth0"]}`,
		`"tags":{"conditions":[{"key":"k"},{"value":"\u00dc","strict":false}],"condition_type":"AND"}`,
		`"order_by":["last_name.desc","project.asc"],"sorting":[{"type":"asc","region":"desc"}]`,
		`"limit":0,"limit":1.5,"nope":{"a":[null,{}]},"tags":{"conditions":[[],{"key":""}]}`,
		`"limit":1e400,"offset":-0,"tags":null,"a.b/c~d":"\ud83d\ude00"`,
	} {
		f.Add([]byte(withPeriod(members)))
	}
	for _, body := range []string{"", " ", "[]", "null", "{", `{"a":"\ud800"}`, "{}{}", "{\"\xff\":1}", `{"x":[[[[[[`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		q, err := report.Parse(body, 0, report.FullScope())
		strict := jsontext.Value(body).IsValid() && jsontext.Value(body).Kind() == '{'
		if err != nil {
			expectUsefulError(t, err, strict)
			return
		}
		if !strict {
			t.Error("taken, although it is no JSON object without duplicate members")
		}
		expectValid(t, &q)
	})
}

func expectUsefulError(t *testing.T, err error, strict bool) {
	t.Helper()
	var invalid *metering.Error
	if !errors.As(err, &invalid) || invalid.Kind != metering.KindInvalid || invalid.Message == "" {
		t.Fatalf("error %v is not of KindInvalid with a message", err)
	}
	if strict && len(invalid.Fields) == 0 {
		t.Errorf("no field is named: %v", err)
	}
	if len(invalid.Fields) > report.MaxInvalidFields {
		t.Errorf("%d fields", len(invalid.Fields))
	}
	for path, messages := range invalid.Fields {
		if len(messages) == 0 || slices.Contains(messages, "") {
			t.Errorf("field %q without a message", path)
		}
	}
}

// expectValid checks what every store relies on.
func expectValid(t *testing.T, q *report.Query) {
	t.Helper()
	if q.Limit < 0 || q.Offset < 0 || q.Offset+q.Limit < q.Offset || q.Period.From > q.Period.To || q.Types&^report.AllTypes != 0 {
		t.Errorf("query %+v", q)
	}
	fields := map[report.OrderField]bool{}
	for _, term := range q.Order {
		fields[term.Field] = true
	}
	if len(q.Order) == 0 || len(fields) != len(q.Order) {
		t.Errorf("order %v", q.Order)
	}
	if !slices.IsSorted(q.Projects.Items) || !slices.IsSorted(q.Regions.Items) {
		t.Errorf("selections %v %v", q.Projects, q.Regions)
	}
	tag := metering.Tag{Key: "k", Value: "vÜ"}
	for _, name := range []string{"volume", "instance", "external_ip", "egress_traffic"} {
		l := line(t, name, nil, tag)
		if selected := q.Selects(l); selected && q.Where != nil && q.Where.Type != l.Resource.Type {
			t.Errorf("%s is selected by %+v", name, q.Where)
		}
	}
}
