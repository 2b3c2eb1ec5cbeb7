package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

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

// typesFlag is a flag that takes names of resource types, separated by commas.
type typesFlag []string

// String implements pflag.Value.
func (f *typesFlag) String() string { return strings.Join(*f, ",") }

// Type implements pflag.Value.
func (f *typesFlag) Type() string { return "strings" }

// Set implements pflag.Value. Given again, the flag adds to what it has.
func (f *typesFlag) Set(s string) error {
	for name := range strings.SplitSeq(s, ",") {
		if err := checkType(name); err != nil {
			return err
		}
		*f = append(*f, name)
	}
	return nil
}

// checkType says which names of types are near one that does not exist, and
// which there are.
func checkType(name string) error {
	if _, known := metering.ResourceTypeNamed(name); known {
		return nil
	}
	names := []string{}
	types := &cobra.Command{SuggestionsMinimumDistance: 2} // it knows how to find near names
	for _, t := range metering.ResourceTypes() {
		names = append(names, t.String())
		types.AddCommand(&cobra.Command{Use: t.String(), Run: func(*cobra.Command, []string) {}})
	}
	question := ""
	if near := types.SuggestionsFor(name); name != "" && len(near) > 0 {
		question = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("there is no resource type %q%s\nThe types are: %s", name, question, strings.Join(names, ", "))
}
