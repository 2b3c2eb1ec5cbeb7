package metering

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestTimestampsAreRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text  string
		want  string // in UTC, "" for refused
		zoned bool
	}{
		{"2024-07-01T00:00:05Z", "2024-07-01T00:00:05Z", true},
		{"2024-07-01t00:00:05z", "2024-07-01T00:00:05Z", true},
		{"2024-07-01T00:00:05", "2024-07-01T00:00:05Z", false},
		{"2024-07-01T00:00:05.5", "2024-07-01T00:00:05.5Z", false},
		{"2024-07-01T00:00:05.123456789Z", "2024-07-01T00:00:05.123456789Z", true},
		{"2024-07-01T00:00:05.1234567899999999999999Z", "2024-07-01T00:00:05.123456789Z", true},
		{"2024-07-01T00:00:05.000000000Z", "2024-07-01T00:00:05Z", true},
		{"2024-07-15T00:00:00+02:00", "2024-07-14T22:00:00Z", true},
		{"2024-07-14T23:30:00-00:30", "2024-07-15T00:00:00Z", true},
		{"2024-07-15T00:00:00-00:00", "2024-07-15T00:00:00Z", true},
		{"2024-07-15T00:00:00+23:59", "2024-07-14T00:01:00Z", true},
		{"2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z", true},
		{"2000-02-29T12:00:00Z", "2000-02-29T12:00:00Z", true},
		{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", true},
		{"9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z", true},
		{"1969-12-31T23:59:59.9Z", "1969-12-31T23:59:59.9Z", true},
		{"2023-02-29T12:00:00Z", "", false},
		{"1900-02-29T12:00:00Z", "", false},
		{"0000-01-01T00:00:00Z", "", false},
		{"10000-01-01T00:00:00Z", "", false},
		{"2024-00-01T00:00:00Z", "", false},
		{"2024-13-01T00:00:00Z", "", false},
		{"2024-07-00T00:00:00Z", "", false},
		{"2024-06-31T00:00:00Z", "", false},
		{"2024-07-32T00:00:00Z", "", false},
		{"2024-07-01T24:00:00Z", "", false},
		{"2024-07-01T23:60:00Z", "", false},
		{"2024-06-30T23:59:60Z", "", false},
		{"2024-07-01T00:00:05,5Z", "", false},
		{"2024-07-01T00:00:05.Z", "", false},
		{"2024-07-01T00:00:05.", "", false},
		{"2024-07-01T00:00Z", "", false},
		{"2024-07-01 00:00:05Z", "", false},
		{"2024-07-01", "", false},
		{"2024-07-01T00:00:05+24:00", "", false},
		{"2024-07-01T00:00:05+02:60", "", false},
		{"2024-07-01T00:00:05+0200", "", false},
		{"2024-07-01T00:00:05+02", "", false},
		{"2024-07-01T00:00:05 Z", "", false},
		{"2024-07-01T00:00:05ZZ", "", false},
		{"2024-07-01T00:00:05UTC", "", false},
		{"+024-07-01T00:00:05Z", "", false},
		{"2024-7-01T00:00:005Z", "", false},
		{" 2024-07-01T00:00:05Z", "", false},
		{"", "", false},
		{"1719792005", "", false},
	} {
		got, zoned, ok := ParseTimestamp(c.text)
		if ok != (c.want != "") || zoned != c.zoned {
			t.Errorf("%q: ok %v, zoned %v; want %q", c.text, ok, zoned, c.want)
		}
		if text := time.Unix(got.Unix, int64(got.Nanos)).UTC().Format(time.RFC3339Nano); ok && text != c.want {
			t.Errorf("%q: got %s, want %s", c.text, text, c.want)
		}
	}
}

func TestTimestampsAreThoseOfTheStandardLibrary(t *testing.T) {
	t.Parallel()
	first := time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC).Unix()
	last := time.Date(9999, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		zone := time.FixedZone("", (random.IntN(2*1439)-1439)*60)
		want := time.Unix(first+random.Int64N(last-first), random.Int64N(1e9)).In(zone)
		text := want.Format(time.RFC3339Nano)
		got, zoned, ok := ParseTimestamp(text)
		if !ok || !zoned || got.Unix != want.Unix() || int(got.Nanos) != want.Nanosecond() {
			t.Errorf("%s: %+v, %v, %v", text, got, zoned, ok)
		}
		if day := want.UTC().Format(time.DateOnly); got.Day().String() != day {
			t.Errorf("%s is on %s, want %s", text, got.Day(), day)
		}
		if i, ok := got.Instant(); ok && !i.Time().Equal(want) {
			t.Errorf("%s is at %s", text, i)
		}
	})
}

func TestInstantsReachFrom1678To2261(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"1677-12-31T23:59:59Z": false, "1679-01-01T00:00:00Z": true, "1970-01-01T00:00:00Z": true,
		"2261-01-01T00:00:00Z": true, "2263-01-01T00:00:00Z": false, "0001-01-01T00:00:00Z": false, "9999-12-31T00:00:00Z": false,
	} {
		ts, _, ok := ParseTimestamp(text)
		i, ok2 := ts.Instant()
		if !ok || ok2 != want || want && i.String() != text {
			t.Errorf("%s: %s, %v", text, i, ok2)
		}
	}
}

func TestDatesAreRead(t *testing.T) {
	t.Parallel()
	for d := DayOf(1, time.January, 1); d < DayOf(10000, time.January, 1); d += 13 {
		if got, ok := ParseDate(d.String()); !ok || got != d {
			t.Fatalf("%s: %d, %v; want %d", d, got, ok, d)
		}
	}
	for _, text := range []string{"", "2024-02-30", "2023-02-29", "0000-12-31", "2024-1-01", "2024-01-1", "20240101", "2024/01/01", "2024-01-01 ", "2024-01-0a", "-024-01-01", "2024-04-31", "2024-09-31", "2024-11-31"} {
		if d, ok := ParseDate(text); ok {
			t.Errorf("%q was read as %s", text, d)
		}
	}
}

// FuzzParseTimestamp compares with the standard library: what is read is what it
// reads, but for the missing zone, and all that it prints is read.
func FuzzParseTimestamp(f *testing.F) {
	for _, text := range []string{"2024-07-01T00:00:05Z", "2024-02-29T23:59:59.123456789+02:00", "2024-07-01t00:00:05,5z", "2024-07-01T00:00:05", "0000-01-01T00:00:00Z", "2024-06-30T23:59:60Z"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, zoned, ok := ParseTimestamp(text)
		canonical := strings.ToUpper(text)
		if ok && !zoned {
			canonical += "Z"
		}
		want, err := time.Parse(time.RFC3339Nano, canonical)
		switch {
		case ok && err != nil:
			t.Errorf("%q was read as %+v: %v", text, got, err)
		case ok && (want.Unix() != got.Unix || want.Nanosecond() != int(got.Nanos)):
			t.Errorf("%q was read as %+v, want %s", text, got, want)
		case !ok && err == nil && want.Year() > 0 && want.Format(time.RFC3339Nano) == text:
			t.Errorf("%q was refused, want %s", text, want)
		}
	})
}
