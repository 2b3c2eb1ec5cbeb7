package layout

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
)

// IDEntry says where the observation of a name is and whether it has been
// retracted, which may come first.
type IDEntry struct {
	Known     bool
	Retracted bool
	Kind      metering.ObservationKind
	Seq       Seq
	Resource  metering.ResourceKey // of a state or quantity
	At        metering.Instant     // Time of a state, From of a quantity
}

// EntryOf returns the entry of an observation that is being stored.
func EntryOf(o *metering.Observation, seq Seq) IDEntry {
	return IDEntry{Known: true, Kind: o.Kind, Seq: seq, Resource: o.Resource, At: o.Begins()}
}

// Key returns the key of the observation that the entry points to.
func (e *IDEntry) Key(project metering.ProjectID) []byte {
	o := metering.Observation{Kind: e.Kind, Resource: e.Resource, Time: e.At, From: e.At}
	o.Name.Project = project
	return AppendKey(nil, &o, e.Seq)
}

// Unit returns the unit of the state or quantity that the entry points to.
func (e *IDEntry) Unit() Unit {
	return UnitOf(&metering.Observation{Kind: e.Kind, Resource: e.Resource, Time: e.At, From: e.At})
}

// Append appends the entry's value.
func (e *IDEntry) Append(dst []byte) []byte {
	flags := byte(e.Kind) << 2
	if e.Known {
		flags |= 1
	}
	if e.Retracted {
		flags |= 2
	}
	dst = append(dst, flags)
	if !e.Known {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(e.Seq))
	if e.Kind == metering.RetractionMade {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(e.Resource.Region))
	dst = append(dst, byte(e.Resource.Type))
	dst = append(dst, e.Resource.ID[:]...)
	return appendInstant(dst, e.At)
}

// DecodeIDEntry reads an entry of the given project.
func DecodeIDEntry(project metering.ProjectID, value []byte) (e IDEntry, err error) {
	r := reader{b: value}
	flags := r.byte()
	e.Known, e.Retracted, e.Kind = flags&1 != 0, flags&2 != 0, metering.ObservationKind(flags>>2)
	if e.Known {
		e.Seq = Seq(r.uvarint())
	}
	if e.Known == (e.Kind == 0) || e.Kind > metering.RetractionMade {
		r.fail()
	}
	if e.Known && e.Kind != metering.RetractionMade {
		e.Resource = metering.ResourceKey{Project: project, Region: metering.RegionID(r.uvarint())}
		e.Resource.Type = metering.ResourceType(r.byte())
		e.Resource.ID = r.uuid()
		e.At = r.instant()
		if !e.Resource.Type.Valid() {
			r.fail()
		}
	}
	if r.failed() || len(r.b) > 0 {
		return e, fmt.Errorf("id entry %x: %w", value, errDamaged)
	}
	return e, nil
}

// Touched is one journal entry: what a commit stored, so that after a restart
// just that is folded anew.
type Touched struct {
	Units []Unit
	IDs   []uint64 // hashes of the id keys that were added
}

// Append appends the entry's value.
func (t *Touched) Append(dst []byte) []byte {
	const perUnit = 32 // of most units, in bytes
	dst = slices.Grow(dst, binary.MaxVarintLen64+8*len(t.IDs)+perUnit*len(t.Units))
	dst = binary.AppendUvarint(dst, uint64(len(t.IDs)))
	for _, h := range t.IDs {
		dst = binary.LittleEndian.AppendUint64(dst, h)
	}
	for _, u := range t.Units {
		dst = appendResource(dst, u.Resource)
		dst = binary.AppendVarint(dst, int64(u.Day))
	}
	return dst
}

// DecodeTouched reads a journal entry, handing each part to the caller.
func DecodeTouched(value []byte, id func(hash uint64), unit func(Unit)) error {
	r := reader{b: value}
	n := r.uvarint()
	for range n {
		s := r.bytes(8)
		if s == nil {
			break
		}
		id(binary.LittleEndian.Uint64(s))
	}
	for len(r.b) > 0 && !r.failed() {
		u := Unit{Resource: r.resource()}
		day := r.varint()
		if u.Day = metering.Day(day); int64(u.Day) != day || day != 0 && u.Resource.Type.Measure() != metering.Counted {
			r.fail()
		}
		if !r.failed() {
			unit(u)
		}
	}
	if r.failed() {
		return fmt.Errorf("journal entry: %w", errDamaged)
	}
	return nil
}

// AppendSeqKey appends a key of the journal, or of the sources: a prefix and a
// number.
func AppendSeqKey(dst []byte, prefix byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, prefix), n)
}

// SeqOfKey returns the number of such a key.
func SeqOfKey(key []byte) (uint64, error) {
	if len(key) != 9 {
		return 0, fmt.Errorf("key %x: %w", key, errDamaged)
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}
