package metering

import (
	"bytes"
	"cmp"
	"encoding/hex"
)

// ProjectID names a project, 1 to MaxProjectID.
type ProjectID int64

// RegionID names a region, 1 to MaxRegionID.
type RegionID int64

// UUID is a resource id, or an attribute of UUID form. Its zero value is a UUID
// like any other.
type UUID [16]byte

// ParseUUID parses the 36-character form in any letter case.
func ParseUUID(s string) (u UUID, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	bad := byte(0)
	for n, i := range [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34} {
		hi, lo := hexDigits[s[i]], hexDigits[s[i+1]]
		bad |= hi | lo
		u[n] = hi<<4 | lo&0xf
	}
	if bad > 0xf {
		return UUID{}, false
	}
	return u, true
}

// hexDigits has the value of each hexadecimal digit at its place in ASCII, and
// \xff for all else: digits cannot be guessed by the processor, so branches on them
// cost much.
const hexDigits = notHex + notHex + notHex + "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\xff\xff\xff\xff\xff\xff" +
	letters + notHex + letters + notHex +
	notHex + notHex + notHex + notHex + notHex + notHex + notHex + notHex

const (
	notHex  = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
	letters = "\xff\x0a\x0b\x0c\x0d\x0e\x0f\xff\xff\xff\xff\xff\xff\xff\xff\xff"
)

// Append appends the 36-character form in lower case.
func (u UUID) Append(dst []byte) []byte {
	dst = hex.AppendEncode(dst, u[:4])
	for _, part := range [][]byte{u[4:6], u[6:8], u[8:10], u[10:]} {
		dst = append(dst, '-')
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

// String returns the 36-character form in lower case.
func (u UUID) String() string { return string(u.Append(make([]byte, 0, 36))) }

// Compare orders by bytes, which is also the order of the lower-case texts.
func (u UUID) Compare(v UUID) int { return bytes.Compare(u[:], v[:]) }

// ResourceKey names a resource. The same id in two projects is two resources.
type ResourceKey struct {
	Project ProjectID
	Region  RegionID
	Type    ResourceType
	ID      UUID
}

// Compare is the canonical order, in which ties of every report are broken:
// project, region, type (by name), resource id.
func (k ResourceKey) Compare(l ResourceKey) int {
	if c := cmp.Compare(k.Project, l.Project); c != 0 {
		return c
	}
	if c := cmp.Compare(k.Region, l.Region); c != 0 {
		return c
	}
	if c := cmp.Compare(k.Type, l.Type); c != 0 {
		return c
	}
	return k.ID.Compare(l.ID)
}

// Meter says what of a resource is counted, and in which unit: each distinct
// meter of a resource is a line of its own (spec 1-usage-report, "A line is").
type Meter struct {
	Type      ResourceType
	Metric    string // billing metric name
	Dimension string // value of the type's total dimension, "" where it has none
	Unit      string // billing value unit
}

// Compare orders by type, metric, dimension, unit; texts by their bytes.
func (m Meter) Compare(o Meter) int {
	if c := cmp.Compare(m.Type, o.Type); c != 0 {
		return c
	}
	if c := cmp.Compare(m.Metric, o.Metric); c != 0 {
		return c
	}
	if c := cmp.Compare(m.Dimension, o.Dimension); c != 0 {
		return c
	}
	return cmp.Compare(m.Unit, o.Unit)
}
