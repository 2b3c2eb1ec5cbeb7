package storetest

import (
	"cmp"
	"math/big"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// compareStates is the order of spec 2-metering: time, sequence, active before
// deleted, source, id.
func compareStates(a, b *metering.Observation) int {
	switch {
	case a.Time != b.Time:
		return cmp.Compare(a.Time, b.Time)
	case a.Sequence != b.Sequence:
		return cmp.Compare(a.Sequence, b.Sequence)
	case a.Deleted && !b.Deleted:
		return 1
	case b.Deleted && !a.Deleted:
		return -1
	case a.Name.Source != b.Name.Source:
		return strings.Compare(a.Name.Source, b.Name.Source)
	}
	return strings.Compare(a.Name.ID, b.Name.ID)
}

// outranks reports whether quantity a counts rather than b of the same key.
func outranks(a, b *metering.Observation) bool {
	switch c := bigAmount(a.Quantity).Cmp(bigAmount(b.Quantity)); {
	case a.Time != b.Time:
		return a.Time > b.Time
	case c != 0:
		return c > 0
	case a.Name.Source != b.Name.Source:
		return a.Name.Source > b.Name.Source
	}
	return a.Name.ID > b.Name.ID
}

// compareLines is the order that the query asks for, with the tie-breaks of
// spec 1-usage-report.
func compareLines(order []report.OrderTerm, a, b *modelLine) int {
	for _, term := range order {
		if c := compareField(term, a, b); c != 0 {
			return c
		}
	}
	return compareInTurn(
		cmp.Compare(a.resource.Project, b.resource.Project),
		cmp.Compare(a.resource.Region, b.resource.Region),
		strings.Compare(a.resource.Type.String(), b.resource.Type.String()),
		strings.Compare(a.resource.ID.String(), b.resource.ID.String()),
		strings.Compare(a.meter.Metric, b.meter.Metric),
		strings.Compare(a.meter.Dimension, b.meter.Dimension),
		strings.Compare(a.meter.Unit, b.meter.Unit),
	)
}

func compareInTurn(comparisons ...int) int {
	for _, c := range comparisons {
		if c != 0 {
			return c
		}
	}
	return 0
}

func compareField(term report.OrderTerm, a, b *modelLine) int {
	if term.Field == report.ByLastName {
		switch x, y := a.name(), b.name(); {
		case x == y:
			return 0
		case x == "": // in both directions
			return 1
		case y == "":
			return -1
		}
	}
	c := compareAscending(term.Field, a, b)
	if term.Descending {
		return -c
	}
	return c
}

func compareAscending(field report.OrderField, a, b *modelLine) int {
	switch field {
	case report.ByProject:
		return cmp.Compare(a.resource.Project, b.resource.Project)
	case report.ByRegion:
		return cmp.Compare(a.resource.Region, b.resource.Region)
	case report.ByType:
		return strings.Compare(a.resource.Type.String(), b.resource.Type.String())
	case report.ByValue:
		return a.rational().Cmp(b.rational())
	case report.ByFirstSeen:
		return cmp.Compare(floorDivide(a.first, secondNanos), floorDivide(b.first, secondNanos))
	case report.ByLastSeen:
		return cmp.Compare(floorDivide(a.last, secondNanos), floorDivide(b.last, secondNanos))
	case report.ByLastName:
		return strings.Compare(a.name(), b.name())
	}
	metering.Bug("order field %d", field)
	return 0
}

// name is the text of last_name; "" where the type or the line has none.
func (l *modelLine) name() string { return l.latest.Attributes.Texts[metering.Name] }

// rational is the billing value as printed.
func (l *modelLine) rational() *big.Rat {
	divisor := int64(1)
	switch l.resource.Type.Measure() {
	case metering.Present: // whole minutes
	case metering.Sized:
		divisor = 1_000_000_000
	case metering.Counted:
		divisor = 1_000_000
	}
	return new(big.Rat).SetFrac(l.value, big.NewInt(divisor))
}

// compareTotals is the order type, region, metric, dimension, unit.
func compareTotals(a, b report.Total) int {
	return compareInTurn(
		strings.Compare(a.Meter.Type.String(), b.Meter.Type.String()),
		cmp.Compare(a.Region, b.Region),
		strings.Compare(a.Meter.Metric, b.Meter.Metric),
		strings.Compare(a.Meter.Dimension, b.Meter.Dimension),
		strings.Compare(a.Meter.Unit, b.Meter.Unit),
	)
}
