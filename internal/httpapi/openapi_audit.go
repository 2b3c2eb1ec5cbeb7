package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"reflect"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// auditTexts describe what stands behind the lines of a report.
func auditTexts() map[string]operationText {
	return map[string]operationText{
		getRoute + auditPath: {tag: "report", id: "explainResource", summary: "Explain the lines of a resource",
			more: "The resource's lines of the period as a report has them, each with the terms that sum to its billing_value, and every observation that bears on the period, with what became of it. " +
				"With as_of, the lines are those of a report that was asked at that instant: what was received after it is unknown, and no minute after it counts. " +
				fmt.Sprintf("From one consistent snapshot. A period in which more than %d observations would have to be read is not valid.", report.MaxAudited),
			query: append(periodParameters(),
				queryParameter("as_of", "The instant of the report; not in the future. Left out: now.", instantSchema()),
				queryParameter("line", "With term: only the observations behind one term of a line; the place in lines, from 0.", integerFromTo(0, maxOffset)),
				queryParameter("term", "With line: the place in the line's segments or windows, from 0. Behind it stands what led to it or repeats it, what that superseded or corrected, what was retracted in its place, and the state that ends it.", integerFromTo(0, maxOffset)),
				queryParameter("status", "Only the observations of this status.", enumOf(fateNames()...)),
				queryParameter("limit", "The greatest number of observations to list.", integerFromTo(1, MaxAuditPage).with("default", DefaultAuditPage)),
				queryParameter("offset", "The number of observations to skip.", integerFromTo(0, maxOffset).with("default", 0))),
			answers: map[int]map[string]any{http.StatusOK: answer("The account.", "Account")}},
	}
}

// periodParameters are the days of a half-open period.
func periodParameters() []any {
	var parameters []any
	for _, p := range [][3]string{{"from", "The first UTC day.", "2024-07-01"}, {"to", "The UTC day before which the period ends.", "2024-08-01"}} {
		parameter := queryParameter(p[0], p[1], schema{"type": "string", "format": "date", "examples": []string{p[2]}})
		parameter["required"] = true
		parameters = append(parameters, parameter)
	}
	return parameters
}

// auditSchemas follow from the types that the server answers with.
func auditSchemas() map[string]schema {
	known := wireTypes()
	known[reflect.TypeFor[date]()] = schema{"type": "string", "format": "date"}
	known[reflect.TypeFor[decimal]()] = schema{"type": "number", "minimum": 0, "description": "An exact decimal: no exponent, no trailing zeros, no rounding."}
	known[reflect.TypeFor[jsontext.Value]()] = schemaRef("UsageLine")
	known[reflect.TypeFor[told]()] = toldSchema()
	segment := schemaOf(reflect.TypeFor[segmentBody](), known)
	describeMembers(segment, map[string]string{
		"from": "The start of the first counted minute.", "to": "The end of the last counted minute.",
		"first_seen": "The instant at which the first counted minute was sampled.", "last_seen": "The instant at which the last counted minute was sampled.",
		"minutes": "From from to to.", "multiplier": "The count of a present type, the bytes of a sized type.",
		"product": "minutes times multiplier, for sized types in decimal gigabytes times minutes.", "attributes": "As in effect.",
	})
	window := schemaOf(reflect.TypeFor[windowBody](), known)
	day := schemaOf(reflect.TypeFor[dayBody](), known)
	describeMembers(day, map[string]string{"first_seen": "The earliest from of its quantities.", "last_seen": "Their latest to.", "quantity": "Their sum."})
	known[reflect.TypeFor[segmentBody]()], known[reflect.TypeFor[windowBody]()] = schemaRef("AccountSegment"), schemaRef("AccountWindow")
	known[reflect.TypeFor[dayBody]()] = schemaRef("AccountDay")
	known[reflect.TypeFor[metering.Month]()] = monthSchema()
	line := schemaOf(reflect.TypeFor[accountLineBody](), known)
	describeMembers(line, map[string]string{
		"segments": "The runs of minutes in which the resource was alike; their products sum to the billing_value. null for counted types.",
		"days":     "What the quantities of closed months came to, which were dropped; with the windows they sum to the billing_value. null for other types.",
		"windows":  "The quantities that count. null for other types.",
	})
	trace := traceSchema(known)
	known[reflect.TypeFor[accountLineBody]()], known[reflect.TypeFor[traceBody]()] = schemaRef("AccountLine"), schemaRef("AccountObservation")
	account := schemaOf(reflect.TypeFor[accountBody](), known)
	members := account["properties"].(map[string]schema)
	members["observations"] = listSchema(schemaRef("AccountObservation")).with("maxItems", MaxAuditPage)
	members["statuses"] = statusesSchema()
	describeMembers(account, map[string]string{
		"closed_before": "What lies before this month rests on what was kept when the months were closed and their observations dropped; null: all rests on observations.",
		"statuses":      "How many observations that bear on the period have each status, whatever line, term, status and the page select.",
		"count":         "The number of the observations that line, term and status select, whatever the page; without them, of all that bear on the period.",
		"observations":  "The page. States in their order, from the one in effect at the start of the period on; quantities by window, the one that counts last.",
	})
	return map[string]schema{"Account": account, "AccountLine": line, "AccountSegment": segment, "AccountDay": day, "AccountWindow": window, "AccountObservation": trace}
}

// statusesSchema is a number for each status.
func statusesSchema() schema {
	counts := map[string]schema{}
	for _, name := range fateNames() {
		counts[name] = integerFromTo(0, report.MaxAudited)
	}
	return answerSchema(counts)
}

func traceSchema(known map[reflect.Type]schema) schema {
	trace := schemaOf(reflect.TypeFor[traceBody](), known)
	members := trace["properties"].(map[string]schema)
	members["status"] = enumOf(fateNames()...)
	members["number"] = integerFromTo(1, math.MaxInt64)
	members["sequence"] = integerFromTo(0, math.MaxInt64)
	describeMembers(trace, map[string]string{
		"number": "The number of the observation in the store, in the order in which observations were stored.", "received_at": "By the server's clock.",
		"data": "What it said of its resource, with the defaults of its type filled in.",
		"status": "counted: the figures rest on it; a deletion ends what was. pending: its first minute has not come yet. repeated: it says what held already. " +
			"superseded: another state of the same minute comes after it. corrected: another quantity of the same window comes after it. retracted: it counts as never observed.",
		"by":   "What supersedes, corrects or retracted it, or what it repeats; null otherwise.",
		"line": "The place in lines, from 0, of the line that it led to; null: none.", "term": "The place in the line's segments or windows, from 0; null: none.",
	})
	return trace
}

// describeMembers adds descriptions to members of an object.
func describeMembers(object schema, texts map[string]string) {
	members := object["properties"].(map[string]schema)
	for name, text := range texts {
		members[name] = members[name].describe(text)
	}
}

// toldSchema is what a source tells of a resource, under the names of events.
func toldSchema() schema {
	members := map[string]schema{
		"status": enumOf("active", "deleted"), "count": integerFromTo(1, metering.MaxCount), "size_bytes": integerFromTo(0, metering.MaxSizeBytes),
		"from": {"type": "string", "format": "date-time"}, "to": {"type": "string", "format": "date-time"}, "quantity": {"type": "number", "minimum": 0},
		"billing_metric_name": anyText(), "billing_value_unit": anyText(), "tags": {"type": "object", "additionalProperties": anyText()},
	}
	for a := range metering.AttributeCount {
		members[a.String()] = printedText(a.Form())
	}
	return objectSchema(members)
}
