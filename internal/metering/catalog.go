package metering

import (
	"slices"
	"strings"
)

// Measure says how a type's usage comes about.
type Measure uint8

const (
	Present Measure = iota // minutes in which the resource is there, times its count
	Sized                  // size over minutes, in GB-minutes
	Counted                // quantities told by the source
)

// String returns the word the docs use.
func (m Measure) String() string { return [...]string{"present", "sized", "counted"}[m] }

// Scale is the decimal scale of the measure's amounts: whole minutes, bytes as
// 10^-9 GB, millionths of a quantity.
func (m Measure) Scale() int { return [...]int{0, 9, QuantityScale}[m] }

// SizeUnit is the unit of a line's last_size and the text of its size_unit.
type SizeUnit string

const (
	NoSize SizeUnit = ""
	Bytes  SizeUnit = "bytes"
	GiB    SizeUnit = "GiB"
)

// UnitBytes is the billing value unit whose quantities are whole numbers.
const UnitBytes = "bytes"

// ResourceType is one of the 25 types, numbered from 1 in the order of their
// names. The numbers are part of the on-disk format.
type ResourceType uint8

// TypeCount is the number of resource types; valid types are 1 to TypeCount.
const TypeCount = 25

// typeInfo is one row of the catalog. All else about a type follows from it.
type typeInfo struct {
	name     string
	measure  Measure
	unit     string // default billing value unit
	template string // of the billing metric name; "" means the source must give it
	// dimension is the attribute that totals are split by.
	dimension Attribute
	// attributes are the text attributes that a source may give.
	attributes []Attribute
	tags       bool
	sizeUnit   SizeUnit
	lastSize   bool // lines have last_size
	printUnit  bool // lines have size_unit
	noTotals   bool // the contract has no total for it
}

const (
	minutes   = "minutes"
	gbMinutes = "gbminutes"
)

var flavored = []Attribute{Name, Flavor}

// catalog is the one table from which units, fields and filters of all types
// derive (spec resource_types.json). Index 0 is no type.
var catalog = [TypeCount + 1]typeInfo{
	1:  {name: "ai_cluster", measure: Present, unit: minutes, template: "{flavor}_min", dimension: Flavor, attributes: flavored, tags: true},
	2:  {name: "ai_virtual_cluster", measure: Present, unit: minutes, template: "{flavor}_min", dimension: Flavor, attributes: flavored, tags: true},
	3:  {name: "backup", measure: Sized, unit: gbMinutes, template: "backup_gbm", dimension: NoAttribute, attributes: []Attribute{Name, ScheduleID, SourceVolumeUUID}, sizeUnit: Bytes, lastSize: true, noTotals: true},
	4:  {name: "baremetal", measure: Present, unit: minutes, template: "{flavor}_min", dimension: Flavor, attributes: flavored, tags: true},
	5:  {name: "basic_vm", measure: Present, unit: minutes, template: "{flavor}_min", dimension: Flavor, attributes: flavored, tags: true},
	6:  {name: "containers", measure: Counted, unit: "GBS", template: "caas_container_resources_sec", dimension: NoAttribute, attributes: []Attribute{Name}},
	7:  {name: "dbaas_postgresql_connection_pooler", measure: Present, unit: minutes, template: "dbaas_postgresql_connection_pooler_min", dimension: NoAttribute, attributes: []Attribute{Name}},
	8:  {name: "dbaas_postgresql_cpu", measure: Present, unit: minutes, template: "dbaas_postgresql_cpu_min", dimension: NoAttribute, attributes: []Attribute{Name}},
	9:  {name: "dbaas_postgresql_memory", measure: Sized, unit: gbMinutes, template: "dbaas_postgresql_memory_gbmin", dimension: NoAttribute, attributes: []Attribute{Name}},
	10: {name: "dbaas_postgresql_public_network", measure: Present, unit: minutes, template: "dbaas_postgresql_public_network_min", dimension: NoAttribute, attributes: []Attribute{Name}},
	11: {name: "dbaas_postgresql_volume", measure: Sized, unit: gbMinutes, template: "dbaas_postgresql_volume_t_{volume_type}_gbmin", dimension: VolumeType, attributes: []Attribute{Name, VolumeType}, sizeUnit: GiB, printUnit: true},
	12: {name: "egress_traffic", measure: Counted, unit: UnitBytes, template: "egress_traffic_{instance_type}_gbs", dimension: InstanceType, attributes: []Attribute{InstanceName, InstanceType, VMID}, tags: true, sizeUnit: Bytes, printUnit: true},
	13: {name: "external_ip", measure: Present, unit: minutes, template: "externalip_min", dimension: NoAttribute, attributes: []Attribute{AttachedToVM, IPAddress, NetworkID, SubnetID}},
	14: {name: "file_share", measure: Sized, unit: gbMinutes, template: "file_share_t_{file_share_type}_gbm", dimension: FileShareType, attributes: []Attribute{Name, FileShareType}, tags: true, sizeUnit: GiB, lastSize: true, printUnit: true},
	15: {name: "floatingip", measure: Present, unit: minutes, template: "floating_min", dimension: NoAttribute, attributes: []Attribute{Name, IPAddress}, tags: true},
	16: {name: "functions", measure: Counted, unit: "GBS", template: "faas_function_resources_sec", dimension: NoAttribute, attributes: []Attribute{Name}},
	17: {name: "functions_calls", measure: Counted, unit: "MLS", template: "faas_function_calls_piece", dimension: NoAttribute, attributes: []Attribute{Name}},
	18: {name: "functions_traffic", measure: Counted, unit: "GB", template: "faas_function_egress_traffic_gbs", dimension: NoAttribute, attributes: []Attribute{Name}},
	19: {name: "image", measure: Sized, unit: gbMinutes, template: "image_gbm", dimension: NoAttribute, attributes: []Attribute{Name}, tags: true, sizeUnit: Bytes, lastSize: true, printUnit: true},
	20: {name: "inference", measure: Counted, unit: "H", dimension: NoAttribute, attributes: flavored},
	21: {name: "instance", measure: Present, unit: minutes, template: "{flavor}_min", dimension: Flavor, attributes: flavored, tags: true},
	22: {name: "load_balancer", measure: Present, unit: minutes, template: "{flavor}_min", dimension: Flavor, attributes: flavored, tags: true},
	23: {name: "log_index", measure: Sized, unit: gbMinutes, template: "log_index_gbm", dimension: NoAttribute, attributes: []Attribute{Name}, sizeUnit: Bytes, lastSize: true, printUnit: true},
	24: {name: "snapshot", measure: Sized, unit: gbMinutes, template: "snap_t_{volume_type}_gbm", dimension: VolumeType, attributes: []Attribute{Name, SourceVolumeUUID, VolumeType}, tags: true, sizeUnit: GiB, lastSize: true, printUnit: true},
	25: {name: "volume", measure: Sized, unit: gbMinutes, template: "volume_t_{volume_type}_gbm", dimension: VolumeType, attributes: []Attribute{AttachedToVM, Name, VolumeType}, tags: true, sizeUnit: GiB, lastSize: true, printUnit: true},
}

// ResourceTypes returns all types in the order of their names.
func ResourceTypes() []ResourceType {
	types := make([]ResourceType, TypeCount)
	for i := range types {
		types[i] = ResourceType(i + 1)
	}
	return types
}

// ResourceTypeNamed finds a type by name, case-sensitively.
func ResourceTypeNamed(name string) (ResourceType, bool) {
	i, found := slices.BinarySearchFunc(catalog[1:], name, func(t typeInfo, name string) int {
		return strings.Compare(t.name, name)
	})
	return ResourceType(i + 1), found
}

// Valid reports whether t is one of the types.
func (t ResourceType) Valid() bool { return 1 <= t && t <= TypeCount }

// String returns the type's name.
func (t ResourceType) String() string { return catalog[t].name }

// Measure says how the type's usage comes about.
func (t ResourceType) Measure() Measure { return catalog[t].measure }

// Unit is the type's billing value unit; a source may give another one for
// inference only.
func (t ResourceType) Unit() string { return catalog[t].unit }

// MetricTemplate is the default billing metric name with the attribute it needs
// in braces; "" means that the source must give the name.
func (t ResourceType) MetricTemplate() string { return catalog[t].template }

// Dimension is the attribute by which totals are split, or NoAttribute.
func (t ResourceType) Dimension() Attribute { return catalog[t].dimension }

// Attributes lists the text attributes that the type takes.
func (t ResourceType) Attributes() []Attribute { return slices.Clone(catalog[t].attributes) }

// Takes reports whether the type takes the attribute.
func (t ResourceType) Takes(a Attribute) bool { return slices.Contains(catalog[t].attributes, a) }

// Requires reports whether the attribute must be given in active states and
// quantities: the flavor and the total dimension (which is also all that any
// template needs).
func (t ResourceType) Requires(a Attribute) bool {
	return (a == Flavor && t.Takes(Flavor)) || (a == catalog[t].dimension && a != NoAttribute)
}

// HasTags reports whether the type has tags.
func (t ResourceType) HasTags() bool { return catalog[t].tags }

// HasName reports whether lines have last_name.
func (t ResourceType) HasName() bool { return t.Takes(Name) }

// HasTotals reports whether the report has totals for the type.
func (t ResourceType) HasTotals() bool { return !catalog[t].noTotals }

// SizeUnit is the unit of last_size and the text of size_unit.
func (t ResourceType) SizeUnit() SizeUnit { return catalog[t].sizeUnit }

// IDField is the line's member that holds the resource id.
func (t ResourceType) IDField() string {
	if t.HasName() {
		return "uuid"
	}
	return "port_id"
}

// Meter returns the type's meter: metric is the source's billing metric name
// ("" for the type's default), unit its unit ("" for the type's).
func (t ResourceType) Meter(metric, unit string, attributes *Attributes) Meter {
	info := &catalog[t]
	m := Meter{Type: t, Metric: metric, Unit: unit}
	if info.dimension != NoAttribute {
		m.Dimension = attributes.Texts[info.dimension]
	}
	if m.Unit == "" {
		m.Unit = info.unit
	}
	if m.Metric == "" {
		m.Metric = info.template
		if info.dimension != NoAttribute {
			m.Metric = strings.Replace(info.template, "{"+info.dimension.String()+"}", m.Dimension, 1)
		}
	}
	return m
}

// CheckQuantity reports whether q is within the type's limits: whole numbers up
// to 2^63-1 for bytes, otherwise up to 15 digits before the point.
func (t ResourceType) CheckQuantity(q Amount) bool {
	if t.Unit() == UnitBytes {
		return q.Compare(Product(1<<63-1, 1e6)) <= 0 && q.mod1e6() == 0
	}
	return q.Compare(Product(1e15, 1e6)) < 0
}

// LastSize returns the size as lines print it: in SizeUnit, rounded up to a
// whole unit. This is the only division of the report that rounds.
func (t ResourceType) LastSize(bytes uint64) uint64 {
	if t.SizeUnit() == GiB {
		const gib = 1 << 30
		return bytes/gib + min(bytes%gib, 1)
	}
	return bytes
}

// LineFields returns the members of the type's report lines, sorted.
func (t ResourceType) LineFields() []string {
	fields := append(t.TotalFields(), "first_seen", "last_seen", "project_id", t.IDField())
	for _, a := range catalog[t].attributes {
		fields = append(fields, a.LineField())
	}
	if catalog[t].tags {
		fields = append(fields, "tags")
	}
	if catalog[t].lastSize {
		fields = append(fields, "last_size")
	}
	if catalog[t].printUnit {
		fields = append(fields, "size_unit")
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// TotalFields returns the members of the type's totals, sorted.
func (t ResourceType) TotalFields() []string {
	fields := []string{"billing_metric_name", "billing_value", "billing_value_unit", "region", "region_id", "type"}
	if d := catalog[t].dimension; d != NoAttribute {
		fields = append(fields, d.LineField())
	}
	slices.Sort(fields)
	return fields
}

// FilterFields returns the fields that schema_filter allows for the type: the
// line's own members but for tags and size_unit, and "type"; sorted.
func (t ResourceType) FilterFields() []string {
	common := []string{"billing_metric_name", "billing_value", "billing_value_unit", "first_seen",
		"last_seen", "project_id", "region", "region_id", "tags", "size_unit"}
	return slices.DeleteFunc(t.LineFields(), func(f string) bool { return slices.Contains(common, f) })
}
