package columns

import (
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
	// lasting is set when the first mask is the same in many reports.
	lasting bool

	count int
	sums  []sum // by slot
	rows  []uint32
	// summed is set when the rows have been counted and summed already, so that
	// only the page is looked for.
	summed bool
	memory [blockRows]uint32
	// reached is of what reach has read, so that the compiler does not leave it out.
	reached uint32
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

func newScan(q *report.Query, read *reading, masks []Mask) *scan {
	return &scan{
		read: read, match: newMatcher(q, read, masks), order: q.Order,
		most: pageEnd(q), sums: make([]sum, len(read.slots)),
	}
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

// run counts and sums the rows of the groups that p selects, and finds those that
// may be on the page: block by block it selects rows, sums them, and keeps the
// first ones. Afterwards rows holds those in the report's order, at least as
// many as the page needs.
//
// With a digest only blocks are read whose rows may come onto the page, if the
// sums are known without reading.
func (s *scan) run(p picker) {
	digested := s.read.digest != nil && p.q.Projects.All
	if digested {
		s.summed = s.sumUp(p)
	}
	switch {
	case canonical(s.order):
		s.inOrder(p, s.keepFirst, func() bool { return len(s.rows) >= s.most })
	case s.most > maxHeap:
		s.inOrder(p, s.keepAll, func() bool { return false })
		s.read.sortRows(s.order, s.rows)
	default:
		top := newTopRows(s.read.pageKeys(s.order), s.most)
		if digested {
			s.bestFirst(p, top)
		} else {
			s.inTurn(p, top.take)
		}
		s.rows = top.sorted()
	}
}

// inOrder reads the selected rows from the first one on, until no more are
// wanted and all have been summed.
func (s *scan) inOrder(p picker, keep func(rows []uint32), enough func() bool) {
	for _, r := range s.runs(p) {
		for from := r.from; from < r.to; from += blockRows {
			if s.summed && enough() {
				return
			}
			s.through(from, min(from+blockRows, r.to), keep)
		}
	}
}

// inTurn reads all selected rows: the last projects first where those are looked
// for, otherwise each row would come before all that were kept.
func (s *scan) inTurn(p picker, keep func(rows []uint32)) {
	if first := s.order[0]; first.Field != report.ByProject || !first.Descending {
		s.inOrder(p, keep, func() bool { return false })
		return
	}
	for _, r := range slices.Backward(s.runs(p)) {
		for from := (r.to - 1 - r.from) / blockRows * blockRows; from >= 0; from -= blockRows {
			s.through(r.from+from, min(r.from+from+blockRows, r.to), keep)
		}
	}
}

// through sums the selected ones of at most a block's rows, unless all have been
// summed, and hands them to keep.
func (s *scan) through(from, to int, keep func(rows []uint32)) {
	rows := s.match.selects(from, to, s.memory[:])
	if !s.summed {
		s.add(rows)
	}
	keep(rows)
}

// rowRun is the rows [from, to).
type rowRun struct{ from, to int }

// runs returns the rows of the selected groups.
func (s *scan) runs(p picker) (runs []rowRun) {
	if p.everything() {
		return []rowRun{{0, s.read.rows()}}
	}
	groups := s.read.groups
	for i := range p.among(len(groups), func(i int) *group { return groups[i].group }) {
		if n := len(runs); n > 0 && runs[n-1].to == groups[i].from {
			runs[n-1].to = groups[i].to
		} else {
			runs = append(runs, rowRun{groups[i].from, groups[i].to})
		}
	}
	return runs
}

// add sums rows. It is the innermost loop of every report, so what it reads
// stands in variables, which the compiler need not load anew for each row.
func (s *scan) add(rows []uint32) {
	s.count += len(rows)
	r, sums := s.read, s.sums
	if !r.whole {
		for _, row := range rows {
			sums[r.row[row].slot].add(r.counts(int(row)))
		}
		return
	}
	if len(rows) <= sparse {
		s.reach(rows)
	}
	all, until := r.row, r.until
	for _, n := range rows {
		at := &all[n]
		sum := &sums[at.slot]
		sum.add(metering.Product(at.mult, uint64(min(at.to, until)-at.from)))
		if at.before != 0 {
			sum.value = sum.value.Add(r.priors[at.before].value)
		}
	}
}

// sparse is how many rows of a block lie so far from each other that the processor
// does not load the next one by itself.
const sparse = blockRows / 2

// reach reads a word of each row, so that the processor waits for many of them at
// once. While it sums, it looks only a few rows ahead.
func (s *scan) reach(rows []uint32) {
	all, read := s.read.row, s.reached
	for _, n := range rows {
		read ^= all[n].slot
	}
	s.reached = read
}

// keepFirst takes rows as they come.
func (s *scan) keepFirst(rows []uint32) {
	if room := s.most - len(s.rows); room > 0 {
		s.rows = append(s.rows, rows[:min(room, len(rows))]...)
	}
}

// keepAll takes every row; they are sorted at the end.
func (s *scan) keepAll(rows []uint32) { s.rows = append(s.rows, rows...) }

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
