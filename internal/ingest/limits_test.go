package ingest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// limit is a value that is just allowed and one that is just not.
type limit struct {
	name    string
	event   object
	path    string
	in, out any
}

func limitsOfValues(t *testing.T) []limit {
	instance, volume := eventOf(typeNamed(t, "instance")), eventOf(typeNamed(t, "volume"))
	traffic, functions := eventOf(typeNamed(t, "egress_traffic")), eventOf(typeNamed(t, "functions"))
	const wide = "я" // two bytes, one character
	return []limit{
		{"least project", instance, "data.project_id", 1, 0},
		{"greatest project", instance, "data.project_id", metering.MaxProjectID, metering.MaxProjectID + 1},
		{"least region", instance, "data.region_id", 1, 0},
		{"greatest region", instance, "data.region_id", metering.MaxRegionID, metering.MaxRegionID + 1},
		{"least count", instance, "data.count", 1, 0},
		{"greatest count", instance, "data.count", metering.MaxCount, metering.MaxCount + 1},
		{"least size", volume, "data.size_bytes", 0, -1},
		{"greatest size", volume, "data.size_bytes", metering.MaxSizeBytes, metering.MaxSizeBytes + 1},
		{"name", instance, "data.name", strings.Repeat(wide, 255), strings.Repeat(wide, 256)},
		{"flavor", instance, "data.flavor", strings.Repeat("f", 255), strings.Repeat("f", 256)},
		{"metric", instance, "data.billing_metric_name", strings.Repeat("m", 255), strings.Repeat("m", 256)},
		{"unit", eventOf(typeNamed(t, "inference")), "data.billing_value_unit", strings.Repeat("u", 255), strings.Repeat("u", 256)},
		{"reason", retraction(), "data.reason", strings.Repeat(wide, 255), strings.Repeat(wide, 256)},
		{"tags", instance, "data.tags", manyTags(128), manyTags(129)},
		{"tag key", instance, "data.tags", object{strings.Repeat(wide, 255): "v"}, object{strings.Repeat(wide, 256): "v"}},
		{"least tag key", instance, "data.tags", object{"k": "v"}, object{"": "v"}},
		{"id", instance, "id", strings.Repeat("i", 255), strings.Repeat("i", 256)},
		{"id in bytes", instance, "id", strings.Repeat(wide, 127), strings.Repeat(wide, 128)},
		{"source", instance, "source", strings.Repeat("s", 255), strings.Repeat("s", 256)},
		{"retracted id", retraction(), "data.id", strings.Repeat("i", 255), strings.Repeat("i", 256)},
		{"retracted source", retraction(), "data.source", strings.Repeat("s", 255), strings.Repeat("s", 256)},
		{"sequence", instance, "sequence", "9223372036854775807", "9223372036854775808"},
		{"bytes", traffic, "data.quantity", "9223372036854775807", "9223372036854775808"},
		{"bytes as a number", traffic, "data.quantity", int64(9223372036854775807), uint64(9223372036854775808)},
		{"places of bytes", traffic, "data.quantity", "7.000000", "7.5"},
		{"digits before the point", functions, "data.quantity", strings.Repeat("9", 15), "1" + strings.Repeat("0", 15)},
		{"digits after the point", functions, "data.quantity", "0.000001", "0.0000001"},
		{"least quantity", functions, "data.quantity", 0, -1},
	}
}

func manyTags(n int) object {
	tags := object{}
	for i := range n {
		tags[fmt.Sprintf("key-%03d", i)] = "v"
	}
	return tags
}

func TestValuesAtTheirLimits(t *testing.T) {
	t.Parallel()
	s := newRecorder().service()
	for _, l := range limitsOfValues(t) {
		accept(t, l.event.set(l.path, l.in).text(t))
		got := refusalOf(t, s, anywhere(), l.event.set(l.path, l.out).text(t))
		if got.Code != "invalid_value" || got.Field != l.path {
			t.Errorf("%s: got %+v", l.name, got)
		}
	}
}

func TestTagValueAtItsLimits(t *testing.T) {
	t.Parallel()
	instance := eventOf(typeNamed(t, "instance"))
	for _, in := range []string{"", strings.Repeat("я", 256)} {
		o := accept(t, instance.set("data.tags", object{"k": in}).text(t))
		if len(o.Attributes.Tags) != 1 || o.Attributes.Tags[0] != (metering.Tag{Key: "k", Value: in}) {
			t.Errorf("tags are %v", o.Attributes.Tags)
		}
	}
	s := newRecorder().service()
	for _, out := range []any{strings.Repeat("я", 257), 1, nil, object{}, "a\nb"} {
		got := refusalOf(t, s, anywhere(), instance.set("data.tags", object{"a": "v", "k": out}).text(t))
		if got.Code != "invalid_value" || got.Field != "data.tags.k" {
			t.Errorf("%v: got %+v", out, got)
		}
	}
}

func TestEventAtItsGreatestSize(t *testing.T) {
	t.Parallel()
	good := eventOf(typeNamed(t, "instance"))
	sized := func(n int) string {
		padding := n - len(good.set("padding", "").text(t))
		return good.set("padding", strings.Repeat("x", padding)).text(t)
	}
	accept(t, sized(metering.MaxEventBytes))
	accept(t, "\n "+sized(metering.MaxEventBytes)+" \r\n")
	tooLarge := sized(metering.MaxEventBytes + 1)
	s := newRecorder().service()
	if got := refusalOf(t, s, anywhere(), tooLarge); got.Code != "too_large" || got.ID != "e-1" {
		t.Errorf("got %+v", got)
	}
	for name, r := range map[string]*Receipt{
		"batch":  receive(t, s, anywhere(), batched(), "["+good.text(t)+","+tooLarge+","+good.text(t)+"]"),
		"stream": receive(t, s, anywhere(), ndjson(), good.text(t)+"\n"+tooLarge+"\n"+good.text(t)),
	} {
		if r.Accepted != 2 || !r.Complete || r.RejectedTotal != 1 || r.Rejected[0].Code != "too_large" || r.Rejected[0].Index != 1 {
			t.Errorf("%s: receipt %+v", name, r)
		}
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	t.Parallel()
	instance, external := eventOf(typeNamed(t, "instance")), eventOf(typeNamed(t, "external_ip"))
	volume, traffic := eventOf(typeNamed(t, "volume")), eventOf(typeNamed(t, "egress_traffic"))
	cases := []struct {
		event  object
		path   string
		values []any
	}{
		{instance, "data.project_id", []any{"10", raw("10.5"), true, object{}, []int{}, raw("10.0"), raw("1e1")}},
		{instance, "data.count", []any{"1", raw("1.0"), false}},
		{volume, "data.size_bytes", []any{"1", raw("1e3"), raw("99999999999999999999")}},
		{instance, "data.resource_type", []any{"Instance", "vm", 5}},
		{instance, "data.resource_id", []any{5, "x", strings.ReplaceAll(someUUID, "-", ""), "{" + someUUID + "}", someUUID[:35] + "g"}},
		{instance, "data.status", []any{"Active", "gone", 1, true}},
		{instance, "data.name", []any{5, false, object{}, "a\x00b", "a\x7fb", "a\u0085b", "tab\t"}},
		{instance, "data.tags", []any{"a", 5, []string{"a"}, object{"a\nb": "c"}}},
		{external, "data.ip_address", []any{"192.0.2", "192.0.2.1/24", "fe80::1%eth0", "host", 5}},
		{external, "data.network_id", []any{"net", 5}},
		{external, "data.attached_to_vm", []any{"vm"}},
		{traffic, "data.instance_type", []any{"VM", "server", 1}},
		{traffic, "data.quantity", []any{"+5", "-5", "1e3", raw("1e3"), ".5", "5.", "x", true, object{}, " 5"}},
		{traffic, "data.from", []any{"2024-07-01T00:00:00", "2024-07-01", 5, "2024-07-01T00:00:60Z", "2024-02-30T00:00:00Z"}},
		{instance, "time", []any{"2024-07-01T00:00:00", "2024-07-01", "now"}},
		{instance, "sequence", []any{5, "-1", "+1", "1.0", "0x1", " 1", "x"}},
		{instance, "source", []any{"a b", "a\nb"}},
		{instance, "id", []any{"a\nb", "a\u009fb"}},
		{instance, "datacontenttype", []any{"text/plain", "application/xml", ";"}},
		{retraction(), "data.reason", []any{5, "a\nb"}},
		{retraction(), "data.id", []any{5}},
		{retraction(), "data.source", []any{"a b", 5}},
	}
	s := newRecorder().service()
	for _, c := range cases {
		for _, v := range c.values {
			if got := refusalOf(t, s, anywhere(), c.event.set(c.path, v).text(t)); got.Code != "invalid_value" || got.Field != c.path {
				t.Errorf("%s = %v: got %+v", c.path, v, got)
			}
		}
	}
}

// raw is JSON that the test writes as it is.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }
