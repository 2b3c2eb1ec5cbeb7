package columns

import (
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Overlay is what changed after the bases were built, as one report sees it: the
// selected lines of changed and new resources, of which it keeps what the report
// needs.
type Overlay struct {
	order  []report.OrderTerm
	most   int // the number of lines that the page may need
	count  int
	totals map[totalPlace]metering.Amount
	first  []report.Line // and some more, in no order
	cut    bool          // once: the first ones are sorted, and what comes behind them is not wanted
}

// totalPlace is where a total is summed.
type totalPlace struct {
	region metering.RegionID
	meter  metering.Meter
}

// NewOverlay returns an overlay without changes.
func NewOverlay(q *report.Query) *Overlay {
	return &Overlay{order: q.Order, most: pageEnd(q), totals: map[totalPlace]metering.Amount{}}
}

// Add takes a selected line, in any order. The attributes must stay as they are;
// the line itself may be used again.
func (o *Overlay) Add(l *report.Line) {
	o.count++
	if l.Meter.Type.HasTotals() {
		at := totalPlace{l.Resource.Region, l.Meter}
		o.totals[at] = o.totals[at].Add(l.Value)
	}
	if o.most == 0 || o.cut && report.Compare(o.order, l, &o.first[o.most-1]) >= 0 {
		return
	}
	o.first = append(o.first, *l)
	if spare := len(o.first) - o.most; spare >= max(o.most, blockRows) { // seldom, so that a line costs little
		o.first, o.cut = o.sorted(), true
	}
}

// sorted returns the first lines in order, as many as the page may need.
func (o *Overlay) sorted() []report.Line {
	slices.SortFunc(o.first, func(x, y report.Line) int { return report.Compare(o.order, &x, &y) })
	return o.first[:min(len(o.first), o.most)]
}

// include takes the totals of a base.
func (o *Overlay) include(totals []report.Total) {
	for i := range totals {
		at := totalPlace{totals[i].Region, totals[i].Meter}
		o.totals[at] = o.totals[at].Add(totals[i].Value)
	}
}

// addTo adds the overlay's totals to others, which are in order.
func (o *Overlay) addTo(totals []report.Total) []report.Total {
	known := len(totals)
	for i := range totals {
		at := totalPlace{totals[i].Region, totals[i].Meter}
		if v, ok := o.totals[at]; ok {
			totals[i].Value = totals[i].Value.Add(v)
			delete(o.totals, at)
		}
	}
	for at, v := range o.totals {
		totals = append(totals, report.Total{Region: at.region, Meter: at.meter, Value: v})
	}
	if len(totals) > known {
		slices.SortFunc(totals, func(x, y report.Total) int { return x.Compare(&y) })
	}
	return totals
}
