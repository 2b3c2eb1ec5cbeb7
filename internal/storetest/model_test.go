package storetest

import (
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestSeedsAreReadAsOneOrARange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]uint64{"17": {17, 17}, "0-3": {0, 3}, "5-5": {5, 5}} {
		first, last, err := ParseSeeds(seedVariable, text)
		if err != nil || first != want[0] || last != want[1] {
			t.Errorf("%q: want %v, got %d to %d, %v", text, want, first, last, err)
		}
	}
	for _, text := range []string{"x", "-", "3-1", "1-x", "1 2"} {
		if _, _, err := ParseSeeds(seedVariable, text); err == nil || !strings.Contains(err.Error(), seedVariable) {
			t.Errorf("%q: want an error that names the variable, got %v", text, err)
		}
	}
}

func TestDiffShowsWhatDiffers(t *testing.T) {
	t.Parallel()
	line := func(n byte, minutes uint64) report.Line {
		return report.Line{Resource: instance(n), Meter: instance(n).Type.Meter("m", "", &metering.Attributes{}), Value: metering.AmountOf(minutes)}
	}
	total := report.Total{Region: 1, Meter: line(1, 1).Meter}
	whole := &Answer{Count: 2, Lines: []report.Line{line(1, 1), line(2, 2)}, Totals: []report.Total{total}}
	for what, c := range map[string]struct {
		got  Answer
		want string
	}{
		"nothing":         {*whole, ""},
		"count":           {Answer{Count: 3, Lines: whole.Lines, Totals: whole.Totals}, "count: want 2, got 3"},
		"order":           {Answer{Count: 2, Lines: []report.Line{line(2, 2), line(1, 1)}, Totals: whole.Totals}, "their order is not"},
		"value":           {Answer{Count: 2, Lines: []report.Line{line(1, 1), line(2, 3)}, Totals: whole.Totals}, "line 1:"},
		"missing line":    {Answer{Count: 2, Lines: whole.Lines[:1], Totals: whole.Totals}, "got  (none)"},
		"missing total":   {Answer{Count: 2, Lines: whole.Lines}, "total 0:"},
		"other attribute": {Answer{Count: 2, Lines: []report.Line{line(1, 1), withTag(line(2, 2))}, Totals: whole.Totals}, `tag "k"="v"`},
		"completeness":    {Answer{Count: 2, Lines: whole.Lines, Totals: whole.Totals, CompleteUntil: 1}, "complete until"},
	} {
		got := Diff(whole, &c.got)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: want %q in it, got %q", what, c.want, got)
		}
	}
}

func withTag(l report.Line) report.Line {
	l.Attributes = &metering.Attributes{Tags: metering.Tags{{Key: "k", Value: "v"}}}
	return l
}
