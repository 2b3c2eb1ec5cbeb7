package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

func TestSamplesAreTheLastOnes(t *testing.T) {
	t.Parallel()
	var samples []RejectionSample
	add := func(code metering.RejectCode, id string) {
		before := fmt.Sprint(samples)
		next := AddSample(samples, RejectionSample{Code: code, ID: id})
		if fmt.Sprint(samples) != before {
			t.Errorf("%s changed what was there", id)
		}
		samples = next
	}
	ids := func() (text string) {
		for _, s := range samples {
			text += s.ID + " "
		}
		return strings.TrimSpace(text)
	}
	for n := range MaxSamplesOfCode + 1 {
		add(metering.Malformed, fmt.Sprint("m", n))
	}
	if got := ids(); got != "m1 m2" {
		t.Errorf("of one code %s", got)
	}
	add(metering.TooLarge, "t0")
	add(metering.WrongMeasure, "w0")
	add(metering.MissingField, "f0")
	add(metering.InvalidValue, "v0")
	if got := ids(); got != "m1 m2 t0 w0 f0 v0" || len(samples) != MaxRejectionSamples {
		t.Errorf("at the limit %s", got)
	}
	add(metering.UnknownField, "u0")
	if got := ids(); got != "m2 t0 w0 f0 v0 u0" {
		t.Errorf("beyond the limit %s", got)
	}
	for _, c := range []struct {
		text string
		want int
	}{{strings.Repeat("x", MaxSampleBytes), MaxSampleBytes}, {strings.Repeat("x", MaxSampleBytes+1), MaxSampleBytes}, {strings.Repeat("x", MaxSampleBytes-1) + "é", MaxSampleBytes - 1}} {
		s := SampleOf(&Submission{Observation: &metering.Observation{Name: metering.ObservationName{ID: c.text}}}, &metering.Rejection{Message: c.text, Field: c.text})
		if len(s.ID) != c.want || len(s.Message) != c.want || len(s.Field) != c.want {
			t.Errorf("%d bytes are cut to %d, want %d", len(c.text), len(s.ID), c.want)
		}
	}
}

func TestLagsAreCountedWithinTheirBounds(t *testing.T) {
	t.Parallel()
	var c LagCounts
	if _, ok := c.Within(50); ok {
		t.Error("nothing is within a bound")
	}
	const second = metering.Second
	for range 19 {
		c.Count(second)
	}
	c.Count(second + 1)
	for percent, want := range map[uint64]metering.Instant{50: second, 95: second, 96: 10 * second, 100: 10 * second} {
		if got, ok := c.Within(percent); !ok || got != want {
			t.Errorf("%d %% are within %s, want %s", percent, got.Duration(), want.Duration())
		}
	}
	c.Count(-second)
	c.Count(24*3600*second + 1)
	if _, ok := c.Within(100); ok || c[0] != 20 || c[len(c)-1] != 1 {
		t.Errorf("counted %v", c)
	}
	c[0] = 1<<32 - 1
	if c.Count(0); c[0] != 1<<32-1 {
		t.Errorf("beyond the greatest number %d", c[0])
	}
	if d := (LagCounts{5, 1}); true {
		c.Add(&d)
		if c[0] != 1<<32-1 || c[1] != 2 {
			t.Errorf("added up to %v", c)
		}
	}
}

func TestHoursBeginOnTime(t *testing.T) {
	t.Parallel()
	const hour = 3600 * metering.Second
	for at, want := range map[metering.Instant]Hour{0: 0, hour - 1: 0, hour: 1, -1: -1, -hour: -1, -hour - 1: -2} {
		if got := HourOf(at); got != want || got.Start() > at || got.Start()+hour <= at {
			t.Errorf("%s is in hour %d, want %d", at, got, want)
		}
	}
}
