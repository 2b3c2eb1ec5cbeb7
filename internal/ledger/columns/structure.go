package columns

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/meterbook/meterbook/internal/metering"
)

// adopt takes over the columns of a file, and refuses those that do not belong
// together.
func (b *Base) adopt(sections [][]byte) error {
	meters := texts{off: as[uint32](sections[21]), arena: sections[22]}
	if err := meters.check(0); err != nil {
		return fmt.Errorf("meters: %w", err)
	}
	for i := range meters.count() {
		if text := meters.at(uint32(i)); !isMeter(text) {
			return fmt.Errorf("meter %d is damaged: %x", i, text)
		}
	}
	b.setSections(sections)
	return b.checkStructure()
}

// checkStructure checks that every number in the columns leads to something:
// whatever the file holds, reading it then never leaves its sections. It is one
// pass in the order of the memory. What the columns say may still be wrong.
func (b *Base) checkStructure() error {
	for _, t := range []struct {
		what string
		texts
		from int // number of the first text that is not empty
	}{{"names", b.names, 1}, {"tag sets", b.tagSets, 1}, {"extras", b.extras, 1}} {
		if err := t.check(t.from); err != nil {
			return fmt.Errorf("%s: %w", t.what, err)
		}
	}
	n := len(b.ids)
	if err := sameLength(n, len(b.itemEnd), len(b.boundary), len(b.hidden), len(b.flags)); err != nil {
		return fmt.Errorf("resources: %w", err)
	}
	if len(b.rank) != b.names.count() {
		return fmt.Errorf("%d ranks of %d names", len(b.rank), b.names.count())
	}
	for name, rank := range b.rank[1:] {
		if int(rank) >= len(b.rank) {
			return fmt.Errorf("name %d has rank %d of %d names", name+1, rank, len(b.rank)-1)
		}
	}
	if err := b.checkGroups(); err != nil {
		return err
	}
	if err := b.seg.check(); err != nil {
		return fmt.Errorf("segments: %w", err)
	}
	if err := b.cell.check(); err != nil {
		return fmt.Errorf("day sums: %w", err)
	}
	return b.checkNumbers()
}

// check checks the offsets of a list whose texts before the given number are
// empty.
func (t *texts) check(from int) error {
	if len(t.off) <= from || t.off[0] != 0 || t.off[from] != 0 || int(t.off[len(t.off)-1]) != len(t.arena) {
		return fmt.Errorf("the offsets do not span the %d bytes of text", len(t.arena))
	}
	for i, off := range t.off[1:] {
		if off < t.off[i] {
			return fmt.Errorf("text %d ends before it begins", i)
		}
	}
	return nil
}

// checkGroups checks that the groups divide the resources, and the resources
// both tables of items, leaving nothing out.
func (b *Base) checkGroups() error {
	var ends [2]uint32 // of the items so far: segments, day sums
	for i := range b.groups {
		g := &b.groups[i]
		after := b.groupEnd(i)
		if !g.resourceType().Valid() || i == 0 && g.first != 0 || int(g.first) >= after || after > len(b.ids) {
			return fmt.Errorf("group %d of type %d begins at resource %d and ends at %d", i, g.kind, g.first, after)
		}
		end := &ends[table(g.resourceType())]
		if g.firstItem != *end {
			return fmt.Errorf("group %d begins at item %d, not %d", i, g.firstItem, *end)
		}
		for res, next := range b.itemEnd[g.first:after] {
			if next < *end {
				return fmt.Errorf("resource %d ends at item %d, before %d", int(g.first)+res, next, *end)
			}
			*end = next
		}
	}
	if len(b.groups) == 0 && len(b.ids) > 0 || int(ends[0]) != len(b.seg.from) || int(ends[1]) != len(b.cell.day) {
		return fmt.Errorf("the resources of %d groups have %d segments and %d day sums, there are %d and %d", len(b.groups), ends[0], ends[1], len(b.seg.from), len(b.cell.day))
	}
	return nil
}

// table returns which of the two tables holds the items of a type.
func table(t metering.ResourceType) int {
	if t.Measure() == metering.Counted {
		return 1
	}
	return 0
}

func (s *segments) check() error {
	return sameLength(len(s.from), len(s.to), len(s.meter), len(s.name), len(s.tags), len(s.extra), len(s.mult))
}

func (c *cells) check() error {
	if err := sameLength(len(c.day), len(c.meter), len(c.name), len(c.tags), len(c.extra), len(c.hi), len(c.lo), len(c.first), len(c.last), len(c.windowsEnd)); err != nil {
		return err
	}
	before := uint32(0)
	for i, end := range c.windowsEnd {
		if end < before {
			return fmt.Errorf("the windows of sum %d end before they begin", i)
		}
		before = end
	}
	if int(before) != len(c.windows) {
		return fmt.Errorf("their windows end at byte %d of %d", before, len(c.windows))
	}
	return nil
}

func sameLength(lengths ...int) error {
	for _, n := range lengths[1:] {
		if n != lengths[0] {
			return fmt.Errorf("the columns have %v elements", lengths)
		}
	}
	return nil
}

// daySumHiEnd bounds the high 64 bits of a day's sum: a quantity is below 2^83
// millionths, so no day reaches it, and 2^16 such days can still be added up.
const daySumHiEnd = 1 << 48

// checkNumbers checks that the numbers of meters and texts exist, and that time
// goes forward in a segment.
func (b *Base) checkNumbers() error {
	for _, c := range []struct {
		what   string
		column []uint32
		count  int
	}{
		{"meter of a segment", b.seg.meter, len(b.meters)}, {"name of a segment", b.seg.name, b.names.count()},
		{"tag set of a segment", b.seg.tags, b.tagSets.count()}, {"extra of a segment", b.seg.extra, b.extras.count()},
		{"meter of a day sum", b.cell.meter, len(b.meters)}, {"name of a day sum", b.cell.name, b.names.count()},
		{"tag set of a day sum", b.cell.tags, b.tagSets.count()}, {"extra of a day sum", b.cell.extra, b.extras.count()},
	} {
		for i, number := range c.column {
			if int(number) >= c.count {
				return fmt.Errorf("the %s, item %d, has number %d of %d", c.what, i, number, c.count)
			}
		}
	}
	for i, from := range b.seg.from {
		if from >= b.seg.to[i] {
			return fmt.Errorf("segment %d ends at minute %d, before it begins at %d", i, b.seg.to[i], from)
		}
	}
	for i, hi := range b.cell.hi {
		if hi >= daySumHiEnd {
			return fmt.Errorf("day sum %d is greater than what quantities can add up to", i)
		}
	}
	return nil
}

// checkTexts checks what tag sets, extras and windows hold. There may be millions
// of them, so a start does not: a report on a damaged one fails, and the others
// do not.
func (b *Base) checkTexts() error {
	for i := range b.tagSets.count() {
		if !isTagSet(b.tagSets.at(uint32(i))) {
			return fmt.Errorf("tag set %d is damaged: %x", i, b.tagSets.at(uint32(i)))
		}
	}
	for i := range b.extras.count() {
		if !isExtra(b.extras.at(uint32(i))) {
			return fmt.Errorf("extra %d is damaged: %x", i, b.extras.at(uint32(i)))
		}
	}
	for i, day := range b.cell.day {
		if l := b.cell.windowsOf(i); len(l) > 0 && !bytes.Equal(l, carried) && !l.Valid(metering.Day(day)) {
			return fmt.Errorf("the windows of day sum %d are damaged: %x", i, []byte(l))
		}
	}
	return nil
}

// cut splits a text with its length before it off the rest.
func cut(s []byte) (text, rest []byte, ok bool) {
	n, width := binary.Uvarint(s)
	if width <= 0 || n > uint64(len(s)-width) {
		return nil, nil, false
	}
	s = s[width:]
	return s[:n], s[n:], true
}

func isTagSet(set []byte) bool {
	last, ok := "", true
	for first := true; len(set) > 0; first = false {
		var key []byte
		if key, set, ok = cut(set); !ok || !first && string(key) <= last {
			return false
		}
		if last = string(key); len(set) == 0 {
			return false
		}
		if _, set, ok = cut(set); !ok {
			return false
		}
	}
	return true
}

func isExtra(extra []byte) bool {
	for last := -1; len(extra) > 0; {
		a, ok := metering.Attribute(extra[0]), true
		if int(extra[0]) >= int(metering.AttributeCount) || int(extra[0]) <= last {
			return false
		}
		if last, extra = int(extra[0]), extra[1:]; a.Form() == metering.FormUUID {
			if len(extra) < 16 {
				return false
			}
			extra = extra[16:]
			continue
		}
		if _, extra, ok = cut(extra); !ok {
			return false
		}
	}
	return true
}

// isMeter reports whether a meter can be decoded.
func isMeter(s []byte) bool {
	if len(s) == 0 || !metering.ResourceType(s[0]).Valid() {
		return false
	}
	s = s[1:]
	for range 3 {
		var ok bool
		if _, s, ok = cut(s); !ok {
			return false
		}
	}
	return len(s) == 0
}
