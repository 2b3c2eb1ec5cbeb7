package columns

import (
	"container/heap"
	"math/bits"
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

func (s *sum) add(v metering.Amount) {
	s.value = s.value.Add(v)
	s.rows++
}

func newScan(q *report.Query, read *reading, mask Mask) *scan {
	s := &scan{
		read: read, match: newMatcher(q, read, mask), order: q.Order,
		most: pageEnd(q), sums: make([]sum, len(read.slots)),
	}
	for _, term := range q.Order[1:] {
		s.top.ties = append(s.top.ties, read.keyOf(term))
	}
	return s
}

// pageEnd is offset + limit, as far as an int holds it.
func pageEnd(q *report.Query) int {
	if end := q.Offset + q.Limit; end >= q.Offset {
		return end
	}
	return int(^uint(0) >> 1)
}

// blockRows is the number of rows that go through the steps of a scan together,
// so that what a step read is still in the processor's cache in the next.
const blockRows = 1024

// run scans the rows of the groups that p selects: block by block it selects
// rows, sums them, and keeps those that may be on the page. Afterwards rows
// holds the first ones in the report's order, at least as many as the page
// needs.
func (s *scan) run(p picker) {
	keep := s.keepTop
	switch {
	case canonical(s.order):
		keep = s.keepFirst
	case s.most > maxHeap:
		keep = s.keepAll
	}
	groups := s.read.groups
	block := make([]uint32, 0, blockRows)
	for i := range p.among(len(groups), func(i int) *group { return groups[i].group }) {
		for from := groups[i].from; from < groups[i].to; from += blockRows {
			block = s.match.selects(from, min(from+blockRows, groups[i].to), block[:0])
			s.add(block)
			keep(block)
		}
	}
	switch {
	case s.top.rows != nil:
		s.rows = s.top.sorted()
	case s.most > maxHeap && !canonical(s.order):
		s.read.sortRows(s.order, s.rows)
	}
}

// add sums rows. It is the innermost loop of every report, so the columns stand
// in variables, where the compiler need not load them anew for each row.
func (s *scan) add(rows []uint32) {
	s.count += len(rows)
	r, sums := s.read, s.sums
	if !r.whole {
		for _, row := range rows {
			sums[r.slotOf[row]].add(r.counts(int(row)))
		}
		return
	}
	mult, from, to, before, slotOf, until := r.mult, r.from, r.to, r.before, r.slotOf, r.until
	for _, row := range rows {
		hi, lo := bits.Mul64(mult[row], uint64(min(to[row], until)-from[row]))
		sum := &sums[slotOf[row]]
		sum.add(metering.Amount{Hi: hi, Lo: lo})
		if n := before[row]; n != 0 {
			sum.value = sum.value.Add(r.priors[n].value)
		}
	}
}

// keepFirst takes rows as they come.
func (s *scan) keepFirst(rows []uint32) {
	if room := s.most - len(s.rows); room > 0 {
		s.rows = append(s.rows, rows[:min(room, len(rows))]...)
	}
}

// keepAll takes every row; they are sorted at the end.
func (s *scan) keepAll(rows []uint32) { s.rows = append(s.rows, rows...) }

// keepTop takes the rows that come before the last of those taken.
func (s *scan) keepTop(rows []uint32) {
	key := s.read.keyOf(s.order[0])
	for _, row := range rows {
		fresh := topRow{key(int(row)), row}
		if t := &s.top; len(t.rows) < s.most {
			heap.Push(t, fresh)
		} else if !fresh.key.after(t.rows[0].key) && t.compare(fresh, t.rows[0]) < 0 {
			t.rows[0] = fresh
			heap.Fix(t, 0)
		}
	}
}

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
	ties []func(row int) sortKey // the keys of the other terms of the order
	rows []topRow
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
	return compareRows(t.ties, x.row, y.row)
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
