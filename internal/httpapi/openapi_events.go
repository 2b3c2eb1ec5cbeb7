package httpapi

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
)

// eventTypes maps the CloudEvents types that are taken in to their schemas.
func eventTypes() map[string]string {
	return map[string]string{
		"meterbook.resource.state.v1":    "StateEvent",
		"meterbook.resource.quantity.v1": "QuantityEvent",
		"meterbook.retraction.v1":        "RetractionEvent",
	}
}

// eventSchemas are the schemas of what POST /v1/events takes and answers. Those
// of the data follow from the catalog of resource types.
func eventSchemas() map[string]schema {
	isCounted := func(t metering.ResourceType) bool { return t.Measure() == metering.Counted }
	isState := func(t metering.ResourceType) bool { return !isCounted(t) }
	schemas := map[string]schema{
		"Event":          unionSchema("type", eventTypes()).describe("One observation as a CloudEvent 1.0. (project_id, source, id) names it, for ever: the same name with the same content is a duplicate, with other content it is refused."),
		"StateData":      unionSchema("resource_type", typeVariants("State", isState)),
		"QuantityData":   unionSchema("resource_type", typeVariants("Quantity", isCounted)),
		"RetractionData": retractionDataSchema(),
		"Receipt":        receiptSchema(),
	}
	for _, t := range metering.ResourceTypes() {
		name := camelCase(t.String())
		if isCounted(t) {
			schemas[name+"Quantity"] = quantityDataSchema(t)
		} else {
			schemas[name+"State"] = stateDataSchema(t)
		}
	}
	for eventType, name := range eventTypes() {
		schemas[name] = envelopeSchema(eventType, strings.TrimSuffix(name, "Event")+"Data").with("examples", []any{eventExample(eventType)})
	}
	schemas["StateEvent"] = schemas["StateEvent"].describe("From this instant on the resource is like this. A state is complete: what it does not carry is absent from then on.")
	schemas["QuantityEvent"] = schemas["QuantityEvent"].describe("In [from, to) the resource consumed this much. Of several with the same resource, meter, from and to the one with the latest time counts.")
	schemas["RetractionEvent"] = schemas["RetractionEvent"].describe("Treat the named observation of this project as never made. It may arrive before what it retracts.")
	return schemas
}

// instantSchema is an instant that somebody tells: with Z or an offset.
func instantSchema() schema { return instantOf(yearPattern) }

// eventTimeSchema is an instant of an event: from 2000 on.
func eventTimeSchema() schema { return instantOf("[2-9][0-9]{3}") }

func instantOf(years string) schema {
	return schema{"type": "string", "format": "date-time", "pattern": "^" + years + dayPattern + clockPattern + zonePattern + "$"}
}

// sourceText is a URI-reference, of which only what would be sure to go wrong is
// refused.
func sourceText() schema {
	return boundedText(metering.MaxSourceBytes).with("pattern", `^[^\x00-\x20\x7f-\x9f]*$`)
}

// envelopeSchema allows further members: extension attributes are ignored.
func envelopeSchema(eventType, data string) schema {
	return schema{
		"type":     "object",
		"required": []string{"data", "id", "source", "specversion", "time", "type"},
		"properties": map[string]schema{
			"specversion":     constText("1.0"),
			"type":            constText(eventType),
			"source":          sourceText().describe(fmt.Sprintf("Who tells, up to %d bytes.", metering.MaxSourceBytes)),
			"id":              plainText(metering.MaxIDBytes).describe(fmt.Sprintf("The event's id in its source, up to %d bytes.", metering.MaxIDBytes)),
			"time":            eventTimeSchema(),
			"sequence":        schema{"type": []string{"string", "null"}, "pattern": "^[0-9]*$", "description": "A decimal integer from 0 to 2^63-1 that orders states of one instant; 0 when absent."},
			"datacontenttype": schema{"type": []string{"string", "null"}, "pattern": `^((application|text)/(json|[0-9a-z]+\+json))?$`, "description": "JSON, which it also is when absent."},
			"data":            schemaRef(data),
		},
	}
}

// givenOrAbsent allows what counts as not given: null, and for texts "".
func givenOrAbsent(s schema) schema {
	delete(s, "minLength")
	if pattern, ok := s["pattern"].(string); ok {
		s["pattern"] = "^$|" + pattern
	}
	if values, ok := s["enum"].([]string); ok {
		s["enum"] = append(values, "")
	}
	if s["anyOf"] != nil {
		s["anyOf"] = append(s["anyOf"].([]schema), schema{"maxLength": 0})
	}
	return s.orNull()
}

// attributeText is an attribute as a source gives it.
func attributeText(f metering.AttributeForm) schema {
	if f == metering.FormUUID {
		return uuidSchema()
	}
	return printedText(f)
}

// resourceMembers are the members that every state and quantity of a type may
// have.
func resourceMembers(t metering.ResourceType) map[string]schema {
	members := map[string]schema{
		"resource_type":       constText(t.String()),
		"resource_id":         uuidSchema().describe("Becomes " + t.IDField() + " of the line; any letter case, kept in lower case."),
		"project_id":          projectIDSchema(),
		"region_id":           regionIDSchema(),
		"billing_metric_name": givenOrAbsent(plainText(metering.MaxTextLength)).describe("Instead of the type's " + t.MetricTemplate() + "."),
	}
	if t.MetricTemplate() == "" {
		members["billing_metric_name"] = plainText(metering.MaxTextLength).describe("Required: the type has no default.")
		members["billing_value_unit"] = givenOrAbsent(plainText(metering.MaxTextLength)).with("default", t.Unit())
	}
	for _, a := range t.Attributes() {
		members[a.String()] = givenOrAbsent(attributeText(a.Form()))
	}
	if t.HasTags() {
		members["tags"] = schema{
			"type": []string{"object", "null"}, "maxProperties": metering.MaxTags,
			"propertyNames":        plainText(metering.MaxTagKeyLength),
			"additionalProperties": schema{"type": "string", "maxLength": metering.MaxTagValueLength, "pattern": noControls},
		}
	}
	return members
}

// requiredAttributes are the members that an active state or a quantity must
// have besides those of every event.
func requiredAttributes(t metering.ResourceType) map[string]schema {
	required := map[string]schema{}
	for _, a := range t.Attributes() {
		if t.Requires(a) {
			required[a.String()] = attributeText(a.Form())
		}
	}
	if t.Measure() == metering.Sized {
		required["size_bytes"] = integerFromTo(0, metering.MaxSizeBytes)
	}
	if t.MetricTemplate() == "" {
		required["billing_metric_name"] = plainText(metering.MaxTextLength)
	}
	return required
}

func stateDataSchema(t metering.ResourceType) schema {
	members := resourceMembers(t)
	members["status"] = enumOf("active", "deleted").describe("deleted: from this instant on it is not there; what else the state carries is ignored.")
	if t.Measure() == metering.Sized {
		members["size_bytes"] = integerFromTo(0, metering.MaxSizeBytes).orNull()
	} else {
		members["count"] = integerFromTo(1, metering.MaxCount).orNull().with("default", 1)
	}
	s := objectSchema(members, "resource_type", "resource_id", "project_id", "region_id", "status")
	if required := requiredAttributes(t); len(required) > 0 {
		s["if"] = schema{"properties": map[string]schema{"status": {"const": "active"}}}
		s["then"] = schema{"properties": required, "required": sortedKeys(required)}
	}
	return s.with("examples", []any{dataExample(t)})
}

func quantityDataSchema(t metering.ResourceType) schema {
	members := resourceMembers(t)
	for name, s := range requiredAttributes(t) {
		members[name] = s
	}
	members["from"] = eventTimeSchema().describe("The window is half-open, at most 24 h long; the quantity belongs to the UTC day of from.")
	members["to"] = eventTimeSchema()
	members["quantity"] = quantitySchema(t)
	required := append(sortedKeys(requiredAttributes(t)), "resource_type", "resource_id", "project_id", "region_id", "from", "to", "quantity")
	return objectSchema(members, required...).with("examples", []any{dataExample(t)})
}

// quantitySchema is an exact decimal in plain notation, as a string, or as a
// number where the sender's JSON library does not round it.
func quantitySchema(t metering.ResourceType) schema {
	pattern := fmt.Sprintf(`^[0-9]{1,%d}(\.[0-9]{1,%d})?$`, metering.MaxQuantityWhole, metering.MaxQuantityPlaces)
	number := schema{"type": "number", "minimum": 0, "exclusiveMaximum": jsontext.Value("1" + strings.Repeat("0", metering.MaxQuantityWhole))}
	s := schema{"description": fmt.Sprintf("Up to %d digits before and %d after the point.", metering.MaxQuantityWhole, metering.MaxQuantityPlaces)}
	if t.Unit() == metering.UnitBytes {
		pattern, number, s["description"] = "^[0-9]{1,19}$", integerFromTo(0, math.MaxInt64), "A whole number up to 2^63-1."
	}
	s["anyOf"] = []schema{{"type": "string", "pattern": pattern}, number}
	return s
}

func retractionDataSchema() schema {
	return objectSchema(map[string]schema{
		"project_id": projectIDSchema(),
		"source":     sourceText().describe("The source of what is retracted."),
		"id":         plainText(metering.MaxIDBytes).describe("The id of what is retracted."),
		"reason":     givenOrAbsent(plainText(metering.MaxTextLength)),
	}, "project_id", "source", "id")
}

// receiptSchema follows from the type that the server answers with.
func receiptSchema() schema {
	var codes []string
	for _, c := range metering.RejectCodes() {
		codes = append(codes, c.String())
	}
	s := schemaOf(reflect.TypeFor[ingest.Receipt](), nil)
	members := s["properties"].(map[string]schema)
	for _, count := range []string{"accepted", "duplicates", "rejected_total"} {
		members[count]["minimum"] = 0
	}
	members["complete"]["description"] = "false: the stream broke off; message says where."
	members["rejected"]["maxItems"] = ingest.MaxListedRejections
	members["rejected"]["description"] = fmt.Sprintf("The first %d; rejected_total counts all.", ingest.MaxListedRejections)
	rejected := members["rejected"]["items"].(schema)["properties"].(map[string]schema)
	rejected["code"] = enumOf(codes...)
	rejected["index"]["minimum"] = 0
	rejected["index"]["description"] = "The place in the batch, or the line in the stream, from 0."
	rejected["field"]["description"] = "The dotted path in the event."
	return s.describe("Given only after the data is on disk.").
		with("examples", []any{ingest.Receipt{Accepted: 997, Duplicates: 2, RejectedTotal: 1, Complete: true, Rejected: []ingest.Rejected{{
			Index: 17, Source: exampleSource, ID: "req-9", Code: metering.InvalidValue.String(), Field: "data.size_bytes",
			Message: "size_bytes must be from 0 to 1152921504606846976, got -1"}}}})
}

const exampleSource = "/openstack/region-76"

// eventExample is an event of the given CloudEvents type. Each has a name of its
// own, so that all three can be sent.
func eventExample(eventType string) map[string]any {
	event := map[string]any{"specversion": "1.0", "type": eventType}
	instance, _ := metering.ResourceTypeNamed("instance")
	egress, _ := metering.ResourceTypeNamed("egress_traffic")
	switch eventTypes()[eventType] {
	case "StateEvent":
		event["source"], event["id"], event["time"] = exampleSource, "req-8f1", "2024-07-01T00:00:05Z"
		event["data"] = dataExample(instance)
	case "QuantityEvent":
		event["source"], event["id"], event["time"] = "/sflow/region-76", "tx-77", "2024-07-01T01:00:10Z"
		event["data"] = dataExample(egress)
	default:
		event["source"], event["id"], event["time"] = "/ops", "r-1", "2024-08-01T09:00:00Z"
		event["data"] = map[string]any{"project_id": 10, "source": "/sflow/region-76", "id": "tx-78", "reason": "double probe"}
	}
	return event
}

// dataExample is the data of an event that gives all that the type takes.
func dataExample(t metering.ResourceType) map[string]any {
	line := exampleLine(t)
	data := map[string]any{
		"resource_type": t.String(), "resource_id": line.Resource.ID.String(),
		"project_id": line.Resource.Project, "region_id": line.Resource.Region,
	}
	switch t.Measure() {
	case metering.Counted:
		data["from"], data["to"] = "2024-07-01T00:00:00Z", "2024-07-01T01:00:00Z"
		data["quantity"] = line.Value.Format(metering.QuantityScale)
	case metering.Sized:
		data["status"], data["size_bytes"] = "active", line.SizeBytes
	case metering.Present:
		data["status"] = "active"
	}
	if t.MetricTemplate() == "" {
		data["billing_metric_name"] = line.Meter.Metric
	}
	for _, a := range t.Attributes() {
		data[a.String()] = line.Attributes.Texts[a]
	}
	if t.HasTags() {
		tags := map[string]any{}
		for _, tag := range line.Attributes.Tags {
			tags[tag.Key] = tag.Value
		}
		data["tags"] = tags
	}
	return data
}
