package fleet

import (
	"net/netip"

	"github.com/meterbook/meterbook/internal/metering"
)

// source is a kind of system that tells observations.
type source uint8

const (
	openstack source = iota
	sflow
	dbaas
	faas
	caas
	inference
)

func (s source) path() string {
	return [...]string{"/openstack/region-", "/sflow/region-", "/dbaas/region-", "/faas/region-", "/caas/region-", "/inference/region-"}[s]
}

// sourceOf returns the kind of system that tells about a type.
func sourceOf(t metering.ResourceType) source {
	switch t.String() {
	case "egress_traffic":
		return sflow
	case "dbaas_postgresql_connection_pooler", "dbaas_postgresql_cpu", "dbaas_postgresql_memory",
		"dbaas_postgresql_public_network", "dbaas_postgresql_volume":
		return dbaas
	case "functions", "functions_calls", "functions_traffic":
		return faas
	case "containers":
		return caas
	case "inference":
		return inference
	}
	return openstack
}

// observe starts an observation about the slot's resource.
func (g *generator) observe(s *slot, kind metering.ObservationKind) *metering.Observation {
	p := &g.projects[s.project]
	return &metering.Observation{
		Kind: kind,
		Name: metering.ObservationName{Project: p.ID, Source: g.sources[sourceOf(s.typ)][s.region]},
		Time: s.at,
		Resource: metering.ResourceKey{
			Project: p.ID, Region: g.regions[s.region].ID, Type: s.typ, ID: s.id,
		},
	}
}

// state tells how the slot's resource is after the step.
func (g *generator) state(s *slot) *metering.Observation {
	o := g.observe(s, metering.StateObserved)
	o.Name.ID = newUUID(g.random).String()
	s.states++
	if sourceOf(s.typ) == dbaas { // its clock is coarse
		o.Sequence = metering.Sequence(s.states)
	}
	if s.step == remove || s.step == retire {
		o.Deleted, o.Meter.Type = true, s.typ
		return o
	}
	g.describe(s, &o.Attributes)
	o.Meter = s.typ.Meter("", "", &o.Attributes)
	o.Multiplier = s.size
	return o
}

// describe fills in the resource's attributes.
func (g *generator) describe(s *slot, a *metering.Attributes) {
	for _, attribute := range g.words.attributes[s.typ] {
		a.Texts[attribute] = g.text(s, attribute)
	}
	if s.typ.HasTags() {
		a.Tags = g.words.tags[s.tags]
	}
}

func (g *generator) text(s *slot, attribute metering.Attribute) string {
	p := &g.projects[s.project]
	switch attribute {
	case metering.Name, metering.InstanceName:
		return g.name(s)
	case metering.Flavor, metering.VolumeType, metering.FileShareType, metering.InstanceType:
		return g.words.variants[s.typ][s.variant]
	case metering.VMID, metering.AttachedToVM, metering.SourceVolumeUUID:
		if s.related == (metering.UUID{}) {
			return ""
		}
		return s.related.String()
	case metering.IPAddress:
		return address(s.serial)
	case metering.NetworkID:
		return p.network.String()
	case metering.SubnetID:
		return p.subnet.String()
	case metering.ScheduleID:
		return p.schedule.String()
	}
	metering.Bug("no text for attribute %s of %s", attribute, s.typ)
	return ""
}

// address gives a resource its IP address; one in sixteen is of version 6. The
// ranges are those set aside for benchmarks and for documentation.
func address(serial uint32) string {
	if serial%16 == 0 {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 12: byte(serial >> 24), 13: byte(serial >> 16), 14: byte(serial >> 8), 15: byte(serial)}).String()
	}
	return netip.AddrFrom4([4]byte{198, 18 | byte(serial>>16&1), byte(serial >> 8), byte(serial)}).String()
}
