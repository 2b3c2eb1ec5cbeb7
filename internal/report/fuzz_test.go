package report_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

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
		expectAsked(t, body, &q)
		again, err := report.Parse(written(t, &q), 0, report.FullScope())
		if err != nil || !reflect.DeepEqual(again, q) {
			t.Errorf("%+v is read as %+v, %v, when it is written as %s", q, again, err, written(t, &q))
		}
	})
}

// expectAsked compares with what the standard library reads: the page, the lists
// of ids, and no member that the contract does not have.
func expectAsked(t *testing.T, body []byte, q *report.Query) {
	t.Helper()
	asked := struct {
		Limit    int                  `json:"limit"`
		Offset   int                  `json:"offset"`
		Projects []metering.ProjectID `json:"projects"`
		Regions  []metering.RegionID  `json:"regions"`
	}{Limit: 10}
	var names map[string]any
	if err := errors.Join(json.Unmarshal(body, &asked), json.Unmarshal(body, &names)); err != nil {
		t.Fatalf("taken, although the standard library cannot read it: %v", err)
	}
	if want := min(asked.Limit, math.MaxInt-asked.Offset); asked.Limit < 1 || asked.Offset < 0 || q.Offset != asked.Offset || q.Limit != want {
		t.Errorf("limit %d, offset %d are read as %d, %d", asked.Limit, asked.Offset, q.Limit, q.Offset)
	}
	if all := len(asked.Projects) == 0; q.Projects.All != all || !all && !reflect.DeepEqual(q.Projects, report.Only(asked.Projects...)) {
		t.Errorf("projects %v are read as %v", asked.Projects, q.Projects)
	}
	if all := len(asked.Regions) == 0; q.Regions.All != all || !all && !reflect.DeepEqual(q.Regions, report.Only(asked.Regions...)) {
		t.Errorf("regions %v are read as %v", asked.Regions, q.Regions)
	}
	members := []string{"time_from", "time_to", "enable_last_day", "limit", "offset", "projects", "regions", "types", "schema_filter", "tags", "order_by", "sorting"}
	for name, value := range names {
		if !slices.Contains(members, name) || value == nil && name != "projects" {
			t.Errorf("taken, although %q is %v", name, value)
		}
	}
}

type object = map[string]any

// written is a request that is read as the query.
func written(t *testing.T, q *report.Query) []byte {
	t.Helper()
	o := object{"time_from": q.Period.From.String(), "time_to": q.Period.To.String(), "limit": max(q.Limit, 1), "offset": q.Offset} // a limit is cut for an offset that is out of reach
	if last := metering.DayOf(9999, 12, 31); q.Period.To > last {
		o["time_to"], o["enable_last_day"] = last.String(), true
	}
	if first := metering.DayOf(1, 1, 1); q.Period.From < first { // by way of an offset
		o["time_from"] = first.String() + "T00:00:00+23:59"
	}
	if first := metering.DayOf(1, 1, 1); q.Period.To < first {
		o["time_to"] = first.String() + "T00:00:00+23:59"
	}
	if !q.Projects.All {
		o["projects"] = q.Projects.Items
	}
	if !q.Regions.All {
		o["regions"] = q.Regions.Items
	}
	if q.Where != nil {
		o["schema_filter"] = writtenFilter(q.Where)
	}
	if types := typesOf(q); len(types) > 0 {
		o["types"] = types
	}
	if q.Tags != nil {
		o["tags"] = writtenTags(q.Tags)
	}
	fields := []string{"project", "region", "type", "billing_value", "first_seen", "last_seen", "last_name"} // as report.OrderField counts
	var order []string
	for _, term := range q.Order {
		order = append(order, fields[term.Field]+map[bool]string{false: ".asc", true: ".desc"}[term.Descending])
	}
	o["order_by"] = order
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// typesOf names the types of a query; none where it has all that it may.
func typesOf(q *report.Query) (names []string) {
	for _, rt := range metering.ResourceTypes() {
		if q.Types.Contains(rt) || q.Types == 0 && rt != q.Where.Type { // types that exclude the filter's
			names = append(names, rt.String())
		}
	}
	return names
}

func writtenFilter(f *report.FieldFilter) object {
	values, field := slices.Clone(f.Texts), "type"
	for _, id := range f.IDs {
		values = append(values, id.String())
	}
	for _, size := range f.Sizes {
		values = append(values, strconv.FormatUint(size, 10))
	}
	switch f.Field {
	case report.FilterID:
		if field = "uuid"; !slices.Contains(f.Type.FilterFields(), field) {
			field = "port_id"
		}
	case report.FilterSize:
		field = "last_size"
	case report.FilterAttribute:
		field = f.Attribute.LineField()
	}
	if len(values) == 0 {
		values = []string{""} // matches nothing
	}
	return object{"type": f.Type.String(), "field": field, "values": values}
}

func writtenTags(f *report.TagFilter) object {
	var conditions []object
	for _, c := range f.Conditions {
		o := object{"strict": c.Strict}
		if c.Key != nil {
			o["key"] = *c.Key
		}
		if c.Value != nil {
			o["value"] = *c.Value
		}
		conditions = append(conditions, o)
	}
	return object{"conditions": conditions, "condition_type": map[bool]string{false: "OR", true: "AND"}[f.All]}
}

// FuzzWriteLine: whatever texts a line holds, it is one JSON object with just
// the members of its type, whose texts are those of the line.
func FuzzWriteLine(f *testing.F) {
	f.Add(uint8(1), "web-1", "a\"b\\\n", "\xff", uint64(1), uint64(1<<63))
	f.Add(uint8(4), "", "\u2028<>&", "\x00", uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, number uint8, name, key, value string, hi, lo uint64) {
		rt := metering.ResourceType(1 + number%metering.TypeCount)
		l := line(t, rt.String(), map[metering.Attribute]string{metering.Name: name, metering.Flavor: value}, metering.Tag{Key: key, Value: value})
		l.Value = metering.Amount{Hi: hi, Lo: lo}
		text := report.AppendLine(nil, l)
		var read map[string]json.RawMessage
		if err := json.Unmarshal(text, &read); err != nil || !jsontext.Value(text).IsValid() {
			t.Fatalf("%q is no JSON: %v", text, err)
		}
		if got := len(read); got != len(rt.LineFields()) {
			t.Errorf("%d members of %s, want %d: %s", got, rt, len(rt.LineFields()), text)
		}
		want, err := json.Marshal(strings.ToValidUTF8(name, "\uFFFD"))
		if err != nil {
			t.Fatal(err)
		}
		if got, has := read["last_name"]; has && rt.HasName() && name != "" && utf8.ValidString(name) && !sameText(t, got, want) {
			t.Errorf("name %q is written as %s", name, got)
		}
		sum := new(big.Int).Add(new(big.Int).Lsh(new(big.Int).SetUint64(hi), 64), new(big.Int).SetUint64(lo))
		exact := new(big.Rat).SetFrac(sum, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(rt.Measure().Scale())), nil))
		got, ok := new(big.Rat).SetString(string(read["billing_value"]))
		if !ok || got.Cmp(exact) != 0 || strings.ContainsAny(string(read["billing_value"]), "eE+") {
			t.Errorf("%s is written as %s", exact.FloatString(9), read["billing_value"])
		}
	})
}

func sameText(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y string
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return x == y
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
