package timeline

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
)

// Column is what a line counted on one UTC day, or in one month of a long
// period.
type Column struct {
	X, Width Share
	Height   Share // of the greatest
	Label    string
	Sum      string // exact
	Windows  int    // 0: of a closed month, whose quantities are gone
}

// longPeriod is from how many days on months are drawn instead of days.
const longPeriod = 400

// Columns sums the quantities of a line by the day of their start, or by month.
func Columns(l *client.AccountLine, scale Scale) []Column {
	sums := map[string]*sum{}
	format, step := time.DateOnly, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }
	if scale.To.Sub(scale.From) > longPeriod*24*time.Hour {
		format, step = "2006-01", func(t time.Time) time.Time {
			return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		}
	}
	at := func(label string) *sum {
		if sums[label] == nil {
			sums[label] = &sum{total: new(big.Rat)}
		}
		return sums[label]
	}
	for _, d := range l.Days {
		at(d.Day[:len(format)]).add(d.Quantity, 0)
	}
	for _, w := range l.Windows {
		at(w.From.UTC().Format(format)).add(w.Quantity, 1)
	}
	var columns []Column
	greatest := new(big.Rat)
	for t := scale.From; t.Before(scale.To); t = step(t) {
		if s := sums[t.Format(format)]; s != nil {
			x := scale.At(t)
			columns = append(columns, Column{X: x, Width: scale.At(step(t)) - x, Label: t.Format(format), Sum: Decimal(s.total), Windows: s.windows})
			if s.total.Cmp(greatest) > 0 {
				greatest = s.total
			}
		}
	}
	for i := range columns {
		columns[i].Height = heightOf(sums[columns[i].Label].total, greatest)
	}
	return columns
}

type sum struct {
	total   *big.Rat
	windows int
}

func (s *sum) add(quantity json.Number, windows int) {
	s.total.Add(s.total, exact(quantity))
	s.windows += windows
}

// exact reads a number of the API, which is always a plain decimal.
func exact(n json.Number) *big.Rat {
	value, ok := new(big.Rat).SetString(n.String())
	if !ok {
		panic("bug: the API told a figure that is no number: " + n.String())
	}
	return value
}

func heightOf(value, greatest *big.Rat) Share {
	if greatest.Sign() == 0 {
		return 0
	}
	share := new(big.Rat).Mul(new(big.Rat).Quo(value, greatest), new(big.Rat).SetInt64(int64(whole)))
	return Share(new(big.Int).Quo(share.Num(), share.Denom()).Int64())
}

// Sum adds figures of the API exactly.
func Sum(figures ...json.Number) string {
	total := new(big.Rat)
	for _, f := range figures {
		total.Add(total, exact(f))
	}
	return Decimal(total)
}

// amountPlaces is how many digits after the point any figure has at most: bytes
// as 10^-9 GB.
const amountPlaces = 9

// Decimal writes an exact decimal as the API does: no trailing zeros.
func Decimal(value *big.Rat) string {
	text := value.FloatString(amountPlaces)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// Greatest is the column with the greatest sum, nil when there is none.
func Greatest(columns []Column) *Column {
	i := slices.IndexFunc(columns, func(c Column) bool { return c.Height == whole })
	if i < 0 {
		return nil
	}
	return &columns[i]
}
