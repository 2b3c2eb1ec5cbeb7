package httpapi

import (
	"fmt"
	"net/http"
	"reflect"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// maintenanceTexts describe the operations on the store as a whole.
func maintenanceTexts() map[string]operationText {
	lines := func(of string) schema {
		return schema{"type": "string", "description": "Each line as the schema " + of + " says; the last one has the result."}
	}
	stream := func(description, media string, s schema) map[int]map[string]any {
		return map[int]map[string]any{http.StatusOK: {"description": description, "headers": headerRefs(),
			"content": map[string]any{media: map[string]any{"schema": s}}}}
	}
	const whole = "The key must stand above all clients and not be narrowed. One goes on at a time. "
	return map[string]operationText{
		postRoute + verifyPath: {tag: "administration", id: "verifyStore", summary: "Verify the store", conflicts: true,
			more: whole + "Computes everything anew from the observations of one moment and compares it with what is stored and what reports show. " +
				"Reports and events go on. It ends when the client goes away.",
			answers: stream("How far it is, and what differs.", ndjsonMedia, lines("VerificationLine"))},
		postRoute + backupPath: {tag: "administration", id: "backUpStore", summary: "Back up the store", conflicts: true,
			more: whole + "The copy holds everything that was acknowledged before the request; reports and events go on. " +
				"An answer that breaks off has no valid end.",
			answers: stream("A tar archive compressed with zstd, for meterbook restore.", backupMedia, schema{"contentMediaType": backupMedia})},
		postRoute + retainPath: {tag: "administration", id: "retainStore", summary: "Drop the observations of closed months", conflicts: true, body: content("Retention"),
			more: whole + "Closes all months before one, for ever: events that would change them are refused as period_closed from then on, and the observations that led to their usage are dropped. " +
				"The usage stays, and no report changes. Reports and events go on. It ends when the client goes away; the months are closed all the same, and the next request for that month goes on.",
			answers: stream("How far it is, and what was dropped.", ndjsonMedia, lines("RetentionLine"))},
	}
}

func maintenanceSchemas() map[string]schema {
	known := map[reflect.Type]schema{reflect.TypeFor[metering.Month](): monthSchema()}
	verification := notNegative(schemaOf(reflect.TypeFor[verificationBody](), known))
	verification["properties"].(map[string]schema)["differences"]["maxItems"] = report.MaxListedDifferences
	describeMembers(verification, map[string]string{
		"differences":   fmt.Sprintf("The first %d; differences_total counts all.", report.MaxListedDifferences),
		"closed_before": "The first month that is open; null: none was ever closed.",
		"dropped":       "Observations of closed months that are gone.",
	})
	retention := notNegative(schemaOf(reflect.TypeFor[retentionBody](), known))
	describeMembers(retention, map[string]string{
		"observations":   "That were dropped, or would be.",
		"bytes":          "Of their keys and values, before compression.",
		"resources":      "Of which some were dropped; of counted types, their months.",
		"kept":           "Observations of closed months that stay, since they bear on open ones.",
		"already_closed": "The months were closed already, and nothing was left to be dropped.",
	})
	asked := objectSchema(map[string]schema{
		"before":  monthSchema().describe("The first month that stays open; one that has begun, and not before one that is closed already."),
		"dry_run": {"type": "boolean", "default": false, "description": "true: only tell what would be dropped."},
	}, "before").with("examples", []any{map[string]any{"before": "2024-06", "dry_run": true}})
	return map[string]schema{
		"VerificationLine": streamedLine(reflect.TypeFor[verificationLine](), verification),
		"RetentionLine":    streamedLine(reflect.TypeFor[retentionLine](), retention),
		"Retention":        asked,
	}
}

// monthSchema is a UTC month from 1970 on.
func monthSchema() schema {
	return schema{"type": "string", "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])$"}
}

// streamedLine is a line that has progress or a result.
func streamedLine(of reflect.Type, result schema) schema {
	progress := notNegative(schemaOf(reflect.TypeFor[progressBody](), nil))
	describeMembers(progress, map[string]string{
		"stage": "What is being done, for people.", "total": "Of the same unit as done; may be an estimate.",
	})
	line := schemaOf(of, map[reflect.Type]schema{reflect.TypeFor[metering.Month](): anyText()})
	members := line["properties"].(map[string]schema)
	members["progress"], members["result"] = progress, result
	line["oneOf"] = []schema{{"required": []string{"progress"}}, {"required": []string{"result"}}}
	return line
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
