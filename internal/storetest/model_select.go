package storetest

import (
	"math/big"
	"slices"
	"unicode"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func contains[T ~int64](s report.Selection[T], id T) bool {
	return s.All || slices.Contains(s.Items, id)
}

func hasType(s report.TypeSet, t metering.ResourceType) bool { return s&(1<<t) != 0 }

// selects applies what can only be known of the line as printed: schema_filter
// and tags. Project, region and type were looked at before.
func selects(q *report.Query, l *modelLine) bool {
	return (q.Where == nil || matchesField(q.Where, l)) && (q.Tags == nil || matchesTags(q.Tags, l))
}

func matchesField(f *report.FieldFilter, l *modelLine) bool {
	if l.resource.Type != f.Type {
		return false
	}
	switch f.Field {
	case report.FilterType:
		return slices.Contains(f.Texts, l.resource.Type.String())
	case report.FilterID:
		return slices.Contains(f.IDs, l.resource.ID)
	case report.FilterSize:
		return slices.Contains(f.Sizes, lastSize(l))
	case report.FilterAttribute:
		text := l.latest.Attributes.Texts[f.Attribute]
		return text != "" && slices.Contains(f.Texts, text)
	}
	metering.Bug("filter field %d", f.Field)
	return false
}

// lastSize rounds up to the whole units of the type.
func lastSize(l *modelLine) uint64 {
	bytes := new(big.Int).SetUint64(l.latest.Multiplier)
	unit := big.NewInt(1)
	if l.resource.Type.SizeUnit() == metering.GiB {
		unit = big.NewInt(1024 * 1024 * 1024)
	}
	whole, rest := new(big.Int).QuoRem(bytes, unit, new(big.Int))
	if rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return whole.Uint64()
}

// matchesTags asks for each condition whether one single tag meets it.
func matchesTags(f *report.TagFilter, l *modelLine) bool {
	tags := l.latest.Attributes.Tags
	met := 0
	for _, condition := range f.Conditions {
		if slices.ContainsFunc(tags, func(t metering.Tag) bool { return meets(condition, t) }) {
			met++
		}
	}
	if f.All {
		return met == len(f.Conditions)
	}
	return met > 0
}

func meets(c report.TagCondition, t metering.Tag) bool {
	if c.Key != nil && *c.Key != t.Key {
		return false
	}
	switch {
	case c.Value == nil:
		return true
	case c.Strict:
		return *c.Value == t.Value
	}
	return containsFolded([]rune(t.Value), []rune(*c.Value))
}

// containsFolded tries wanted at every place of text, code point by code point
// in simple lower case.
func containsFolded(text, wanted []rune) bool {
	for start := 0; start+len(wanted) <= len(text); start++ {
		equal := true
		for i := range wanted {
			equal = equal && unicode.ToLower(text[start+i]) == unicode.ToLower(wanted[i])
		}
		if equal {
			return true
		}
	}
	return false
}
