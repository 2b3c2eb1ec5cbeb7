package ledger

import (
	"cmp"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// count adds one submission and what became of it.
func (r *sourceRecord) count(s *report.Submission, o *report.Outcome) {
	if hour := report.HourOf(s.ReceivedAt); hour != r.hour.Hour {
		r.turn(hour, s.ReceivedAt.Day())
	}
	r.Heard = s.ReceivedAt
	switch {
	case o.Rejected != nil:
		r.reject(s, o.Rejected)
	case o.Duplicate:
		r.hour.Duplicates++
		r.day.Duplicates++
	default:
		r.accept(s.ReceivedAt, s.Observation.Time)
	}
}

func (r *sourceRecord) accept(received, event metering.Instant) {
	lag := received - event
	if r.hour.Accepted == 0 || lag > r.hour.Greatest {
		r.hour.Greatest = lag
	}
	r.hour.Accepted++
	r.hour.Lags.Count(lag)
	r.day.Accepted++
	if r.Received == 0 || event > r.LastEvent {
		r.LastEvent = event
	}
	r.Received, r.LastLag = received, lag
}

// reject counts what was refused. The slices are made anew: a view may have the
// old ones.
func (r *sourceRecord) reject(s *report.Submission, why *metering.Rejection) {
	times := max(s.Times, 1)
	r.hour.Rejected += times
	r.day.Rejected += times
	i, found := slices.BinarySearchFunc(r.day.ByCode, why.Code, func(c report.CodeCount, code metering.RejectCode) int { return cmp.Compare(c.Code, code) })
	r.day.ByCode = slices.Clone(r.day.ByCode)
	if !found {
		r.day.ByCode = slices.Insert(r.day.ByCode, i, report.CodeCount{Code: why.Code})
	}
	r.day.ByCode[i].Count += times
	r.Samples = report.AddSample(r.Samples, report.SampleOf(s, why))
	r.sampled = true
}

// turn goes on to another hour: a later one, or one before when the clock was put
// back or requests overtake each other.
func (r *sourceRecord) turn(hour report.Hour, day metering.Day) {
	r.past = true
	hours := slices.Clone(r.Hours)
	if r.hour.SourceCounts != (report.SourceCounts{}) {
		hours = append(hours, r.hour)
	}
	r.hour = report.SourceHour{Hour: hour}
	r.Hours = slices.DeleteFunc(hours, func(h report.SourceHour) bool {
		if h.Hour == hour {
			r.hour = h
		}
		return h.Hour == hour || h.Hour <= hour-report.SourceHours || h.Hour >= hour+report.SourceHours
	})
	if day == r.day.Day {
		return
	}
	days := slices.Clone(r.Days)
	if r.day.SourceCounts != (report.SourceCounts{}) {
		days = append(days, r.day)
	}
	r.day = report.SourceDay{Day: day}
	r.Days = slices.DeleteFunc(days, func(d report.SourceDay) bool {
		if d.Day == day {
			r.day = d
		}
		return d.Day == day || d.Day <= day-report.SourceDays || d.Day >= day+report.SourceDays
	})
}
