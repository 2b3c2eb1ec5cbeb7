package metering

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// overlapTexts folds days one after the other, each a list of windows such as
// "10:00..12:00 1 id=a", and tells what was found.
func overlapTexts(t *testing.T, days map[Day][]string) []string {
	t.Helper()
	var texts []string
	var last []Window
	random := rand.New(rand.NewPCG(1, 1))
	for day := dayText(t, "2024-07-01"); day <= dayText(t, "2024-07-03"); day++ {
		s := &script{t: t, day: day}
		s.typ, _ = ResourceTypeNamed("functions")
		var windows []Window
		for _, line := range days[day] {
			windows = append(windows, s.parseWindow(line))
			if metric, own := strings.CutPrefix(line[strings.LastIndex(line, " ")+1:], "name="); own {
				windows[len(windows)-1].Meter.Metric = metric
			}
		}
		var found []Overlap
		found, last = Overlaps(last, shuffled(random, windows))
		for i := range found {
			o := &found[i]
			texts = append(texts, fmt.Sprintf("%s %s %s..%s", o.Earlier.ID, o.Later.ID, s.clock(o.From()), s.clock(o.To())))
		}
	}
	return texts
}

func dayText(t *testing.T, text string) Day {
	t.Helper()
	day, ok := ParseDate(text)
	if !ok {
		t.Fatalf("bad date %q", text)
	}
	return day
}

func TestWindowsThatBeginWithinAnEarlierOneAreFoundOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ windows, want []string }{
		"none":            {nil, nil},
		"touching":        {[]string{"10:00..11:00 1 id=a", "11:00..12:00 1 id=b"}, nil},
		"apart":           {[]string{"10:00..11:00 1 id=a", "12:00..13:00 1 id=b"}, nil},
		"one nanosecond":  {[]string{"10:00..11:00:00.000000001 1 id=a", "11:00..12:00 1 id=b"}, []string{"a b 11:00:00..11:00:00.000000001"}},
		"equal":           {[]string{"10:00..11:00 1 id=a", "10:00..11:00 2 id=b at=12:00"}, nil},
		"corrected":       {[]string{"10:00..12:00 1 id=a at=12:00", "10:00..12:00 2 id=b at=13:00", "11:00..13:00 1 id=c"}, []string{"b c 11:00:00..12:00:00"}},
		"within":          {[]string{"10:00..14:00 1 id=a", "11:00..12:00 1 id=b"}, []string{"a b 11:00:00..12:00:00"}},
		"one beginning":   {[]string{"10:00..14:00 1 id=a", "10:00..12:00 1 id=b"}, []string{"b a 10:00:00..12:00:00"}},
		"one end":         {[]string{"10:00..14:00 1 id=a", "12:00..14:00 1 id=b"}, []string{"a b 12:00:00..14:00:00"}},
		"of nothing":      {[]string{"10:00..12:00 0 id=a", "11:00..13:00 0 id=b"}, []string{"a b 11:00:00..12:00:00"}},
		"several":         {[]string{"10:00..14:00 1 id=a", "11:00..12:00 1 id=b", "13:00..15:00 1 id=c", "13:30..16:00 1 id=d", "15:00..15:30 1 id=e"}, []string{"a b 11:00:00..12:00:00", "a c 13:00:00..14:00:00", "c d 13:30:00..15:00:00", "d e 15:00:00..15:30:00"}},
		"of other meters": {[]string{"10:00..12:00 1 id=a name=m", "11:00..13:00 1 id=b name=n", "11:30..12:00 1 id=c name=m"}, []string{"a c 11:30:00..12:00:00"}},
	} {
		if got := overlapTexts(t, map[Day][]string{dayText(t, "2024-07-01"): c.windows}); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestWindowsReachIntoTheNextDay(t *testing.T) {
	t.Parallel()
	first := dayText(t, "2024-07-01")
	got := overlapTexts(t, map[Day][]string{
		first:     {"12:00..2024-07-02T12:00 1 id=a", "13:00..2024-07-02T10:00 1 id=b", "14:00..15:00 1 id=c name=m"},
		first + 1: {"09:00..10:00 1 id=d", "11:00..2024-07-03T11:00 1 id=e", "00:00..01:00 1 id=f name=m"},
		first + 2: {"11:00..12:00 1 id=g"},
	})
	if want := []string{"a b 13:00:00..07-02 10:00:00", "a d 09:00:00..10:00:00", "a e 11:00:00..12:00:00"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	skipped := overlapTexts(t, map[Day][]string{first: {"12:00..2024-07-02T12:00 1 id=a"}, first + 2: {"00:00..01:00 1 id=b"}})
	if skipped != nil {
		t.Errorf("a day without windows between: got %q", skipped)
	}
}

// TestOverlappingWindowsAreFoundIffTheyAreThere compares with all pairs.
func TestOverlappingWindowsAreFoundIffTheyAreThere(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		var windows []Window
		for i := range random.IntN(8) {
			from := Instant(random.IntN(10))
			windows = append(windows, Window{From: from, To: from + 1 + Instant(random.IntN(4)), ID: fmt.Sprint(i), Meter: Meter{Metric: []string{"m", "n"}[random.IntN(2)]}})
		}
		found, _ := Overlaps(nil, slices.Clone(windows))
		named := map[string]bool{}
		for i := range found {
			o := &found[i]
			if o.From() >= o.To() || o.Earlier.Meter != o.Later.Meter || named[o.Later.ID] || o.Earlier.compareKey(&o.Later) >= 0 {
				t.Fatalf("%+v: found %+v", windows, o)
			}
			named[o.Later.ID] = true
		}
		for _, w := range windows {
			begins := slices.ContainsFunc(windows, func(v Window) bool { return v.compareKey(&w) < 0 && v.Meter == w.Meter && v.To > w.From })
			corrected := slices.ContainsFunc(windows, func(v Window) bool { return v.compareKey(&w) == 0 && v.compareRank(&w) > 0 })
			if named[w.ID] != (begins && !corrected) {
				t.Fatalf("%+v: window %s, found: %v", windows, w.ID, named[w.ID])
			}
		}
	}
}
