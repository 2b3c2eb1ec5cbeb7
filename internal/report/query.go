package report

import (
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
)

// Query is a validated report request, narrowed to what the caller may see.
type Query struct {
	Period metering.Period
	Now    metering.Instant // nothing after it is counted
	Limit  int              // greatest number of lines in the page
	Offset int              // lines to skip

	// What is selected; already intersected with the caller's scope.
	Projects Selection[metering.ProjectID]
	Regions  Selection[metering.RegionID]
	Types    TypeSet
	Where    *FieldFilter // nil: none
	Tags     *TagFilter   // nil: none

	Order []OrderTerm // never empty
}

// Selection is a set of ids: all of them, or those in Items, which are sorted
// and distinct. The zero value selects nothing.
type Selection[T ~int64] struct {
	All   bool
	Items []T
}

// Everything selects all ids.
func Everything[T ~int64]() Selection[T] { return Selection[T]{All: true} }

// Only selects the given ids, in any order and with repetitions.
func Only[T ~int64](ids ...T) Selection[T] {
	items := slices.Clone(ids)
	slices.Sort(items)
	return Selection[T]{Items: slices.Compact(items)}
}

// Contains reports whether id is selected.
func (s Selection[T]) Contains(id T) bool {
	if s.All {
		return true
	}
	_, found := slices.BinarySearch(s.Items, id)
	return found
}

// Intersect returns what both select.
func (s Selection[T]) Intersect(t Selection[T]) Selection[T] {
	switch {
	case s.All:
		return t
	case t.All:
		return s
	}
	both := []T{}
	for _, id := range s.Items {
		if t.Contains(id) {
			both = append(both, id)
		}
	}
	return Selection[T]{Items: both}
}

// TypeSet is a set of resource types, bit t for type t.
type TypeSet uint32

// AllTypes contains every type.
const AllTypes TypeSet = 1<<(metering.TypeCount+1) - 2

// TypesOf returns the set of the given types.
func TypesOf(types ...metering.ResourceType) TypeSet {
	var s TypeSet
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

// Contains reports whether t is in the set.
func (s TypeSet) Contains(t metering.ResourceType) bool { return s>>t&1 == 1 }

// Scope is what a caller may see or write (spec 1-usage-report, "Keys").
type Scope struct {
	Projects Selection[metering.ProjectID]
	Regions  Selection[metering.RegionID]
	Types    TypeSet
}

// FullScope covers everything.
func FullScope() Scope {
	return Scope{Everything[metering.ProjectID](), Everything[metering.RegionID](), AllTypes}
}

// FilterField is a field of schema_filter.
type FilterField uint8

const (
	FilterType      FilterField = iota // "type": the type's name
	FilterID                           // "uuid" or "port_id"
	FilterSize                         // "last_size"
	FilterAttribute                    // a text attribute
)

// FieldFilter selects the lines of one type whose field equals any of the
// values, which are sorted and distinct ([NewFieldFilter] makes one). Values that
// cannot match anything are already dropped, so it may be that no value is left:
// then no line matches.
type FieldFilter struct {
	Type      metering.ResourceType
	Field     FilterField
	Attribute metering.Attribute // for FilterAttribute
	IDs       []metering.UUID    // for FilterID
	Sizes     []uint64           // for FilterSize, in the type's size unit
	Texts     []string           // for FilterAttribute (UUIDs in lower case) and FilterType
}

// TagFilter selects lines by their tags: those that meet all conditions, or
// any.
type TagFilter struct {
	Conditions []TagCondition
	All        bool // AND; otherwise OR
}

// TagCondition is met by one single tag of the line. Key and Value are nil when
// not given; not both are.
type TagCondition struct {
	Key    *string // compared exactly
	Value  *string // compared exactly, or contained ignoring case when not Strict
	Strict bool
}

// OrderField is a field that reports can be ordered by.
type OrderField uint8

const (
	ByProject OrderField = iota
	ByRegion
	ByType
	ByValue
	ByFirstSeen
	ByLastSeen
	ByLastName
)

// OrderTerm orders by one field; lines without a name come last in both
// directions.
type OrderTerm struct {
	Field      OrderField
	Descending bool
}
