package reference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// document is an OpenAPI document as far as it is shown.
type document struct {
	Info struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Summary     string `json:"summary"`
		Description string `json:"description"`
	} `json:"info"`
	Tags []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	} `json:"tags"`
	Paths      map[string]pathItem `json:"paths"`
	Components struct {
		Schemas         map[string]*schema        `json:"schemas"`
		Responses       map[string]*response      `json:"responses"`
		Headers         map[string]*header        `json:"headers"`
		SecuritySchemes map[string]securityScheme `json:"securitySchemes"`
	} `json:"components"`
}

// pathItem has the operations of one path by method, in lower case.
type pathItem struct {
	parameters []parameter
	operations map[string]*operation
}

// UnmarshalJSON tells methods from what holds for all of them.
func (p *pathItem) UnmarshalJSON(text []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return err
	}
	p.operations = map[string]*operation{}
	for name, member := range members {
		if name == "parameters" {
			if err := json.Unmarshal(member, &p.parameters); err != nil {
				return err
			}
			continue
		}
		o := &operation{}
		if err := json.Unmarshal(member, o); err != nil {
			return err
		}
		p.operations[name] = o
	}
	return nil
}

type operation struct {
	ID          string               `json:"operationId"`
	Summary     string               `json:"summary"`
	Description string               `json:"description"`
	Tags        []string             `json:"tags"`
	Security    *[]any               `json:"security"` // empty: no key is needed
	Parameters  []parameter          `json:"parameters"`
	Body        *body                `json:"requestBody"`
	Responses   map[string]*response `json:"responses"`
}

type parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Required    bool    `json:"required"`
	Schema      *schema `json:"schema"`
}

type body struct {
	Content map[string]media `json:"content"`
}

type media struct {
	Schema *schema `json:"schema"`
}

type response struct {
	Ref         string             `json:"$ref"`
	Description string             `json:"description"`
	Headers     map[string]*header `json:"headers"`
	Content     map[string]media   `json:"content"`
}

type header struct {
	Ref         string  `json:"$ref"`
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
}

type securityScheme struct {
	Description string `json:"description"`
}

// schema is a JSON Schema with the keywords that the document uses.
type schema struct {
	keywords
	forbidden bool // the schema false
}

type keywords struct {
	Ref                  string             `json:"$ref"`
	Type                 oneOrMany          `json:"type"`
	Format               string             `json:"format"`
	Pattern              string             `json:"pattern"`
	Const                json.RawMessage    `json:"const"`
	Enum                 []json.RawMessage  `json:"enum"`
	Default              json.RawMessage    `json:"default"`
	Examples             []json.RawMessage  `json:"examples"`
	Description          string             `json:"description"`
	Deprecated           bool               `json:"deprecated"`
	Minimum              json.Number        `json:"minimum"`
	Maximum              json.Number        `json:"maximum"`
	ExclusiveMaximum     json.Number        `json:"exclusiveMaximum"`
	MinLength            json.Number        `json:"minLength"`
	MaxLength            json.Number        `json:"maxLength"`
	MinItems             json.Number        `json:"minItems"`
	MaxItems             json.Number        `json:"maxItems"`
	MinProperties        json.Number        `json:"minProperties"`
	MaxProperties        json.Number        `json:"maxProperties"`
	UniqueItems          bool               `json:"uniqueItems"`
	ContentMediaType     string             `json:"contentMediaType"`
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	PropertyNames        *schema            `json:"propertyNames"`
	AdditionalProperties *schema            `json:"additionalProperties"`
	Items                *schema            `json:"items"`
	AnyOf                []*schema          `json:"anyOf"`
	OneOf                []*schema          `json:"oneOf"`
	AllOf                []*schema          `json:"allOf"`
	If                   *schema            `json:"if"`
	Then                 *schema            `json:"then"`
	Discriminator        json.RawMessage    `json:"discriminator"`
}

// UnmarshalJSON reads a schema, which may be true or false too, and refuses
// keywords that would not be shown.
func (s *schema) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "true":
		return nil
	case "false":
		s.forbidden = true
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s.keywords); err != nil {
		return fmt.Errorf("read a schema: %w", err)
	}
	return nil
}

// oneOrMany is a text or a list of texts.
type oneOrMany []string

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMany) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*o = []string{""}
		return json.Unmarshal(text, &(*o)[0])
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// lastOf is the name in a reference such as #/components/schemas/Key.
func lastOf(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// follow returns the schema that s refers to, or s.
func (d *document) follow(s *schema) *schema {
	for s.Ref != "" && d.Components.Schemas[lastOf(s.Ref)] != nil {
		s = d.Components.Schemas[lastOf(s.Ref)]
	}
	return s
}
