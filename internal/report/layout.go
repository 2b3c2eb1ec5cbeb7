package report

import (
	"strconv"

	"github.com/meterbook/meterbook/internal/metering"
)

// valueSource says which value of a line or total a member prints.
type valueSource uint8

const (
	nothing valueSource = iota // the literal is all
	metricValue
	amountValue
	unitValue
	firstSeenValue
	lastSeenValue
	projectValue
	regionValue
	idValue
	sizeValue
	tagsValue
	attributeValue
)

// member is one step of printing a line or total: a literal, which holds the
// names and whatever is the same for all lines of the type, then a value.
type member struct {
	literal   string
	value     valueSource
	scale     int                // of amountValue
	attribute metering.Attribute // of attributeValue
}

// layout is all steps for one type.
type layout []member

// lineLayouts and totalLayouts hold the layouts of all types, by type. They
// derive from the catalog and never change.
var (
	lineLayouts  = layoutsOf(metering.ResourceType.LineFields)
	totalLayouts = layoutsOf(metering.ResourceType.TotalFields)
)

func layoutsOf(fields func(metering.ResourceType) []string) (layouts [metering.TypeCount + 1]layout) {
	for _, t := range metering.ResourceTypes() {
		layouts[t] = layoutOf(t, fields(t))
	}
	return layouts
}

func layoutOf(t metering.ResourceType, fields []string) layout {
	var steps layout
	literal := "{"
	for i, field := range fields {
		if i > 0 {
			literal += ","
		}
		literal += strconv.Quote(field) + ":"
		switch field { // what all lines of the type share
		case "type":
			literal += strconv.Quote(t.String())
			continue
		case "size_unit":
			literal += strconv.Quote(string(t.SizeUnit()))
			continue
		}
		step := valueOf(t, field)
		step.literal = literal
		steps = append(steps, step)
		literal = ""
	}
	return append(steps, member{literal: literal + "}"})
}

// valueOf says where the value of a field comes from.
func valueOf(t metering.ResourceType, field string) member {
	switch field {
	case "billing_metric_name":
		return member{value: metricValue}
	case "billing_value":
		return member{value: amountValue, scale: t.Measure().Scale()}
	case "billing_value_unit":
		return member{value: unitValue}
	case "first_seen":
		return member{value: firstSeenValue}
	case "last_seen":
		return member{value: lastSeenValue}
	case "project_id":
		return member{value: projectValue}
	case "region", "region_id":
		return member{value: regionValue}
	case t.IDField():
		return member{value: idValue}
	case "last_size":
		return member{value: sizeValue}
	case "tags":
		return member{value: tagsValue}
	}
	for _, a := range t.Attributes() {
		if a.LineField() == field {
			return member{value: attributeValue, attribute: a}
		}
	}
	metering.Bug("no value for the member %s of %s", field, t)
	return member{}
}
