package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/meterbook/meterbook/internal/metering"
)

// Limits of lists.
const (
	DefaultPageSize = 100
	MaxPageSize     = 1000
)

// query is the URL's query; reading it collects everything that is wrong.
type query struct {
	values url.Values
	fields metering.FieldErrors
}

func (x *exchange) query() *query {
	q := &query{fields: metering.FieldErrors{}}
	values, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		q.fields.Add("query", "The query of the URL cannot be read: %s", err)
	}
	q.values = values
	return q
}

// only notes parameters that are not known, and those that are given twice. The
// lists that official clients ask for ignore them instead.
func (q *query) only(names ...string) {
	for name, values := range q.values {
		switch {
		case !slices.Contains(names, name):
			q.fields.Add(name, "Extra inputs are not permitted")
		case len(values) > 1:
			q.fields.Add(name, "Field given more than once")
		}
	}
}

// text reads a parameter; one that is there and empty is given.
func (q *query) text(name string) (text string, given bool) {
	return q.values.Get(name), q.values.Has(name)
}

func (q *query) integer(name string, standard, least, most int) int {
	text, given := q.text(name)
	if !given {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		q.fields.Add(name, "Input should be an integer from %d to %d", least, most)
	}
	return n
}

// choice reads one of the given values, "" when the parameter is not there.
func (q *query) choice(name string, values ...string) string {
	text, given := q.text(name)
	if given && !slices.Contains(values, text) {
		q.fields.Add(name, "%s", oneOf(values))
	}
	return text
}

// listBody is the JSON of every list: count is of all results, whatever the
// page.
type listBody[T any] struct {
	Count   int `json:"count"`
	Results []T `json:"results"`
}

const maxOffset = 1<<31 - 1

// list answers with a page of all, as limit and offset of the query say.
func list[T, R any](x *exchange, q *query, all []T, result func(*T) R) error {
	limit := q.integer("limit", DefaultPageSize, 1, MaxPageSize)
	offset := q.integer("offset", 0, 0, maxOffset)
	if err := (&members{fields: q.fields}).err(); err != nil {
		return err
	}
	page := all[min(offset, len(all)):min(offset+limit, len(all))]
	body := listBody[R]{Count: len(all), Results: make([]R, len(page))}
	for i := range page {
		body.Results[i] = result(&page[i])
	}
	return x.json(http.StatusOK, &body)
}

// plainList answers with a page for administrators: limit and offset are all
// that the query may have.
func plainList[T, R any](x *exchange, all []T, result func(*T) R) error {
	q := x.query()
	q.only("limit", "offset")
	return list(x, q, all, result)
}
