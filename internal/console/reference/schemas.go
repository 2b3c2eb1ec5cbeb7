package reference

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Schema is a named schema: an object with members, or anything else, which its
// Type tells.
type Schema struct {
	Name, Anchor, Description string
	Type                      Type // of what is no object
	Members                   []Member
	Notes                     []string // what the members do not tell
	Example                   string   // as JSON; "": none
}

// Member is a parameter, a header, or a member of an object, by its path: a[].b
// is the member b of each object in the list a.
type Member struct {
	Name, In, Description string
	Required, Deprecated  bool
	Type                  Type
	Default               string // as JSON; "": none
}

// families sorts the schemas: those that there are for each resource type stand
// together.
func (d *document) families() []Family {
	families := []Family{
		{Name: "Bodies", Description: "What requests and answers hold."},
		{Name: "Lines by type", Description: "The members that a line of a report has, by resource type."},
		{Name: "Totals by type", Description: "The members that a total of a report has, by resource type."},
		{Name: "Filters by type", Description: "What schema_filter allows, by resource type."},
		{Name: "States by type", Description: "The data of a state, by resource type."},
		{Name: "Quantities by type", Description: "The data of a quantity, by resource type."},
	}
	unions := map[string]int{"UsageLine": 1, "UsageTotal": 2, "SchemaFilter": 3, "StateData": 4, "QuantityData": 5}
	of := map[string]int{}
	for union, family := range unions {
		if s := d.Components.Schemas[union]; s != nil {
			for _, variant := range s.OneOf {
				of[lastOf(variant.Ref)] = family
			}
		}
	}
	for _, name := range sortedKeys(d.Components.Schemas) {
		f := &families[of[name]]
		f.Schemas = append(f.Schemas, shownSchema(name, d.Components.Schemas[name]))
	}
	for i := range families {
		families[i].Anchor = "schemas-" + strings.ToLower(strings.ReplaceAll(families[i].Name, " ", "-"))
	}
	return slices.DeleteFunc(families, func(f Family) bool { return len(f.Schemas) == 0 })
}

func shownSchema(name string, s *schema) Schema {
	shown := Schema{Name: name, Anchor: "schema-" + name, Description: s.Description}
	if len(s.Properties) == 0 {
		shown.Type = typeOf(s)
	}
	shown.addMembers("", s)
	shown.joinRequired()
	if len(s.Examples) > 0 {
		shown.Example = indented(s.Examples[0])
	}
	return shown
}

// joinRequired says once what holds for all members, as in most answers.
func (shown *Schema) joinRequired() {
	if len(shown.Members) < 2 || slices.ContainsFunc(shown.Members, func(m Member) bool { return !m.Required }) {
		return
	}
	for i := range shown.Members {
		shown.Members[i].Required = false
	}
	shown.Notes = append(shown.Notes, "All members are required.")
}

// addMembers adds the members of an object below a path, and theirs.
func (shown *Schema) addMembers(path string, s *schema) {
	for _, name := range sortedKeys(s.Properties) {
		member := s.Properties[name]
		shown.Members = append(shown.Members, Member{
			Name: path + name, Required: slices.Contains(s.Required, name), Deprecated: member.Deprecated,
			Type: typeOf(member), Description: member.Description, Default: string(member.Default),
		})
		shown.addBelow(path+name, member)
	}
	shown.addNotes(path, s)
}

// addBelow adds the members of what stands at a path: an object, or a list or a
// map of objects.
func (shown *Schema) addBelow(path string, s *schema) {
	if len(s.Properties) > 0 {
		shown.addMembers(path+".", s)
	}
	if s.Items != nil {
		shown.addBelow(path+"[]", s.Items)
	}
	if s.AdditionalProperties != nil && len(s.AdditionalProperties.Properties) > 0 {
		shown.addMembers(path+".*.", s.AdditionalProperties)
	}
	for _, variants := range [][]*schema{s.AnyOf, s.OneOf} {
		for _, v := range variants {
			if v.Ref == "" {
				shown.addBelow(path, v)
			}
		}
	}
}

// addNotes says what of an object depends on its other members.
func (shown *Schema) addNotes(path string, s *schema) {
	if s.If != nil && s.Then != nil {
		var when []string
		for _, name := range sortedKeys(s.If.Properties) {
			when = append(when, path+name+" is "+plain(s.If.Properties[name].Const))
		}
		if len(s.Then.Required) > 0 {
			shown.Notes = append(shown.Notes, "Where "+strings.Join(when, " and ")+", "+listed(prefixed(path, s.Then.Required), "and")+" must be given.")
		}
	}
	for _, choice := range []struct {
		variants []*schema
		text     string
	}{{s.AnyOf, "At least one of these must be given: "}, {s.OneOf, "Exactly one of these must be given: "}} {
		var names []string
		for _, v := range choice.variants {
			if v.Ref == "" && len(v.Required) > 0 {
				names = append(names, listed(prefixed(path, v.Required), "with"))
			}
		}
		if len(names) > 0 {
			shown.Notes = append(shown.Notes, choice.text+listed(names, "or")+".")
		}
	}
}

func prefixed(path string, names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = path + name
	}
	return all
}

// listed writes a, b and c.
func listed(words []string, last string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " " + last + " " + words[n-1]
	}
	return strings.Join(words, "")
}

// plain is a JSON value as people write it: texts without quotes.
func plain(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && text != "" && string(value) != "null" {
		return text
	}
	return string(value)
}

func texts(values []json.RawMessage) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = plain(v)
	}
	return all
}

// indented is JSON for people. What is no JSON stays as it is.
func indented(value json.RawMessage) string {
	var out bytes.Buffer
	if json.Indent(&out, value, "", "  ") != nil {
		return string(value)
	}
	return out.String()
}
