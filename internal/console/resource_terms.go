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
	Product         string
	Shown           string // the product for people
	Behind          string // address of the observations behind it; "": they are gone
	Chosen          bool   // the observations below are those behind it
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
	products := productsOf(l)
	for i := range l.Segments {
		shown.Minutes += l.Segments[i].Minutes
	}
	shown.Count, shown.Sum = len(products), timeline.Sum(products...)
	shown.Agrees = shown.Sum == l.Line.BillingValue.String()
	from := min(q.terms, len(products)) / termsOfPage * termsOfPage
	to := min(from+termsOfPage, len(products))
	for i := from; i < to; i++ {
		shown.Terms = append(shown.Terms, q.termRow(of, l, line, i))
	}
	if from > 0 {
		shown.Before = &termGap{from, timeline.Sum(products[:from]...), q.with(func(o *resourceQuery) { o.terms = from - termsOfPage }) + "#" + shown.Anchor}
	}
	if to < len(products) {
		shown.After = &termGap{len(products) - to, timeline.Sum(products[to:]...), q.with(func(o *resourceQuery) { o.terms = to }) + "#" + shown.Anchor}
	}
	return shown
}

// productsOf are what the terms of a line come to: of segments, or of days of
// closed months and then of windows.
func productsOf(l *client.AccountLine) (products []json.Number) {
	for i := range l.Segments {
		products = append(products, l.Segments[i].Product)
	}
	for i := range l.Days {
		products = append(products, l.Days[i].Quantity)
	}
	for i := range l.Windows {
		products = append(products, l.Windows[i].Quantity)
	}
	return products
}

// termRow is the term at a place of productsOf.
func (q *resourceQuery) termRow(of metering.ResourceType, l *client.AccountLine, line, place int) termRow {
	row := termRow{Number: place + 1}
	product := json.Number("")
	switch index := place - len(l.Days); {
	case place < len(l.Segments):
		s := &l.Segments[place]
		row.From, row.To, product = termTime(s.From), termTime(s.To), s.Product
		row.Minutes, row.Multiplier = s.Minutes, strconv.FormatInt(s.Multiplier, 10)
		if of.Measure() == metering.Sized {
			row.MultiplierShown = sizeText(s.Multiplier)
		}
		q.behindTerm(&row, line, place)
	case index < 0:
		d := &l.Days[place]
		row.From, row.To, product = termTime(d.FirstSeen), termTime(d.LastSeen), d.Quantity
	default:
		w := &l.Windows[index]
		row.From, row.To, product = termTime(w.From), termTime(w.To), w.Quantity
		q.behindTerm(&row, line, index)
	}
	row.Product, row.Shown = product.String(), shownAmount(product, l.Line.BillingValueUnit)
	return row
}

// termTime leaves out the seconds of a whole minute, at which segments begin and
// end.
func termTime(t time.Time) string {
	if t.Truncate(time.Minute).Equal(t) {
		return t.UTC().Format("2006-01-02 15:04")
	}
	return exactTime(t)
}

// behindTerm links a row to the observations behind it.
func (q *resourceQuery) behindTerm(row *termRow, line, index int) {
	row.Behind = q.with(func(o *resourceQuery) {
		o.behind, o.status, o.page = &client.Term{Line: line, Index: index}, "", 1
	}) + "#observations"
	row.Chosen = q.behind != nil && *q.behind == client.Term{Line: line, Index: index}
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
