package httpapi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/meterbook/meterbook/internal/httpapi"
)

const documentURL = "https://meterbook.test/openapi.json"

// contract is the OpenAPI document as an independent validator reads it.
type contract struct {
	document map[string]any
	compiler *jsonschema.Compiler
}

func newContract(t *testing.T) *contract {
	t.Helper()
	text, err := httpapi.OpenAPI("1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return readContract(t, text)
}

func readContract(t *testing.T, text []byte) *contract {
	t.Helper()
	document, ok := decode(t, text).(map[string]any)
	if !ok {
		t.Fatal("the document is no object")
	}
	c := &contract{document: document, compiler: jsonschema.NewCompiler()}
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(documentURL, document); err != nil {
		t.Fatal(err)
	}
	return c
}

func decode(t *testing.T, text []byte) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return value
}

// pointer makes a JSON pointer of its steps.
func pointer(steps ...string) string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var b strings.Builder
	for _, step := range steps {
		b.WriteString("/" + escape.Replace(step))
	}
	return b.String()
}

// at returns what stands at the steps, with references followed, and the steps
// at which it really stands.
func (c *contract) at(steps ...string) (value any, real []string, err error) {
	value = c.document
	for _, step := range steps {
		object, ok := value.(map[string]any)
		if !ok || object[step] == nil {
			return nil, nil, fmt.Errorf("the document has nothing at %s", pointer(append(real, step)...))
		}
		value, real = object[step], append(slices.Clone(real), step)
		if object, ok := value.(map[string]any); ok {
			if target, isRef := object["$ref"].(string); isRef {
				if value, real, err = c.at(strings.Split(strings.TrimPrefix(target, "#/"), "/")...); err != nil {
					return nil, nil, err
				}
			}
		}
	}
	return value, real, nil
}

// validate judges a value by the schema at the steps.
func (c *contract) validate(value any, steps ...string) error {
	s, err := c.compiler.Compile(documentURL + "#" + urlEscape(pointer(steps...)))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

func urlEscape(pointer string) string {
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer)
}

func (c *contract) validateNamed(value any, name string) error {
	return c.validate(value, "components", "schemas", name)
}

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// check judges an answer to method and path, which is a path of the document:
// the status, the headers, the content type and the body must be as it says.
func (c *contract) check(method, path string, a answer) error {
	response, steps, err := c.at("paths", path, strings.ToLower(method), "responses", strconv.Itoa(a.status))
	if err != nil {
		return err
	}
	return c.checkResponse(response.(map[string]any), steps, a)
}

func (c *contract) checkResponse(response map[string]any, steps []string, a answer) error {
	var wrong []error
	headers, _ := response["headers"].(map[string]any)
	for name := range headers {
		_, at, err := c.at(append(slices.Clone(steps), "headers", name)...)
		if err != nil {
			return err
		}
		wrong = append(wrong, c.checkHeader(name, at, a.header.Get(name)))
	}
	content, _ := response["content"].(map[string]any)
	if content == nil {
		if len(a.body) > 0 {
			wrong = append(wrong, fmt.Errorf("a body where none is described: %.100s", a.body))
		}
		return errors.Join(wrong...)
	}
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil || content[media] == nil {
		return errors.Join(append(wrong, fmt.Errorf("content type %q is not described", a.header.Get("Content-Type")))...)
	}
	var value any = string(a.body)
	if media == "application/json" {
		if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(a.body)); err != nil {
			return errors.Join(append(wrong, err)...)
		}
	}
	return errors.Join(append(wrong, c.validate(value, append(slices.Clone(steps), "content", media, "schema")...))...)
}

func (c *contract) checkHeader(name string, steps []string, text string) error {
	if text == "" {
		return fmt.Errorf("header %s is missing", name)
	}
	var value any = text
	if n, err := strconv.Atoi(text); err == nil {
		value = n
	}
	if err := c.validate(value, append(slices.Clone(steps), "schema")...); err != nil {
		return fmt.Errorf("header %s: %w", name, err)
	}
	return nil
}

func metaschema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("testdata/openapi-3.1/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	const url = "https://spec.openapis.org/oas/3.1/schema/2022-10-07"
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(url, decode(t, text)); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile(url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readAnswer(t *testing.T, response *http.Response) answer {
	t.Helper()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body}
}
