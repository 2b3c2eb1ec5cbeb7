package httpapi

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
)

// OpenAPI returns the OpenAPI 3.1 document of all that the server answers. It
// follows from what the server itself uses: paths, roles and methods from its
// routes, errors from its table of failures, report lines, totals and filters
// from the catalog of resource types, other bodies from the Go types that are
// read and written. The same version gives the same bytes.
//
// It fails when a route has no description, or a description no route.
func OpenAPI(version string) ([]byte, error) {
	paths, err := pathItems()
	if err != nil {
		return nil, err
	}
	d := document{
		OpenAPI: "3.1.0",
		Info: map[string]any{
			"title": "Meterbook", "version": version,
			"summary":     "Usage reports of cloud resources from the events of a fleet.",
			"description": "Answers the usage report of Gcore Cloud from observations that are sent as CloudEvents. Every interval is half-open, every time UTC, every amount exact.",
			"license":     map[string]any{"name": "Apache 2.0", "identifier": "Apache-2.0"},
		},
		Servers:  []any{map[string]any{"url": "/"}},
		Security: eitherScheme(),
		Tags: []any{
			map[string]any{"name": "report", "description": "Usage reports, and the lists that Gcore clients ask for."},
			map[string]any{"name": "ingest", "description": "Observations as CloudEvents."},
			map[string]any{"name": "administration", "description": "Keys, clients, projects and regions."},
			map[string]any{"name": "operations", "description": "Health, metrics, and this document."},
		},
		Paths:      paths,
		Components: components(),
	}
	text, err := json.Marshal(d, json.Deterministic(true), jsontext.WithIndent(" "), jsontext.EscapeForHTML(false))
	if err != nil {
		return nil, fmt.Errorf("encode the OpenAPI document: %w", err)
	}
	return append(text, '\n'), nil
}

// document is an OpenAPI document, its members in the order in which one reads.
type document struct {
	OpenAPI    string         `json:"openapi"`
	Info       map[string]any `json:"info"`
	Servers    []any          `json:"servers"`
	Security   []any          `json:"security"`
	Tags       []any          `json:"tags"`
	Paths      map[string]any `json:"paths"`
	Components map[string]any `json:"components"`
}

// eitherScheme says that one of the security schemes is enough.
func eitherScheme() []any {
	return []any{map[string]any{"apikey": []string{}}, map[string]any{"bearer": []string{}}}
}

func components() map[string]any {
	schemas := maps.Clone(reportSchemas())
	maps.Copy(schemas, eventSchemas())
	maps.Copy(schemas, administrationSchemas())
	maps.Copy(schemas, findingsSchemas())
	maps.Copy(schemas, sourcesSchemas())
	maps.Copy(schemas, auditSchemas())
	maps.Copy(schemas, seriesSchemas())
	maps.Copy(schemas, maintenanceSchemas())
	schemas["Error"] = errorSchema()
	return map[string]any{
		"schemas":   schemas,
		"responses": failureResponses(),
		"headers":   responseHeaders(),
		"securitySchemes": map[string]any{
			"apikey": map[string]any{"type": "apiKey", "in": "header", "name": "Authorization",
				"description": "`apikey <token>`, the scheme word in any letter case. A token is `<id>$<secret>` or `<id>_<secret>`."},
			"bearer": map[string]any{"type": "http", "scheme": "bearer", "description": "`Bearer <token>`, the same token."},
		},
	}
}

func responseHeaders() map[string]any {
	header := func(description string, s schema) map[string]any {
		return map[string]any{"description": description, "required": true, "schema": s}
	}
	return map[string]any{
		"X-Request-Id":      header("Names the request, in the log too.", boundedText(2*requestIDBytes)),
		"Retry-After":       header("Seconds after which to try again.", schema{"type": "integer", "minimum": 1}),
		"Allow":             header("The methods of this path.", anyText()),
		"WWW-Authenticate":  header("The scheme to authenticate with.", constText("apikey")),
		completeUntilHeader: header("The instant up to which everything acknowledged is in the report, UTC.", schema{"type": "string", "format": "date-time"}),
	}
}

func headerRefs(names ...string) map[string]any {
	refs := map[string]any{}
	for _, name := range append(names, "X-Request-Id") {
		refs[name] = map[string]any{"$ref": "#/components/headers/" + name}
	}
	return refs
}

func errorSchema() schema {
	var classes []string
	for _, f := range failures {
		classes = append(classes, f.class)
	}
	slices.Sort(classes)
	return objectSchema(map[string]schema{
		"exception_class": enumOf(slices.Compact(classes)...),
		"message":         anyText().describe("Names the input and the remedy."),
		"request_id":      boundedText(2 * requestIDBytes).describe("As in the header X-Request-Id."),
		"invalid_fields": schema{"type": "object", "additionalProperties": listSchema(anyText()).with("minItems", 1),
			"description": "What is wrong with each member of the input, by dotted path; all at once."},
	}, "exception_class", "message", "request_id")
}

// failureResponses has one response for each status of the table of failures.
func failureResponses() map[string]any {
	responses := map[string]any{}
	for status, classes := range failureClasses() {
		responses[failureName(status)] = map[string]any{
			"description": failureText(status),
			"headers":     headerRefs(failureHeaders(status)...),
			"content": map[string]any{"application/json": map[string]any{"schema": schema{
				"allOf": []schema{schemaRef("Error"), {"properties": map[string]schema{"exception_class": enumOf(classes...)}}},
			}}},
		}
	}
	return responses
}

// failureClasses maps each status to the exception classes it is told with.
func failureClasses() map[int][]string {
	classes := map[int][]string{}
	for _, f := range failures {
		if !slices.Contains(classes[f.status], f.class) {
			classes[f.status] = append(classes[f.status], f.class)
		}
	}
	return classes
}

func failureName(status int) string {
	return strings.ReplaceAll(http.StatusText(status), " ", "")
}

func failureHeaders(status int) []string {
	var names []string
	for _, f := range failures {
		if f.status == status && f.retryAfter > 0 {
			names = append(names, "Retry-After")
		}
	}
	switch status {
	case http.StatusMethodNotAllowed:
		names = append(names, "Allow")
	case http.StatusUnauthorized:
		names = append(names, "WWW-Authenticate")
	}
	return names
}

func failureText(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "The input is not valid; invalid_fields says where."
	case http.StatusUnauthorized:
		return "No credentials, or a token that is wrong, expired or revoked."
	case http.StatusForbidden:
		return "The key's roles or narrowing do not allow it."
	case http.StatusNotFound:
		return "Unknown path, or nothing of that id exists for the key."
	case http.StatusMethodNotAllowed:
		return "Another method than those of this path."
	case http.StatusConflict:
		return "It exists already, or is in use."
	case http.StatusRequestEntityTooLarge:
		return "The body is too large."
	case http.StatusUnsupportedMediaType:
		return "Another content type or encoding than those listed."
	case http.StatusTooManyRequests:
		return "The rate limit of the key, or the queue is full. Nothing was done."
	case http.StatusServiceUnavailable:
		return "Starting, stopping, or for writes the disk is full. Nothing was done."
	case http.StatusInternalServerError:
		return "A bug; the log has the details under the request id."
	}
	metering.Bug("status %d of an error has no description", status)
	return ""
}

// pathItems describes every method of every route.
func pathItems() (map[string]any, error) {
	items, described := map[string]any{}, operationTexts()
	for path, e := range New(Options{Logger: slog.New(slog.DiscardHandler)}).table() {
		item := map[string]any{}
		if parameters := pathParameters(path); len(parameters) > 0 {
			item["parameters"] = parameters
		}
		for method, op := range e {
			text, ok := described[method+" "+path]
			if !ok {
				return nil, fmt.Errorf("the route %s %s has no description", method, path)
			}
			delete(described, method+" "+path)
			item[strings.ToLower(method)] = text.operation(op, strings.Contains(path, "{id}"))
		}
		items[path] = item
	}
	for route := range described {
		return nil, fmt.Errorf("the description of %s has no route", route)
	}
	return items, nil
}

// operationText is what the routes do not say about an operation.
type operationText struct {
	tag     string
	id      string // operationId
	summary string
	more    string
	query   []any          // parameters besides the path's
	body    map[string]any // content of the request; nil: none
	// answers are the responses besides those of failures.
	answers map[int]map[string]any
	// conflicts is set where it may exist already, or be in use.
	conflicts bool
}

func (t operationText) operation(op operation, hasID bool) map[string]any {
	responses := map[string]any{}
	for status, answer := range t.answers {
		responses[strconv.Itoa(status)] = answer
	}
	for _, status := range t.failures(op, hasID) {
		if _, own := t.answers[status]; !own {
			responses[strconv.Itoa(status)] = map[string]any{"$ref": "#/components/responses/" + failureName(status)}
		}
	}
	out := map[string]any{"tags": []string{t.tag}, "operationId": t.id, "summary": t.summary, "responses": responses}
	if op.role == 0 {
		out["security"] = []any{}
	} else {
		t.more = strings.TrimSpace(t.more + " Role: " + op.role.String() + ".")
	}
	if t.more != "" {
		out["description"] = t.more
	}
	if len(t.query) > 0 {
		out["parameters"] = t.query
	}
	if t.body != nil {
		out["requestBody"] = map[string]any{"required": true, "content": t.body}
	}
	return out
}

// failures lists the statuses of errors that the operation may give.
func (t operationText) failures(op operation, hasID bool) []int {
	statuses := []int{http.StatusMethodNotAllowed, http.StatusInternalServerError}
	if op.role == 0 {
		return statuses
	}
	statuses = append(statuses, http.StatusServiceUnavailable, http.StatusUnauthorized, http.StatusTooManyRequests, http.StatusForbidden)
	if t.body != nil {
		statuses = append(statuses, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge)
	}
	if t.body != nil || len(t.query) > 0 {
		statuses = append(statuses, http.StatusBadRequest)
	}
	if hasID {
		statuses = append(statuses, http.StatusNotFound)
	}
	if t.conflicts {
		statuses = append(statuses, http.StatusConflict)
	}
	return statuses
}
