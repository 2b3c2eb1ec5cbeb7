package fleet

import (
	"math/rand/v2"
	"strconv"

	"github.com/meterbook/meterbook/internal/metering"
)

// slot is a place in the fleet: a project, a region and a type that one
// resource after the other fills.
type slot struct {
	at      metering.Instant // of the next step
	born    metering.Instant // start of the first window of a resource that is counted
	id      metering.UUID
	related metering.UUID // of AttachedToVM, VMID or SourceVolumeUUID; zero: none
	size    uint64        // count of a present type, bytes of a sized one
	serial  uint32        // numbers the fleet's resources
	number  uint32        // of its name
	states  uint32        // told so far
	next    int32         // slot in the same hour of the schedule, or -1
	project int32
	tags    uint16
	role    uint8 // of its name, or nameless
	region  uint8
	variant uint8
	typ     metering.ResourceType
	step    step
}

const nameless = 255

// step is what happens to a slot next.
type step uint8

const (
	create step = iota // a resource is made
	change             // one of its states other than the first and the last
	remove             // it is deleted, and soon another one made in its place
	count              // a quantity is told
	spawn              // an autoscaling machine is made
	retire             // an autoscaling machine is deleted, and later another one made
)

// renew gives the slot a new resource.
func (g *generator) renew(s *slot) {
	g.serial++
	s.id, s.serial, s.number, s.states = newUUID(g.random), g.serial, g.serial, 0
	s.role = uint8(g.random.IntN(len(g.words.roles)))
	if s.typ == g.volume && g.random.IntN(20) == 0 {
		s.role = nameless // as root volumes often are
	}
	s.tags = 0
	if g.random.IntN(10) >= 3 {
		s.tags = uint16(min(g.random.IntN(tagSets), g.random.IntN(tagSets)))
	}
	if n := len(g.words.variants[s.typ]); n > 0 {
		s.variant = uint8(min(g.random.IntN(n), g.random.IntN(n)))
	}
	s.size = sizeOf(s.typ, g.random)
	g.relate(s)
}

// relate attaches the slot's resource to another one, if its type is one that
// is attached and the project has something to attach it to.
func (g *generator) relate(s *slot) {
	s.related = metering.UUID{}
	var other *slot
	switch {
	case s.typ.Takes(metering.AttachedToVM), s.typ.Takes(metering.VMID):
		other = g.neighbour(s, g.instance)
	case s.typ.Takes(metering.SourceVolumeUUID):
		other = g.neighbour(s, g.volume)
	}
	if s.typ == g.traffic {
		g.relateTraffic(s, other)
	} else if other != nil {
		s.related = other.id
	}
}

// relateTraffic makes a port that of a machine, whose name it tells, or of a
// router.
func (g *generator) relateTraffic(s, machine *slot) {
	types := g.words.variants[s.typ]
	if machine == nil || g.random.IntN(8) == 0 {
		s.variant = uint8(len(types) - 1) // router
		return
	}
	s.variant = uint8(g.random.IntN(len(types) - 1))
	s.related, s.role, s.number, s.tags = machine.id, machine.role, machine.number, machine.tags
}

// neighbour finds a living resource of the type in the slot's project and
// region; it gives up after a few tries.
func (g *generator) neighbour(s *slot, t metering.ResourceType) *slot {
	p := &g.projects[s.project]
	if p.slotCount == 0 {
		return nil
	}
	for range 10 {
		other := &g.slots[p.firstSlot+g.random.IntN(p.slotCount)]
		if other.typ == t && other.region == s.region && other.states > 0 && (other.step == change || other.step == remove) {
			return other
		}
	}
	return nil
}

// alter changes something about the slot's resource: its name, its size or
// flavor, what it is attached to, its tags, or nothing at all.
func (g *generator) alter(s *slot) {
	switch g.random.IntN(7) {
	case 0:
		if s.role != nameless {
			g.serial++
			s.number = g.serial
		}
	case 1, 2:
		g.resize(s)
	case 3, 4:
		if s.typ.Takes(metering.AttachedToVM) {
			if attached := s.related != (metering.UUID{}); attached {
				s.related = metering.UUID{}
			} else {
				g.relate(s)
			}
		}
	case 5:
		if s.typ.HasTags() {
			s.tags = uint16(g.random.IntN(tagSets))
		}
	}
}

func (g *generator) resize(s *slot) {
	switch n := len(g.words.variants[s.typ]); {
	case s.typ.Measure() == metering.Sized:
		s.size = min(max(s.size, 1)*uint64(1+g.random.IntN(3)), metering.MaxSizeBytes)
	case n > 0:
		s.variant = uint8(g.random.IntN(n))
	default:
		s.size = sizeOf(s.typ, g.random)
	}
}

// sizeOf draws the count of a present type or the bytes of a sized type.
func sizeOf(t metering.ResourceType, random *rand.Rand) uint64 {
	const gib = 1 << 30
	pick := func(values ...uint64) uint64 { return values[random.IntN(len(values))] }
	switch t.String() {
	case "volume", "snapshot", "dbaas_postgresql_volume":
		return gib * pick(1, 5, 10, 10, 20, 20, 30, 40, 50, 50, 80, 100, 100, 200, 250, 500, 1000, 2000)
	case "file_share":
		return gib * pick(10, 50, 100, 100, 500, 1000, 5000)
	case "dbaas_postgresql_memory":
		return gib * pick(4, 8, 8, 16, 32, 64)
	case "dbaas_postgresql_cpu":
		return pick(2, 4, 4, 8, 16, 32)
	case "ai_cluster":
		return pick(1, 1, 1, 2, 4, 8)
	case "image", "backup", "log_index":
		return 50_000_000 + random.Uint64N(40_000_000_000)
	}
	return 1
}

// name returns the text of the resource's name.
func (g *generator) name(s *slot) string {
	if s.role == nameless {
		return ""
	}
	var buf [32]byte
	b := append(append(buf[:0], g.words.roles[s.role]...), '-')
	return string(strconv.AppendUint(b, uint64(s.number), 10))
}
