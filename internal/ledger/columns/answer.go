package columns

import (
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Layer is a base without the resources that something above it has changed.
type Layer struct {
	Base *Base
	Mask []Mask
	// Lasting tells that the first mask is the same in many reports, so that what
	// is summed without its resources is worth keeping. It must never change.
	Lasting bool
}

// Report answers a query from bases, the largest first, and what changed since.
// The bases must stay acquired until the report's lines have been read.
func Report(q *report.Query, o *Overlay, layers ...Layer) *report.Report {
	picked, page := newPicker(q), &page{q: q}
	answer := &report.Report{Count: o.count, Close: func() {}}
	for i, l := range layers {
		s := newScan(q, l.Base.projectionFor(q, picked).readAt(q.Now), l.Mask)
		s.lasting = l.Lasting
		s.run(picked)
		answer.Count += s.count
		if totals := s.totals(); i == 0 {
			answer.Totals = totals
		} else {
			o.include(totals)
		}
		page.sources = append(page.sources, &source{read: s.read, rows: s.rows})
	}
	answer.Totals = o.addTo(answer.Totals)
	page.sources = append(page.sources, &source{lines: o.sorted()})
	answer.Lines = page.lines
	return answer
}

// page merges the lines of sources.
type page struct {
	q       *report.Query
	sources []*source // that have lines left
}

// source yields lines in order: rows of a projection, or lines as they are.
type source struct {
	read  *reading
	rows  []uint32
	line  *report.Line // of the first row, once it has been asked for
	lines []report.Line
}

func (s *source) left() int { return len(s.rows) + len(s.lines) }

// first returns the first line that is left. It is valid until the next skip.
func (s *source) first() *report.Line {
	if len(s.lines) > 0 {
		return &s.lines[0]
	}
	if s.line == nil {
		s.line = &report.Line{Attributes: &metering.Attributes{}}
		s.read.line(int(s.rows[0]), s.line)
	}
	return s.line
}

func (s *source) skip(n int) {
	if len(s.lines) > 0 {
		s.lines = s.lines[n:]
		return
	}
	if s.rows = s.rows[n:]; len(s.rows) > 0 && s.line != nil {
		s.read.line(int(s.rows[0]), s.line)
	}
}

// first returns the source whose first line comes first, nil at the end.
func (p *page) first() *source {
	p.sources = slices.DeleteFunc(p.sources, func(s *source) bool { return s.left() == 0 })
	if len(p.sources) == 0 {
		return nil
	}
	first := p.sources[0]
	for _, s := range p.sources[1:] {
		if report.Compare(p.q.Order, s.first(), first.first()) < 0 {
			first = s
		}
	}
	return first
}

// lines yields the page's lines in order.
func (p *page) lines(yield func(*report.Line) bool) {
	for at := 0; at < pageEnd(p.q); {
		s := p.first()
		if s == nil {
			return
		}
		n := 1
		if at < p.q.Offset {
			if len(p.sources) == 1 { // nothing to compare: step over
				n = min(p.q.Offset-at, s.left())
			}
		} else if !yield(s.first()) {
			return
		}
		s.skip(n)
		at += n
	}
}
