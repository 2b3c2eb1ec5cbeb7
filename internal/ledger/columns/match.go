package columns

import (
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// matcher decides about rows of selected groups; its parts are nil where the
// query does not ask.
type matcher struct {
	masks []Mask
	slots []bool                   // by slot: may its rows match
	tags  *tagSetFilter            // of the rows' tag sets
	where func(item, row int) bool // of anything else
	read  *reading
}

// selects returns the rows [from, to) that are selected and count something, in
// the memory given, which has room for as many.
func (m *matcher) selects(from, to int, rows []uint32) []uint32 {
	rows = rows[:to-from]
	if m.tags != nil && m.where == nil && m.slots == nil && len(m.masks) == 0 && m.read.whole {
		return m.tags.among(from, m.read.tags[from:to], rows)
	}
	for i := range rows {
		rows[i] = uint32(from + i)
	}
	for _, mask := range m.masks {
		rows = m.unmasked(rows, mask)
	}
	if m.slots != nil {
		rows = m.ofSlots(rows)
	}
	switch {
	case !m.read.whole:
		return keep(rows, m.matchesNow)
	case m.tags != nil:
		rows = m.tags.keep(rows, m.read.tags)
	}
	if m.where != nil {
		rows = keep(rows, func(row uint32) bool { return m.where(int(m.read.item[row]), int(row)) })
	}
	return rows
}

// unmasked, ofSlots and tagSetFilter.keep return the rows that stay, in their
// order, in the same memory. They write each row and count it or not, since a
// branch that cannot be guessed costs more than the writing.
func (m *matcher) unmasked(rows []uint32, mask Mask) []uint32 {
	n, res := 0, m.read.res
	for _, row := range rows {
		rows[n] = row
		if !mask.Has(int(res[row])) {
			n++
		}
	}
	return rows[:n]
}

func (m *matcher) ofSlots(rows []uint32) []uint32 {
	n, all := 0, m.read.row
	for _, row := range rows {
		rows[n] = row
		if m.slots[all[row].slot] {
			n++
		}
	}
	return rows[:n]
}

// keep returns the rows that are ok, in their order, in the same memory.
func keep(rows []uint32, ok func(row uint32) bool) []uint32 {
	kept := rows[:0]
	for _, row := range rows {
		if ok(row) {
			kept = append(kept, row)
		}
	}
	return kept
}

func (m *matcher) matches(row uint32) bool {
	return (m.tags == nil || m.tags.matches(m.read.tags[row])) && (m.where == nil || m.where(int(m.read.item[row]), int(row)))
}

// matchesNow judges a row whose last piece is in the future by the segment that
// is in effect; if there is none, it does not count yet.
func (m *matcher) matchesNow(row uint32) bool {
	if !m.read.future(int(row)) {
		return m.matches(row)
	}
	piece, _, ok := m.read.recut(int(row))
	return ok && (m.tags == nil || m.tags.matches(m.read.base.seg.tags[piece])) && (m.where == nil || m.where(piece, int(row)))
}

func newMatcher(q *report.Query, read *reading, masks []Mask) *matcher {
	m := &matcher{masks: masks, read: read}
	if q.Tags != nil {
		m.tags = &tagSetFilter{filter: q.Tags, sets: &read.base.tagSets, known: make([]uint8, read.base.tagSets.count())}
	}
	if q.Where != nil {
		m.compile(q.Where)
	}
	return m
}

func (m *matcher) compile(f *report.FieldFilter) {
	b := m.read.base
	switch {
	case f.Field == report.FilterType:
		m.onSlots(func(metering.Meter) bool { return slices.Contains(f.Texts, f.Type.String()) })
	case f.Field == report.FilterID:
		m.where = func(_, row int) bool { return slices.Contains(f.IDs, b.ids[m.read.res[row]]) }
	case f.Field == report.FilterSize:
		m.where = func(item, _ int) bool { return slices.Contains(f.Sizes, f.Type.LastSize(b.seg.mult[item])) }
	case f.Attribute == f.Type.Dimension():
		m.onSlots(func(meter metering.Meter) bool { return slices.Contains(f.Texts, meter.Dimension) })
	case f.Attribute == metering.Name:
		m.where = func(item, _ int) bool { return containsText(f.Texts, b.names.at(b.column(f.Type).name[item])) }
	default:
		m.where = func(item, _ int) bool {
			return containsText(f.Texts, extraText(f.Attribute, b.extras.at(b.column(f.Type).extra[item])))
		}
	}
}

// onSlots decides by the meter alone.
func (m *matcher) onSlots(ok func(metering.Meter) bool) {
	m.slots = make([]bool, len(m.read.slots))
	for i, s := range m.read.slots {
		m.slots[i] = ok(m.read.base.meters[s.meter])
	}
}

// describedColumns are the columns that segments and day sums have in common.
type describedColumns struct{ name, extra []uint32 }

func (b *Base) column(t metering.ResourceType) describedColumns {
	if t.Measure() == metering.Counted {
		return describedColumns{b.cell.name, b.cell.extra}
	}
	return describedColumns{b.seg.name, b.seg.extra}
}

func containsText(wanted []string, have []byte) bool {
	for _, w := range wanted {
		if w == string(have) {
			return true
		}
	}
	return false
}

// extraText returns an attribute's text, nil where it is missing.
func extraText(a metering.Attribute, extra []byte) []byte {
	for len(extra) > 0 {
		at := metering.Attribute(extra[0])
		var value []byte
		value, extra = cutExtra(at, extra[1:])
		if at != a {
			continue
		}
		if a.Form() == metering.FormUUID {
			return metering.UUID(value).Append(make([]byte, 0, 36))
		}
		return value
	}
	return nil
}

// tagSetFilter evaluates a tag filter once for each distinct tag set.
type tagSetFilter struct {
	filter *report.TagFilter
	sets   *texts
	known  []uint8 // by tag set: 0 not known yet, 1 no, 2 yes
	buf    metering.Tags
}

func (f *tagSetFilter) matches(set uint32) bool {
	return f.is(set) == 2
}

// is returns what is known of a tag set, evaluating it if need be.
func (f *tagSetFilter) is(set uint32) uint8 {
	if f.known[set] == 0 {
		f.evaluate(set)
	}
	return f.known[set]
}

func (f *tagSetFilter) evaluate(set uint32) {
	f.buf = decodeTags(f.buf[:0], f.sets.at(set), borrowed)
	f.known[set] = 1
	if f.filter.Match(f.buf) {
		f.known[set] = 2
	}
}

func (f *tagSetFilter) keep(rows, sets []uint32) []uint32 {
	n := 0
	for _, row := range rows {
		rows[n] = row
		n += int(f.is(sets[row]) >> 1)
	}
	return rows[:n]
}

// among is keep for all rows from one on, whose tag sets are given.
func (f *tagSetFilter) among(from int, sets, rows []uint32) []uint32 {
	n := 0
	for i, set := range sets {
		rows[n] = uint32(from + i)
		n += int(f.is(set) >> 1)
	}
	return rows[:n]
}

// Mask is a set of resources of a base, by index.
type Mask []uint64

// NewMask returns an empty mask over the base's resources.
func (b *Base) NewMask() Mask { return make(Mask, (len(b.ids)+63)/64) }

// Add puts a resource into the set.
func (m Mask) Add(res int) { m[res/64] |= 1 << (res % 64) }

// Has reports whether a resource is in the set.
func (m Mask) Has(res int) bool { return m[res/64]>>(res%64)&1 == 1 }
