package columns

import (
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// tallyRows is the selected rows of a projection, to be tallied.
type tallyRows struct {
	*tally
	scan *scan
	// class tells by slot which rows of a project, or of all projects where the
	// series is not by project, have one account.
	class  []uint32
	opened []uint32 // by class: the number of the account + 1, 0 when it is not known
}

func (t *tally) rowsOf(s *scan) *tallyRows {
	r := &tallyRows{tally: t, scan: s, class: make([]uint32, len(s.read.slots))}
	classes := len(r.class)
	for i := range r.class {
		r.class[i] = uint32(i)
		unit := t.unitOf(&s.read.base.meters[s.read.slots[i].meter])
		if t.q.By == report.GroupByProject {
			r.class[i], classes = unit, len(t.units)
		}
	}
	r.opened = make([]uint32, classes)
	return r
}

// each calls visit with the selected rows, block by block, and the account of each.
func (r *tallyRows) each(p picker, visit func(rows, accounts []uint32, at *groupCursor)) {
	var selected, accounts [blockRows]uint32
	of, at := r.cursor(), r.cursor()
	clear(r.opened)
	for _, run := range r.scan.runs(p) {
		for from := run.from; from < run.to; from += blockRows {
			rows := r.scan.match.selects(from, min(from+blockRows, run.to), selected[:])
			r.accountsOf(rows, of, accounts[:])
			visit(rows, accounts[:len(rows)], at)
		}
	}
}

// groupCursor finds the groups of rows in ascending order.
type groupCursor struct {
	groups []rowGroup // from the present one on
}

func (r *tallyRows) cursor() *groupCursor { return &groupCursor{r.scan.read.groups} }

func (c *groupCursor) to(row uint32) *group {
	for c.groups[0].to <= int(row) {
		c.groups = c.groups[1:]
	}
	return c.groups[0].group
}

// accountsOf finds the account of each row.
func (r *tallyRows) accountsOf(rows []uint32, of *groupCursor, accounts []uint32) {
	read, byProject := r.scan.read, r.q.By == report.GroupByProject
	for i, row := range rows {
		if byProject && of.groups[0].to <= int(row) {
			if was := of.groups[0].group.project; of.to(row).project != was {
				clear(r.opened)
			}
		}
		opened := &r.opened[r.class[read.row[row].slot]]
		if *opened == 0 {
			*opened = 1 + r.accountOf(row, of.to(row))
		}
		accounts[i] = *opened - 1
	}
}

func (r *tallyRows) accountOf(row uint32, g *group) uint32 {
	m := &r.scan.read.base.meters[r.scan.read.slots[r.scan.read.row[row].slot].meter]
	key := r.q.By.Key(metering.ProjectID(g.project), metering.RegionID(g.region), m)
	return r.open(accountKey{r.unitOf(m), key})
}

// sum adds rows to their accounts.
func (r *tallyRows) sum(rows, accounts []uint32, _ *groupCursor) {
	read := r.scan.read
	for i, row := range rows {
		r.accounts[accounts[i]].add(times(read.counts(int(row)), read.slots[read.row[row].slot].factor))
	}
}

// divide adds what rows were summed from to the curves of their accounts.
func (r *tallyRows) divide(rows, accounts []uint32, at *groupCursor) {
	read := r.scan.read
	for i, row := range rows {
		is, c := &read.row[row], r.accounts[accounts[i]].curve
		slot := &read.slots[is.slot]
		switch {
		case is.to == 0:
			r.divideDays(row, at.to(row), slot, c)
		case is.before != 0 || is.from >= read.until:
			r.dividePieces(row, at.to(row), slot, c)
		default:
			c.span(r.grid, is.from, min(is.to, read.until), metering.Product(is.mult, slot.factor))
		}
	}
}

// divideDays adds the day sums of a counted row.
func (r *tallyRows) divideDays(row uint32, g *group, is *slot, c *curve) {
	read, cell := r.scan.read, &r.scan.read.base.cell
	i, end := read.base.items(g, int(read.res[row]))
	first, _ := slices.BinarySearch(cell.day[i:end], int32(r.q.Period.From))
	for i += first; i < end && cell.day[i] < int32(r.q.Period.To); i++ {
		if cell.meter[i] == is.meter {
			sum := metering.Amount{Hi: cell.hi[i], Lo: cell.lo[i]}
			c.day(r.grid, metering.Day(cell.day[i]), times(sum, is.factor))
		}
	}
}

// dividePieces adds the segments of a row that has several, or one that is still to
// come.
func (r *tallyRows) dividePieces(row uint32, g *group, is *slot, c *curve) {
	read, seg := r.scan.read, &r.scan.read.base.seg
	i, end := read.base.items(g, int(read.res[row]))
	for ; i < end && seg.from[i] < read.until; i++ {
		from, to := max(seg.from[i], read.minFrom), min(seg.to[i], read.until)
		if from < to && seg.meter[i] == is.meter {
			c.span(r.grid, from, to, metering.Product(seg.mult[i], is.factor))
		}
	}
}
