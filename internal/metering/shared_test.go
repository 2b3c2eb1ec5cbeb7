package metering

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func claim(p ProjectID, r RegionID, minutes ...Minute) Claim {
	c := Claim{Resource: ResourceKey{Project: p, Region: r}}
	for i := 0; i < len(minutes); i += 2 {
		c.Counted = append(c.Counted, MinuteSpan{minutes[i], minutes[i+1]})
	}
	return c
}

func sharingText(claims []Claim) string {
	s, ok := Shared(claims)
	if !ok {
		return ""
	}
	text := fmt.Sprintf("%d..%d %d:", s.From, s.To, s.Minutes)
	for _, k := range s.Resources {
		text += fmt.Sprintf(" %d/%d", k.Project, k.Region)
	}
	return text
}

func TestMinutesAreSharedByTwoProjects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		claims []Claim
		want   string
	}{
		"nobody":                 {nil, ""},
		"one":                    {[]Claim{claim(10, 1, 5, 9)}, ""},
		"nothing counted":        {[]Claim{claim(10, 1, 5, 9), claim(11, 1)}, ""},
		"touching":               {[]Claim{claim(10, 1, 5, 9), claim(11, 1, 9, 12)}, ""},
		"one minute":             {[]Claim{claim(11, 1, 8, 12), claim(10, 1, 5, 9)}, "8..9 1: 10/1 11/1"},
		"equal":                  {[]Claim{claim(10, 1, 5, 9), claim(11, 1, 5, 9)}, "5..9 4: 10/1 11/1"},
		"in pieces":              {[]Claim{claim(10, 1, 0, 6, 10, 14), claim(11, 1, 3, 12)}, "3..12 5: 10/1 11/1"},
		"three, counted once":    {[]Claim{claim(10, 1, 0, 6), claim(11, 1, 2, 6), claim(12, 1, 4, 8)}, "2..6 4: 10/1 11/1 12/1"},
		"two regions":            {[]Claim{claim(10, 1, 0, 6), claim(10, 2, 0, 6)}, ""},
		"regions, and a project": {[]Claim{claim(10, 1, 0, 2), claim(10, 2, 0, 6), claim(11, 1, 3, 5)}, "3..5 2: 10/2 11/1"},
		"drawn in the comment":   {[]Claim{claim(10, 1, 0, 6, 10, 14), claim(11, 1, 3, 10), claim(11, 2, 11, 13)}, "3..13 5: 10/1 11/1 11/2"},
	} {
		for range 5 {
			if got := sharingText(shuffled(rand.New(rand.NewPCG(1, 1)), c.claims)); got != c.want {
				t.Errorf("%s: got %q, want %q", name, got, c.want)
			}
		}
	}
}

func TestTimelineCountsItsMinutes(t *testing.T) {
	t.Parallel()
	is, other := &Description{Multiplier: 1}, &Description{Multiplier: 2}
	timeline := Timeline{Segments: []Segment{{From: 2, To: 4, Is: is}, {From: 4, To: 6, Is: other}, {From: 8, To: Open, Is: is}}}
	for _, c := range []struct {
		from, to Minute
		want     []MinuteSpan
	}{
		{0, 20, []MinuteSpan{{2, 6}, {8, 20}}},
		{3, 9, []MinuteSpan{{3, 6}, {8, 9}}},
		{6, 8, nil},
		{5, 5, nil},
	} {
		if got := timeline.Counted(c.from, c.to); !slices.Equal(got, c.want) {
			t.Errorf("[%d, %d): got %v, want %v", c.from, c.to, got, c.want)
		}
	}
}

func TestDaysWithQuantitiesCountWhole(t *testing.T) {
	t.Parallel()
	sums := []DaySum{{Day: 1}, {Day: 3}, {Day: 3, Meter: Meter{Metric: "m"}}, {Day: 4}, {Day: 6}}
	if got, want := CountedDays(sums, Period{From: 2, To: 6}), []MinuteSpan{{3 * 1440, 5 * 1440}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
