package httpapi

import (
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// reportSchemas are the schemas of the usage report. Those of lines, totals and
// schema filters follow from the catalog of resource types.
func reportSchemas() map[string]schema {
	schemas := map[string]schema{
		"UsageReportRequest": requestSchema(),
		"SchemaFilter":       unionSchema("type", typeVariants("Filter", everyType)).describe("Restricts the whole report, totals too, to the lines of one type whose field equals any of the values. UUIDs compare in any letter case; last_size compares as a number."),
		"TagsFilter":         tagsFilterSchema(),
		"UsageReport":        usageReportSchema(),
		"UsageLine":          unionSchema("type", typeVariants("Line", everyType)).describe("One billing metric of one resource in the period. Exactly the members of its type; what has no value is null."),
		"UsageTotal":         unionSchema("type", typeVariants("Total", metering.ResourceType.HasTotals)).describe("The sum of all matching lines of one region and billing metric, across projects."),
		"Tags":               tagsSchema(),
	}
	for _, t := range metering.ResourceTypes() {
		name := camelCase(t.String())
		schemas[name+"Line"] = lineSchema(t)
		schemas[name+"Filter"] = filterSchema(t)
		if t.HasTotals() {
			schemas[name+"Total"] = totalSchema(t)
		}
	}
	return schemas
}

func everyType(metering.ResourceType) bool { return true }

// typeVariants maps the names of the types that are in to the names of their
// schemas.
func typeVariants(suffix string, in func(metering.ResourceType) bool) map[string]string {
	names := map[string]string{}
	for _, t := range metering.ResourceTypes() {
		if in(t) {
			names[t.String()] = camelCase(t.String()) + suffix
		}
	}
	return names
}

func usageReportSchema() schema {
	return answerSchema(map[string]schema{
		"count":     integerFromTo(0, math.MaxInt64).describe("The number of all matching lines, whatever the page."),
		"resources": listSchema(schemaRef("UsageLine")).describe("The page of lines."),
		"totals":    listSchema(schemaRef("UsageTotal")).describe("One for each type, region, billing metric, total dimension and unit of all matching lines, in that order. There is none for backup."),
	})
}

// lineSchema has exactly the members that the type's lines print.
func lineSchema(t metering.ResourceType) schema {
	properties := map[string]schema{}
	for _, name := range t.LineFields() {
		properties[name] = lineMember(t, name)
	}
	return answerSchema(properties).
		describe(fmt.Sprintf("A line of %s: %s", t, measureText(t))).
		with("examples", []any{lineExample(t)})
}

func totalSchema(t metering.ResourceType) schema {
	properties := map[string]schema{}
	for _, name := range t.TotalFields() {
		properties[name] = lineMember(t, name)
	}
	return answerSchema(properties).describe(fmt.Sprintf("A total of %s: %s", t, measureText(t)))
}

func measureText(t metering.ResourceType) string {
	switch t.Measure() {
	case metering.Present:
		return "minutes in which the resource was there, times its count."
	case metering.Sized:
		return "size over minutes, in decimal gigabytes times minutes, exactly."
	}
	return "the sum of the quantities that the source told."
}

// lineMember is the schema of one member of a line or total.
func lineMember(t metering.ResourceType, name string) schema {
	switch name {
	case "type":
		return constText(t.String())
	case "billing_metric_name":
		return metricName(t)
	case "billing_value":
		return schema{"type": "number", "minimum": 0, "description": "An exact decimal: no exponent, no trailing zeros, no rounding."}
	case "billing_value_unit":
		return unitSchema(t)
	case "project_id":
		return projectIDSchema()
	case "region", "region_id":
		return regionIDSchema().describe("The region's id; region and region_id are the same number.")
	case "first_seen":
		return printedTimeSchema().describe("The first counted instant of the line within the period, UTC, cut to whole seconds.")
	case "last_seen":
		return printedTimeSchema().describe("The last counted instant of the line within the period, UTC, cut to whole seconds.")
	case "last_size":
		return integerFromTo(0, metering.MaxSizeBytes).describe(fmt.Sprintf("The size at last_seen in %s, rounded up to a whole unit.", t.SizeUnit()))
	case "size_unit":
		return constText(string(t.SizeUnit()))
	case "tags":
		return schema{"anyOf": []schema{schemaRef("Tags"), {"type": "null"}}}
	case t.IDField():
		return printedUUIDSchema().describe("The resource's id.")
	}
	return attributeMember(t, name)
}

// attributeMember is null where the source did not give the attribute, also
// where the published contract of the report promises a string.
func attributeMember(t metering.ResourceType, name string) schema {
	for _, a := range t.Attributes() {
		if a.LineField() != name {
			continue
		}
		s := printedText(a.Form())
		if !t.Requires(a) {
			s = s.orNull().describe("As in effect at last_seen; null when the source did not give it.")
		}
		return s
	}
	metering.Bug("line member %s of %s has no schema", name, t)
	return nil
}

func printedText(f metering.AttributeForm) schema {
	switch f {
	case metering.FormUUID:
		return printedUUIDSchema()
	case metering.FormIP:
		return schema{"type": "string", "anyOf": []schema{{"format": "ipv4"}, {"format": "ipv6"}}}
	case metering.FormInstanceType:
		return enumOf(metering.InstanceTypes()...)
	}
	return plainText(metering.MaxTextLength)
}

func metricName(t metering.ResourceType) schema {
	if t.MetricTemplate() == "" {
		return plainText(metering.MaxTextLength).describe("As the source named it.")
	}
	// A dimension of the greatest length makes a name longer than a text.
	return anyText().describe("As the source named it, else "+t.MetricTemplate()+".").with("minLength", 1)
}

func unitSchema(t metering.ResourceType) schema {
	if t.MetricTemplate() == "" {
		return plainText(metering.MaxTextLength).describe("As the source gave it, else "+t.Unit()+".").with("default", t.Unit())
	}
	return constText(t.Unit())
}

func tagsSchema() schema {
	pair := schema{
		"type": "object", "minProperties": 1, "maxProperties": 1,
		"propertyNames":        schema{"minLength": 1, "maxLength": metering.MaxTagKeyLength},
		"additionalProperties": schema{"type": "string", "maxLength": metering.MaxTagValueLength},
	}
	return listSchema(pair).with("minItems", 1).with("maxItems", metering.MaxTags).
		describe("One pair an object, sorted by the keys' bytes.").
		with("examples", []any{[]any{map[string]any{"os_distro": "ubuntu"}, map[string]any{"os_version": "22.04"}}})
}

func filterSchema(t metering.ResourceType) schema {
	return objectSchema(map[string]schema{
		"type":   constText(t.String()),
		"field":  enumOf(t.FilterFields()...),
		"values": listSchema(anyText()).with("minItems", 1),
	}, "type", "field", "values").
		with("examples", []any{map[string]any{"type": t.String(), "field": t.FilterFields()[0], "values": []string{"one", "another"}}})
}

func tagsFilterSchema() schema {
	key := boundedText(report.MaxConditionKeyChars).describe("The tag's key, compared exactly. Without a value: any value of that tag.")
	value := boundedText(report.MaxConditionValueChars).describe("The tag's value. Without a key: that value under any tag.")
	strict := schema{"type": "boolean", "default": true, "description": "true: the value matches exactly; false: the wanted value is contained in it, ignoring case."}
	condition := objectSchema(map[string]schema{"key": key, "value": value, "strict": strict}).
		with("anyOf", []schema{{"required": []string{"key"}}, {"required": []string{"value"}}}).
		describe("Met by one single tag of the line; key, value or both are given.")
	return objectSchema(map[string]schema{
		"conditions":     listSchema(condition).with("minItems", 1).with("maxItems", report.MaxTagConditions),
		"condition_type": enumOf("OR", "AND").with("default", "OR"),
	}, "conditions").describe("Selects lines by their tags as printed. Types without tags never match.")
}

func requestSchema() schema {
	sorting := map[string]schema{}
	var terms []string
	for _, field := range []string{"billing_value", "first_seen", "last_name", "last_seen", "project", "region", "type"} {
		sorting[field] = enumOf("asc", "desc")
		terms = append(terms, field+".asc", field+".desc")
	}
	const empty = " An empty list means: not given."
	properties := map[string]schema{
		"time_from":       requestTimeSchema("The report starts at the beginning of this instant's UTC day."),
		"time_to":         requestTimeSchema("The report ends just before the beginning of this instant's UTC day, which must not be before that of time_from."),
		"enable_last_day": {"type": "boolean", "default": false, "description": "true: the UTC day of time_to is included."},
		"limit":           integerFromTo(1, math.MaxInt64).with("default", report.DefaultLimit).describe("The greatest number of lines in resources. There is no maximum: large pages are streamed."),
		"offset":          integerFromTo(0, math.MaxInt64).with("default", report.DefaultOffset).describe("The number of lines to skip."),
		"projects":        listSchema(integerSchema()).orNull().describe("Only these projects. One that the key cannot see contributes no lines and is no error." + empty),
		"regions":         listSchema(integerSchema()).describe("Only these regions." + empty),
		"types":           listSchema(enumOf(typeNames()...)).describe("Only these resource types, case-sensitive." + empty),
		"schema_filter":   schemaRef("SchemaFilter"),
		"tags":            schemaRef("TagsFilter"),
		"order_by":        listSchema(enumOf(terms...)).with("default", []string{"project.asc"}).describe("Ties are broken by project, region, type, resource id, metric, total dimension and unit, always ascending. Lines without a name come last in both directions. A field named twice: the first counts." + empty),
		"sorting":         listSchema(objectSchema(sorting)).with("deprecated", true).describe("Use order_by, which wins over it. One object may hold several fields, in the order written." + empty),
	}
	return objectSchema(properties, "time_from", "time_to").
		describe("Unknown and duplicate members at any depth are errors. Integers are written as such: 10, not 10.0.").
		with("examples", []any{requestExample()})
}

func typeNames() []string {
	var names []string
	for _, t := range metering.ResourceTypes() {
		names = append(names, t.String())
	}
	return names
}

func requestTimeSchema(description string) schema {
	return schema{
		"type":        "string",
		"pattern":     "^" + yearPattern + dayPattern + "(" + clockPattern + zonePattern + "?)?$",
		"description": description + " RFC 3339 with Z or an offset; without a zone it is read as UTC; a bare date is its first instant. Years 0001 to 9999.",
		"examples":    []string{"2024-07-01T00:00:00Z", "2024-07-01T02:00:00+02:00", "2024-07-01"},
	}
}

func requestExample() map[string]any {
	return map[string]any{
		"time_from": "2024-07-01T00:00:00Z", "time_to": "2024-08-01T00:00:00Z", "limit": 100,
		"types": []string{"instance", "volume"}, "order_by": []string{"billing_value.desc"},
		"tags": map[string]any{"conditions": []any{map[string]any{"key": "os_distro", "value": "ubuntu"}}},
	}
}

// lineExample is a line of the type as the server prints it.
func lineExample(t metering.ResourceType) jsontext.Value {
	return jsontext.Value(report.AppendLine(nil, exampleLine(t)))
}

func exampleLine(t metering.ResourceType) *report.Line {
	const id = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
	resource, _ := metering.ParseUUID(id)
	a := &metering.Attributes{}
	for _, attribute := range t.Attributes() {
		switch attribute.Form() {
		case metering.FormUUID:
			a.Texts[attribute] = "5b0dc3cc-0d44-4b50-8888-8dd25736052a"
		case metering.FormIP:
			a.Texts[attribute] = "192.0.2.7"
		case metering.FormInstanceType:
			a.Texts[attribute] = metering.InstanceTypes()[0]
		default:
			a.Texts[attribute] = "example-" + strings.ReplaceAll(attribute.String(), "_", "-")
		}
	}
	if t.HasTags() {
		a.Tags = metering.Tags{{Key: "os_distro", Value: "ubuntu"}}
	}
	metric := ""
	if t.MetricTemplate() == "" {
		metric = "inference_gpu_h"
	}
	day := metering.DayOf(2024, 7, 1)
	return &report.Line{
		Resource:   metering.ResourceKey{Project: 10, Region: 76, Type: t, ID: resource},
		Meter:      t.Meter(metric, "", a),
		Value:      exampleValue(t),
		First:      day.FirstMinute().Sample(),
		Last:       (day.FirstMinute() + exampleMinutes - 1).Sample(),
		SizeBytes:  exampleBytes,
		Attributes: a,
	}
}

const (
	exampleMinutes = 1440
	exampleBytes   = 100 << 30
)

func exampleValue(t metering.ResourceType) metering.Amount {
	switch t.Measure() {
	case metering.Present:
		return metering.AmountOf(exampleMinutes)
	case metering.Sized:
		return metering.Product(exampleMinutes, exampleBytes)
	}
	return metering.Product(7340032, 1e6)
}
