package columns

import (
	"sort"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// reading is a projection as it stands at an instant.
type reading struct {
	*Projection
	until uint32 // the first minute that does not count yet, at most minTo
	// whole is set when no row's last piece lies behind until as a whole, so
	// that a row's value is its last piece's plus what came before.
	whole bool
}

func (p *Projection) readAt(now metering.Instant) *reading {
	until := min(uint32(metering.MinutesUntil(now)), p.minTo)
	return &reading{Projection: p, until: until, whole: p.latest < until || p.rows() == 0}
}

// future reports whether the row's last piece has not begun yet, so that it
// must be read from the base. Rows of counted resources have no piece.
func (r *reading) future(row int) bool {
	at := &r.row[row]
	return at.from >= r.until && at.to != 0
}

// value returns what a row counts that is not in the future.
func (r *reading) value(row int) metering.Amount {
	at := &r.row[row]
	v := metering.Product(at.mult, uint64(min(at.to, r.until)-at.from))
	if at.before != 0 {
		v = v.Add(r.priors[at.before].value)
	}
	return v
}

// counts returns what a row counts, also if its last piece is in the future.
func (r *reading) counts(row int) metering.Amount {
	if !r.whole && r.future(row) {
		f, _ := r.figures(row)
		return f.value
	}
	return r.value(row)
}

// recut reads a row whose last piece is in the future: what of it counts
// already, as a piece (whose item is the segment) and what came before.
func (r *reading) recut(row int) (piece int, before prior, ok bool) {
	b, res := r.base, int(r.res[row])
	start, stop := b.items(r.groupAt(row).group, res)
	meter, piece := r.slots[r.row[row].slot].meter, -1
	for i := start; i < stop && max(b.seg.from[i], r.minFrom) < r.until; i++ {
		if b.seg.meter[i] != meter || b.seg.to[i] <= r.minFrom {
			continue
		}
		if piece >= 0 {
			before.add(&b.seg, piece, r.minFrom)
		}
		piece = i
	}
	return piece, before, piece >= 0
}

// figures is what a line counts, from when to when, and the item (segment or
// day sum) that describes it last.
type figures struct {
	value       metering.Amount
	first, last metering.Instant
	item        int
}

// figures reads a row in full; ok is false when none of it counts yet.
func (r *reading) figures(row int) (f figures, ok bool) {
	at := &r.row[row]
	switch {
	case at.to == 0: // counted
		p := &r.priors[at.before]
		return figures{p.value, p.first, p.last, int(r.item[row])}, true
	case !r.whole && r.future(row):
		piece, before, ok := r.recut(row)
		if !ok {
			return f, false
		}
		return r.pieceFigures(piece, before), true
	}
	f = figures{
		value: r.value(row),
		first: metering.Minute(at.from).Sample(),
		last:  metering.Minute(min(at.to, r.until) - 1).Sample(),
		item:  int(r.item[row]),
	}
	if at.before != 0 {
		f.first = r.priors[at.before].first
	}
	return f, true
}

func (r *reading) pieceFigures(piece int, before prior) figures {
	seg := &r.base.seg
	from, to := max(seg.from[piece], r.minFrom), min(seg.to[piece], r.until)
	f := figures{
		value: before.value.Add(metering.Product(seg.mult[piece], uint64(to-from))),
		first: metering.Minute(from).Sample(),
		last:  metering.Minute(to - 1).Sample(),
		item:  piece,
	}
	if before.first != 0 {
		f.first = before.first
	}
	return f
}

// groupAt returns the group of a row.
func (r *reading) groupAt(row int) *rowGroup { return &r.groups[r.groupIndex(row)] }

func (r *reading) groupIndex(row int) int {
	return sort.Search(len(r.groups), func(i int) bool { return r.groups[i].to > row })
}

// line fills l and its attributes, whose texts live as long as the base is
// mapped.
func (r *reading) line(row int, l *report.Line) {
	f, ok := r.figures(row)
	if !ok {
		metering.Bug("row %d was selected but counts nothing", row)
	}
	b, g := r.base, r.groupAt(row).group
	attributes := l.Attributes
	*l = report.Line{
		Resource:   g.key(b.ids[r.res[row]]),
		Meter:      b.meters[r.slots[r.row[row].slot].meter],
		Value:      f.value,
		First:      f.first,
		Last:       f.last,
		Attributes: attributes,
	}
	if l.Resource.Type.Measure() == metering.Counted {
		b.attributes(attributes, &l.Meter, b.cell.name[f.item], b.cell.tags[f.item], b.cell.extra[f.item], borrowed)
		return
	}
	if l.Resource.Type.Measure() == metering.Sized {
		l.SizeBytes = b.seg.mult[f.item]
	}
	b.attributes(attributes, &l.Meter, b.seg.name[f.item], b.seg.tags[f.item], b.seg.extra[f.item], borrowed)
}
