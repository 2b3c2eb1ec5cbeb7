package httpapi

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// schema is a JSON Schema (2020-12), as OpenAPI 3.1 uses it. Its members are
// written in the order of their names, so that the document is always the same.
type schema map[string]any

// with returns a copy with one more keyword.
func (s schema) with(keyword string, value any) schema {
	s = maps.Clone(s)
	s[keyword] = value
	return s
}

// describe returns a copy with a description.
func (s schema) describe(text string) schema { return s.with("description", text) }

// orNull returns a copy that also allows null.
func (s schema) orNull() schema {
	if enum, ok := s["enum"].([]string); ok {
		s = s.with("enum", append(anyValues(enum), nil))
	}
	if name, ok := s["type"].(string); ok {
		return s.with("type", []string{name, "null"})
	}
	return schema{"anyOf": []schema{s, {"type": "null"}}}
}

// Parts of patterns. What they cannot tell, such as the days of a month, the
// server judges.
const (
	noControls = `^[^\x00-\x1f\x7f-\x9f]*$`

	yearPattern  = `([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)` // 0001 to 9999
	dayPattern   = `-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])`
	clockPattern = `[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?`
	zonePattern  = `([Zz]|[-+]([01][0-9]|2[0-3]):[0-5][0-9])`
)

func anyText() schema { return schema{"type": "string"} }

// boundedText is a text of 1 to most characters.
func boundedText(most int) schema { return schema{"type": "string", "minLength": 1, "maxLength": most} }

// plainText is a text of 1 to most characters that has no control characters.
func plainText(most int) schema { return boundedText(most).with("pattern", noControls) }

func enumOf(values ...string) schema { return schema{"type": "string", "enum": values} }

func constText(value string) schema { return schema{"type": "string", "const": value} }

// integerFromTo is a whole number from least to most, both included.
func integerFromTo(least, most int64) schema {
	return schema{"type": "integer", "minimum": least, "maximum": most}
}

func listSchema(items schema) schema { return schema{"type": "array", "items": items} }

func uuidSchema() schema {
	return schema{"type": "string", "format": "uuid", "pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"}
}

// printedUUIDSchema is a UUID as answers hold it, in lower case.
func printedUUIDSchema() schema {
	return schema{"type": "string", "format": "uuid", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}
}

// printedTimeSchema is an instant of a report line, in UTC, cut to whole seconds.
func printedTimeSchema() schema {
	return schema{"type": "string", "format": "date-time", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]Z$"}
}

func projectIDSchema() schema { return integerFromTo(1, metering.MaxProjectID) }
func regionIDSchema() schema  { return integerFromTo(1, metering.MaxRegionID) }

// integerSchema is what may stand where an id that does not exist is no error.
func integerSchema() schema {
	return integerFromTo(math.MinInt64, math.MaxInt64).with("format", "int64")
}

// objectSchema has these members and no others.
func objectSchema(properties map[string]schema, required ...string) schema {
	slices.Sort(required)
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// answerSchema has exactly these members, none more, none less.
func answerSchema(properties map[string]schema) schema {
	return objectSchema(properties, slices.Collect(maps.Keys(properties))...)
}

// schemaRef refers to one of the document's named schemas.
func schemaRef(name string) schema { return schema{"$ref": "#/components/schemas/" + name} }

// unionSchema is one of several named schemas, told apart by the value of a property.
// mapping is from that value to the schema's name.
func unionSchema(property string, mapping map[string]string) schema {
	refs, variants := map[string]string{}, []schema{}
	for _, value := range sortedKeys(mapping) {
		variants = append(variants, schemaRef(mapping[value]))
		refs[value] = "#/components/schemas/" + mapping[value]
	}
	return schema{
		"oneOf":         variants,
		"discriminator": map[string]any{"propertyName": property, "mapping": refs},
	}
}

// camelCase turns load_balancer into LoadBalancer.
func camelCase(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func anyValues(texts []string) []any {
	values := make([]any, len(texts))
	for i, t := range texts {
		values[i] = t
	}
	return values
}

// schemaOf derives the schema of the JSON that a Go type is written as: members
// that may be left out (omitempty, omitzero) are not required, pointers may be
// null, and named types have the schema that known gives them.
func schemaOf(t reflect.Type, known map[reflect.Type]schema) schema {
	if s, ok := known[t]; ok {
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), known).orNull()
	case reflect.String:
		return anyText()
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return integerSchema()
	case reflect.Slice:
		return listSchema(schemaOf(t.Elem(), known))
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": schemaOf(t.Elem(), known)}
	case reflect.Struct:
		return structSchema(t, known)
	}
	metering.Bug("no schema for Go type %s", t)
	return nil
}

func structSchema(t reflect.Type, known map[reflect.Type]schema) schema {
	properties, required := map[string]schema{}, []string{}
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "-" || field.Anonymous || !field.IsExported() {
			continue
		}
		if name == "" {
			name = field.Name
		}
		properties[name] = schemaOf(field.Type, known)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	return objectSchema(properties, required...)
}
