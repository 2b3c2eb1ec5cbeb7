package layout

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/meterbook/meterbook/internal/metering"
)

var errDamaged = errors.New("the bytes are cut short or not of this form")

// reader takes values off a byte string; after damage it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) failed() bool { return r.err != nil }

func (r *reader) fail() {
	r.err, r.b = errDamaged, nil
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) byte() byte {
	if s := r.bytes(1); s != nil {
		return s[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	r.skipVarint(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	r.skipVarint(n)
	return v
}

// skipVarint goes on behind a number of n bytes. One that is longer than it need
// be was not written by this program.
func (r *reader) skipVarint(n int) {
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.fail()
		return
	}
	r.b = r.b[n:]
}

func (r *reader) text() string { return string(r.bytes(r.uvarint())) }

// given reads a text that would not be there if it were empty.
func (r *reader) given() string {
	text := r.text()
	if text == "" {
		r.fail()
	}
	return text
}

// source reads the number of a source.
func (r *reader) source() SourceNumber {
	n := r.uvarint()
	if n > math.MaxUint32 {
		r.fail()
	}
	return SourceNumber(n)
}

// sequence reads a sequence number, which is at most 2^63-1.
func (r *reader) sequence() metering.Sequence {
	v := metering.Sequence(r.uvarint())
	if v < 0 {
		r.fail()
	}
	return v
}

func (r *reader) uuid() (u metering.UUID) {
	copy(u[:], r.bytes(16))
	return u
}

// uint reads what AppendUint wrote.
func (r *reader) uint() (v uint64) {
	n := r.byte()
	digits := r.bytes(uint64(n))
	if n > 8 || len(digits) > 0 && digits[0] == 0 {
		r.fail()
		return 0
	}
	for _, b := range digits {
		v = v<<8 | uint64(b)
	}
	return v
}

func (r *reader) instant() metering.Instant {
	if s := r.bytes(8); s != nil {
		return metering.Instant(binary.BigEndian.Uint64(s) ^ 1<<63)
	}
	return 0
}

func (r *reader) resource() (k metering.ResourceKey) {
	k.Project = metering.ProjectID(r.uint())
	k.Region = metering.RegionID(r.uint())
	k.Type = metering.ResourceType(r.byte())
	if !k.Type.Valid() {
		r.fail()
	}
	if k.ID = r.uuid(); r.failed() {
		return metering.ResourceKey{} // whose type can be asked for what it is
	}
	return k
}

// stateOrQuantityKey reads all of a key but a mark behind it.
func (r *reader) stateOrQuantityKey() (k metering.ResourceKey, at metering.Instant, seq Seq) {
	switch r.byte() {
	case States:
	case Quantities:
		r.bytes(2)
	default:
		r.fail()
	}
	k = r.resource()
	at = r.instant()
	return k, at, Seq(r.uint())
}
