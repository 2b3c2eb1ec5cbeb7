package metering

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const sample = 30 * Second

func TestMinutesBeginAndEndAtTheSample(t *testing.T) {
	t.Parallel()
	base := DayOf(2024, time.February, 29).Start()
	m := Minute(base / (60 * Second))
	for _, c := range []struct {
		at           Instant
		first, until Minute
	}{
		{base, m, m},
		{base + sample - 1, m, m},
		{base + sample, m, m + 1},
		{base + sample + 1, m + 1, m + 1},
		{base + 60*Second - 1, m + 1, m + 1},
		{base + 60*Second, m + 1, m + 1},
		{base - 1, m, m},
		{base - sample, m - 1, m},
		{0, 0, 0},
		{sample - 1, 0, 0},
		{sample, 0, 1},
		{sample + 1, 1, 1},
		{-1, 0, 0},
		{-400 * 86400 * Second, 0, 0},
		{math.MinInt64, 0, 0},
	} {
		if got := FirstMinute(c.at); got != c.first {
			t.Errorf("a state at %s first holds at minute %d, want %d", c.at, got, c.first)
		}
		if got := MinutesUntil(c.at); got != c.until {
			t.Errorf("at %s minutes count until %d, want %d", c.at, got, c.until)
		}
	}
	if got := m.Sample(); got != base+sample {
		t.Errorf("the minute is sampled at %s", got)
	}
}

func TestAStateHoldsAtASampleIffItIsNotLater(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		at := MinEventTime + Instant(random.Int64N(1e18))
		m := FirstMinute(at)
		if at > m.Sample() || at <= (m-1).Sample() {
			t.Errorf("a state at %s first holds at %s", at, m.Sample())
		}
		until := MinutesUntil(at)
		if (until-1).Sample() > at || until.Sample() <= at {
			t.Errorf("at %s the last sample is %s", at, (until - 1).Sample())
		}
	})
}

func TestDaysAreUTC(t *testing.T) {
	t.Parallel()
	for d := Day(-1000); d < 100_000; d += 7 {
		want := time.Date(1970, 1, 1+int(d), 0, 0, 0, 0, time.UTC)
		if d.Start() != InstantOf(want) || d.Start().Day() != d || (d.Start()-1).Day() != d-1 || d.String() != want.Format(time.DateOnly) {
			t.Fatalf("day %d is %s, starts at %s", d, d, d.Start())
		}
		if got := DayOf(want.Date()); got != d {
			t.Fatalf("%s is day %d, want %d", d, got, d)
		}
		if first := d.FirstMinute(); d >= 0 && (int64(first) != int64(d)*1440 || first.Sample() != d.Start()+sample) || d < 0 && first != 0 {
			t.Fatalf("%s begins with minute %d", d, first)
		}
	}
}

func TestFarDaysAreKeptWithinWhatTimesCanHold(t *testing.T) {
	t.Parallel()
	early, late := DayOf(1, time.January, 1), DayOf(9999, time.December, 31)
	if early.Start() != math.MinInt64 || late.Start() != math.MaxInt64 {
		t.Errorf("start at %d and %d", early.Start(), late.Start())
	}
	if early.FirstMinute() != 0 || late.FirstMinute() >= Open || late.FirstMinute() <= DayOf(2262, time.January, 1).FirstMinute() {
		t.Errorf("begin with minutes %d and %d", early.FirstMinute(), late.FirstMinute())
	}
	if early.String() != "0001-01-01" || late.String() != "9999-12-31" {
		t.Errorf("are %s and %s", early, late)
	}
}

func TestPeriodsEndAtNow(t *testing.T) {
	t.Parallel()
	day := DayOf(2024, time.July, 1)
	noon := day.Start() + 12*3600*Second
	for _, c := range []struct {
		name  string
		p     Period
		now   Instant
		count int
	}{
		{"past", Period{day - 30, day}, noon, 43200},
		{"running", Period{day - 30, day + 1}, noon, 43200 + 720},
		{"running, at a sample", Period{day, day + 1}, noon + sample, 721},
		{"running, before the sample", Period{day, day + 1}, noon + sample - 1, 720},
		{"future", Period{day + 1, day + 2}, noon, 0},
		{"begins now", Period{day, day + 1}, day.Start(), 0},
		{"ends now", Period{day - 1, day}, day.Start(), 1440},
		{"empty", Period{day, day}, noon, 0},
		{"of all time", Period{DayOf(1, time.January, 1), DayOf(9999, time.December, 31)}, noon, int(day)*1440 + 720},
		{"before 1970", Period{-100, -50}, noon, 0},
		{"over 1970", Period{-1, 1}, noon, 1440},
		{"with a clock before 1970", Period{-1, 1}, -1e18, 0},
	} {
		from, to := c.p.Minutes(c.now)
		if from > to || int(to-from) != c.count {
			t.Errorf("%s: [%d, %d), want %d minutes", c.name, from, to, c.count)
		}
	}
	p := Period{day, day + 1}
	if p.Contains(day-1) || !p.Contains(day) || p.Contains(day+1) {
		t.Error("a period has its first day and not its last")
	}
}
