package columns

import (
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Overlay is what changed after a base was built, as one report sees it.
type Overlay struct {
	Mask  Mask          // resources of the base that have changed; nil: none
	Lines []report.Line // selected lines of changed and new resources, in any order
}

// Report answers a query from the base and what changed since. The base must
// stay acquired until the report's lines have been read.
func (b *Base) Report(q *report.Query, o Overlay) *report.Report {
	p := newPicker(q)
	s := newScan(q, b.projectionFor(q, p).readAt(q.Now), o.Mask)
	s.run(p)
	page := &page{scan: s, q: q, fresh: firstLines(q.Order, o.Lines, s.most)}
	return &report.Report{
		Count:  s.count + len(o.Lines),
		Totals: addTotals(s.totals(), o.Lines),
		Lines:  page.lines,
		Close:  func() {},
	}
}

// addTotals adds lines to totals that are in order.
func addTotals(totals []report.Total, lines []report.Line) []report.Total {
	type place struct {
		region metering.RegionID
		meter  metering.Meter
	}
	fresh := map[place]metering.Amount{}
	for i := range lines {
		l := &lines[i]
		if l.Meter.Type.HasTotals() {
			at := place{l.Resource.Region, l.Meter}
			fresh[at] = fresh[at].Add(l.Value)
		}
	}
	for i := range totals {
		at := place{totals[i].Region, totals[i].Meter}
		if v, ok := fresh[at]; ok {
			totals[i].Value = totals[i].Value.Add(v)
			delete(fresh, at)
		}
	}
	if len(fresh) == 0 {
		return totals
	}
	for at, v := range fresh {
		totals = append(totals, report.Total{Region: at.region, Meter: at.meter, Value: v})
	}
	slices.SortFunc(totals, func(x, y report.Total) int { return x.Compare(&y) })
	return totals
}

// page merges the rows of the base with the lines of the overlay.
type page struct {
	scan  *scan
	q     *report.Query
	fresh []*report.Line
}

// firstLines returns the first lines in an order, at most so many, sorted.
func firstLines(order []report.OrderTerm, lines []report.Line, most int) []*report.Line {
	compare := func(x, y *report.Line) int { return report.Compare(order, x, y) }
	first := make([]*report.Line, 0, min(len(lines), most))
	for i := range lines {
		l := &lines[i]
		if len(first) == most && most <= maxHeap {
			if compare(l, first[most-1]) < 0 {
				at, _ := slices.BinarySearchFunc(first, l, compare)
				copy(first[at+1:], first[at:])
				first[at] = l
			}
			continue
		}
		first = append(first, l)
		if len(first) == most && most <= maxHeap {
			slices.SortFunc(first, compare)
		}
	}
	slices.SortFunc(first, compare)
	return first
}

// lines yields the page's lines in order.
func (p *page) lines(yield func(*report.Line) bool) {
	line := report.Line{Attributes: &metering.Attributes{}}
	rows, fresh := p.scan.rows, p.fresh
	for at := 0; at < pageEnd(p.q) && len(rows)+len(fresh) > 0; at++ {
		if len(fresh) == 0 && at < p.q.Offset { // nothing to compare: step over
			step := min(p.q.Offset-at, len(rows))
			rows, at = rows[step:], at+step-1
			continue
		}
		next := &line
		if len(rows) > 0 {
			p.scan.read.line(int(rows[0]), next)
		}
		if len(rows) == 0 || len(fresh) > 0 && report.Compare(p.q.Order, fresh[0], next) < 0 {
			next, fresh = fresh[0], fresh[1:]
		} else {
			rows = rows[1:]
		}
		if at >= p.q.Offset && !yield(next) {
			return
		}
	}
}
