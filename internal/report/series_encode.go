package report

import (
	"io"
	"strconv"

	"github.com/meterbook/meterbook/internal/metering"
)

// WriteSeriesJSON streams the answer to a series query: {"from":..., "to":...,
// "step":..., "by":..., "top":..., "as_of":..., "steps":[...], "units":[...]}. When a
// write fails it writes nothing more and returns the error.
func WriteSeriesJSON(w io.Writer, q *SeriesQuery, s *Series) error {
	e := seriesEncoder{sink: sink{w: w, buf: make([]byte, 0, writeSize+writeSize/8)}, by: q.By}
	e.text(`{"from":`, q.Period.From.String())
	e.text(`,"to":`, q.Period.To.String())
	e.text(`,"step":`, q.Step.String())
	e.text(`,"by":`, q.By.String())
	e.number(`,"top":`, q.Top)
	e.text(`,"as_of":`, s.CompleteUntil.String())
	e.raw(`,"steps":[`)
	first := true
	for _, day := range s.Starts {
		e.separate(&first)
		e.text("", day.String())
	}
	e.raw(`],"units":[`)
	first = true
	for i := range s.Units {
		e.separate(&first)
		e.unit(&s.Units[i])
	}
	e.raw("]}")
	e.flush(0)
	return e.err
}

type seriesEncoder struct {
	sink
	by Grouping
}

func (e *seriesEncoder) raw(literal string) { e.buf = append(e.buf, literal...) }

func (e *seriesEncoder) text(literal, text string) {
	e.raw(literal)
	e.buf = appendString(e.buf, text)
}

func (e *seriesEncoder) number(literal string, n int) {
	e.raw(literal)
	e.buf = strconv.AppendInt(e.buf, int64(n), 10)
}

func (e *seriesEncoder) unit(u *UnitSeries) {
	e.text(`{"unit":`, u.Unit)
	e.raw(`,"in_totals":`)
	e.buf = strconv.AppendBool(e.buf, u.InTotals)
	e.flow(&u.Flow)
	e.raw(`,"groups":[`)
	first := true
	for i := range u.Groups {
		e.separate(&first)
		e.text(`{"key":`, e.key(u.Groups[i].Key))
		e.flow(&u.Groups[i].Flow)
		e.raw("}")
	}
	e.raw(`],"others":`)
	if u.OtherGroups == 0 {
		e.raw("null}")
		return
	}
	e.number(`{"groups":`, u.OtherGroups)
	e.flow(&u.Others)
	e.raw("}}")
}

// key returns the text of a group's key.
func (e *seriesEncoder) key(k GroupKey) string {
	if e.by == GroupByProject || e.by == GroupByRegion {
		return strconv.FormatInt(k.ID, 10)
	}
	return k.Name
}

func (e *seriesEncoder) flow(f *Flow) {
	e.number(`,"count":`, f.Lines)
	e.amount(`,"total":`, f.Total)
	e.raw(`,"values":[`)
	first := true
	for _, v := range f.Values {
		e.separate(&first)
		e.amount("", v)
	}
	e.raw("]")
	e.flush(writeSize)
}

func (e *seriesEncoder) amount(literal string, a metering.Amount) {
	e.raw(literal)
	e.buf = a.AppendDecimal(e.buf, SeriesScale)
}
