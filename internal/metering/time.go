package metering

import (
	"math"
	"time"
)

// Instant is a moment in nanoseconds since 1970-01-01T00:00:00Z, UTC. Event
// times lie between 2000 and 2262, so 64 bits hold them.
type Instant int64

// Second is one second of an Instant.
const Second Instant = 1e9

// InstantOf converts a time.Time, which must lie within 1678 to 2261.
func InstantOf(t time.Time) Instant { return Instant(t.UnixNano()) }

// Time converts to a time.Time in UTC.
func (i Instant) Time() time.Time { return time.Unix(0, int64(i)).UTC() }

// Day returns the UTC day that contains the instant.
func (i Instant) Day() Day { return Day(floorDiv(int64(i), 86400*int64(Second))) }

// String formats with as many fractional digits as needed, RFC 3339, UTC.
func (i Instant) String() string { return i.Time().Format(time.RFC3339Nano) }

// Minute is a cell of the minute grid: minute m is the half-open interval
// [m*60 s, m*60 s + 60 s) since 1970-01-01T00:00:00Z, sampled at its 30th
// second (spec 2-metering, "States, minutes").
type Minute uint32

// Open is the end of a segment that no later state has ended.
const Open Minute = math.MaxUint32

const (
	minuteLength  = 60 * Second
	sampleOffset  = 30 * Second
	minutesPerDay = 1440
)

// FirstMinute returns the first minute whose sample a state effective at t can
// hold: the first m with t <= m*60 s + 30 s; minute 0 for instants before 1970.
func FirstMinute(t Instant) Minute {
	if t <= sampleOffset {
		return 0
	}
	return Minute(-floorDiv(-int64(t-sampleOffset), int64(minuteLength)))
}

// MinutesUntil returns the end (exclusive) of the minutes that count at now:
// those whose sample is not in the future; none does before 1970.
func MinutesUntil(now Instant) Minute {
	if now < sampleOffset {
		return 0
	}
	return Minute(floorDiv(int64(now-sampleOffset), int64(minuteLength)) + 1)
}

// Since returns the first instant of the states that hold from the minute on, and
// from no earlier one: the least t of which it is the FirstMinute.
func (m Minute) Since() Instant {
	if m == 0 {
		return math.MinInt64
	}
	return (m - 1).Sample() + 1
}

// Start returns the minute's first instant.
func (m Minute) Start() Instant { return Instant(m) * minuteLength }

// Sample returns the instant at which the minute is sampled, its 30th second.
func (m Minute) Sample() Instant { return Instant(m)*minuteLength + sampleOffset }

// Day is a UTC day, counted from 1970-01-01: [d*86400 s, (d+1)*86400 s). It may
// be negative: reports reach back to the year 1.
type Day int32

// DayOf returns the day of a civil date in the proleptic Gregorian calendar.
func DayOf(year int, month time.Month, day int) Day {
	return Day(floorDiv(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix(), 86400))
}

// FirstMinute returns the day's first minute; for days before 1970, minute 0.
func (d Day) FirstMinute() Minute {
	return Minute(min(max(int64(d)*minutesPerDay, 0), int64(Open)-1))
}

// Start returns the day's first instant, as far as an Instant can hold it.
func (d Day) Start() Instant {
	const dayLength = 86400 * int64(Second)
	switch {
	case int64(d) > math.MaxInt64/dayLength:
		return math.MaxInt64
	case int64(d) < math.MinInt64/dayLength:
		return math.MinInt64
	}
	return Instant(int64(d) * dayLength)
}

// String formats as 2006-01-02.
func (d Day) String() string {
	return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly)
}

// Period is a half-open range of UTC days [From, To).
type Period struct{ From, To Day }

// Minutes returns the period's half-open range of minutes as far as they count
// at now; it is empty (from == to) when none does.
func (p Period) Minutes(now Instant) (from, to Minute) {
	from, to = p.From.FirstMinute(), p.To.FirstMinute()
	to = min(to, MinutesUntil(now))
	return min(from, to), to
}

// Contains reports whether the day lies in the period.
func (p Period) Contains(d Day) bool { return p.From <= d && d < p.To }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// Duration converts a difference of two instants.
func (i Instant) Duration() time.Duration { return time.Duration(i) }
