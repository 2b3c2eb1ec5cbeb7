package metering

import (
	"cmp"
	"net/netip"
	"slices"
)

// Attribute names a text attribute of a resource. The numbers are part of the
// on-disk format: never renumber, only append.
type Attribute uint8

const (
	Name Attribute = iota
	Flavor
	VolumeType
	FileShareType
	InstanceType
	InstanceName
	VMID
	AttachedToVM
	IPAddress
	NetworkID
	SubnetID
	ScheduleID
	SourceVolumeUUID

	AttributeCount
	NoAttribute Attribute = 255
)

// AttributeForm says which texts an attribute takes.
type AttributeForm uint8

const (
	FormText         AttributeForm = iota // up to MaxTextLength characters, no control characters
	FormUUID                              // the 36-character form, kept in lower case
	FormIP                                // an IP address, kept in canonical form
	FormInstanceType                      // vm, baremetal or router
)

var attributeTable = [AttributeCount]struct {
	member string // of an event's data
	line   string // of a report line
	form   AttributeForm
}{
	Name:             {"name", "last_name", FormText},
	Flavor:           {"flavor", "flavor", FormText},
	VolumeType:       {"volume_type", "volume_type", FormText},
	FileShareType:    {"file_share_type", "file_share_type", FormText},
	InstanceType:     {"instance_type", "instance_type", FormInstanceType},
	InstanceName:     {"instance_name", "instance_name", FormText},
	VMID:             {"vm_id", "vm_id", FormUUID},
	AttachedToVM:     {"attached_to_vm", "attached_to_vm", FormUUID},
	IPAddress:        {"ip_address", "ip_address", FormIP},
	NetworkID:        {"network_id", "network_id", FormUUID},
	SubnetID:         {"subnet_id", "subnet_id", FormUUID},
	ScheduleID:       {"schedule_id", "schedule_id", FormUUID},
	SourceVolumeUUID: {"source_volume_uuid", "source_volume_uuid", FormUUID},
}

// ParseIP parses an IP address without a zone. The result's String is the
// canonical form in which attributes keep it; an IPv4 address within IPv6 is
// the IPv4 address.
func ParseIP(s string) (address netip.Addr, ok bool) {
	address, err := netip.ParseAddr(s)
	return address.Unmap(), err == nil && address.Zone() == ""
}

// InstanceTypes lists the values of InstanceType.
func InstanceTypes() []string { return []string{"vm", "baremetal", "router"} }

// String returns the member's name in an event's data.
func (a Attribute) String() string { return attributeTable[a].member }

// LineField returns the member's name in a report line.
func (a Attribute) LineField() string { return attributeTable[a].line }

// Form says which texts the attribute takes.
func (a Attribute) Form() AttributeForm { return attributeTable[a].form }

// AttributeNamed returns the attribute of that name in an event's data.
func AttributeNamed(member string) (Attribute, bool) {
	for a, entry := range attributeTable {
		if entry.member == member {
			return Attribute(a), true
		}
	}
	return NoAttribute, false
}

// Attributes are what a source told about a resource besides what is counted.
// An empty text is an absent attribute. UUIDs are in lower case, IP addresses
// in canonical form. Treat it as immutable once it is shared.
type Attributes struct {
	Texts [AttributeCount]string
	Tags  Tags
}

// Equal compares all texts and tags.
func (a *Attributes) Equal(b *Attributes) bool {
	return a == b || (a.Texts == b.Texts && slices.Equal(a.Tags, b.Tags))
}

// Tag is one key-value pair.
type Tag struct{ Key, Value string }

// Tags are sorted by the keys' bytes, each key once. None is nil.
type Tags []Tag

// SortTags sorts in place by key.
func SortTags(t Tags) {
	slices.SortFunc(t, func(a, b Tag) int { return cmp.Compare(a.Key, b.Key) })
}
