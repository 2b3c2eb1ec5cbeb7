package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/httpapi"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

const documentAdmin = "document-admin$0123456789abcdef0123456789abcdef"

// documented is a server whose every answer is judged by its own document.
type documented struct {
	*contract
	t   *testing.T
	url string
}

func newDocumented(t *testing.T) *documented {
	t.Helper()
	clock := func() metering.Instant { return metering.DayOf(2024, 8, 2).Start() }
	store := storetest.NewModel(clock)
	return serveDocumented(t, clock, func(s *httpapi.Server) {
		registry, err := access.Open(context.Background(), &access.MemoryRecords{}, access.Options{Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := registry.Bootstrap(context.Background(), documentAdmin); err != nil {
			t.Fatal(err)
		}
		s.Serve(httpapi.Backend{Store: store, Access: registry, Ingest: ingest.New(store, ingest.Options{Clock: clock, Directory: store})})
	})
}

func serveDocumented(t *testing.T, clock func() metering.Instant, prepare func(*httpapi.Server)) *documented {
	t.Helper()
	c := newContract(t)
	text, err := httpapi.OpenAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	s := httpapi.New(httpapi.Options{Logger: slog.New(slog.DiscardHandler), Clock: clock, Wall: time.Now, OpenAPI: text, Version: "1.2.3"})
	prepare(s)
	live := httptest.NewServer(s.Handler())
	t.Cleanup(live.Close)
	return &documented{contract: c, t: t, url: live.URL}
}

// request is one call: Path is that of the document, ID fills its {id}.
type request struct {
	method, path, id, query string
	token                   string // "" for the admin's, "-" for none
	media                   string // "" for JSON
	body                    string
}

// call sends a request and judges the answer by the document.
func (d *documented) call(r request, status int) answer {
	d.t.Helper()
	a := d.send(r)
	if a.status != status {
		d.t.Errorf("%s %s %s: status %d, want %d: %.400s", r.method, r.path, r.id, a.status, status, a.body)
	}
	if err := d.check(r.method, r.path, a); err != nil {
		d.t.Errorf("%s %s %s answers %d %.400s\n%v", r.method, r.path, r.id, a.status, a.body, err)
	}
	return a
}

func (d *documented) send(r request) answer {
	d.t.Helper()
	url := d.url + strings.Replace(r.path, "{id}", r.id, 1) + r.query
	q, err := http.NewRequestWithContext(context.Background(), r.method, url, strings.NewReader(r.body))
	if err != nil {
		d.t.Fatal(err)
	}
	switch r.token {
	case "":
		q.Header.Set("Authorization", "apikey "+documentAdmin)
	case "-":
	default:
		q.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.body != "" {
		q.Header.Set("Content-Type", "application/json")
	}
	if r.media != "" {
		q.Header.Set("Content-Type", r.media)
	}
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		d.t.Fatal(err)
	}
	return readAnswer(d.t, response)
}

// newKey makes a key and returns its token.
func (d *documented) newKey(body string) string {
	d.t.Helper()
	a := d.call(request{method: "POST", path: "/v1/keys", body: body}, http.StatusCreated)
	var made struct{ Token string }
	if err := json.Unmarshal(a.body, &made); err != nil || made.Token == "" {
		d.t.Fatalf("no token in %s", a.body)
	}
	return made.Token
}

// example is the example of a named schema, decoded.
func (d *documented) example(name string) map[string]any {
	d.t.Helper()
	examples, _, err := d.at("components", "schemas", name)
	if err != nil {
		d.t.Fatal(err)
	}
	text, err := json.Marshal(examples.(map[string]any)["examples"].([]any)[0])
	if err != nil {
		d.t.Fatal(err)
	}
	return decode(d.t, text).(map[string]any)
}

// measured is the example of the data that a type is metered by, and the
// CloudEvents type that carries it.
func (d *documented) measured(r metering.ResourceType) (eventType string, data map[string]any) {
	name := ""
	for part := range strings.SplitSeq(r.String(), "_") {
		name += strings.ToUpper(part[:1]) + part[1:]
	}
	if r.Measure() == metering.Counted {
		return "meterbook.resource.quantity.v1", d.example(name + "Quantity")
	}
	return "meterbook.resource.state.v1", d.example(name + "State")
}

func event(id, eventType string, data map[string]any) map[string]any {
	return map[string]any{"specversion": "1.0", "id": id, "source": "/test", "type": eventType, "time": "2024-07-01T00:00:05Z", "data": data}
}

func encode(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// withoutOptional leaves out every attribute that the type does not require.
func withoutOptional(r metering.ResourceType, data map[string]any) map[string]any {
	data = maps.Clone(data)
	delete(data, "tags")
	for _, a := range r.Attributes() {
		if !r.Requires(a) {
			delete(data, a.String())
		}
	}
	return data
}

// load sends a resource of each type with all of its attributes and another one
// with none but those required.
func (d *documented) load() {
	d.t.Helper()
	var batch []any
	for i, r := range metering.ResourceTypes() {
		eventType, full := d.measured(r)
		bare := withoutOptional(r, full)
		full["resource_id"], bare["resource_id"] = fmt.Sprintf("3c90c3cc-0d44-4b50-8888-0000000000%02x", i), fmt.Sprintf("3c90c3cc-0d44-4b50-8888-0000000001%02x", i)
		batch = append(batch, event(r.String()+"-full", eventType, full), event(r.String()+"-bare", eventType, bare))
	}
	for _, e := range batch {
		if err := d.validateNamed(decode(d.t, []byte(encode(d.t, e))), "Event"); err != nil {
			d.t.Error(err)
		}
	}
	a := d.call(request{method: "POST", path: "/v1/events", media: "application/cloudevents-batch+json", body: encode(d.t, batch)}, http.StatusOK)
	if want := fmt.Sprintf(`"accepted":%d`, 2*metering.TypeCount); !strings.Contains(string(a.body), want) {
		d.t.Fatalf("got %s, want %s", a.body, want)
	}
}

const july = `{"time_from":"2024-07-01","time_to":"2024-08-01","limit":1000}`

type reportAnswer struct {
	Count     int              `json:"count"`
	Resources []map[string]any `json:"resources"`
	Totals    []map[string]any `json:"totals"`
}

func (d *documented) report() (answer, reportAnswer) {
	d.t.Helper()
	a := d.call(request{method: "POST", path: "/cloud/v1/usage_report", body: july}, http.StatusOK)
	var r reportAnswer
	if err := json.Unmarshal(a.body, &r); err != nil {
		d.t.Fatal(err)
	}
	return a, r
}

func TestLinesOfEveryTypeAreAsDocumented(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	d.load()
	_, r := d.report()
	if r.Count != 2*metering.TypeCount || len(r.Resources) != r.Count || len(r.Totals) != metering.TypeCount-1 {
		t.Errorf("%d lines counted, %d in the page, %d totals", r.Count, len(r.Resources), len(r.Totals))
	}
	nulls := map[string]int{}
	for _, line := range r.Resources {
		for name, value := range line {
			if value == nil {
				nulls[line["type"].(string)+"."+name]++
			}
		}
	}
	for _, resourceType := range metering.ResourceTypes() {
		for _, a := range resourceType.Attributes() {
			want := 1
			if resourceType.Requires(a) {
				want = 0
			}
			if got := nulls[resourceType.String()+"."+a.LineField()]; got != want {
				t.Errorf("%d lines of %s have null in %s, want %d", got, resourceType, a.LineField(), want)
			}
		}
	}
}

func TestWrongAnswerIsFound(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	d.load()
	good, _ := d.report()
	for name, spoil := range map[string]func(a *answer, report, line map[string]any){
		"count missing":               func(_ *answer, r, _ map[string]any) { delete(r, "count") },
		"member besides":              func(_ *answer, r, _ map[string]any) { r["next"] = nil },
		"count as text":               func(_ *answer, r, _ map[string]any) { r["count"] = "50" },
		"totals missing":              func(_ *answer, r, _ map[string]any) { delete(r, "totals") },
		"total of a backup":           func(_ *answer, r, l map[string]any) { r["totals"] = []any{backupTotal(r)} },
		"line member missing":         func(_ *answer, _, l map[string]any) { delete(l, "last_name") },
		"line member besides":         func(_ *answer, _, l map[string]any) { l["cost"] = 1 },
		"line of unknown type":        func(_ *answer, _, l map[string]any) { l["type"] = "vm" },
		"value as text":               func(_ *answer, _, l map[string]any) { l["billing_value"] = "1440" },
		"negative value":              func(_ *answer, _, l map[string]any) { l["billing_value"] = -1 },
		"another unit":                func(_ *answer, _, l map[string]any) { l["billing_value_unit"] = "hours" },
		"fraction of a second":        func(_ *answer, _, l map[string]any) { l["first_seen"] = "2024-07-01T00:00:30.5Z" },
		"offset in a time":            func(_ *answer, _, l map[string]any) { l["last_seen"] = "2024-07-01T02:00:30+02:00" },
		"id null":                     func(_ *answer, _, l map[string]any) { l["uuid"] = nil },
		"id in capitals":              func(_ *answer, _, l map[string]any) { l["uuid"] = "3C90C3CC-0D44-4B50-8888-8DD25736052A" },
		"required attribute null":     func(_ *answer, _, l map[string]any) { l["flavor"] = nil },
		"tags as one object":          func(_ *answer, _, l map[string]any) { l["tags"] = map[string]any{"a": "b"} },
		"two tags in one object":      func(_ *answer, _, l map[string]any) { l["tags"] = []any{map[string]any{"a": "b", "c": "d"}} },
		"no tags as an empty list":    func(_ *answer, _, l map[string]any) { l["tags"] = []any{} },
		"project 0":                   func(_ *answer, _, l map[string]any) { l["project_id"] = 0 },
		"header missing":              func(a *answer, _, _ map[string]any) { a.header.Del("Meterbook-Complete-Until") },
		"request id missing":          func(a *answer, _, _ map[string]any) { a.header.Del("X-Request-Id") },
		"header that is no time":      func(a *answer, _, _ map[string]any) { a.header.Set("Meterbook-Complete-Until", "now") },
		"another content type":        func(a *answer, _, _ map[string]any) { a.header.Set("Content-Type", "text/html") },
		"status that is not foreseen": func(a *answer, _, _ map[string]any) { a.status = http.StatusTeapot },
	} {
		report := decode(t, good.body).(map[string]any)
		a := answer{good.status, good.header.Clone(), nil}
		spoil(&a, report, firstOf(t, report, "instance"))
		a.body = []byte(encode(t, report))
		if d.check("POST", "/cloud/v1/usage_report", a) == nil {
			t.Errorf("%s: not found", name)
		}
	}
}

func firstOf(t *testing.T, report map[string]any, resourceType string) map[string]any {
	t.Helper()
	for _, line := range report["resources"].([]any) {
		if line := line.(map[string]any); line["type"] == resourceType {
			return line
		}
	}
	t.Fatalf("no line of %s", resourceType)
	return nil
}

func backupTotal(report map[string]any) map[string]any {
	total := maps.Clone(report["totals"].([]any)[0].(map[string]any))
	total["type"] = "backup"
	return total
}

// errorCase is a request that is answered with an error.
type errorCase struct {
	name   string
	r      request
	status int
	class  string
}

func TestErrorsAreAsDocumented(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	d.load()
	reader, writer := d.newKey(`{"roles":["reader"]}`), d.newKey(`{"roles":["writer"],"name":"probe"}`)
	slow := d.newKey(`{"roles":["reader"],"rate_limit":1}`)
	report := func(body string) request { return request{method: "POST", path: "/cloud/v1/usage_report", body: body} }
	by := func(token string, r request) request { r.token = token; return r }
	d.call(by(slow, report(july)), http.StatusOK)
	for _, c := range []errorCase{
		{"no JSON", report("{"), 400, "ValidationError"},
		{"many wrong members", report(`{"limit":0,"tags":{"conditions":[{"key":""}]},"x":1}`), 400, "ValidationError"},
		{"no credentials", by("-", report(july)), 401, "not_authenticated"},
		{"unknown key", by("nobody$0123456789abcdef", report(july)), 401, "token_not_valid"},
		{"wrong role", by(writer, report(july)), 403, "ForbiddenError"},
		{"wrong role to write", by(reader, request{method: "POST", path: "/v1/events", media: "application/x-ndjson", body: "{}"}), 403, "ForbiddenError"},
		{"too fast", by(slow, report(july)), 429, "HTTPError"},
		{"wrong method", request{method: "DELETE", path: "/cloud/v1/usage_report"}, 405, "HTTPError"},
		{"wrong content type", request{method: "POST", path: "/cloud/v1/usage_report", media: "text/plain", body: july}, 415, "HTTPError"},
		{"large body", report(strings.Repeat(" ", httpapi.MaxRequestBytes) + july), 413, "HTTPError"},
		{"events of another content type", request{method: "POST", path: "/v1/events", media: "text/csv", body: "a,b"}, 415, "HTTPError"},
		{"events that are no array", request{method: "POST", path: "/v1/events", media: "application/cloudevents-batch+json", body: "{}"}, 400, "ValidationError"},
		{"nothing of that id", request{method: "GET", path: "/v1/keys/{id}", id: "nobody"}, 404, "NotFoundError"},
		{"nothing of that number", request{method: "GET", path: "/cloud/v1/projects/{id}", id: "77"}, 404, "NotFoundError"},
		{"wrong page", request{method: "GET", path: "/v1/projects", query: "?limit=0"}, 400, "ValidationError"},
		{"key without roles", request{method: "POST", path: "/v1/keys", body: "{}"}, 400, "ValidationError"},
		{"exists already", request{method: "POST", path: "/v1/projects", body: `{"id":10}`}, 409, "ConflictError"},
		{"in use", request{method: "DELETE", path: "/v1/regions/{id}", id: "76"}, 409, "ConflictError"},
	} {
		r := c.r
		if r.method == "DELETE" && c.status == 405 {
			// The document knows the method of the path only.
			d.checkError(c, d.send(r), "POST")
			continue
		}
		d.checkError(c, d.send(r), r.method)
	}
	d.checkUnknownPath()
}

func (d *documented) checkError(c errorCase, a answer, method string) {
	d.t.Helper()
	if a.status != c.status || !strings.Contains(string(a.body), `"exception_class":"`+c.class+`"`) {
		d.t.Errorf("%s: %d %s, want %d %s", c.name, a.status, a.body, c.status, c.class)
	}
	if err := d.check(method, c.r.path, a); err != nil {
		d.t.Errorf("%s: %s\n%v", c.name, a.body, err)
	}
	wrong := a
	wrong.body = bytes.Replace(a.body, []byte(c.class), []byte("SomeError"), 1)
	if d.check(method, c.r.path, wrong) == nil {
		d.t.Errorf("%s: another exception class is not found", c.name)
	}
	for _, header := range []string{"X-Request-Id", "Retry-After", "Allow", "Www-Authenticate"} {
		if a.header.Get(header) == "" {
			continue
		}
		wrong := answer{a.status, a.header.Clone(), a.body}
		wrong.header.Del(header)
		if d.check(method, c.r.path, wrong) == nil {
			d.t.Errorf("%s: nobody misses header %s", c.name, header)
		}
	}
}

func (d *documented) checkUnknownPath() {
	d.t.Helper()
	response, steps, err := d.at("components", "responses", "NotFound")
	if err != nil {
		d.t.Fatal(err)
	}
	a := d.send(request{method: "GET", path: "/v1/nothing"})
	if err := d.checkResponse(response.(map[string]any), steps, a); err != nil || a.status != http.StatusNotFound {
		d.t.Errorf("unknown path: %d %s %v", a.status, a.body, err)
	}
}

// panicking is a store with a bug in its reports.
type panicking struct{ report.Store }

func (panicking) Report(context.Context, report.Query) (*report.Report, error) { panic("a bug") }

func TestServerThatCannotAnswerIsAsDocumented(t *testing.T) {
	t.Parallel()
	clock := func() metering.Instant { return metering.DayOf(2024, 8, 2).Start() }
	starting := serveDocumented(t, clock, func(*httpapi.Server) {})
	for _, r := range []request{{method: "POST", path: "/cloud/v1/usage_report", body: july}, {method: "GET", path: "/readyz"}, {method: "GET", path: "/v1/keys"}} {
		starting.checkError(errorCase{"starting", r, 503, "ServiceUnavailable"}, starting.send(r), r.method)
	}
	buggy := serveDocumented(t, clock, func(s *httpapi.Server) {
		registry, err := access.Open(context.Background(), &access.MemoryRecords{}, access.Options{Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := registry.Bootstrap(context.Background(), documentAdmin); err != nil {
			t.Fatal(err)
		}
		store := panicking{storetest.NewModel(clock)}
		s.Serve(httpapi.Backend{Store: store, Access: registry, Ingest: ingest.New(store, ingest.Options{Clock: clock, Directory: store})})
	})
	r := request{method: "POST", path: "/cloud/v1/usage_report", body: july}
	buggy.checkError(errorCase{"a bug", r, 500, "InternalError"}, buggy.send(r), r.method)
}

func TestAdministrationIsAsDocumented(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	d.load()
	key := d.call(request{method: "POST", path: "/v1/keys", body: `{"name":"n","client":null,"roles":["reader","writer"],"projects":[10],"regions":null,"types":["volume"],"rate_limit":7,"expires_at":"2030-01-01T00:00:00Z"}`}, 201)
	var made struct{ ID string }
	if err := json.Unmarshal(key.body, &made); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		request
		status int
	}{
		{request{method: "GET", path: "/v1/keys/{id}", id: made.ID}, 200},
		{request{method: "PATCH", path: "/v1/keys/{id}", id: made.ID, body: `{"types":null,"expires_at":null,"rate_limit":null}`}, 200},
		{request{method: "GET", path: "/v1/keys", query: "?limit=1&offset=1"}, 200},
		{request{method: "DELETE", path: "/v1/keys/{id}", id: made.ID}, 204},
		{request{method: "GET", path: "/v1/keys"}, 200},
		{request{method: "GET", path: "/v1/key"}, 200},
		{request{method: "POST", path: "/v1/clients", body: `{"id":"acme","name":"Acme"}`}, 201},
		{request{method: "GET", path: "/v1/clients"}, 200},
		{request{method: "GET", path: "/v1/clients/{id}", id: "acme"}, 200},
		{request{method: "PATCH", path: "/v1/clients/{id}", id: "acme", body: `{"name":""}`}, 200},
		{request{method: "POST", path: "/v1/projects", body: `{"id":11,"client":"acme","name":"shop","description":"d"}`}, 201},
		{request{method: "GET", path: "/v1/projects"}, 200},
		{request{method: "GET", path: "/v1/projects/{id}", id: "10"}, 200},
		{request{method: "PATCH", path: "/v1/projects/{id}", id: "10", body: `{"name":"ten"}`}, 200},
		{request{method: "GET", path: "/cloud/v1/projects", query: "?order_by=name.desc&limit=5&include_deleted=false"}, 200},
		{request{method: "GET", path: "/cloud/v1/projects/{id}", id: "11"}, 200},
		{request{method: "DELETE", path: "/v1/projects/{id}", id: "11"}, 204},
		{request{method: "DELETE", path: "/v1/clients/{id}", id: "acme"}, 204},
		{request{method: "POST", path: "/v1/regions", body: `{"id":77,"name":"Luxembourg 2","country":"LU"}`}, 201},
		{request{method: "GET", path: "/v1/regions"}, 200},
		{request{method: "GET", path: "/v1/regions/{id}", id: "76"}, 200},
		{request{method: "PATCH", path: "/v1/regions/{id}", id: "77", body: `{"country":""}`}, 200},
		{request{method: "GET", path: "/cloud/v1/regions", query: "?order_by=display_name.asc"}, 200},
		{request{method: "GET", path: "/cloud/v1/regions/{id}", id: "77"}, 200},
		{request{method: "DELETE", path: "/v1/regions/{id}", id: "77"}, 204},
		{request{method: "GET", path: "/healthz", token: "-"}, 200},
		{request{method: "GET", path: "/readyz", token: "-"}, 200},
		{request{method: "GET", path: "/metrics", token: "-"}, 200},
		{request{method: "GET", path: "/openapi.json", token: "-"}, 200},
	} {
		d.call(step.request, step.status)
	}
}

func TestServedDocumentIsTheDocument(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	a := d.call(request{method: "GET", path: "/openapi.json", token: "-"}, http.StatusOK)
	want, err := httpapi.OpenAPI("1.2.3")
	if err != nil || !bytes.Equal(a.body, want) {
		t.Errorf("another document is served, %v", err)
	}
}
