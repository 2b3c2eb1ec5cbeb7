package timeline

import (
	"fmt"
	"time"
)

// Share is a part of the period's length, in hundredths of a percent.
type Share int64

const whole Share = 10_000

// String writes it for SVG: 12.5%.
func (s Share) String() string {
	text := fmt.Sprintf("%d.%02d", s/100, s%100)
	for text[len(text)-1] == '0' {
		text = text[:len(text)-1]
	}
	if text[len(text)-1] == '.' {
		text = text[:len(text)-1]
	}
	return text + "%"
}

// Scale is a period [From, To) in UTC, and where its instants lie in a drawing.
type Scale struct{ From, To time.Time }

// At is where an instant lies; those outside lie at the ends.
func (s Scale) At(t time.Time) Share {
	length := int64(s.To.Sub(s.From) / time.Second)
	if length <= 0 {
		return 0
	}
	return Share(min(max(int64(t.Sub(s.From)/time.Second), 0), length) * int64(whole) / length)
}

// Tick is a place on the axis with its label.
type Tick struct {
	At    Share
	Label string
}

// How many labels fit a phone, and how many with their year.
const (
	maxTicks     = 6
	maxLongTicks = 4
)

// Ticks are the starts of days in UTC, as many as fit; of a period of a day or
// two, hours.
func (s Scale) Ticks() []Tick {
	days := int(s.To.Sub(s.From) / (24 * time.Hour))
	switch {
	case days <= 0:
		return nil
	case days <= 2:
		return s.ticks(time.Duration(6*days)*time.Hour, "15:04")
	}
	ticks, format := maxTicks, "2 Jan"
	if days > 300 {
		ticks, format = maxLongTicks, "2 Jan 2006"
	}
	step := (days + ticks - 1) / ticks
	return s.ticks(time.Duration(step)*24*time.Hour, format)
}

// ticks leaves out one that comes so shortly before the end that its label would
// have no room.
func (s Scale) ticks(step time.Duration, format string) (all []Tick) {
	for t := s.From; t.Before(s.To.Add(-step / 3)); t = t.Add(step) {
		all = append(all, Tick{s.At(t), t.UTC().Format(format)})
	}
	return all
}
