package columns

import (
	"encoding/binary"
	"slices"
	"strings"
	"unsafe"

	"github.com/meterbook/meterbook/internal/metering"
)

// texts is a numbered list of byte strings in one arena. Number 0 is the empty
// one.
type texts struct {
	off   []uint32 // off[i] to off[i+1] is text i
	arena []byte
}

func newTexts() texts { return texts{off: []uint32{0, 0}} }

func (t *texts) count() int { return len(t.off) - 1 }

func (t *texts) at(i uint32) []byte { return t.arena[t.off[i]:t.off[i+1]] }

// add appends a text and returns its number.
func (t *texts) add(s []byte) uint32 {
	if len(s) == 0 {
		return 0
	}
	t.arena = append(t.arena, s...)
	if uint64(len(t.arena)) > 1<<32-1 {
		metering.Bug("more than 4 GiB of texts in one base")
	}
	t.off = append(t.off, uint32(len(t.arena)))
	return uint32(len(t.off) - 2)
}

// lifetime says how long texts that were read from a base are needed.
type lifetime bool

const (
	copied   lifetime = true  // longer than the base may be mapped
	borrowed lifetime = false // only until the report is closed
)

func (l lifetime) text(b []byte) string {
	if l == copied {
		return string(b)
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// attributes fills dst from the numbers of a name, a tag set and an extra. The
// total dimension is kept in the meter only.
func (b *Base) attributes(dst *metering.Attributes, m *metering.Meter, name, tags, extra uint32, l lifetime) {
	*dst = metering.Attributes{Tags: dst.Tags[:0]}
	dst.Texts[metering.Name] = l.text(b.names.at(name))
	if d := m.Type.Dimension(); d != metering.NoAttribute {
		dst.Texts[d] = m.Dimension
	}
	decodeExtra(dst, b.extras.at(extra), l)
	dst.Tags = decodeTags(dst.Tags, b.tagSets.at(tags), l)
}

// An extra holds the texts of a description besides name and total dimension:
// for each its attribute's number, then 16 bytes for a UUID, or a length and
// the text.
func appendExtra(dst []byte, t metering.ResourceType, a *metering.Attributes) []byte {
	for i, text := range a.Texts {
		attribute := metering.Attribute(i)
		if text == "" || attribute == metering.Name || attribute == t.Dimension() {
			continue
		}
		dst = append(dst, byte(i))
		if attribute.Form() == metering.FormUUID {
			id, ok := metering.ParseUUID(text)
			if !ok {
				metering.Bug("%v is no UUID: %q", attribute, text)
			}
			dst = append(dst, id[:]...)
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

func decodeExtra(dst *metering.Attributes, extra []byte, l lifetime) {
	for len(extra) > 0 {
		attribute := metering.Attribute(extra[0])
		var raw []byte
		raw, extra = cutExtra(attribute, extra[1:])
		if attribute.Form() == metering.FormUUID {
			dst.Texts[attribute] = metering.UUID(raw).String()
		} else {
			dst.Texts[attribute] = l.text(raw)
		}
	}
}

// cutExtra splits the value of an attribute off the rest.
func cutExtra(a metering.Attribute, s []byte) (value, rest []byte) {
	if a.Form() == metering.FormUUID {
		return s[:16], s[16:]
	}
	n, width := binary.Uvarint(s)
	s = s[width:]
	return s[:n], s[n:]
}

// A tag set is its keys and values in the order of the keys, each with its
// length before it.
func appendTags(dst []byte, tags metering.Tags) []byte {
	for _, tag := range tags {
		dst = binary.AppendUvarint(dst, uint64(len(tag.Key)))
		dst = append(dst, tag.Key...)
		dst = binary.AppendUvarint(dst, uint64(len(tag.Value)))
		dst = append(dst, tag.Value...)
	}
	return dst
}

func decodeTags(dst metering.Tags, set []byte, l lifetime) metering.Tags {
	if len(set) == 0 {
		return nil
	}
	for len(set) > 0 {
		var tag metering.Tag
		tag.Key, set = cutText(set, l)
		tag.Value, set = cutText(set, l)
		dst = append(dst, tag)
	}
	if l == copied {
		return slices.Clip(dst)
	}
	return dst
}

func cutText(s []byte, l lifetime) (text string, rest []byte) {
	n, width := binary.Uvarint(s)
	s = s[width:]
	return l.text(s[:n]), s[n:]
}

// Meters are few; they are decoded when a base is loaded.
func appendMeter(dst []byte, m metering.Meter) []byte {
	dst = append(dst, byte(m.Type))
	for _, text := range []string{m.Metric, m.Dimension, m.Unit} {
		dst = binary.AppendUvarint(dst, uint64(len(text)))
		dst = append(dst, text...)
	}
	return dst
}

func decodeMeter(s []byte) metering.Meter {
	m := metering.Meter{Type: metering.ResourceType(s[0])}
	s = s[1:]
	m.Metric, s = cutText(s, copied)
	m.Dimension, s = cutText(s, copied)
	m.Unit, _ = cutText(s, copied)
	return m
}

func compareText(a, b []byte) int {
	return strings.Compare(borrowed.text(a), borrowed.text(b))
}
