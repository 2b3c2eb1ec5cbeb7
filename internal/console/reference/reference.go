package reference

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reference is what the document says, in the order in which one reads.
type Reference struct {
	Title, Version, Summary, Description string
	Schemes                              []Scheme
	Groups                               []Group
	Failures                             []Failure
	Headers                              []Member // of answers
	Families                             []Family
}

// Scheme is a way to authenticate.
type Scheme struct{ Description []Words }

// Words are a part of a description; Code stood in backticks.
type Words struct {
	Text string
	Code bool
}

func wordsOf(description string) (parts []Words) {
	code := false
	for text := range strings.SplitSeq(description, "`") {
		if text != "" {
			parts = append(parts, Words{text, code})
		}
		code = !code
	}
	return parts
}

// Group is operations of one kind.
type Group struct {
	Name, Anchor, Description string
	Operations                []Operation
}

// Operation is one method of one path.
type Operation struct {
	ID, Anchor, Method, Path, Summary, Description string
	Open                                           bool // no key is needed
	Parameters                                     []Member
	Bodies                                         []Body // any one of them
	Answers                                        []Answer
	Failures                                       []Failure
	Command                                        string // to try it in a shell
}

// Body is a request or an answer in one media type.
type Body struct {
	Media, Description string
	Type               Type
}

// Answer is what an operation answers when all is well.
type Answer struct {
	Status, Description string
	Bodies              []Body
	Headers             []string
}

// Failure is an answer that any operation may give.
type Failure struct {
	Status, Name, Anchor, Description string
	Classes                           []string // values of exception_class
	Headers                           []string
}

// Family is schemas that belong together.
type Family struct {
	Name, Anchor, Description string
	Schemas                   []Schema
}

// Parse reads an OpenAPI document.
func Parse(text []byte) (*Reference, error) {
	d := &document{}
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("read the OpenAPI document: %w", err)
	}
	r := &Reference{Title: d.Info.Title, Version: d.Info.Version, Summary: d.Info.Summary, Description: d.Info.Description}
	for _, name := range sortedKeys(d.Components.SecuritySchemes) {
		r.Schemes = append(r.Schemes, Scheme{wordsOf(d.Components.SecuritySchemes[name].Description)})
	}
	for _, t := range d.Tags {
		g := Group{Name: t.Name, Anchor: "group-" + t.Name, Description: t.Description}
		for _, path := range sortedKeys(d.Paths) {
			g.Operations = append(g.Operations, d.operations(path, t.Name)...)
		}
		r.Groups = append(r.Groups, g)
	}
	for _, name := range sortedKeys(d.Components.Headers) {
		h := d.Components.Headers[name]
		r.Headers = append(r.Headers, Member{Name: name, Type: typeOf(h.Schema), Description: h.Description})
	}
	r.Failures = d.failures()
	r.Families = d.families()
	return r, nil
}

// failures are the answers that the document names, by status.
func (d *document) failures() []Failure {
	status := map[string]string{}
	for _, item := range d.Paths {
		for _, o := range item.operations {
			for code, answer := range o.Responses {
				if answer.Ref != "" {
					status[lastOf(answer.Ref)] = code
				}
			}
		}
	}
	var all []Failure
	for name := range d.Components.Responses {
		all = append(all, d.failure(status[name], name))
	}
	slices.SortFunc(all, func(a, b Failure) int { return cmp.Or(cmp.Compare(a.Status, b.Status), cmp.Compare(a.Name, b.Name)) })
	return all
}

func (d *document) failure(status, name string) Failure {
	answer := d.Components.Responses[name]
	f := Failure{Status: status, Name: name, Anchor: "error-" + name, Description: answer.Description, Headers: sortedKeys(answer.Headers)}
	for _, content := range answer.Content {
		for _, part := range content.Schema.AllOf {
			if class := part.Properties["exception_class"]; class != nil {
				f.Classes = append(f.Classes, texts(class.Enum)...)
			}
		}
	}
	return f
}

// operations are those of a path that belong to a group.
func (d *document) operations(path, group string) (found []Operation) {
	item := d.Paths[path]
	for _, method := range []string{"get", "put", "post", "patch", "delete"} {
		o := item.operations[method]
		if o == nil || !slices.Contains(o.Tags, group) {
			continue
		}
		parameters := append(slices.Clone(item.parameters), o.Parameters...)
		shown := Operation{
			ID: o.ID, Anchor: "operation-" + o.ID, Method: strings.ToUpper(method), Path: path, Summary: o.Summary, Description: o.Description,
			Open: o.Security != nil && len(*o.Security) == 0, Command: d.command(method, path, o, parameters),
		}
		for _, p := range parameters {
			shown.Parameters = append(shown.Parameters, Member{
				Name: p.Name, In: p.In, Required: p.Required, Type: typeOf(p.Schema), Description: cmp.Or(p.Description, p.Schema.Description), Default: string(p.Schema.Default),
			})
		}
		if o.Body != nil {
			shown.Bodies = bodies(o.Body.Content)
		}
		d.answers(&shown, o.Responses)
		found = append(found, shown)
	}
	return found
}

// answers divides them into those of the operation and those of all.
func (d *document) answers(o *Operation, responses map[string]*response) {
	for _, status := range sortedKeys(responses) {
		answer := responses[status]
		if answer.Ref != "" {
			o.Failures = append(o.Failures, d.failure(status, lastOf(answer.Ref)))
			continue
		}
		o.Answers = append(o.Answers, Answer{Status: status, Description: answer.Description, Bodies: bodies(answer.Content), Headers: sortedKeys(answer.Headers)})
	}
}

func bodies(content map[string]media) (all []Body) {
	for _, name := range sortedKeys(content) {
		all = append(all, Body{Media: name, Type: typeOf(content[name].Schema), Description: content[name].Schema.Description})
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
