package httpapi

import (
	"math"
	"net/http"
	"reflect"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/report"
)

// findingsTexts describe what tells the operator of mistakes.
func findingsTexts() map[string]operationText {
	return map[string]operationText{
		getRoute + findingsPath: {tag: "administration", id: "listFindings", summary: "List what smells of wrong bills",
			more: "What is counted as it was told, but looks like a mistake of whoever told it. From one consistent snapshot, within what exists for the key: " +
				"an id in two projects is shown to keys that see two of them.",
			query: append(periodParameters(),
				queryParameter("limit", "The greatest number of results.", integerFromTo(1, MaxPageSize).with("default", DefaultPageSize))),
			answers: map[int]map[string]any{http.StatusOK: answer("The first findings, and how many there are.", "FindingList")}},
	}
}

func findingsSchemas() map[string]schema {
	known := wireTypes()
	known[reflect.TypeFor[jsontext.Value]()] = schema{"type": "number", "minimum": 0}
	finding := schemaOf(reflect.TypeFor[findingBody](), known)
	members := finding["properties"].(map[string]schema)
	var kinds []string
	for _, k := range report.FindingKinds() {
		kinds = append(kinds, k.String())
	}
	members["kind"] = enumOf(kinds...).describe("id_in_two_projects: resources of one type and id count in two or more projects at once, and each is counted. " +
		"overlapping_windows: two windows of one meter of a resource overlap without being equal, and are added up.")
	members["type"] = enumOf(typeNames()...)
	members["resource_id"] = printedUUIDSchema()
	members["resources"] = members["resources"].with("minItems", 1).describe("Those that take part, in the order of project and region.")
	members["from"] = members["from"].describe("From here on it happens.")
	members["to"] = members["to"].describe("Until before here.")
	members["minutes"] = integerFromTo(1, math.MaxInt64).orNull().describe("Of an id in two projects: the minutes from from to to that two or more count; of counted types whole days count.")
	members["billing_metric_name"] = members["billing_metric_name"].describe("Of windows.")
	members["billing_value_unit"] = members["billing_value_unit"].describe("Of windows.")
	members["observations"] = members["observations"].describe("The two windows, by from and to.")
	return map[string]schema{
		"Finding": finding,
		"FindingList": answerSchema(map[string]schema{
			"count":   integerFromTo(0, math.MaxInt64).describe("All findings, whatever the limit."),
			"results": listSchema(schemaRef("Finding")).with("maxItems", MaxPageSize),
		}),
	}
}
