package reference

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// Type is what a value may be, in pieces; those that have an Anchor lead to a
// schema.
type Type []Piece

// Piece is a text of a type.
type Piece struct{ Text, Anchor string }

// String returns the type without its links.
func (t Type) String() string {
	var all strings.Builder
	for _, p := range t {
		all.WriteString(p.Text)
	}
	return all.String()
}

func words(text string) Type { return Type{{Text: text}} }

// typeOf writes what a value may be.
func typeOf(s *schema) Type {
	switch {
	case s == nil:
		return words("anything")
	case s.Ref != "":
		return Type{{lastOf(s.Ref), "schema-" + lastOf(s.Ref)}}
	case len(s.Const) > 0:
		return words("always " + string(s.Const))
	case len(s.Enum) > 0:
		return words("one of " + strings.Join(texts(s.Enum), ", "))
	case len(s.AllOf) > 0:
		return joined(s.AllOf, " and ")
	}
	if variants := slices.Concat(s.AnyOf, s.OneOf); len(s.Type) == 0 && len(variants) > 0 {
		return joined(variants, " or ")
	}
	var all Type
	for i, name := range s.Type {
		if i > 0 {
			all = append(all, Piece{Text: " or "})
		}
		all = append(all, s.typeNamed(name)...)
	}
	if len(all) == 0 {
		return words(cmp.Or(s.ContentMediaType, s.Format, "anything"))
	}
	return all
}

func joined(variants []*schema, between string) (all Type) {
	for i, v := range variants {
		if i > 0 {
			all = append(all, Piece{Text: between})
		}
		all = append(all, typeOf(v)...)
	}
	return all
}

func (s *schema) typeNamed(name string) Type {
	switch name {
	case "array":
		t := words("list")
		if bounds := between(s.MinItems, s.MaxItems, ""); bounds != "" {
			t = words("list with " + bounds)
		}
		if s.Items == nil {
			return t
		}
		return append(append(t, Piece{Text: " of "}), typeOf(s.Items)...)
	case "object":
		if each := s.AdditionalProperties; each != nil && !each.forbidden && len(s.Properties) == 0 {
			return append(words("object, each value "), typeOf(each)...)
		}
		return words("object")
	case "integer", "number":
		return words(spaced(name, between(s.Minimum, s.Maximum, s.ExclusiveMaximum)))
	case "string":
		return words(s.textType())
	}
	return words(name)
}

// textType writes what a text may be. Long patterns are in the document; the
// descriptions say them in words.
func (s *schema) textType() string {
	const longest = 40
	t := cmp.Or(s.Format, "text")
	switch bounds := between(s.MinLength, s.MaxLength, ""); {
	case s.Format == "" && bounds != "":
		t += " of " + bounds + " characters"
	case s.Format == "" && s.Pattern != "" && len(s.Pattern) <= longest && !strings.Contains(s.Pattern, `\x`):
		t += " like " + s.Pattern
	}
	var others []string // a text may be, say, an IPv4 or an IPv6 address
	for _, v := range slices.Concat(s.AnyOf, s.OneOf) {
		if v.Format != "" {
			others = append(others, v.Format)
		}
	}
	if len(others) > 0 {
		return listed(others, "or")
	}
	return t
}

// between writes bounds, "" when there are none that tell anything: those of 64
// bits are those of integers.
func between(least, most, below json.Number) string {
	const min64, max64 = "-9223372036854775808", "9223372036854775807"
	if least == min64 {
		least = ""
	}
	if most == max64 {
		most = ""
	}
	switch {
	case below != "" && least != "":
		return "from " + least.String() + " to below " + below.String()
	case below != "":
		return "below " + below.String()
	case least != "" && most != "" && least != most:
		return least.String() + " to " + most.String()
	case least != "" && least == most:
		return least.String()
	case least != "":
		return "at least " + least.String()
	case most != "":
		return "at most " + most.String()
	}
	return ""
}

func spaced(a, b string) string { return strings.TrimSpace(a + " " + b) }
