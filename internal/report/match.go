package report

import (
	"cmp"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// Selects reports whether the line belongs to the report, as far as projects,
// regions, types, schema_filter and tags tell; the period is the store's part.
func (q *Query) Selects(l *Line) bool {
	return q.Types.Contains(l.Resource.Type) &&
		q.Projects.Contains(l.Resource.Project) &&
		q.Regions.Contains(l.Resource.Region) &&
		(q.Where == nil || q.Where.Match(l)) &&
		(q.Tags == nil || l.Resource.Type.HasTags() && q.Tags.Match(l.Attributes.Tags))
}

// Page returns the half-open range [from, to) of the page among count lines.
func (q *Query) Page(count int) (from, to int) {
	from = min(q.Offset, count)
	return from, from + min(q.Limit, count-from)
}

// Match reports whether the line is of the filter's type and its field equals
// one of the values. A line without a value matches none: no filter has the empty
// text among its values.
func (f *FieldFilter) Match(l *Line) bool {
	if l.Resource.Type != f.Type {
		return false
	}
	var found bool
	switch f.Field {
	case FilterType:
		found = contains(f.Texts, f.Type.String())
	case FilterID:
		_, found = slices.BinarySearchFunc(f.IDs, l.Resource.ID, metering.UUID.Compare)
	case FilterSize:
		found = contains(f.Sizes, f.Type.LastSize(l.SizeBytes))
	case FilterAttribute:
		found = contains(f.Texts, l.Attributes.Texts[f.Attribute])
	}
	return found
}

func contains[T cmp.Ordered](sorted []T, value T) bool {
	_, found := slices.BinarySearch(sorted, value)
	return found
}

// Match reports whether the tags meet all conditions (AND) or any (OR). No tags
// meet none.
func (f *TagFilter) Match(tags metering.Tags) bool {
	for i := range f.Conditions {
		if f.Conditions[i].metBy(tags) != f.All {
			return !f.All
		}
	}
	return f.All
}

// metBy reports whether one single tag meets the condition.
func (c *TagCondition) metBy(tags metering.Tags) bool {
	if c.Key != nil {
		i, found := slices.BinarySearchFunc(tags, *c.Key, func(t metering.Tag, key string) int {
			return strings.Compare(t.Key, key)
		})
		return found && c.valueMetBy(tags[i].Value)
	}
	return slices.ContainsFunc(tags, func(t metering.Tag) bool { return c.valueMetBy(t.Value) })
}

// valueMetBy compares exactly, or for containment ignoring case. strings.ToLower
// maps code point by code point with Unicode's simple mapping, and returns a
// text that is in lower case already as it is; valid UTF-8 contains another one
// in bytes only where it does in code points.
func (c *TagCondition) valueMetBy(value string) bool {
	switch {
	case c.Value == nil:
		return true
	case c.Strict:
		return value == *c.Value
	}
	return strings.Contains(strings.ToLower(value), strings.ToLower(*c.Value))
}
