package console

import (
	"encoding/json"
	"math/big"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// amount is a value of the API with its unit, and how people read it. Nothing
// here is a float: what is shown is rounded once, from the exact value.
type amount struct {
	Exact    json.Number // digit by digit as the API gave it
	Unit     string      // the API's
	Readable string      // such as "720 h"; what it shows of Exact is rounded to two places
}

// Plain is the exact value with its unit.
func (a amount) Plain() string { return string(a.Exact) + " " + unitWord(a.Unit) }

// Alike reports whether the readable form already shows the exact value in its
// unit.
func (a amount) Alike() bool {
	return strings.ReplaceAll(a.Readable, ",", "") == a.Plain()
}

// Readable amounts have two digits after the point, from 10,000 on none.
const (
	readablePlaces = 2
	readableWhole  = 10_000
)

// scaled is a unit that people read instead, worth so many of the API's, where
// there are at least so many of it.
type scaled struct {
	name  string
	worth int64
	least int64
}

// readableUnits lists, from the greatest down, what people read instead of a unit
// of the API; the first one is taken of which there are enough.
func readableUnits(unit string) []scaled {
	switch unit {
	case "minutes":
		return []scaled{{"h", 60, 1}, {"min", 1, 0}}
	case "gbminutes":
		return []scaled{{"PB·h", 60_000_000, 1000}, {"TB·h", 60_000, 1000}, {"GB·h", 60, 0}}
	case metering.UnitBytes:
		return []scaled{{"PiB", 1 << 50, 1}, {"TiB", 1 << 40, 1}, {"GiB", 1 << 30, 1}, {"MiB", 1 << 20, 1}, {"KiB", 1 << 10, 1}, {"bytes", 1, 0}}
	case "GBS":
		return []scaled{{"GB·h", 3600, 1}, {"GB·s", 1, 0}}
	case "MLS":
		return []scaled{{"billion calls", 1000, 1}, {"million calls", 1, 0}}
	case "H":
		return []scaled{{"h", 1, 0}}
	}
	return []scaled{{unit, 1, 0}}
}

// unitWord is the API's unit for people.
func unitWord(unit string) string {
	switch unit {
	case "gbminutes":
		return "GB-minutes"
	case "GBS":
		return "GB-seconds"
	case "MLS":
		return "million calls"
	case "H":
		return "hours"
	}
	return unit
}

// unitRank is the place of a unit among the tabs: first what most resources have.
func unitRank(unit string) int {
	ranks := map[string]int{"minutes": 1, "gbminutes": 2, metering.UnitBytes: 3, "GB": 4, "GBS": 5, "MLS": 6, "H": 7}
	if rank, known := ranks[unit]; known {
		return rank
	}
	return len(ranks) + 1
}

// readable writes a value of the API so that people see how much it is.
func readable(value json.Number, unit string) amount {
	a := amount{Exact: value, Unit: unit}
	exact, ok := new(big.Rat).SetString(string(value))
	if !ok {
		a.Readable = a.Plain()
		return a
	}
	chosen := readableUnitOf(exact, unit)
	shown := exact.Quo(exact, new(big.Rat).SetInt64(chosen.worth))
	places := readablePlaces
	if shown.Cmp(new(big.Rat).SetInt64(readableWhole)) >= 0 {
		places = 0
	}
	text := grouped(shown.FloatString(places))
	if text == "0" && shown.Sign() > 0 {
		text = "< 0.01"
	}
	a.Readable = text + " " + chosen.name
	return a
}

// readableUnitOf chooses the greatest unit of which value has enough.
func readableUnitOf(value *big.Rat, unit string) scaled {
	units := readableUnits(unit)
	for _, u := range units {
		if value.Cmp(new(big.Rat).SetInt64(u.worth*u.least)) >= 0 {
			return u
		}
	}
	return units[len(units)-1]
}

// grouped drops zeros behind the point and puts commas between thousands.
func grouped(decimal string) string {
	whole, fraction, _ := strings.Cut(decimal, ".")
	fraction = strings.TrimRight(fraction, "0")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// compareExact orders values of the API.
func compareExact(a, b json.Number) int {
	x, ok1 := new(big.Rat).SetString(string(a))
	y, ok2 := new(big.Rat).SetString(string(b))
	if !ok1 || !ok2 {
		return strings.Compare(string(a), string(b))
	}
	return x.Cmp(y)
}

// wholeShare is the share of all.
const wholeShare = 100_0

// shareOf is value/total in tenths of a percent, rounded to the nearest; 0 of
// nothing.
func shareOf(value, total json.Number) int64 {
	v, ok1 := new(big.Rat).SetString(string(value))
	t, ok2 := new(big.Rat).SetString(string(total))
	if !ok1 || !ok2 || t.Sign() == 0 {
		return 0
	}
	v.Quo(v, t).Mul(v, big.NewRat(wholeShare, 1)).Add(v, big.NewRat(1, 2))
	return new(big.Int).Quo(v.Num(), v.Denom()).Int64()
}
