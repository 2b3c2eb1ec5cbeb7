package report_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

const (
	notInteger  = "Input should be a valid integer"
	notPlain    = "Input should be a valid integer, written without a fraction or an exponent"
	notIn64Bits = "Input should be an integer from -9223372036854775808 to 9223372036854775807"
	notString   = "Input should be a valid string"
	notList     = "Input should be a valid list"
	notObject   = "Input should be an object"
	notBoolean  = "Input should be a valid boolean"
	notTime     = "Input should be a valid date-time such as '2024-07-01T00:00:00Z', or a date such as '2024-07-01'"
	extra       = "Extra inputs are not permitted"
	twice       = "Field given more than once"
	missing     = "Field required"
	noDirection = "Input should be 'asc' or 'desc'"
)

func TestInvalidMembersAreNamedWithWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ members, path, message string }{
		{`"limit":0`, "limit", "Input should be greater than 0"},
		{`"limit":-1`, "limit", "Input should be greater than 0"},
		{`"offset":-1`, "offset", "Input should be greater than or equal to 0"},
		{`"limit":10.0`, "limit", notPlain},
		{`"limit":1e1`, "limit", notPlain},
		{`"limit":1E1`, "limit", notPlain},
		{`"limit":"10"`, "limit", notInteger},
		{`"limit":null`, "limit", notInteger},
		{`"limit":true`, "limit", notInteger},
		{`"limit":[1]`, "limit", notInteger},
		{`"limit":9223372036854775808`, "limit", notIn64Bits},
		{`"offset":-9223372036854775809`, "offset", notIn64Bits},
		{`"limit":1,"limit":1`, "limit", twice},
		{`"enable_last_day":1`, "enable_last_day", notBoolean},
		{`"enable_last_day":"true"`, "enable_last_day", notBoolean},
		{`"enable_last_day":null`, "enable_last_day", notBoolean},
		{`"projects":5`, "projects", notList},
		{`"projects":[1,null]`, "projects.1", notInteger},
		{`"projects":[1.5]`, "projects.0", notPlain},
		{`"regions":null`, "regions", notList},
		{`"regions":["76"]`, "regions.0", notInteger},
		{`"types":null`, "types", notList},
		{`"types":["instance",5]`, "types.1", notString},
		{`"order_by":null`, "order_by", notList},
		{`"order_by":[{"project":"asc"}]`, "order_by.0", notString},
		{`"order_by":["type.asc"],"sorting":[{"type":"up"}]`, "sorting.0.type", noDirection},
		{`"sorting":{"type":"asc"}`, "sorting", notList},
		{`"sorting":["type.asc"]`, "sorting.0", notObject},
		{`"sorting":[{"type":"asc"},{"type":"ASC"}]`, "sorting.1.type", noDirection},
		{`"sorting":[{"type":null}]`, "sorting.0.type", notString},
		{`"sorting":[{"name":"asc"}]`, "sorting.0.name", extra},
		{`"sorting":[{"type":"asc","type":"asc"}]`, "sorting.0.type", twice},
		{`"sorting":null`, "sorting", notList},
		{`"group_by":[{"a":[{}]}]`, "group_by", extra},
		{`"":1`, "", extra},
		{`"Limit":1`, "Limit", extra},
	} {
		expectInvalid(t, c.members, c.path, c.message)
	}
}

// expectInvalid wants exactly one invalid field with one message.
func expectInvalid(t *testing.T, members, path, message string) {
	t.Helper()
	got := refused(t, withPeriod(members)).Fields
	if want := (metering.FieldErrors{path: {message}}); !reflect.DeepEqual(got, want) {
		t.Errorf("%.200s: %v, want %v", members, got, want)
	}
}

func TestInvalidFiltersAreNamedWithWhatIsAllowed(t *testing.T) {
	t.Parallel()
	key255, key256 := strings.Repeat("é", 255), strings.Repeat("é", 256)
	value256, value257 := strings.Repeat("é", 256), strings.Repeat("é", 257)
	for _, c := range []struct{ members, path, message string }{
		{`"schema_filter":null`, "schema_filter", notObject},
		{`"schema_filter":{"field":"uuid","values":["x"]}`, "schema_filter.type", missing},
		{`"schema_filter":{"type":"volume","values":["x"]}`, "schema_filter.field", missing},
		{`"schema_filter":{"type":"volume","field":"uuid"}`, "schema_filter.values", missing},
		{`"schema_filter":{"type":"volume","field":"uuid","values":[]}`, "schema_filter.values", "List should have at least 1 item, not 0"},
		{`"schema_filter":{"type":"volume","field":"uuid","values":"x"}`, "schema_filter.values", notList},
		{`"schema_filter":{"type":"volume","field":"last_size","values":["1",1]}`, "schema_filter.values.1", notString},
		{`"schema_filter":{"type":"volume","field":"uuid","values":["x"],"strict":true}`, "schema_filter.strict", extra},
		{`"schema_filter":{"type":"volume","field":"uuid","values":["x"],"type":"volume"}`, "schema_filter.type", twice},
		{`"schema_filter":{"type":"volume","field":1,"values":["x"]}`, "schema_filter.field", notString},
		{`"schema_filter":{"type":"backup","field":"tags","values":["x"]}`, "schema_filter.field", "Input should be 'last_name', 'last_size', 'schedule_id', 'source_volume_uuid', 'type' or 'uuid'"},
		{`"schema_filter":{"values":["x"],"field":"uuid","type":"egress_traffic"}`, "schema_filter.field", "Input should be 'instance_name', 'instance_type', 'port_id', 'type' or 'vm_id'"},
		{`"tags":null`, "tags", notObject},
		{`"tags":[]`, "tags", notObject},
		{`"tags":{}`, "tags.conditions", missing},
		{`"tags":{"conditions":[]}`, "tags.conditions", "List should have at least 1 item, not 0"},
		{`"tags":{"conditions":[` + strings.Repeat(`{"key":"k"},`, 10) + `{"key":"k"}]}`, "tags.conditions", "List should have at most 10 items, not 11"},
		{`"tags":{"conditions":[{"key":"k"}],"condition_type":"or"}`, "tags.condition_type", "Input should be 'OR' or 'AND'"},
		{`"tags":{"conditions":[{"key":"k"}],"type":"OR"}`, "tags.type", extra},
		{`"tags":{"conditions":["k"]}`, "tags.conditions.0", notObject},
		{`"tags":{"conditions":[{"strict":false}]}`, "tags.conditions.0", "Either key or value is required"},
		{`"tags":{"conditions":[{"key":"` + key255 + `"},{"key":"` + key256 + `"}]}`, "tags.conditions.1.key", "String should have at most 255 characters"},
		{`"tags":{"conditions":[{"value":"` + value256 + `"},{"value":"` + value257 + `"}]}`, "tags.conditions.1.value", "String should have at most 256 characters"},
		{`"tags":{"conditions":[{"key":"k","value":""}]}`, "tags.conditions.0.value", "String should have at least 1 character"},
		{`"tags":{"conditions":[{"key":null}]}`, "tags.conditions.0.key", notString},
		{`"tags":{"conditions":[{"key":"k","strict":"yes"}]}`, "tags.conditions.0.strict", notBoolean},
		{`"tags":{"conditions":[{"key":"k","op":"eq"}]}`, "tags.conditions.0.op", extra},
	} {
		expectInvalid(t, c.members, c.path, c.message)
	}
}

func TestNamesThatAreListedAreTheOnesAllowed(t *testing.T) {
	t.Parallel()
	messages := refused(t, withPeriod(`"types":["INSTANCE"],"order_by":["project"],"schema_filter":{"type":"vm","field":"uuid","values":["x"]}`)).Fields
	for _, path := range []string{"types.0", "schema_filter.type"} {
		for _, rt := range metering.ResourceTypes() {
			if !strings.Contains(messages[path][0], "'"+rt.String()+"'") {
				t.Errorf("%s: %q does not name %s", path, messages[path][0], rt)
			}
		}
	}
	for name := range strings.FieldsSeq("billing_value first_seen last_name last_seen project region type") {
		for _, direction := range []string{".asc", ".desc"} {
			if !strings.Contains(messages["order_by.0"][0], "'"+name+direction+"'") {
				t.Errorf("%q does not name %s%s", messages["order_by.0"][0], name, direction)
			}
			parse(t, withPeriod(`"order_by":["`+name+direction+`"]`))
		}
	}
	for _, wrong := range []string{"project", "project.", ".asc", "project.ASC", "project.asc.desc", "project asc", "Project.asc", ""} {
		if fields := refused(t, withPeriod(fmt.Sprintf(`"order_by":[%q]`, wrong))).Fields; len(fields["order_by.0"]) != 1 {
			t.Errorf("order_by %q: %v", wrong, fields)
		}
	}
}

func TestInvalidTimesAreRefused(t *testing.T) {
	t.Parallel()
	for _, time := range []string{
		`""`, `"2024"`, `"2024-7-1"`, `"2024-07-32"`, `"2023-02-29"`, `"1900-02-29"`, `"0000-01-01"`, `"10000-01-01"`,
		`"2024-13-01"`, `"2024-07-01 00:00:00"`, `"2024-07-01T24:00:00Z"`, `"2024-07-01T23:60:00Z"`, `"2016-12-31T23:59:60Z"`,
		`"2024-07-01T00:00Z"`, `"2024-07-01T00:00:00.Z"`, `"2024-07-01T00:00:00+0200"`, `"2024-07-01T00:00:00+24:00"`,
		`"2024-07-01T00:00:00Z "`, `"2024-07-01Z"`, `1719792000`, `null`, `{}`, `["2024-07-01"]`, `"٢٠٢٤-07-01"`,
	} {
		got := refused(t, `{"time_to":"2024-08-01","time_from":`+time+`}`).Fields
		if want := (metering.FieldErrors{"time_from": {notTime}}); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", time, got, want)
		}
	}
}

func TestPeriodMustNotRunBackwards(t *testing.T) {
	t.Parallel()
	for _, lastDay := range []string{"false", "true"} {
		got := refused(t, `{"time_from":"2024-07-02T00:00:00Z","time_to":"2024-07-02T01:00:00+02:00","enable_last_day":`+lastDay+`}`).Fields
		if want := (metering.FieldErrors{"time_to": {"Input should not be before the day of time_from, 2024-07-02"}}); !reflect.DeepEqual(got, want) {
			t.Errorf("enable_last_day %s: %v, want %v", lastDay, got, want)
		}
	}
}

func TestEmptyBodyNamesTheRequiredMembers(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", " \r\n\t"} {
		err := refused(t, body)
		if want := (metering.FieldErrors{"time_from": {missing}, "time_to": {missing}}); !reflect.DeepEqual(err.Fields, want) {
			t.Errorf("fields %v, want %v", err.Fields, want)
		}
		if !strings.Contains(err.Message, "time_from and time_to") {
			t.Errorf("message %q does not name the required members", err.Message)
		}
	}
	if got, want := refused(t, "{}").Fields, (metering.FieldErrors{"time_from": {missing}, "time_to": {missing}}); !reflect.DeepEqual(got, want) {
		t.Errorf("{}: %v, want %v", got, want)
	}
}

func TestBodyThatIsNotJSONIsRefusedWithThePosition(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ body, message string }{
		{"{\n \"limit\": 1,\n}", "line 2, column 12: invalid character ','"},
		{`{"limit":`, "line 1, column 10: the body ends too early"},
		{`{"limit":"`, "line 1, column 11: the body ends too early"},
		{`{"limit":tru}`, "line 1, column 13: invalid character"},
		{`{"limit":01}`, "line 1, column 11: invalid character '1'"},
		{`{"limit":+1}`, "line 1, column 10: invalid character '+'"},
		{`{"limit":NaN}`, "line 1, column 10: invalid character 'N'"},
		{`{'limit':1}`, "line 1, column 2: invalid character '\\''"},
		{`{"limit" 1}`, "line 1, column 10: invalid character '1'"},
		{`{"types":["a" "b"]}`, "line 1, column 15: invalid character '\"'"},
		{`{"types":["instance"}}`, "line 1, column 21: invalid character '}'"},
		{"{\"types\":[\"\xff\"]}", "line 1, column 12: invalid UTF-8"},
		{"{\"types\":[\"\t\"]}", "line 1, column 12: invalid character"},
		{`{"types":["\ud800"]}`, "line 1, column 12: invalid"},
		{"\ufeff{}", "line 1, column 1: invalid character"},
		{"{} // none", "more follows at line 1, column 4"},
		{"{}\n{}", "more follows at line 2, column 1"},
		{"{}\x00", "more follows at line 1, column 3"},
		{"[]", "should be a JSON object"},
		{`"x"`, "should be a JSON object"},
		{"null", "should be a JSON object"},
		{"[", "line 1, column 2: the body ends too early"},
	} {
		err := refused(t, c.body)
		if !strings.Contains(err.Message, c.message) || len(err.Fields) > 0 {
			t.Errorf("%q: %q %v, want it to contain %q and no fields", c.body, err.Message, err.Fields, c.message)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	t.Parallel()
	const far = 1 << 20
	for _, open := range []string{"[", `{"a":`} {
		err := refused(t, `{"x":`+strings.Repeat(open, far))
		if len(err.Message) > 200 {
			t.Errorf("%s nested: message of %d bytes", open, len(err.Message))
		}
	}
}

func TestHostileBodyGetsABoundedAnswer(t *testing.T) {
	t.Parallel()
	list := func(n int) string { return `"types":[` + strings.Repeat(`"",`, n-1) + `""]` }
	atLimit := refused(t, withPeriod(list(report.MaxInvalidFields)))
	if n := len(atLimit.Fields); n != report.MaxInvalidFields || !strings.Contains(atLimit.Message, "besides: 999") {
		t.Errorf("%d fields at the limit: %s", n, atLimit.Message)
	}
	above := refused(t, withPeriod(list(report.MaxInvalidFields+1)))
	if n := len(above.Fields); n != report.MaxInvalidFields || !strings.Contains(above.Message, "the first 1000 invalid fields are listed") {
		t.Errorf("%d fields above the limit: %s", n, above.Message)
	}
	repeated := refused(t, withPeriod(strings.Repeat(`"x":0,`, 100_000)+`"x":0`))
	if got := repeated.Fields["x"]; !slices.Equal(got, []string{extra}) {
		t.Errorf("repeated unknown member: %d messages", len(got))
	}
}
