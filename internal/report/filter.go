package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/meterbook/meterbook/internal/metering"
)

// Limits of the tags filter (spec 1-usage-report, "Request").
const (
	MaxTagConditions       = 10
	MaxConditionKeyChars   = 255
	MaxConditionValueChars = 256
)

// schemaFilter reads {type, field, values}. It can judge field and values only
// once the whole object is read, for type may stand last.
func (r *bodyReader) schemaFilter() *FieldFilter {
	var (
		t               metering.ResourceType
		field           string
		values          []string
		typeOK, fieldOK bool
		required        = []string{"type", "field", "values"}
		readMember      = func(name string) bool {
			switch name {
			case "type":
				t, typeOK = r.resourceType()
			case "field":
				field, fieldOK = r.text()
			case "values":
				values = r.filterValues()
			default:
				return false
			}
			return true
		}
	)
	if !r.object(required, readMember) || !typeOK || !fieldOK {
		return nil
	}
	filter, ok := NewFieldFilter(t, field, values)
	if !ok {
		r.failMember("field", oneOf(t.FilterFields()))
	}
	return filter
}

func (r *bodyReader) filterValues() (values []string) {
	length, ok := r.list(func() {
		if text, ok := r.text(); ok {
			values = append(values, text)
		}
	})
	if ok && length == 0 {
		r.fail("List should have at least 1 item, not 0")
	}
	return values
}

// NewFieldFilter makes the filter that selects lines of type t whose field, by
// its name in the line, equals any of the values. It is not ok when the type
// does not allow that field.
func NewFieldFilter(t metering.ResourceType, field string, values []string) (f *FieldFilter, ok bool) {
	if !slices.Contains(t.FilterFields(), field) {
		return nil, false
	}
	f = &FieldFilter{Type: t}
	switch field {
	case "type":
		f.Field, f.Texts = FilterType, values
	case t.IDField():
		f.Field, f.IDs = FilterID, convert(values, metering.ParseUUID)
	case "last_size":
		f.Field, f.Sizes = FilterSize, convert(values, parseSize)
	default:
		f.Field = FilterAttribute
		for _, a := range t.Attributes() {
			if a.LineField() == field {
				f.Attribute = a
			}
		}
		f.Texts = convert(values, canonicalText(f.Attribute.Form()))
	}
	f.IDs = sorted(f.IDs, metering.UUID.Compare)
	f.Sizes = sorted(f.Sizes, cmp.Compare[uint64])
	f.Texts = sorted(f.Texts, cmp.Compare[string])
	return f, true
}

// convert keeps the values that can match something, in the form in which lines
// hold them.
func convert[T any](values []string, parse func(string) (T, bool)) (kept []T) {
	for _, value := range values {
		if v, ok := parse(value); ok {
			kept = append(kept, v)
		}
	}
	return kept
}

func sorted[T comparable](values []T, compare func(a, b T) int) []T {
	values = slices.Clone(values)
	slices.SortFunc(values, compare)
	return slices.Compact(values)
}

// parseSize reads ASCII digits; no line is as large as what 64 bits don't hold.
func parseSize(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}

// canonicalText returns how a text is kept in attributes of the form. The empty
// text is kept in none: it is the same as no text.
func canonicalText(form metering.AttributeForm) func(string) (string, bool) {
	switch form {
	case metering.FormUUID:
		return func(text string) (string, bool) {
			id, ok := metering.ParseUUID(text)
			return id.String(), ok
		}
	case metering.FormIP:
		return func(text string) (string, bool) {
			address, ok := metering.ParseIP(text)
			return address.String(), ok
		}
	}
	return func(text string) (string, bool) { return text, text != "" }
}

// tagFilter reads {conditions, condition_type}.
func (r *bodyReader) tagFilter() *TagFilter {
	filter := &TagFilter{}
	ok := r.object([]string{"conditions"}, func(name string) bool {
		switch name {
		case "conditions":
			filter.Conditions = r.tagConditions()
		case "condition_type":
			kind, _ := r.choice("OR", "AND")
			filter.All = kind == "AND"
		default:
			return false
		}
		return true
	})
	if !ok {
		return nil
	}
	return filter
}

func (r *bodyReader) tagConditions() (conditions []TagCondition) {
	length, ok := r.list(func() {
		condition := r.tagCondition()
		if len(conditions) < MaxTagConditions {
			conditions = append(conditions, condition)
		}
	})
	switch {
	case !ok:
	case length == 0:
		r.fail("List should have at least 1 item, not 0")
	case length > MaxTagConditions:
		r.fail(fmt.Sprintf("List should have at most %d items, not %d", MaxTagConditions, length))
	}
	return conditions
}

func (r *bodyReader) tagCondition() TagCondition {
	condition, given := TagCondition{Strict: true}, false
	ok := r.object(nil, func(name string) bool {
		switch name {
		case "key":
			condition.Key, given = r.textUpTo(MaxConditionKeyChars), true
		case "value":
			condition.Value, given = r.textUpTo(MaxConditionValueChars), true
		case "strict":
			condition.Strict, _ = r.boolean()
		default:
			return false
		}
		return true
	})
	if ok && !given {
		r.fail("Either key or value is required")
	}
	return condition
}

// textUpTo reads a string of 1 to most characters.
func (r *bodyReader) textUpTo(most int) *string {
	text, ok := r.text()
	switch {
	case !ok:
		return nil
	case text == "":
		r.fail("String should have at least 1 character")
	case utf8.RuneCountInString(text) > most:
		r.fail(fmt.Sprintf("String should have at most %d characters", most))
	}
	return &text
}
