package console

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// resourceQuery is all that the page of a resource can be asked for. Its address
// says it wholly.
type resourceQuery struct {
	resource client.Resource
	days     metering.Period
	asOf     time.Time    // zero: now
	behind   *client.Term // nil: all observations
	status   string       // of observations; "": any
	page     int          // of observations, from 1
	terms    int          // how many terms of each line are passed over
}

const (
	observationsOfPage = 50
	termsOfPage        = 50
	asOfLayout         = "2006-01-02T15:04" // of a datetime-local input, read as UTC
)

// resourceReader reads the page's address, and notes what is wrong.
type resourceReader struct {
	values url.Values
	wrong  map[string][]string
}

// readResource reads the page's address. The resource is the API's to judge.
func readResource(r *http.Request, now time.Time) (resourceQuery, error) {
	in := resourceReader{r.URL.Query(), map[string][]string{}}
	q := resourceQuery{
		resource: client.Resource{ProjectID: pathNumber(r, "project"), RegionID: pathNumber(r, "region"), Type: r.PathValue("type"), ID: r.PathValue("id")},
		days:     in.days(periodOf(periodDefault, now)), asOf: in.asOf(), status: in.values.Get("status"),
		page: in.number("page", 1, 1), terms: in.number("terms", 0, 0),
	}
	if in.values.Has("line") || in.values.Has("term") {
		q.behind = &client.Term{Line: in.number("line", 0, 0), Index: in.number("term", 0, 0)}
	}
	if len(in.wrong) > 0 {
		return q, &client.Error{Status: http.StatusBadRequest, Message: "The address of this page asks for what there cannot be.", InvalidFields: in.wrong}
	}
	return q, nil
}

// pathNumber reads an id in the path; what is none is 0, which names nothing.
func pathNumber(r *http.Request, name string) int64 {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != r.PathValue(name) {
		return 0
	}
	return n
}

// days reads from and, as addresses have it, to (not included) or, as the form
// has it, last (included).
func (in *resourceReader) days(standard metering.Period) metering.Period {
	if !in.values.Has("from") && !in.values.Has("to") && !in.values.Has("last") {
		return standard
	}
	days := metering.Period{From: in.day("from")}
	name := "to"
	if in.values.Has("last") {
		name = "last"
		days.To = in.day("last") + 1
		if in.values.Get("last") == "9999-12-31" { // the day after it has no date
			in.note("last", "Give a day before 9999-12-31.")
		}
	} else {
		days.To = in.day("to")
	}
	if len(in.wrong) == 0 && days.From >= days.To {
		in.note(name, "The period ends before it begins.")
	}
	return days
}

func (in *resourceReader) day(name string) metering.Day {
	day, ok := metering.ParseDate(in.values.Get(name))
	if !ok {
		in.note(name, "Give a UTC day such as 2024-07-01.")
	}
	return day
}

func (in *resourceReader) asOf() time.Time {
	text := in.values.Get("as_of")
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339Nano, asOfLayout} {
		t, err := time.Parse(layout, text)
		if t = t.UTC(); err == nil && t.Year() >= 0 && t.Year() <= 9999 { // others have no form in an address
			return t
		}
	}
	in.note("as_of", "Give an instant in UTC such as 2024-08-03T09:00.")
	return time.Time{}
}

func (in *resourceReader) number(name string, standard, least int) int {
	const most = 1 << 24 // more than any account has
	text := in.values.Get(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		in.note(name, "Give a whole number from "+strconv.Itoa(least)+" on.")
	}
	return n
}

func (in *resourceReader) note(name, text string) { in.wrong[name] = append(in.wrong[name], text) }

func (q *resourceQuery) from() time.Time { return q.days.From.Start().Time() }
func (q *resourceQuery) to() time.Time   { return q.days.To.Start().Time() }

// path is the page's address without what it is asked for.
func (q *resourceQuery) path() string {
	return resourcePath(q.resource)
}

func resourcePath(r client.Resource) string {
	return "/resource/" + strconv.FormatInt(r.ProjectID, 10) + "/" + strconv.FormatInt(r.RegionID, 10) + "/" + url.PathEscape(r.Type) + "/" + url.PathEscape(r.ID)
}

// accountAddress is where the page of a resource shows a period.
func accountAddress(r client.Resource, days metering.Period) string {
	return (&resourceQuery{resource: r, days: days}).address()
}

// address is the page's own.
func (q *resourceQuery) address() string {
	values := url.Values{"from": {q.days.From.String()}, "to": {q.days.To.String()}}
	if !q.asOf.IsZero() {
		values.Set("as_of", q.asOf.Format(time.RFC3339Nano))
	}
	if q.behind != nil {
		values.Set("line", strconv.Itoa(q.behind.Line))
		values.Set("term", strconv.Itoa(q.behind.Index))
	}
	if q.status != "" {
		values.Set("status", q.status)
	}
	if q.page > 1 {
		values.Set("page", strconv.Itoa(q.page))
	}
	if q.terms > 0 {
		values.Set("terms", strconv.Itoa(q.terms))
	}
	return q.path() + "?" + values.Encode()
}

// with is the address of the page with something else.
func (q *resourceQuery) with(change func(*resourceQuery)) string {
	other := *q
	change(&other)
	return other.address()
}

// request asks the API for the page.
func (q *resourceQuery) request() client.AccountRequest {
	return client.AccountRequest{
		Resource: q.resource, From: q.from(), To: q.to(), AsOf: q.asOf, Behind: q.behind, Status: q.status,
		Limit: observationsOfPage, Offset: (q.page - 1) * observationsOfPage,
	}
}
