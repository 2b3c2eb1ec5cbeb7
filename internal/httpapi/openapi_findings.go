package httpapi

import (
	"fmt"
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
				queryParameter("kind", "Only findings of this kind. When it is not given, all but silent_resources, which depend on silent_days.", findingKindSchema()),
				queryParameter("silent_days", "After so many days without news a resource is silent.", integerFromTo(1, MaxSilentDays).with("default", DefaultSilentDays)),
				queryParameter("limit", "The greatest number of results.", integerFromTo(1, MaxPageSize).with("default", DefaultPageSize))),
			answers: map[int]map[string]any{http.StatusOK: answer("The first findings, and how many there are.", "FindingList")}},
	}
}

func findingKindSchema() schema {
	var kinds []string
	for _, k := range report.FindingKinds() {
		kinds = append(kinds, k.String())
	}
	return enumOf(kinds...)
}

func findingsSchemas() map[string]schema {
	known := wireTypes()
	known[reflect.TypeFor[jsontext.Value]()] = schema{"type": "number", "minimum": 0}
	finding := schemaOf(reflect.TypeFor[findingBody](), known)
	members := finding["properties"].(map[string]schema)
	members["kind"] = findingKindSchema().describe("id_in_two_projects: resources of one type and id count in two or more projects at once, and each is counted. " +
		"overlapping_windows: two windows of one meter of a resource overlap without being equal, and are added up. " +
		fmt.Sprintf("id_reused: an id of a source was sent again with other content in the period, and refused; what was stored first counts. Of each client's keys the %d that came up last are remembered. ", report.MaxReusedIDs) +
		"silent_resources: a resource counts in the last minute of the period (or before now), and nothing was heard of it since silent_days before then, not even a state that changes nothing; " +
		"or a counted one has quantities in the period, and none whose window ends since then.")
	members["type"] = enumOf(typeNames()...)
	members["resource_id"] = printedUUIDSchema()
	members["resources"] = members["resources"].with("minItems", 1).describe("Those that take part, in the order of project and region.")
	members["from"] = members["from"].describe("From here on it happens. Of id_reused: when it was refused first. Of silent_resources: when it was last heard of, the start of the first minute that its last state can count, or the end of its last window.")
	members["to"] = members["to"].describe("Until before here. Of id_reused: when it was refused last. Of silent_resources: the end of the period, or now.")
	members["source"] = members["source"].describe("Of the id that was reused.")
	members["id"] = members["id"].describe("The id that was reused.")
	members["times"] = integerFromTo(1, math.MaxInt64).orNull().describe("How often the id was refused.")
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
