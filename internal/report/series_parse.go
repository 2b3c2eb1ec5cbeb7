package report

import (
	"fmt"

	"github.com/meterbook/meterbook/internal/metering"
)

// ParseSeries reads the body of a request for a series as [Parse] reads that of a
// report: the same members but for limit, offset, order_by and sorting, and besides
// step, by and top. It returns the same errors.
func ParseSeries(body []byte, now metering.Instant, scope Scope) (SeriesQuery, error) {
	request := seriesRequest{top: DefaultSeriesTop}
	reader := newBodyReader(body)
	required := append(requiredMembers(), "step", "by")
	if err := request.read(body, reader, required, request.member); err != nil {
		return SeriesQuery{}, err
	}
	q := SeriesQuery{Query: request.query(now, scope), Step: request.step, By: request.by, Top: int(request.top)}
	q.Limit, q.Offset = 0, 0
	if request.fromOK && request.toOK && request.stepOK {
		request.checkSteps(reader, &q)
	}
	if len(reader.fields) > 0 {
		return SeriesQuery{}, invalid(reader.fields, reader.cut)
	}
	return q, nil
}

// seriesRequest is the body as it was sent.
type seriesRequest struct {
	request
	step   Step
	stepOK bool
	by     Grouping
	top    int64
}

// member reads one member of the request.
func (q *seriesRequest) member(r *bodyReader, name string) bool {
	switch name {
	case "limit", "offset", "order_by", "sorting": // of pages, which a series does not have
		return false
	case "step":
		var text string
		text, q.stepOK = r.choice(ByDay.String(), ByMonth.String())
		if text == ByMonth.String() {
			q.step = ByMonth
		}
	case "by":
		text, _ := r.choice(groupings()...)
		for g := range GroupByRegion + 1 {
			if g.String() == text {
				q.by = g
			}
		}
	case "top":
		q.top = r.integerFrom(1, "Input should be greater than 0")
		if q.top > MaxSeriesTop {
			r.fail(fmt.Sprintf("Input should be less than or equal to %d", MaxSeriesTop))
		}
	default:
		return q.request.member(r, name)
	}
	return true
}

func groupings() (names []string) {
	for g := range GroupByRegion + 1 {
		names = append(names, g.String())
	}
	return names
}

// checkSteps notes a period of more steps than a series has.
func (q *seriesRequest) checkSteps(r *bodyReader, made *SeriesQuery) {
	steps := 0
	for range made.Step.Starts(made.Period) {
		if steps++; steps > MaxSeriesSteps {
			r.note("step", fmt.Sprintf("Input should give at most %d steps; ask for steps of a month, or for a shorter period", MaxSeriesSteps))
			return
		}
	}
}
