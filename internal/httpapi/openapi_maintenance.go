package httpapi

import (
	"fmt"
	"net/http"
	"reflect"

	"github.com/meterbook/meterbook/internal/report"
)

// maintenanceTexts describe the operations on the store as a whole.
func maintenanceTexts() map[string]operationText {
	lines := schema{"type": "string", "description": "Each line as the schema VerificationLine says; the last one has the result."}
	stream := func(description, media string, s schema) map[int]map[string]any {
		return map[int]map[string]any{http.StatusOK: {"description": description, "headers": headerRefs(),
			"content": map[string]any{media: map[string]any{"schema": s}}}}
	}
	const whole = "The key must stand above all clients and not be narrowed. One goes on at a time. "
	return map[string]operationText{
		postRoute + verifyPath: {tag: "administration", id: "verifyStore", summary: "Verify the store", conflicts: true,
			more: whole + "Computes everything anew from the observations of one moment and compares it with what is stored and what reports show. " +
				"Reports and events go on. It ends when the client goes away.",
			answers: stream("How far it is, and what differs.", ndjsonMedia, lines)},
		postRoute + backupPath: {tag: "administration", id: "backUpStore", summary: "Back up the store", conflicts: true,
			more: whole + "The copy holds everything that was acknowledged before the request; reports and events go on. " +
				"An answer that breaks off has no valid end.",
			answers: stream("A tar archive compressed with zstd, for meterbook restore.", backupMedia, schema{"contentMediaType": backupMedia})},
	}
}

func maintenanceSchemas() map[string]schema {
	line := schemaOf(reflect.TypeFor[verificationLine](), nil)
	members := line["properties"].(map[string]schema)
	members["progress"] = notNegative(schemaOf(reflect.TypeFor[progressBody](), nil))
	members["progress"]["properties"].(map[string]schema)["stage"]["description"] = "What is being done, for people."
	members["progress"]["properties"].(map[string]schema)["total"]["description"] = "Of the same unit as done; may be an estimate."
	members["result"] = notNegative(schemaOf(reflect.TypeFor[verificationBody](), nil))
	result := members["result"]["properties"].(map[string]schema)
	result["differences"]["maxItems"] = report.MaxListedDifferences
	result["differences"]["description"] = fmt.Sprintf("The first %d; differences_total counts all.", report.MaxListedDifferences)
	line["oneOf"] = []schema{{"required": []string{"progress"}}, {"required": []string{"result"}}}
	return map[string]schema{"VerificationLine": line}
}

// notNegative says so of all integers among the members.
func notNegative(s schema) schema {
	for _, member := range s["properties"].(map[string]schema) {
		if member["type"] == "integer" {
			member["minimum"] = 0
		}
	}
	return s
}
