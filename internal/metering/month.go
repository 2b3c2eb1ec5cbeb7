package metering

import "time"

// Month is a UTC month, counted from January 1970.
type Month int32

// MonthOf returns the month that contains the day.
func MonthOf(d Day) Month {
	t := d.Start().Time()
	return Month((t.Year()-1970)*12 + int(t.Month()) - 1)
}

const monthLayout = "2006-01"

// ParseMonth parses a month such as 2026-01, which must not lie before 1970.
func ParseMonth(text string) (m Month, ok bool) {
	t, err := time.Parse(monthLayout, text)
	if err != nil || t.Year() < 1970 || t.Format(monthLayout) != text {
		return 0, false
	}
	return Month((t.Year()-1970)*12 + int(t.Month()) - 1), true
}

// Start returns the month's first day.
func (m Month) Start() Day { return DayOf(1970, time.January+time.Month(m), 1) }

// String formats as 2006-01.
func (m Month) String() string {
	return time.Date(1970, time.January+time.Month(m), 1, 0, 0, 0, 0, time.UTC).Format(monthLayout)
}

// MarshalText implements encoding.TextMarshaler.
func (m Month) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Month) UnmarshalText(text []byte) error {
	parsed, ok := ParseMonth(string(text))
	if !ok {
		return Errorf(KindInvalid, "%q is not a month such as 2026-01", text)
	}
	*m = parsed
	return nil
}

// Closes reports whether closing all months before m closes an observation to
// changes: a state whose first minute lies before m, a quantity that begins
// before m. A retraction has no time of its own.
func (m Month) Closes(kind ObservationKind, at Instant) bool {
	switch kind {
	case StateObserved:
		return FirstMinute(at) < m.Start().FirstMinute()
	case QuantityObserved:
		return at < m.Start().Start()
	}
	return false
}

// FirstOpen returns the first instant of a state that closing all months before
// m leaves open: just after the last sample before m.
func (m Month) FirstOpen() Instant { return m.Start().FirstMinute().Since() }
