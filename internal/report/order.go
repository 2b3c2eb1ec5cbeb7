package report

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// orderFields are the names of the fields in order_by and sorting, sorted.
func orderFields() []string {
	return []string{"billing_value", "first_seen", "last_name", "last_seen", "project", "region", "type"}
}

// orderFieldNamed finds a field by the name that order_by gives it.
func orderFieldNamed(name string) (OrderField, bool) {
	i := slices.Index(orderFields(), name)
	if i < 0 {
		return 0, false
	}
	return [...]OrderField{ByValue, ByFirstSeen, ByLastName, ByLastSeen, ByProject, ByRegion, ByType}[i], true
}

// orderBy reads a list of "<field>.<asc or desc>".
func (r *bodyReader) orderBy() (terms []OrderTerm) {
	r.list(func() {
		text, ok := r.text()
		if !ok {
			return
		}
		name, direction, _ := strings.Cut(text, ".")
		field, ok := orderFieldNamed(name)
		if !ok || (direction != "asc" && direction != "desc") {
			r.fail(oneOf(orderByValues()))
			return
		}
		terms = append(terms, OrderTerm{field, direction == "desc"})
	})
	return terms
}

func orderByValues() []string {
	var values []string
	for _, name := range orderFields() {
		values = append(values, name+".asc", name+".desc")
	}
	return values
}

// sorting reads a list of {"<field>": "asc" or "desc"}.
func (r *bodyReader) sorting() (terms []OrderTerm) {
	r.list(func() {
		r.object(nil, func(name string) bool {
			field, known := orderFieldNamed(name)
			if !known {
				return false
			}
			if direction, ok := r.choice("asc", "desc"); ok {
				terms = append(terms, OrderTerm{field, direction == "desc"})
			}
			return true
		})
	})
	return terms
}

// choice reads a string that is one of those given.
func (r *bodyReader) choice(allowed ...string) (string, bool) {
	text, ok := r.text()
	if ok && !slices.Contains(allowed, text) {
		r.fail(oneOf(allowed))
		return "", false
	}
	return text, ok
}

// Compare is the order of a report's lines: by the terms, then by
// [Line.CompareIdentity], always ascending. It is 0 only for lines of one
// identity (spec 1-usage-report, "Request").
func Compare(order []OrderTerm, a, b *Line) int {
	for _, term := range order {
		if c := term.compare(a, b); c != 0 {
			return c
		}
	}
	return a.CompareIdentity(b)
}

func (t OrderTerm) compare(a, b *Line) int {
	if t.Field == ByLastName {
		missingA, missingB := a.name() == "", b.name() == ""
		if missingA != missingB { // last in both directions
			if missingA {
				return 1
			}
			return -1
		}
	}
	c := t.Field.compare(a, b)
	if t.Descending {
		return -c
	}
	return c
}

func (f OrderField) compare(a, b *Line) int {
	switch f {
	case ByProject:
		return cmp.Compare(a.Resource.Project, b.Resource.Project)
	case ByRegion:
		return cmp.Compare(a.Resource.Region, b.Resource.Region)
	case ByType: // types are numbered in the order of their names
		return cmp.Compare(a.Resource.Type, b.Resource.Type)
	case ByValue:
		return compareValues(a, b)
	case ByFirstSeen:
		return cmp.Compare(wholeSeconds(a.First), wholeSeconds(b.First))
	case ByLastSeen:
		return cmp.Compare(wholeSeconds(a.Last), wholeSeconds(b.Last))
	case ByLastName:
		return strings.Compare(a.name(), b.name())
	}
	metering.Bug("order by unknown field %d", f)
	return 0
}

// name is the line's last_name, "" when its type has none.
func (l *Line) name() string {
	if !l.Resource.Type.HasName() {
		return ""
	}
	return l.Attributes.Texts[metering.Name]
}

// wholeSeconds is the instant as lines print it, in seconds since 1970; nothing
// is counted before the year 2000.
func wholeSeconds(i metering.Instant) int64 { return int64(i / metering.Second) }

func compareValues(a, b *Line) int {
	scaleA, scaleB := a.Resource.Type.Measure().Scale(), b.Resource.Type.Measure().Scale()
	if scaleA == scaleB {
		return a.Value.Compare(b.Value)
	}
	hiA, midA, loA := ValueKey(a.Value, scaleA)
	hiB, midB, loB := ValueKey(b.Value, scaleB)
	return cmp.Or(cmp.Compare(hiA, hiB), cmp.Compare(midA, midB), cmp.Compare(loA, loB))
}

// maxScale is the largest decimal scale of any measure; ValueKey brings all
// amounts to it.
const maxScale = 9

// ValueKey returns a / 10^scale, the number that lines print, as a 192-bit
// integer in billionths: amounts of different scales compare as their keys do,
// word by word. The scale is 0 to 9. It cannot overflow: 2^128 x 10^9 < 2^158.
func ValueKey(a metering.Amount, scale int) (hi, mid, lo uint64) {
	if scale < 0 || scale > maxScale {
		metering.Bug("value key of scale %d", scale)
	}
	factor := uint64(1)
	for range maxScale - scale {
		factor *= 10
	}
	carry, lo := bits.Mul64(a.Lo, factor)
	hi, mid = bits.Mul64(a.Hi, factor)
	mid, over := bits.Add64(mid, carry, 0)
	return hi + over, mid, lo
}
