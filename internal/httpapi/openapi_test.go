package httpapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/httpapi"
	"github.com/meterbook/meterbook/internal/metering"
)

func TestDocumentIsValidOpenAPI(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	if err := metaschema(t).Validate(c.document); err != nil {
		t.Error(err)
	}
	schemas, _, err := c.at("components", "schemas")
	if err != nil {
		t.Fatal(err)
	}
	for name := range schemas.(map[string]any) {
		// Compiling judges the schema by the metaschema of JSON Schema 2020-12.
		if _, err := c.compiler.Compile(documentURL + "#" + pointer("components", "schemas", name)); err != nil {
			t.Errorf("schema %s: %v", name, err)
		}
	}
}

func TestBrokenDocumentIsFound(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*contract){
		"no info":              func(c *contract) { delete(c.document, "info") },
		"another version":      func(c *contract) { c.document["openapi"] = "3.0.3" },
		"path without a slash": func(c *contract) { c.document["paths"].(map[string]any)["v1"] = map[string]any{} },
		"status that is none": func(c *contract) {
			responses, _, _ := c.at("paths", "/healthz", "get", "responses")
			responses.(map[string]any)["fine"] = map[string]any{"description": "no status"}
		},
		"parameter without a name": func(c *contract) {
			operation, _, _ := c.at("paths", "/v1/keys", "get")
			operation.(map[string]any)["parameters"] = []any{map[string]any{"in": "query", "schema": map[string]any{}}}
		},
	} {
		c := newContract(t)
		breakIt(c)
		if metaschema(t).Validate(c.document) == nil {
			t.Errorf("%s: not found", name)
		}
	}
	c := newContract(t)
	line, _, _ := c.at("components", "schemas", "InstanceLine")
	line.(map[string]any)["type"] = "record"
	if _, err := c.compiler.Compile(documentURL + "#/components/schemas/InstanceLine"); err == nil {
		t.Error("a schema of a type that does not exist: not found")
	}
}

func TestDocumentIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	first, err := httpapi.OpenAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if again, err := httpapi.OpenAPI("1.2.3"); err != nil || !bytes.Equal(first, again) {
			t.Fatalf("another document, %v", err)
		}
	}
}

func TestEveryReferenceLeadsSomewhere(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, v := range value {
				walk(v)
			}
		case map[string]any:
			for key, v := range value {
				target, isText := v.(string)
				if isText && (key == "$ref" || strings.HasPrefix(target, "#/")) {
					if _, _, err := c.at(strings.Split(strings.TrimPrefix(target, "#/"), "/")...); err != nil {
						t.Error(err)
					}
				}
				walk(v)
			}
		}
	}
	walk(c.document)
}

// discriminated returns the values that a union is told apart by.
func (c *contract) discriminated(t *testing.T, name string) []string {
	t.Helper()
	mapping, _, err := c.at("components", "schemas", name, "discriminator", "mapping")
	if err != nil {
		t.Fatal(err)
	}
	variants, _, err := c.at("components", "schemas", name, "oneOf")
	if err != nil {
		t.Fatal(err)
	}
	var targets []string
	for _, v := range variants.([]any) {
		targets = append(targets, v.(map[string]any)["$ref"].(string))
	}
	values := mapping.(map[string]any)
	for value, target := range values {
		if !slices.Contains(targets, target.(string)) {
			t.Errorf("%s: %s is mapped to %s, which is no variant", name, value, target)
		}
	}
	if len(targets) != len(values) {
		t.Errorf("%s has %d variants and %d mapped values", name, len(targets), len(values))
	}
	return slices.Sorted(maps.Keys(values))
}

func TestUnionsHaveOneVariantForEachResourceType(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	var all, totals, states, quantities []string
	for _, r := range metering.ResourceTypes() {
		all = append(all, r.String())
		if r.HasTotals() {
			totals = append(totals, r.String())
		}
		if r.Measure() == metering.Counted {
			quantities = append(quantities, r.String())
		} else {
			states = append(states, r.String())
		}
	}
	if len(all) != 25 || len(totals) != 24 || slices.Contains(totals, "backup") {
		t.Fatalf("%d types, %d totals", len(all), len(totals))
	}
	for name, want := range map[string][]string{"UsageLine": all, "UsageTotal": totals, "SchemaFilter": all, "StateData": states, "QuantityData": quantities} {
		if got := c.discriminated(t, name); !slices.Equal(got, want) {
			t.Errorf("%s has variants %v, want %v", name, got, want)
		}
	}
	if got := c.discriminated(t, "Event"); len(got) != 3 {
		t.Errorf("events have variants %v, want state, quantity and retraction", got)
	}
}

func TestExamplesAreAsTheirSchemasSay(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	schemas, _, err := c.at("components", "schemas")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for name, s := range schemas.(map[string]any) {
		examples, _ := s.(map[string]any)["examples"].([]any)
		for _, example := range examples {
			if err := c.validateNamed(example, name); err != nil {
				t.Errorf("example of %s: %v", name, err)
			}
			checked++
		}
	}
	const atLeast = 3 * metering.TypeCount // lines, filters, data of events
	if checked < atLeast {
		t.Errorf("only %d examples, want at least %d", checked, atLeast)
	}
}

// A line must be judged by the variant of its own type and by no other.
func TestExampleOfOneTypeIsNoLineOfAnother(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	examples, _, err := c.at("components", "schemas", "VolumeLine")
	if err != nil {
		t.Fatal(err)
	}
	volume := examples.(map[string]any)["examples"].([]any)[0].(map[string]any)
	if err := c.validateNamed(volume, "UsageLine"); err != nil {
		t.Fatal(err)
	}
	for _, r := range metering.ResourceTypes() {
		if r.String() == "volume" {
			continue
		}
		other := maps.Clone(volume)
		other["type"] = r.String()
		if c.validateNamed(other, "UsageLine") == nil {
			t.Errorf("a line of a volume that says it is %s is accepted", r)
		}
	}
}

func TestDocumentIsPlainJSON(t *testing.T) {
	t.Parallel()
	text, err := httpapi.OpenAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(text) || !bytes.HasPrefix(text, []byte("{\n \"openapi\": \"3.1.0\"")) {
		t.Errorf("the document begins %.60s", text)
	}
}
