package metering

import "time"

// Timestamp is a parsed RFC 3339 date-time: seconds since 1970 in UTC, and the
// nanoseconds within the second. It reaches from year 1 to 9999, farther than
// an Instant does.
type Timestamp struct {
	Unix  int64
	Nanos int32
}

// Day returns the UTC day.
func (t Timestamp) Day() Day { return Day(floorDiv(t.Unix, 86400)) }

// Instant converts; ok is false when the instant lies outside 1678 to 2261.
func (t Timestamp) Instant() (i Instant, ok bool) {
	if t.Unix < -9_200_000_000 || t.Unix > 9_200_000_000 {
		return 0, false
	}
	return Instant(t.Unix)*Second + Instant(t.Nanos), true
}

// ParseTimestamp parses an RFC 3339 date-time: "2024-07-01T00:00:05Z", with an
// offset, with any number of fractional digits (those beyond nanoseconds are
// cut). Without a zone it is read as UTC and zoned is false. Years are 0001 to
// 9999; second 60 is invalid.
func ParseTimestamp(s string) (t Timestamp, zoned, ok bool) {
	if len(s) < 19 || (s[10] != 'T' && s[10] != 't') || s[13] != ':' || s[16] != ':' {
		return t, false, false
	}
	day, ok := ParseDate(s[:10])
	hour, ok1 := digits(s[11:13], 23)
	minute, ok2 := digits(s[14:16], 59)
	second, ok3 := digits(s[17:19], 59)
	if !ok || !ok1 || !ok2 || !ok3 {
		return t, false, false
	}
	rest := s[19:]
	nanos, rest, ok := parseFraction(rest)
	if !ok {
		return t, false, false
	}
	offset, zoned, ok := parseZone(rest)
	if !ok {
		return t, false, false
	}
	unix := int64(day)*86400 + int64(hour*3600+minute*60+second) - int64(offset)
	return Timestamp{Unix: unix, Nanos: nanos}, zoned, true
}

// ParseDate parses "2006-01-02", years 0001 to 9999.
func ParseDate(s string) (Day, bool) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	year, ok1 := digits(s[:4], 9999)
	month, ok2 := digits(s[5:7], 12)
	day, ok3 := digits(s[8:10], 31)
	if !ok1 || !ok2 || !ok3 || year == 0 || month == 0 || day == 0 || day > daysIn(year, month) {
		return 0, false
	}
	return DayOf(year, time.Month(month), day), true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

func digits(s string, most int) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, n <= most
}

func parseFraction(s string) (nanos int32, rest string, ok bool) {
	if s == "" || s[0] != '.' {
		return 0, s, true
	}
	i, scale := 1, int32(100_000_000)
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		nanos += int32(s[i]-'0') * scale
		scale /= 10
	}
	return nanos, s[i:], i > 1
}

// parseZone returns the offset east of UTC in seconds.
func parseZone(s string) (offset int, zoned, ok bool) {
	switch {
	case s == "":
		return 0, false, true
	case s == "Z" || s == "z":
		return 0, true, true
	case len(s) != 6 || (s[0] != '+' && s[0] != '-') || s[3] != ':':
		return 0, false, false
	}
	hours, ok1 := digits(s[1:3], 23)
	minutes, ok2 := digits(s[4:6], 59)
	offset = hours*3600 + minutes*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true, ok1 && ok2
}
