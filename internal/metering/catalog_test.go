package metering

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// contract is testdata/resource_types.json, the published contract as data.
type contract struct {
	CommonLine  []string `json:"common_line_fields"`
	CommonTotal []string `json:"common_total_fields"`
	Types       map[string]struct {
		Measure  string   `json:"measure"`
		Unit     string   `json:"billing_value_unit"`
		Metric   *string  `json:"billing_metric_name"`
		Line     []string `json:"line_fields_beyond_common"`
		SizeUnit *string  `json:"size_unit"`
		Total    []string `json:"total_fields_beyond_common"`
		Filter   []string `json:"schema_filter_fields"`
	} `json:"types"`
}

func readContract(t *testing.T) contract {
	t.Helper()
	text, err := os.ReadFile("testdata/resource_types.json")
	if err != nil {
		t.Fatal(err)
	}
	var c contract
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func sortedUnion(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func TestCatalogIsTheContract(t *testing.T) {
	t.Parallel()
	c := readContract(t)
	if names := slices.Sorted(maps.Keys(c.Types)); len(names) != TypeCount || !slices.EqualFunc(names, ResourceTypes(), func(n string, r ResourceType) bool { return r.String() == n }) {
		t.Fatalf("the types are %v, want %v", ResourceTypes(), names)
	}
	for name, want := range c.Types {
		typ, ok := ResourceTypeNamed(name)
		if !ok || !typ.Valid() {
			t.Errorf("%s is not known", name)
			continue
		}
		check := func(what string, got, want any) {
			if g, w := mustJSON(t, got), mustJSON(t, want); g != w {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", name, what, g, w)
			}
		}
		orEmpty := func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		}
		check("measure", typ.Measure().String(), want.Measure)
		check("unit", typ.Unit(), want.Unit)
		check("metric", typ.MetricTemplate(), orEmpty(want.Metric))
		check("line fields", typ.LineFields(), sortedUnion(c.CommonLine, want.Line))
		check("filter fields", typ.FilterFields(), sortedUnion(want.Filter, nil))
		check("has totals", typ.HasTotals(), want.Total != nil)
		if want.Total != nil {
			check("total fields", typ.TotalFields(), sortedUnion(c.CommonTotal, want.Total))
		}
		if slices.Contains(want.Line, "size_unit") || slices.Contains(want.Line, "last_size") {
			check("size unit", string(typ.SizeUnit()), orEmpty(want.SizeUnit))
		}
		check("tags", typ.HasTags(), slices.Contains(want.Line, "tags"))
		check("name", typ.HasName(), slices.Contains(want.Line, "last_name"))
		check("id", slices.Contains(want.Line, typ.IDField()), true)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTemplatesAndDimensionsAreRequired(t *testing.T) {
	t.Parallel()
	braces := regexp.MustCompile(`\{(\w+)\}`)
	for _, typ := range ResourceTypes() {
		required := map[Attribute]bool{}
		for _, match := range braces.FindAllStringSubmatch(typ.MetricTemplate(), -1) {
			a, ok := AttributeNamed(match[1])
			if !ok {
				t.Errorf("%s needs %s", typ, match[1])
			}
			required[a] = true
		}
		if d := typ.Dimension(); d != NoAttribute {
			required[d] = true
		}
		if typ.Takes(Flavor) {
			required[Flavor] = true
		}
		for a := range AttributeCount {
			if typ.Requires(a) != required[a] {
				t.Errorf("%s requires %s: %v, want %v", typ, a, typ.Requires(a), required[a])
			}
			if required[a] && !typ.Takes(a) {
				t.Errorf("%s requires %s and does not take it", typ, a)
			}
			if slices.Contains(typ.Attributes(), a) != typ.Takes(a) {
				t.Errorf("%s takes %s: %v", typ, a, typ.Takes(a))
			}
		}
		if typ.Requires(NoAttribute) || typ.Takes(NoAttribute) {
			t.Errorf("%s takes no attribute", typ)
		}
	}
}

func TestMetersAreNamedByTheTemplateOrTheSource(t *testing.T) {
	t.Parallel()
	a := &Attributes{}
	a.Texts[Flavor], a.Texts[VolumeType], a.Texts[InstanceType] = "g1", "ssd", "vm"
	for _, c := range []struct {
		typ, metric, unit string
		want              Meter
	}{
		{"instance", "", "", Meter{Metric: "g1_min", Dimension: "g1", Unit: "minutes"}},
		{"instance", "negotiated", "", Meter{Metric: "negotiated", Dimension: "g1", Unit: "minutes"}},
		{"volume", "", "", Meter{Metric: "volume_t_ssd_gbm", Dimension: "ssd", Unit: "gbminutes"}},
		{"dbaas_postgresql_volume", "", "", Meter{Metric: "dbaas_postgresql_volume_t_ssd_gbmin", Dimension: "ssd", Unit: "gbminutes"}},
		{"egress_traffic", "", "", Meter{Metric: "egress_traffic_vm_gbs", Dimension: "vm", Unit: "bytes"}},
		{"external_ip", "", "", Meter{Metric: "externalip_min", Unit: "minutes"}},
		{"inference", "llm_hours", "", Meter{Metric: "llm_hours", Unit: "H"}},
		{"inference", "llm_tokens", "T", Meter{Metric: "llm_tokens", Unit: "T"}},
	} {
		typ, _ := ResourceTypeNamed(c.typ)
		c.want.Type = typ
		if got := typ.Meter(c.metric, c.unit, a); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.typ, got, c.want)
		}
	}
}

func TestTypeNamesAreCaseSensitive(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Instance", "INSTANCE", "instance ", "instances", "a", "zz", "vm"} {
		if typ, ok := ResourceTypeNamed(name); ok {
			t.Errorf("%q is %s", name, typ)
		}
	}
	if ResourceType(0).Valid() || ResourceType(TypeCount+1).Valid() {
		t.Error("types are numbered from 1 to TypeCount")
	}
}

func TestLastSizeIsRoundedUp(t *testing.T) {
	t.Parallel()
	const gib = 1 << 30
	for bytes, want := range map[uint64]uint64{
		0: 0, 1: 1, gib - 1: 1, gib: 1, gib + 1: 2, 100 * gib: 100, 100*gib + 1: 101, MaxSizeBytes: 1 << 30, MaxSizeBytes - 1: 1 << 30,
	} {
		volume, _ := ResourceTypeNamed("volume")
		image, _ := ResourceTypeNamed("image")
		if got := volume.LastSize(bytes); got != want {
			t.Errorf("%d bytes are %d GiB, want %d", bytes, got, want)
		}
		if got := image.LastSize(bytes); got != bytes {
			t.Errorf("%d bytes are %d bytes", bytes, got)
		}
	}
}

func TestAttributesHaveTheirNames(t *testing.T) {
	t.Parallel()
	for a := range AttributeCount {
		if got, ok := AttributeNamed(a.String()); !ok || got != a {
			t.Errorf("%s is %d, want %d", a, got, a)
		}
		if a.LineField() != a.String() && a != Name || strings.HasPrefix(a.String(), "last_") {
			t.Errorf("%s is %s in a line", a, a.LineField())
		}
		if wantsUUID := slices.Contains([]Attribute{VMID, AttachedToVM, NetworkID, SubnetID, ScheduleID, SourceVolumeUUID}, a); wantsUUID != (a.Form() == FormUUID) {
			t.Errorf("%s has form %d", a, a.Form())
		}
	}
	if IPAddress.Form() != FormIP || InstanceType.Form() != FormInstanceType || Name.LineField() != "last_name" {
		t.Error("ip_address, instance_type or name has a wrong form")
	}
	for _, name := range []string{"", "last_name", "tags", "Name", "size_bytes"} {
		if a, ok := AttributeNamed(name); ok {
			t.Errorf("%q is %s", name, a)
		}
	}
}
