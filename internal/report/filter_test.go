package report_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

const anID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"

func resourceType(t testing.TB, name string) metering.ResourceType {
	t.Helper()
	rt, ok := metering.ResourceTypeNamed(name)
	if !ok {
		t.Fatalf("no type %s", name)
	}
	return rt
}

func uuid(t testing.TB, text string) metering.UUID {
	t.Helper()
	id, ok := metering.ParseUUID(text)
	if !ok {
		t.Fatalf("no UUID: %s", text)
	}
	return id
}

// line makes a line of the type with the texts.
func line(t testing.TB, typeName string, texts map[metering.Attribute]string, tags ...metering.Tag) *report.Line {
	t.Helper()
	rt := resourceType(t, typeName)
	attributes := &metering.Attributes{Tags: tags}
	for a, text := range texts {
		attributes.Texts[a] = text
	}
	return &report.Line{
		Resource:   metering.ResourceKey{Project: 10, Region: 76, Type: rt, ID: uuid(t, anID)},
		Meter:      rt.Meter("", "", attributes),
		SizeBytes:  100<<30 + 1,
		Attributes: attributes,
	}
}

func TestSchemaFilterComparesForFullEquality(t *testing.T) {
	t.Parallel()
	type texts = map[metering.Attribute]string
	volume := line(t, "volume", texts{metering.Name: "Data", metering.VolumeType: "ssd_hiiops"})
	attached := line(t, "volume", texts{metering.AttachedToVM: anID})
	ip := line(t, "floatingip", texts{metering.IPAddress: "2001:db8::1"})
	ip4 := line(t, "external_ip", texts{metering.IPAddress: "192.0.2.1"})
	egress := line(t, "egress_traffic", texts{metering.InstanceType: "vm"})
	image := line(t, "image", nil)
	for _, c := range []struct {
		line   *report.Line
		field  string
		values string
		want   bool
	}{
		{volume, "last_name", `"Data"`, true},
		{volume, "last_name", `"x","Data","y"`, true},
		{volume, "last_name", `"data"`, false},
		{volume, "last_name", `"Dat"`, false},
		{volume, "last_name", `"Data "`, false},
		{attached, "last_name", `""`, false},
		{volume, "attached_to_vm", `""`, false},
		{volume, "volume_type", `"ssd_hiiops"`, true},
		{volume, "type", `"volume"`, true},
		{volume, "type", `"instance","volume"`, true},
		{volume, "type", `"Volume"`, false},
		{volume, "uuid", `"` + strings.ToUpper(anID) + `"`, true},
		{volume, "uuid", `"3C90c3cc-0d44-4b50-8888-8dd25736052A"`, true},
		{volume, "uuid", `"3c90c3cc0d444b5088888dd25736052a"`, false},
		{volume, "uuid", `"00000000-0000-0000-0000-000000000000"`, false},
		{volume, "uuid", `"x"`, false},
		{attached, "attached_to_vm", `"` + strings.ToUpper(anID) + `"`, true},
		{attached, "attached_to_vm", `"` + anID[1:] + `"`, false},
		{volume, "last_size", `"101"`, true}, // rounded up to a whole GiB
		{volume, "last_size", `"000101"`, true},
		{volume, "last_size", `"100"`, false},
		{volume, "last_size", `"101.0"`, false},
		{volume, "last_size", `"+101"`, false},
		{volume, "last_size", `" 101"`, false},
		{volume, "last_size", `"1_01"`, false},
		{volume, "last_size", `"0x65"`, false},
		{volume, "last_size", `"١٠١"`, false},
		{volume, "last_size", `""`, false},
		{volume, "last_size", `"18446744073709551717"`, false}, // 2^64 + 101
		{volume, "last_size", `"` + strings.Repeat("9", 5000) + `"`, false},
		{image, "last_size", `"107374182401"`, true}, // in bytes
		{ip, "ip_address", `"2001:db8::1"`, true},
		{ip, "ip_address", `"2001:0DB8:0:0::0001"`, true},
		{ip, "ip_address", `"2001:db8::2"`, false},
		{ip4, "ip_address", `"192.0.2.1"`, true},
		{ip4, "ip_address", `"::ffff:192.0.2.1"`, true},
		{ip4, "ip_address", `"192.0.2.01"`, false},
		{ip, "ip_address", `"2001:db8::1%eth0"`, false},
		{ip4, "ip_address", `"192.0.2"`, false},
		{ip4, "port_id", `"` + strings.ToUpper(anID) + `"`, true},
		{egress, "port_id", `"` + anID + `"`, true},
		{egress, "instance_type", `"vm"`, true},
		{egress, "instance_type", `"VM"`, false},
		{egress, "vm_id", `"` + anID + `"`, false},
	} {
		name := c.line.Resource.Type.String()
		q := parse(t, withPeriod(fmt.Sprintf(`"schema_filter":{"field":%q,"values":[%s],"type":%q}`, c.field, c.values, name)))
		if got := q.Where.Match(c.line); got != c.want {
			t.Errorf("%s %s in [%.100s]: %t, want %t", name, c.field, c.values, got, c.want)
		}
		if got := q.Selects(c.line); got != c.want {
			t.Errorf("%s %s in [%.100s]: selected %t, want %t", name, c.field, c.values, got, c.want)
		}
	}
}

func TestSchemaFilterRestrictsTheReportToItsType(t *testing.T) {
	t.Parallel()
	q := parse(t, withPeriod(`"schema_filter":{"type":"volume","field":"uuid","values":["`+anID+`"]}`))
	for _, rt := range metering.ResourceTypes() {
		l := line(t, rt.String(), nil)
		want := rt.String() == "volume"
		if q.Where.Match(l) != want || q.Selects(l) != want {
			t.Errorf("%s: selected %t, want %t", rt, q.Selects(l), want)
		}
	}
}

func TestEveryFieldThatATypeAllowsCanBeFilteredBy(t *testing.T) {
	t.Parallel()
	for _, rt := range metering.ResourceTypes() {
		for _, field := range rt.FilterFields() {
			if _, ok := report.NewFieldFilter(rt, field, []string{"x"}); !ok {
				t.Errorf("%s: field %s is refused", rt, field)
			}
		}
		for _, field := range []string{"", "tags", "billing_value", "size_unit", "name", "project_id"} {
			if _, ok := report.NewFieldFilter(rt, field, []string{"x"}); ok {
				t.Errorf("%s: field %q is taken", rt, field)
			}
		}
	}
}

func TestTagConditions(t *testing.T) {
	t.Parallel()
	tags := metering.Tags{{Key: "Env", Value: "Prod-EU"}, {Key: "empty"}, {Key: "os", Value: "ÜBUNTU"}, {Key: "team", Value: "os"}}
	for _, c := range []struct {
		filter string
		want   bool
	}{
		{`"conditions":[{"key":"os"}]`, true},
		{`"conditions":[{"key":"empty"}]`, true},
		{`"conditions":[{"key":"OS"}]`, false},
		{`"conditions":[{"key":"OS","strict":false}]`, false},
		{`"conditions":[{"key":"o","strict":false}]`, false},
		{`"conditions":[{"value":"os"}]`, true},
		{`"conditions":[{"value":"Prod"}]`, false},
		{`"conditions":[{"value":"prod-eu"}]`, false},
		{`"conditions":[{"value":"PROD","strict":false}]`, true},
		{`"conditions":[{"key":"Env","value":"prod-eu","strict":false}]`, true},
		{`"conditions":[{"key":"Env","value":"d-e","strict":false}]`, true},
		{`"conditions":[{"key":"Env","value":"Prod-EU"}]`, true},
		{`"conditions":[{"key":"Env","value":"prod-eu","strict":true}]`, false},
		{`"conditions":[{"key":"env","value":"Prod-EU"}]`, false},
		{`"conditions":[{"key":"os","value":"übunt","strict":false}]`, true},
		{`"conditions":[{"key":"team","value":"Prod-EU"}]`, false}, // one single tag must meet it
		{`"conditions":[{"key":"none"},{"key":"os"}]`, true},
		{`"conditions":[{"key":"none"},{"key":"os"}],"condition_type":"OR"`, true},
		{`"conditions":[{"key":"none"},{"key":"os"}],"condition_type":"AND"`, false},
		{`"conditions":[{"key":"team"},{"value":"ubuntu","strict":false}],"condition_type":"AND"`, false},
		{`"conditions":[{"key":"team"},{"value":"BUNTU"}],"condition_type":"AND"`, false},
		{`"conditions":[{"key":"team"},{"value":"BUNTU","strict":false}],"condition_type":"AND"`, true},
	} {
		q := parse(t, withPeriod(`"tags":{`+c.filter+`}`))
		if got := q.Tags.Match(tags); got != c.want {
			t.Errorf("%s: %t, want %t", c.filter, got, c.want)
		}
		if got := q.Selects(line(t, "instance", nil, tags...)); got != c.want {
			t.Errorf("%s: selected %t, want %t", c.filter, got, c.want)
		}
		if q.Tags.Match(nil) {
			t.Errorf("%s: met by no tags", c.filter)
		}
	}
}

func TestTypesWithoutTagsNeverMatchATagFilter(t *testing.T) {
	t.Parallel()
	q := parse(t, withPeriod(`"tags":{"conditions":[{"key":"os"}]}`))
	for _, rt := range metering.ResourceTypes() {
		l := line(t, rt.String(), nil, metering.Tag{Key: "os", Value: "ubuntu"})
		if got := q.Selects(l); got != rt.HasTags() {
			t.Errorf("%s: selected %t, want %t", rt, got, rt.HasTags())
		}
	}
}

func TestCaseIsIgnoredPerCodePointWithSimpleLowerCasing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wanted, value string
		want          bool
	}{
		{"straße", "STRASSE", false},
		{"STRAẞE", "straße", true},   // U+1E9E maps to ß
		{"ΣΑΣ", "σασ", true},         // no final sigma
		{"σας", "ΣΑΣ", false},        // ς is a small letter of its own
		{"\u0130", "i", true},        // dotted capital I maps to i
		{"i\u0307", "\u0130", false}, // not to i and a combining dot
		{"\u212a", "k", true},        // Kelvin sign
		{"ı", "I", false},
		{"ǆ", "ǅ", true},
		{"ſ", "s", false}, // lower case already
	} {
		f := report.TagFilter{Conditions: []report.TagCondition{{Value: &c.wanted}}}
		if got := f.Match(metering.Tags{{Key: "k", Value: "<" + c.value + ">"}}); got != c.want {
			t.Errorf("%+q in %+q: %t, want %t", c.wanted, c.value, got, c.want)
		}
	}
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if unicode.ToLower(r) == r || r == unicode.ReplacementChar {
			continue
		}
		upper, lower := string(r), string(unicode.ToLower(r))
		f := report.TagFilter{Conditions: []report.TagCondition{{Value: &upper}}}
		if !f.Match(metering.Tags{{Key: "k", Value: lower}}) {
			t.Errorf("%U is not found in its lower case %+q", r, lower)
		}
	}
}

func TestSelectsIntersectsEverything(t *testing.T) {
	t.Parallel()
	l := line(t, "instance", map[metering.Attribute]string{metering.Flavor: "g1"}, metering.Tag{Key: "a", Value: "b"})
	const all = `"projects":[10],"regions":[76],"types":["instance"],"schema_filter":{"type":"instance","field":"flavor","values":["g1"]},"tags":{"conditions":[{"key":"a"}]}`
	if q := parse(t, withPeriod(all)); !q.Selects(l) {
		t.Error("the line meets everything, but is not selected")
	}
	for _, change := range [][2]string{
		{"[10]", "[11]"}, {"[76]", "[77]"}, {`["instance"]`, `["volume"]`}, {`"g1"`, `"g2"`}, {`"key":"a"`, `"key":"b"`},
	} {
		body := withPeriod(strings.Replace(all, change[0], change[1], 1))
		if q := parse(t, body); q.Selects(l) {
			t.Errorf("the line is selected by %s", body)
		}
	}
}

func TestFilterValuesAreSortedAndDistinct(t *testing.T) {
	t.Parallel()
	f, ok := report.NewFieldFilter(resourceType(t, "volume"), "last_name", []string{"b", "", "a", "b", "Z"})
	if !ok || !slices.Equal(f.Texts, []string{"Z", "a", "b"}) {
		t.Errorf("texts %q", f.Texts)
	}
	f, ok = report.NewFieldFilter(resourceType(t, "volume"), "last_size", []string{"30", "x", "4", "030"})
	if !ok || !slices.Equal(f.Sizes, []uint64{4, 30}) {
		t.Errorf("sizes %d", f.Sizes)
	}
	first, second := strings.Replace(anID, "3", "0", 1), anID
	f, ok = report.NewFieldFilter(resourceType(t, "volume"), "uuid", []string{second, "x", first, strings.ToUpper(second)})
	if !ok || !slices.Equal(f.IDs, []metering.UUID{uuid(t, first), uuid(t, second)}) {
		t.Errorf("ids %v", f.IDs)
	}
}
