package storetest

import (
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestRetentionClosesOldPeriods(t *testing.T) {
	t.Parallel()
	clock := NewClock(At("2024-07-05T00:00:00Z"))
	s := &scene{bench: &bench{t: t, store: NewModel(clock.Now, Retention(24*3600*metering.Second)), clock: clock}}
	defer s.close()
	reused := s.state(instance(1), "2024-07-03T23:59:59Z", from("/a", "1"))
	s.send("accepted period_closed accepted period_closed period_closed",
		s.state(instance(1), "2024-07-04T00:00:00Z", from("/a", "1")), reused,
		s.quantity(functions(1), "2024-07-04T00:00:00Z", "2024-07-04T01:00:00Z", "1"),
		s.quantity(functions(1), "2024-07-03T23:59:59.999999999Z", "2024-07-04T01:00:00Z", "1"),
		s.gone(instance(1), "2024-07-03T00:00:00Z"))
	s.sendBatch("forbidden_project", []report.Submission{{Observation: reused, Client: "client-b"}})
	s.send("accepted", s.retraction(reused, toldAt("2024-07-01T00:00:00Z")))
}

func TestSeedsAreReadAsOneOrARange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]uint64{"17": {17, 17}, "0-3": {0, 3}, "5-5": {5, 5}} {
		first, last, err := parseSeeds(text)
		if err != nil || first != want[0] || last != want[1] {
			t.Errorf("%q: want %v, got %d to %d, %v", text, want, first, last, err)
		}
	}
	for _, text := range []string{"x", "-", "3-1", "1-x", "1 2"} {
		if _, _, err := parseSeeds(text); err == nil || !strings.Contains(err.Error(), seedVariable) {
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
