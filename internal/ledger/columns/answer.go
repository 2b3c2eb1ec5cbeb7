package columns

import (
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Report answers a query from the base and what changed since. The base must
// stay acquired until the report's lines have been read.
func (b *Base) Report(q *report.Query, o *Overlay) *report.Report {
	p := newPicker(q)
	s := newScan(q, b.projectionFor(q, p).readAt(q.Now), o.Mask)
	s.run(p)
	page := &page{scan: s, q: q, fresh: o.sorted()}
	return &report.Report{
		Count:  s.count + o.count,
		Totals: o.addTotals(s.totals()),
		Lines:  page.lines,
		Close:  func() {},
	}
}

// page merges the rows of the base with the lines of the overlay.
type page struct {
	scan  *scan
	q     *report.Query
	fresh []report.Line
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
		if len(rows) == 0 || len(fresh) > 0 && report.Compare(p.q.Order, &fresh[0], next) < 0 {
			next, fresh = &fresh[0], fresh[1:]
		} else {
			rows = rows[1:]
		}
		if at >= p.q.Offset && !yield(next) {
			return
		}
	}
}
