package report

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// Defaults of the request (spec 1-usage-report, "Request").
const (
	DefaultLimit  = 10
	DefaultOffset = 0
)

// Parse reads the body of a report request and narrows it to the scope. Times
// without a zone are UTC; both times are floored to the start of their UTC day
// after conversion to UTC; the period is half-open. Nothing after now counts.
//
// It returns a [metering.Error] of KindInvalid: with Fields when members are
// wrong, all of them at once (up to MaxInvalidFields), or with a message that
// names the position when the body is not JSON. Offset + Limit of the result
// never overflows.
//
// Every rule is that of spec 1-usage-report, "Request".
func Parse(body []byte, now metering.Instant, scope Scope) (Query, error) {
	request := request{limit: DefaultLimit, offset: DefaultOffset}
	reader := newBodyReader(body)
	if err := request.read(body, reader, requiredMembers(), request.member); err != nil {
		return Query{}, err
	}
	if len(reader.fields) > 0 {
		return Query{}, invalid(reader.fields, reader.cut)
	}
	return request.query(now, scope), nil
}

// request is the body as it was sent, member by member.
type request struct {
	from, to       metering.Day // of time_from and time_to, floored
	fromOK, toOK   bool
	includeLastDay bool
	limit, offset  int64
	projects       []metering.ProjectID
	regions        []metering.RegionID
	types          []metering.ResourceType
	where          *FieldFilter
	tags           *TagFilter
	orderBy        []OrderTerm
	sorting        []OrderTerm
}

// requiredMembers are the members without a default.
func requiredMembers() []string { return []string{"time_from", "time_to"} }

const whitespace = " \t\r\n"

// read reads the body with one call of member for each of its members.
func (q *request) read(body []byte, r *bodyReader, required []string, member func(r *bodyReader, name string) bool) error {
	if len(bytes.Trim(body, whitespace)) == 0 {
		err := metering.Errorf(metering.KindInvalid, "Request body is empty; send a JSON object with at least %s", conjoined(required))
		err.Fields = metering.FieldErrors{}
		for _, name := range required {
			err.Fields.Add(name, "Field required")
		}
		return err
	}
	isObject := r.decoder.PeekKind() == '{'
	if isObject {
		r.object(required, func(name string) bool { return member(r, name) })
	} else {
		r.skip()
	}
	if r.syntax != nil {
		return syntaxError(body, r.syntax)
	}
	if end := int(r.decoder.InputOffset()); len(bytes.Trim(body[end:], whitespace)) > 0 {
		end = len(body) - len(bytes.TrimLeft(body[end:], whitespace))
		return metering.Errorf(metering.KindInvalid, "Request body should be one JSON value, but more follows at %s", position(body, end))
	}
	if !isObject {
		return metering.Errorf(metering.KindInvalid, "Request body should be a JSON object with at least %s", conjoined(required))
	}
	if q.fromOK && q.toOK && q.from > q.to {
		r.note("time_to", fmt.Sprintf("Input should not be before the day of time_from, %s", q.from))
	}
	return nil
}

// conjoined lists two or more names: a, b and c.
func conjoined(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// member reads one member of the request.
func (q *request) member(r *bodyReader, name string) bool {
	switch name {
	case "time_from":
		q.from, q.fromOK = r.day()
	case "time_to":
		q.to, q.toOK = r.day()
	case "enable_last_day":
		q.includeLastDay, _ = r.boolean()
	case "limit":
		q.limit = r.integerFrom(1, "Input should be greater than 0")
	case "offset":
		q.offset = r.integerFrom(0, "Input should be greater than or equal to 0")
	case "projects":
		if !r.null() {
			q.projects = ids[metering.ProjectID](r)
		}
	case "regions":
		q.regions = ids[metering.RegionID](r)
	case "types":
		r.list(func() {
			if t, ok := r.resourceType(); ok {
				q.types = append(q.types, t)
			}
		})
	case "schema_filter":
		q.where = r.schemaFilter()
	case "tags":
		q.tags = r.tagFilter()
	case "order_by":
		q.orderBy = r.orderBy()
	case "sorting":
		q.sorting = r.sorting()
	default:
		return false
	}
	return true
}

// query narrows the request to the scope. An empty list means: not given.
func (q *request) query(now metering.Instant, scope Scope) Query {
	result := Query{
		Period:   metering.Period{From: q.from, To: q.to},
		Now:      now,
		Offset:   int(min(q.offset, math.MaxInt)),
		Projects: scope.Projects,
		Regions:  scope.Regions,
		Types:    scope.Types,
		Where:    q.where,
		Tags:     q.tags,
		Order:    q.order(),
	}
	// No report has more than MaxInt lines, so nobody can tell that the limit
	// was cut, and a store may add the two.
	result.Limit = int(min(q.limit, int64(math.MaxInt-result.Offset)))
	if q.includeLastDay {
		result.Period.To++
	}
	if len(q.projects) > 0 {
		result.Projects = Only(q.projects...).Intersect(scope.Projects)
	}
	if len(q.regions) > 0 {
		result.Regions = Only(q.regions...).Intersect(scope.Regions)
	}
	if len(q.types) > 0 {
		result.Types &= TypesOf(q.types...)
	}
	if q.where != nil {
		result.Types &= TypesOf(q.where.Type)
	}
	return result
}

// order is order_by, else sorting, else the default. A field named twice counts
// where it stands first.
func (q *request) order() []OrderTerm {
	terms := q.orderBy
	if len(terms) == 0 {
		terms = q.sorting
	}
	var order []OrderTerm
	for _, term := range terms {
		if !slices.ContainsFunc(order, func(t OrderTerm) bool { return t.Field == term.Field }) {
			order = append(order, term)
		}
	}
	if len(order) == 0 {
		return []OrderTerm{{Field: ByProject}}
	}
	return order
}

// invalid makes the error that lists the invalid fields.
func invalid(fields metering.FieldErrors, cut bool) *metering.Error {
	first, more := slices.Sorted(maps.Keys(fields))[0], ""
	switch {
	case cut:
		more = fmt.Sprintf(" (the first %d invalid fields are listed, there are more)", len(fields))
	case len(fields) > 1:
		more = fmt.Sprintf(" (invalid fields besides: %d)", len(fields)-1)
	}
	err := metering.Errorf(metering.KindInvalid, "Request is not valid: %s: %s%s", first, fields[first][0], more)
	err.Fields = fields
	return err
}

// day reads a date-time or a date and floors it to its UTC day.
func (r *bodyReader) day() (metering.Day, bool) {
	const message = "Input should be a valid date-time such as '2024-07-01T00:00:00Z', or a date such as '2024-07-01'"
	if !r.is('"', message) {
		return 0, false
	}
	text := r.next().String()
	if t, _, ok := metering.ParseTimestamp(text); ok {
		return t.Day(), true
	}
	day, ok := metering.ParseDate(text)
	if !ok {
		r.fail(message)
	}
	return day, ok
}

// integerFrom reads an integer that is not below least.
func (r *bodyReader) integerFrom(least int64, message string) int64 {
	n, ok := r.integer()
	if ok && n < least {
		r.fail(message)
	}
	return n
}

// ids reads a list of integers. Any integer may be asked for: an id that does
// not exist selects nothing, and is no error.
func ids[T ~int64](r *bodyReader) (list []T) {
	r.list(func() {
		if n, ok := r.integer(); ok {
			list = append(list, T(n))
		}
	})
	return list
}

// resourceType reads the name of a type.
func (r *bodyReader) resourceType() (metering.ResourceType, bool) {
	text, ok := r.text()
	if !ok {
		return 0, false
	}
	t, ok := metering.ResourceTypeNamed(text)
	if !ok {
		r.fail(oneOf(typeNames()))
	}
	return t, ok
}

func typeNames() []string {
	var names []string
	for _, t := range metering.ResourceTypes() {
		names = append(names, t.String())
	}
	return names
}
