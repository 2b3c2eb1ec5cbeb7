package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
)

const (
	jsonMedia   = "application/json"
	getRoute    = http.MethodGet + " "
	postRoute   = http.MethodPost + " "
	patchRoute  = http.MethodPatch + " "
	deleteRoute = http.MethodDelete + " "
)

// operationTexts describe every operation of the server's routes, by method and
// path.
func operationTexts() map[string]operationText {
	texts := map[string]operationText{
		postRoute + reportPath: {tag: "report", id: "getUsageReport", summary: "Usage report",
			more:    fmt.Sprintf("Answers from one consistent snapshot that has everything acknowledged before. Bodies have at most %d bytes.", MaxRequestBytes),
			body:    content("UsageReportRequest"),
			answers: map[int]map[string]any{http.StatusOK: answer("The report; it is streamed.", "UsageReport", completeUntilHeader)}},
		postRoute + eventsPath: eventsText(),
		getRoute + ownKeyPath: {tag: "administration", id: "getOwnKey", summary: "Show the key that asks",
			more:    "What it may do: its roles, its client, and what it is narrowed to.",
			answers: map[int]map[string]any{http.StatusOK: answer("The key, without its secret.", "Key")}},
	}
	maps.Copy(texts, gcoreTexts())
	maps.Copy(texts, managedTexts("/v1/keys", "key", "Key", "The secret is in this answer only, and is stored hashed."))
	maps.Copy(texts, managedTexts("/v1/clients", "client", "Client", ""))
	maps.Copy(texts, managedTexts("/v1/projects", "project", "Project", "Projects come into being by themselves when they are first seen in an event; register them to name them."))
	maps.Copy(texts, managedTexts("/v1/regions", "region", "Region", "Regions come into being by themselves when they are first seen in an event; register them to name them."))
	maps.Copy(texts, maintenanceTexts())
	maps.Copy(texts, findingsTexts())
	maps.Copy(texts, sourcesTexts())
	maps.Copy(texts, auditTexts())
	maps.Copy(texts, seriesTexts())
	maps.Copy(texts, operationalTexts())
	return texts
}

// content is a JSON body of a named schema.
func content(name string) map[string]any {
	return map[string]any{jsonMedia: map[string]any{"schema": schemaRef(name)}}
}

func answer(description, name string, headers ...string) map[string]any {
	return map[string]any{"description": description, "headers": headerRefs(headers...), "content": content(name)}
}

func eventsText() operationText {
	ndjson := schema{"type": "string", "description": "One event a line, each as the schema Event says; blank lines are counted and ignored."}
	bodies := map[string]any{
		"application/cloudevents+json":       map[string]any{"schema": schemaRef("Event")},
		"application/cloudevents-batch+json": map[string]any{"schema": listSchema(schemaRef("Event"))},
		"application/x-ndjson":               map[string]any{"schema": ndjson},
		jsonMedia: map[string]any{"schema": schema{
			"anyOf":       []schema{schemaRef("StateData"), schemaRef("QuantityData"), schemaRef("RetractionData")},
			"description": "Binary mode: the attributes are in ce-* headers, percent-encoded, the body is the data."}},
	}
	text := operationText{tag: "ingest", id: "sendEvents", summary: "Send events", body: bodies,
		more: fmt.Sprintf("Events are given in any order and any number of times: what is known already is counted as a duplicate, so sending all again is always safe. "+
			"Bodies that are not streams have at most %d bytes after decompression; of a stream memory does not grow with the body. "+
			"The receipt is given after the data is on disk; a report that is asked after it has the events.", ingest.DefaultMaxBodyBytes),
		answers: map[int]map[string]any{
			http.StatusOK:                  answer("Everything is stored, or was stored already.", "Receipt"),
			http.StatusUnprocessableEntity: answer("At least one event was rejected, or a stream broke off; the others are stored.", "Receipt"),
		},
		query: []any{headerParameter("Content-Encoding", "Compression of the body.", enumOf("identity", "gzip", "zstd"))},
	}
	text.query = append(text.query, binaryModeParameters()...)
	return text
}

// binaryModeParameters are the attributes of an event in headers.
func binaryModeParameters() []any {
	attribute := func(name string, s schema) any {
		return headerParameter("ce-"+name, "Binary mode: the attribute "+name+".", s)
	}
	return []any{
		attribute("specversion", constText("1.0")), attribute("type", enumOf(sortedKeys(eventTypes())...)),
		attribute("source", sourceText()), attribute("id", plainText(metering.MaxIDBytes)),
		attribute("time", eventTimeSchema()), attribute("sequence", schema{"type": "string", "pattern": "^[0-9]*$"}),
	}
}

func headerParameter(name, description string, s schema) map[string]any {
	return map[string]any{"name": name, "in": "header", "description": description, "schema": s}
}

func queryParameter(name, description string, s schema) map[string]any {
	return map[string]any{"name": name, "in": "query", "description": description, "schema": s}
}

func pageParameters() []any {
	return []any{
		queryParameter("limit", "The greatest number of results.", integerFromTo(1, MaxPageSize).with("default", DefaultPageSize)),
		queryParameter("offset", "The number of results to skip.", integerFromTo(0, maxOffset).with("default", 0)),
	}
}

// pathParameters are those that a path has in braces.
func pathParameters(path string) []any {
	var parameters []any
	for segment := range strings.SplitSeq(path, "/") {
		if name, found := strings.CutPrefix(segment, "{"); found {
			name = strings.TrimSuffix(name, "}")
			parameters = append(parameters, map[string]any{"name": name, "in": "path", "required": true, "schema": pathParameterSchema(path, name)})
		}
	}
	return parameters
}

func pathParameterSchema(path, name string) schema {
	switch {
	case name == "project" || strings.Contains(path, "/projects/"):
		return projectIDSchema().with("examples", []int64{10})
	case name == "region" || strings.Contains(path, "/regions/"):
		return regionIDSchema().with("examples", []int64{76})
	case name == "type":
		return enumOf(typeNames()...)
	case strings.Contains(path, "/resources/"):
		return uuidSchema()
	}
	return nameOfThing()
}

// gcoreTexts are the lists that official clients ask for.
func gcoreTexts() map[string]operationText {
	texts := map[string]operationText{}
	for _, list := range []struct{ path, name, filter, filterText string }{
		{"/cloud/v1/projects", "Project", "name", "Only the project of this name."},
		{"/cloud/v1/regions", "Region", "display_name", "Only regions of this name, in any letter case."},
	} {
		lower := strings.ToLower(list.name)
		order := enumOf("created_at.asc", "created_at.desc", list.filter+".asc", list.filter+".desc")
		texts[getRoute+list.path] = operationText{tag: "report", id: "listGcore" + list.name + "s", summary: "List " + lower + "s for official clients",
			more: "In the order of the ids unless order_by says otherwise. Other parameters of the contract are ignored.",
			query: append(pageParameters(),
				queryParameter(list.filter, list.filterText, anyText()),
				queryParameter("order_by", "The order.", order)),
			answers: map[int]map[string]any{http.StatusOK: answer("The "+lower+"s that exist for the key.", "Gcore"+list.name+"List")}}
		texts[getRoute+list.path+"/{id}"] = operationText{tag: "report", id: "getGcore" + list.name, summary: "Show a " + lower + " to official clients",
			answers: map[int]map[string]any{http.StatusOK: answer("The "+lower+".", "Gcore"+list.name)}}
	}
	return texts
}

// managedTexts are the five operations on what administrators manage. Name is
// that of its schemas.
func managedTexts(path, noun, name, creation string) map[string]operationText {
	created := name
	if name == "Key" {
		created = "NewKey"
	}
	ends := "Delete"
	if name == "Key" {
		ends = "Revoke"
	}
	gone := map[string]any{"description": "Done.", "headers": headerRefs()}
	text := func(verb string, t operationText) operationText {
		t.tag, t.id, t.summary = "administration", strings.ToLower(verb)+name, verb+" a "+noun
		return t
	}
	list := text("List", operationText{query: pageParameters(),
		answers: map[int]map[string]any{http.StatusOK: answer("The "+noun+"s that exist for the key.", name+"List")}})
	list.id, list.summary = list.id+"s", "List the "+noun+"s"
	return map[string]operationText{
		getRoute + path: list,
		postRoute + path: text("Create", operationText{body: content(name + "Creation"), more: creation, conflicts: name != "Key",
			answers: map[int]map[string]any{http.StatusCreated: answer("It was created.", created)}}),
		getRoute + path + "/{id}": text("Get", operationText{
			answers: map[int]map[string]any{http.StatusOK: answer("The "+noun+".", name)}}),
		patchRoute + path + "/{id}": text("Update", operationText{body: content(name + "Change"), more: "What is left out stays as it is.", conflicts: name == "Key",
			answers: map[int]map[string]any{http.StatusOK: answer("As it is now.", name)}}),
		deleteRoute + path + "/{id}": text(ends, operationText{conflicts: true, more: goneText(name),
			answers: map[int]map[string]any{http.StatusNoContent: gone}}),
	}
}

func goneText(name string) string {
	switch name {
	case "Key":
		return "From the answer on no request with it is accepted. Its record stays."
	case "Client":
		return "Not while it has projects or keys."
	}
	return "Not while observations name it: what was metered stays."
}

// operationalTexts are the routes that need no key.
func operationalTexts() map[string]operationText {
	status := func(description string, members ...string) map[string]any {
		properties := map[string]schema{}
		for _, m := range members {
			properties[m] = anyText()
		}
		return map[string]any{"description": description, "headers": headerRefs(),
			"content": map[string]any{jsonMedia: map[string]any{"schema": answerSchema(properties)}}}
	}
	unavailable := map[string]any{"$ref": "#/components/responses/" + failureName(http.StatusServiceUnavailable)}
	document := map[string]any{jsonMedia: map[string]any{"schema": schema{"type": "object"}}}
	metrics := map[string]any{"text/plain": map[string]any{"schema": anyText()}}
	return map[string]operationText{
		getRoute + healthPath: {tag: "operations", id: "getHealth", summary: "Is the process alive?",
			answers: map[int]map[string]any{http.StatusOK: status("It is.", "status", "version")}},
		getRoute + readyPath: {tag: "operations", id: "getReadiness", summary: "Are requests answered?",
			answers: map[int]map[string]any{http.StatusOK: status("They are.", "status"), http.StatusServiceUnavailable: unavailable}},
		getRoute + metricsPath: {tag: "operations", id: "getMetrics", summary: "Metrics for Prometheus",
			answers: map[int]map[string]any{http.StatusOK: {"description": "In the text format.", "headers": headerRefs(), "content": metrics}}},
		getRoute + openAPIPath: {tag: "operations", id: "getOpenAPI", summary: "This document",
			answers: map[int]map[string]any{http.StatusOK: {"description": "OpenAPI 3.1.", "headers": headerRefs(), "content": document}}},
	}
}
