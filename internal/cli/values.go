package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// choice is a flag that takes one of some words.
type choice struct {
	value   string
	allowed []string
}

func newChoice(byDefault string, others ...string) choice {
	return choice{value: byDefault, allowed: append([]string{byDefault}, others...)}
}

// String implements pflag.Value.
func (c *choice) String() string { return c.value }

// Type implements pflag.Value: the word for the value in the help.
func (c *choice) Type() string { return strings.Join(c.allowed, "|") }

// Set implements pflag.Value.
func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("must be one of %s", strings.Join(c.allowed, ", "))
	}
	c.value = s
	return nil
}

// dayFlag is a flag that takes a date or a date-time.
type dayFlag struct {
	given string
	time  time.Time
}

// String implements pflag.Value.
func (d *dayFlag) String() string { return d.given }

// Type implements pflag.Value.
func (d *dayFlag) Type() string { return "date" }

// Set implements pflag.Value.
func (d *dayFlag) Set(s string) error {
	day, ok := metering.ParseDate(s)
	at := metering.Timestamp{Unix: int64(day) * secondsPerDay}
	if !ok {
		at, _, ok = metering.ParseTimestamp(s)
	}
	if !ok {
		return fmt.Errorf("must be a date such as 2024-07-01, or a date-time such as 2024-07-01T00:00:00Z")
	}
	d.given, d.time = s, time.Unix(at.Unix, int64(at.Nanos)).UTC()
	return nil
}

const secondsPerDay = 24 * 60 * 60
