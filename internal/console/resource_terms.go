package console

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/console/timeline"
	"github.com/meterbook/meterbook/internal/metering"
)

// resourceLine is a line of the report with its arithmetic.
type resourceLine struct {
	Anchor, Metric, Unit string
	Value                amount
	FirstSeen, LastSeen  string
	Formula              string // how a term comes about
	Sized, Counted       bool
	Terms                []termRow
	Before, After        *termGap // terms on other pages
	Count                int
	Minutes              int64 // of all terms, unless Counted
	Sum                  string
	Agrees               bool // the sum is the value, to the digit
}

// termRow is a segment, a window, or a day of a closed month.
type termRow struct {
	Number          int // from 1, in the line
	From, To        string
	Minutes         int64
	Multiplier      string // exact
	MultiplierShown string // for people; "": the exact one will do
	State, Product  string
	Shown           string // the product for people
	Behind          string // address of the observations behind it; "": they are gone
	Chosen          bool   // the observations below are those behind it
	Closed          bool
}

// termGap stands for terms that another page shows.
type termGap struct {
	Count        int
	Sum, Address string
}

// lineOf computes the arithmetic of the line at a place of the account.
func (q *resourceQuery) lineOf(of metering.ResourceType, a *client.Account, line int) resourceLine {
	l := &a.Lines[line]
	shown := resourceLine{
		Anchor: "line-" + strconv.Itoa(line), Metric: l.Line.BillingMetricName, Unit: unitWord(l.Line.BillingValueUnit),
		Value: readable(l.Line.BillingValue, l.Line.BillingValueUnit), FirstSeen: exactTime(l.Line.FirstSeen), LastSeen: exactTime(l.Line.LastSeen),
		Sized: of.Measure() == metering.Sized, Counted: of.Measure() == metering.Counted,
	}
	switch of.Measure() {
	case metering.Present:
		shown.Formula = "minutes × count"
	case metering.Sized:
		shown.Formula = "minutes × bytes ÷ 1 000 000 000"
	case metering.Counted:
		shown.Formula = "what the source told of each window of time"
	}
	all := q.termRows(of, l, line)
	products := make([]json.Number, len(all))
	for i := range all {
		products[i] = json.Number(all[i].Product)
		shown.Minutes += all[i].Minutes
	}
	shown.Count, shown.Sum = len(all), timeline.Sum(products...)
	shown.Agrees = shown.Sum == l.Line.BillingValue.String()
	from := min(q.terms, len(all)) / termsOfPage * termsOfPage
	to := min(from+termsOfPage, len(all))
	shown.Terms = all[from:to]
	if from > 0 {
		shown.Before = &termGap{from, timeline.Sum(products[:from]...), q.with(func(o *resourceQuery) { o.terms = from - termsOfPage }) + "#" + shown.Anchor}
	}
	if to < len(all) {
		shown.After = &termGap{len(all) - to, timeline.Sum(products[to:]...), q.with(func(o *resourceQuery) { o.terms = to }) + "#" + shown.Anchor}
	}
	return shown
}

// termRows are all terms of a line: days of closed months come before windows.
func (q *resourceQuery) termRows(of metering.ResourceType, l *client.AccountLine, line int) (rows []termRow) {
	plan := &timeline.Plan{Type: of, Size: sizeText}
	for i := range l.Segments {
		s := &l.Segments[i]
		row := termRow{
			From: exactTime(s.From), To: exactTime(s.To), Minutes: s.Minutes, Multiplier: strconv.FormatInt(s.Multiplier, 10),
			State: plan.State(s), Product: s.Product.String(), Shown: shownAmount(s.Product, l.Line.BillingValueUnit),
		}
		if of.Measure() == metering.Sized {
			row.MultiplierShown = sizeText(s.Multiplier)
		}
		rows = append(rows, q.behindTerm(row, line, i))
	}
	for _, d := range l.Days {
		rows = append(rows, termRow{From: exactTime(d.FirstSeen), To: exactTime(d.LastSeen), Product: d.Quantity.String(), Shown: shownAmount(d.Quantity, l.Line.BillingValueUnit), Closed: true})
	}
	for i, w := range l.Windows {
		row := termRow{From: exactTime(w.From), To: exactTime(w.To), Product: w.Quantity.String(), Shown: shownAmount(w.Quantity, l.Line.BillingValueUnit)}
		rows = append(rows, q.behindTerm(row, line, i))
	}
	for i := range rows {
		rows[i].Number = i + 1
	}
	return rows
}

// behindTerm links a row to the observations behind it.
func (q *resourceQuery) behindTerm(row termRow, line, index int) termRow {
	row.Behind = q.with(func(o *resourceQuery) {
		o.behind, o.status, o.page = &client.Term{Line: line, Index: index}, "", 1
	}) + "#observations"
	row.Chosen = q.behind != nil && *q.behind == client.Term{Line: line, Index: index}
	return row
}

// shownAmount is an amount for people, "" when the exact one reads as well.
func shownAmount(value json.Number, unit string) string {
	if a := readable(value, unit); !a.Alike() {
		return a.Readable
	}
	return ""
}

// exactTime shows as many digits of a second as it has, in UTC.
func exactTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999999") }

// Words says what the terms come to.
func (l *resourceLine) Words() string {
	what := "products sum"
	if l.Counted {
		what = "quantities sum"
	}
	if l.Count == 1 {
		return fmt.Sprintf("This is the line's value, to the digit: %s %s.", l.Sum, l.Unit)
	}
	return fmt.Sprintf("The %d %s to %s %s: the line's value, to the digit.", l.Count, what, l.Sum, l.Unit)
}
