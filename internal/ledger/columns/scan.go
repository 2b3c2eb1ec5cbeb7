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

	count int
	sums  []sum // by slot
	rows  []uint32
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

// run scans the rows of the groups that p selects: block by block it selects
// rows, sums them, and keeps those that may be on the page. Afterwards rows
// holds the first ones in the report's order, at least as many as the page
// needs.
func (s *scan) run(p picker) {
	switch {
	case canonical(s.order):
		s.blocks(p, s.keepFirst)
	case s.most > maxHeap:
		s.blocks(p, s.keepAll)
		s.read.sortRows(s.order, s.rows)
	default:
		keys := s.read.keysOf(s.order)
		if s.order[0].Field == report.ByValue {
			keys = append([]sortKey{directed(s.order[0], s.read.valueRoughly)}, keys...)
		}
		top := newTopRows(keys, s.most)
		s.blocks(p, top.take)
		s.rows = top.sorted()
	}
}

// blocks sums the selected rows and hands them to keep, block by block. Groups
// that stand side by side are scanned as one: most are smaller than a block.
func (s *scan) blocks(p picker, keep func(rows []uint32)) {
	var memory [blockRows]uint32
	through := func(from, to int) {
		for ; from < to; from += blockRows {
			rows := s.match.selects(from, min(from+blockRows, to), memory[:])
			s.add(rows)
			keep(rows)
		}
	}
	runs := s.runs(p)
	if first := s.order[0]; first.Field == report.ByProject && first.Descending && s.most <= maxHeap {
		for _, r := range slices.Backward(runs) { // otherwise each row would come before all that were kept
			for from := (r.to - 1 - r.from) / blockRows * blockRows; from >= 0; from -= blockRows {
				through(r.from+from, min(r.from+from+blockRows, r.to))
			}
		}
		return
	}
	for _, r := range runs {
		through(r.from, r.to)
	}
}

// rowRun is the rows [from, to).
type rowRun struct{ from, to int }

// runs returns the rows of the selected groups.
func (s *scan) runs(p picker) (runs []rowRun) {
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
