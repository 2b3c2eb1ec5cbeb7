package httpapi

import (
	"fmt"
	"math"
	"net/http"
	"reflect"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// sourcesTexts describe how it is told who sends.
func sourcesTexts() map[string]operationText {
	seconds := func(standard int) schema { return integerFromTo(1, MaxSilentSeconds).with("default", standard) }
	return map[string]operationText{
		getRoute + sourcesPath: {tag: "administration", id: "listSources", summary: "List the event sources and how they have been sending",
			more: fmt.Sprintf("Of each CloudEvents source whose events came with keys of the key's client; a key above all clients sees all. What was accepted is counted in the same write as the observations, "+
				"so it survives a crash as they do. A key that is narrowed is refused, since the counts are not told apart by project, region or type. "+
				"Hours and days are those of UTC in which events were received, by the server's clock. Of one client %d sources are told apart; what further ones send is counted together.", report.MaxSourcesOfClient),
			query: append(pageParameters(),
				queryParameter("status", "Only sources of this status.", sourceStatusSchema()),
				queryParameter("order", "By client and source, or by the receipt of the last accepted event, the longest ago first.", enumOf("source", "silence").with("default", "source")),
				queryParameter("late_after_seconds", "Without an accepted event for longer than this, a source is late.", seconds(DefaultLateSeconds)),
				queryParameter("silent_after_seconds", "Without an accepted event for longer than this, a source is silent.", seconds(DefaultSilentSeconds))),
			answers: map[int]map[string]any{http.StatusOK: answer("The sources.", "SourceList")}},
	}
}

func sourceStatusSchema() schema { return enumOf(sourceFresh, sourceLate, sourceSilent) }

func sourcesSchemas() map[string]schema {
	counts := schemaOf(reflect.TypeFor[countsBody](), wireTypes())
	for _, m := range []string{"accepted", "duplicates", "rejected"} {
		counts["properties"].(map[string]schema)[m] = integerFromTo(0, math.MaxInt64)
	}
	source := schemaOf(reflect.TypeFor[sourceBody](), wireTypes())
	of := source["properties"].(map[string]schema)
	of["client"] = of["client"].describe("Of the keys that sent; null: keys above all clients.")
	of["source"] = boundedText(metering.MaxSourceBytes + len("…")).orNull().describe("Of the events; null when it could not be read, and for the others.")
	of["others"] = of["others"].describe(fmt.Sprintf("These are all of the client's beyond %d sources together.", report.MaxSourcesOfClient))
	of["status"] = sourceStatusSchema().describe("By the time since the last accepted event: " +
		"fresh, late (late_after_seconds) or silent (silent_after_seconds, or nothing was ever accepted).")
	of["last_heard_at"] = of["last_heard_at"].describe("When the last event came, of whatever fate.")
	of["last_received_at"] = of["last_received_at"].describe("When the last accepted event came.")
	of["last_event_at"] = of["last_event_at"].describe("The latest time of all accepted events.")
	of["lag"] = lagSchema()
	of["present_hour"] = counts.describe("In the present hour of UTC, which is not over.")
	of["last_24_hours"] = counts.describe("In the present hour and the 23 before it.")
	of["hours"] = activitySchema(report.SourceHours, "hour", schema{"type": "string", "format": "date-time"})
	of["days"] = activitySchema(listedDays, "day", schema{"type": "string", "format": "date"})
	of["rejections"] = rejectionsSchema()
	list := schemaOf(reflect.TypeFor[sourceListBody](), wireTypes())
	members := list["properties"].(map[string]schema)
	members["count"] = integerFromTo(0, math.MaxInt64).describe("All sources of the status, whatever the page.")
	members["statuses"] = members["statuses"].describe("How many sources there are of each status, whatever status is asked for.")
	members["now"] = members["now"].describe("The server's clock.")
	members["results"] = listSchema(schemaRef("Source")).with("maxItems", MaxPageSize)
	return map[string]schema{"Source": source, "SourceList": list}
}

func lagSchema() schema {
	lag := schemaOf(reflect.TypeFor[lagBody](), wireTypes())
	members := lag["properties"].(map[string]schema)
	members["last_ms"] = members["last_ms"].describe("Of the accepted event that came last.")
	members["half_within_ms"] = members["half_within_ms"].describe("At least half of them are within this: the least of the bounds 1 s, 10 s, 1 min, 5 min, 15 min, 1 h, 6 h and 1 d; null when it is more than a day.")
	members["most_within_ms"] = members["most_within_ms"].describe(fmt.Sprintf("At least %d %% of them are, likewise.", mostPercent))
	members["greatest_ms"] = members["greatest_ms"].describe("The greatest one.")
	return lag.describe("From an accepted event's time to its receipt, in milliseconds, rounded down; negative when the event's time lies ahead of the server's clock. " +
		"All but last_ms are of the events of last_24_hours, and null when there are none.")
}

func activitySchema(n int, what string, from schema) schema {
	numbers := listSchema(integerFromTo(0, math.MaxInt64)).with("minItems", n).with("maxItems", n)
	return objectSchema(map[string]schema{
		"from": from.describe("The first " + what + "."), "accepted": numbers, "duplicates": numbers, "rejected": numbers,
	}, "from", "accepted", "duplicates", "rejected").describe(fmt.Sprintf("One number for each of %d %ss of UTC; the last one is the present %[2]s, which is not over.", n, what))
}

func rejectionsSchema() schema {
	rejections := schemaOf(reflect.TypeFor[rejectionsBody](), wireTypes())
	members := rejections["properties"].(map[string]schema)
	var codes []string
	for _, c := range metering.RejectCodes() {
		codes = append(codes, c.String())
	}
	members["code"] = enumOf(codes...)
	members["count"] = integerFromTo(1, math.MaxInt64).describe(fmt.Sprintf("In the %d days.", listedDays))
	sample := members["samples"]["items"].(schema)
	texts := sample["properties"].(map[string]schema)
	texts["at"] = texts["at"].describe("When it came.")
	for _, m := range []string{"id", "field", "message"} {
		texts[m] = schema{"type": "string", "maxLength": report.MaxSampleBytes}
	}
	members["samples"] = listSchema(sample).with("maxItems", report.MaxSamplesOfCode).
		describe(fmt.Sprintf("The last ones, latest first, their texts cut at %d bytes. Of a source %d are remembered, whatever their code.", report.MaxSampleBytes, report.MaxRejectionSamples))
	return listSchema(rejections)
}
