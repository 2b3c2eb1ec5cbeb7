package columns

import (
	"container/heap"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// maxHeap is the greatest number of lines that are kept sorted while scanning;
// deeper pages collect all rows and sort them once.
const maxHeap = 4096

// scan walks the selected rows of a projection once: it counts them, sums the
// totals, and finds the first rows of the report's order.
type scan struct {
	read  *reading
	match *matcher
	order []report.OrderTerm
	most  int // the number of rows that the page may need

	count int
	sums  []sum // by slot
	rows  []uint32
	top   topRows
}

// sum is what a slot's rows count, and how many they are.
type sum struct {
	value metering.Amount
	rows  uint32
}

func newScan(q *report.Query, read *reading, mask Mask) *scan {
	s := &scan{
		read: read, match: newMatcher(q, read, mask), order: q.Order,
		most: pageEnd(q), sums: make([]sum, len(read.slots)),
	}
	s.top = topRows{read: read, order: q.Order}
	return s
}

// pageEnd is offset + limit, as far as an int holds it.
func pageEnd(q *report.Query) int {
	if end := q.Offset + q.Limit; end >= q.Offset {
		return end
	}
	return int(^uint(0) >> 1)
}

// run scans the rows of the groups that p selects. Afterwards rows holds the
// first rows in the report's order, at least as many as the page needs.
func (s *scan) run(p picker) {
	keep := s.keepTop
	switch {
	case canonical(s.order):
		keep = s.keepFirst
	case s.most > maxHeap:
		keep = s.keepAll
	}
	groups := s.read.groups
	for i := range p.among(len(groups), func(i int) *group { return groups[i].group }) {
		s.scanGroup(&groups[i], keep)
	}
	switch {
	case s.top.rows != nil:
		s.rows = s.top.sorted()
	case s.most > maxHeap && !canonical(s.order):
		s.read.sortRows(s.order, s.rows)
	}
}

// scanGroup is the innermost loop of a report.
func (s *scan) scanGroup(g *rowGroup, keep func(row int)) {
	r, m := s.read, s.match
	plain := m.mask == nil && m.slots == nil && m.tags == nil && m.where == nil
	for row := g.from; row < g.to; row++ {
		if !plain && !m.matches(row) {
			continue
		}
		var value metering.Amount
		if !r.whole && r.future(row) {
			f, ok := r.figures(row)
			if !ok {
				continue
			}
			value = f.value
		} else {
			value = r.value(row)
		}
		t := &s.sums[r.slotOf[row]]
		t.value = t.value.Add(value)
		t.rows++
		s.count++
		keep(row)
	}
}

// keepFirst takes rows as they come.
func (s *scan) keepFirst(row int) {
	if len(s.rows) < s.most {
		s.rows = append(s.rows, uint32(row))
	}
}

// keepAll takes every row; they are sorted at the end.
func (s *scan) keepAll(row int) { s.rows = append(s.rows, uint32(row)) }

// keepTop takes a row if it comes before the last of those taken.
func (s *scan) keepTop(row int) { s.top.offer(row, s.most) }

// totals appends the sums of all slots with rows, in the order of totals.
func (s *scan) totals() []report.Total {
	var totals []report.Total
	for _, slot := range s.read.slotOrder {
		if s.sums[slot].rows == 0 {
			continue
		}
		t := s.read.total(slot)
		if t.Meter.Type.HasTotals() {
			t.Value = s.sums[slot].value
			totals = append(totals, t)
		}
	}
	return totals
}

// topRows is a heap of the first rows so far; its root is the last of them.
type topRows struct {
	read  *reading
	order []report.OrderTerm
	rows  []topRow
}

// topRow is a row with its key for the first term of the order.
type topRow struct {
	key sortKey
	row uint32
}

func (t *topRows) compare(x, y topRow) int {
	if c := x.key.compare(y.key); c != 0 {
		return c
	}
	return t.read.compareRows(t.order[1:], x.row, y.row)
}

func (t *topRows) offer(row, most int) {
	fresh := topRow{t.read.key(t.order[0], row), uint32(row)}
	if len(t.rows) < most {
		heap.Push(t, fresh)
		return
	}
	if t.compare(fresh, t.rows[0]) < 0 {
		t.rows[0] = fresh
		heap.Fix(t, 0)
	}
}

// sorted returns the rows in order.
func (t *topRows) sorted() []uint32 {
	slices.SortFunc(t.rows, t.compare)
	rows := make([]uint32, len(t.rows))
	for i, r := range t.rows {
		rows[i] = r.row
	}
	return rows
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (t *topRows) Len() int           { return len(t.rows) }
func (t *topRows) Less(i, j int) bool { return t.compare(t.rows[i], t.rows[j]) > 0 }
func (t *topRows) Swap(i, j int)      { t.rows[i], t.rows[j] = t.rows[j], t.rows[i] }
func (t *topRows) Push(x any)         { t.rows = append(t.rows, x.(topRow)) }
func (t *topRows) Pop() any {
	last := t.rows[len(t.rows)-1]
	t.rows = t.rows[:len(t.rows)-1]
	return last
}
