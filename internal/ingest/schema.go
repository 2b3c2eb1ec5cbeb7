package ingest

import (
	"math/bits"

	"github.com/meterbook/meterbook/internal/metering"
)

// contextAttribute is a CloudEvents attribute that means something here.
type contextAttribute uint8

const (
	contextDataContentType contextAttribute = iota
	contextID
	contextSequence
	contextSource
	contextSpecVersion
	contextTime
	contextType

	contextCount
)

var contextNames = [contextCount]string{"datacontenttype", "id", "sequence", "source", "specversion", "time", "type"}

// member is a member of an event's data. They are numbered in the order of
// their names' bytes, so that the least of a set is the first by path.
type member uint8

const (
	memberAttachedToVM member = iota
	memberBillingMetricName
	memberBillingValueUnit
	memberCount
	memberFileShareType
	memberFlavor
	memberFrom
	memberID
	memberInstanceName
	memberInstanceType
	memberIPAddress
	memberName
	memberNetworkID
	memberProjectID
	memberQuantity
	memberReason
	memberRegionID
	memberResourceID
	memberResourceType
	memberScheduleID
	memberSizeBytes
	memberSource
	memberSourceVolumeUUID
	memberStatus
	memberSubnetID
	memberTags
	memberTo
	memberVMID
	memberVolumeType

	members
)

// memberPaths are the paths in the event; the names begin after the dot.
var memberPaths = [members]string{
	"data.attached_to_vm", "data.billing_metric_name", "data.billing_value_unit", "data.count", "data.file_share_type",
	"data.flavor", "data.from", "data.id", "data.instance_name", "data.instance_type", "data.ip_address", "data.name",
	"data.network_id", "data.project_id", "data.quantity", "data.reason", "data.region_id", "data.resource_id",
	"data.resource_type", "data.schedule_id", "data.size_bytes", "data.source", "data.source_volume_uuid", "data.status",
	"data.subnet_id", "data.tags", "data.to", "data.vm_id", "data.volume_type",
}

const dataPath = "data."

func (m member) path() string { return memberPaths[m] }
func (m member) name() string { return memberPaths[m][len(dataPath):] }

// memberSet has bit m for member m.
type memberSet uint32

func setOf(ms ...member) memberSet {
	var s memberSet
	for _, m := range ms {
		s |= 1 << m
	}
	return s
}

func (s memberSet) has(m member) bool { return s>>m&1 == 1 }

// first returns the member that is first by path; the set must not be empty.
func (s memberSet) first() member { return member(bits.TrailingZeros32(uint32(s))) }

// kinds is one more than the greatest metering.ObservationKind.
const kinds = metering.RetractionMade + 1

// schema says which members the data of an event has. All of it follows from
// the catalog of types.
type schema struct {
	contexts   map[string]contextAttribute
	kinds      map[string]metering.ObservationKind // by CloudEvents type
	members    map[string]member
	types      map[string]metering.ResourceType
	attributes [members]metering.Attribute // NoAttribute for members that are none

	// core are the members that every event of a kind must have.
	core [kinds]memberSet
	// allowed and required are by kind and resource type, type 0 being one that
	// is not known. What is required is so of active states and quantities.
	allowed, required [kinds][metering.TypeCount + 1]memberSet
}

// The CloudEvents types that are taken in.
const (
	typeState      = "meterbook.resource.state.v1"
	typeQuantity   = "meterbook.resource.quantity.v1"
	typeRetraction = "meterbook.retraction.v1"
)

func newSchema() *schema {
	s := &schema{
		contexts: map[string]contextAttribute{},
		kinds: map[string]metering.ObservationKind{typeState: metering.StateObserved,
			typeQuantity: metering.QuantityObserved, typeRetraction: metering.RetractionMade},
		members: map[string]member{},
		types:   map[string]metering.ResourceType{},
	}
	for a, name := range contextNames {
		s.contexts[name] = contextAttribute(a)
	}
	for m := range members {
		s.members[m.name()] = m
		s.attributes[m], _ = metering.AttributeNamed(m.name())
	}
	resource := setOf(memberProjectID, memberRegionID, memberResourceID, memberResourceType)
	s.core[metering.StateObserved] = resource | setOf(memberStatus)
	s.core[metering.QuantityObserved] = resource | setOf(memberFrom, memberTo, memberQuantity)
	s.core[metering.RetractionMade] = setOf(memberProjectID, memberSource, memberID)
	s.allowed[metering.RetractionMade][0] = s.core[metering.RetractionMade] | setOf(memberReason)
	s.required[metering.RetractionMade][0] = s.core[metering.RetractionMade]
	for _, t := range metering.ResourceTypes() {
		s.addType(t)
	}
	return s
}

func (s *schema) addType(t metering.ResourceType) {
	s.types[t.String()] = t
	kind := metering.StateObserved
	allowed, required := setOf(memberBillingMetricName), memberSet(0)
	switch t.Measure() {
	case metering.Counted:
		kind = metering.QuantityObserved
	case metering.Sized:
		allowed |= setOf(memberSizeBytes)
		required |= setOf(memberSizeBytes)
	case metering.Present:
		allowed |= setOf(memberCount)
	}
	if t.HasTags() {
		allowed |= setOf(memberTags)
	}
	if t.MetricTemplate() == "" { // the source must name what it counts, and may name the unit
		allowed |= setOf(memberBillingValueUnit)
		required |= setOf(memberBillingMetricName)
	}
	for m, a := range s.attributes {
		if a != metering.NoAttribute && t.Takes(a) {
			allowed |= setOf(member(m))
		}
		if a != metering.NoAttribute && t.Requires(a) {
			required |= setOf(member(m))
		}
	}
	s.allowed[kind][t] = s.core[kind] | allowed
	s.allowed[kind][0] |= s.allowed[kind][t]
	s.required[kind][t] = s.core[kind] | required
	s.required[kind][0] = s.core[kind]
}
