package httpapi

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

const (
	sourcesPath = "/v1/sources"

	// DefaultLateSeconds and DefaultSilentSeconds are after which time without an
	// accepted event a source is late, or silent.
	DefaultLateSeconds   = 2 * 3600
	DefaultSilentSeconds = 24 * 3600
	MaxSilentSeconds     = 365 * 24 * 3600

	// listedDays is how many of the days that are remembered are shown.
	listedDays = 30
	// mostPercent is how many of the events "most" are.
	mostPercent = 95
)

// The statuses of a source.
const (
	sourceFresh  = "fresh"
	sourceLate   = "late"
	sourceSilent = "silent"
)

type sourceListBody struct {
	Count    int              `json:"count"`
	Statuses sourceStatusBody `json:"statuses"`
	Now      timestamp        `json:"now"`
	Results  []sourceBody     `json:"results"`
}

type sourceStatusBody struct {
	Fresh  int `json:"fresh"`
	Late   int `json:"late"`
	Silent int `json:"silent"`
}

// sourceBody is what is remembered of one event source.
type sourceBody struct {
	Client     *report.ClientID `json:"client"`
	Source     *string          `json:"source"`
	Others     bool             `json:"others"`
	Status     string           `json:"status"`
	FirstHeard timestamp        `json:"first_heard_at"`
	LastHeard  timestamp        `json:"last_heard_at"`
	Received   *timestamp       `json:"last_received_at"`
	LastEvent  *timestamp       `json:"last_event_at"`
	Lag        lagBody          `json:"lag"`
	Hour       countsBody       `json:"present_hour"`
	Day        countsBody       `json:"last_24_hours"`
	Hours      hoursBody        `json:"hours"`
	Days       daysBody         `json:"days"`
	Rejections []rejectionsBody `json:"rejections"`
}

// lagBody tells the time from an event to its receipt. Members are null when
// nothing was accepted.
type lagBody struct {
	Last     *int64 `json:"last_ms"`
	Half     *int64 `json:"half_within_ms"`
	Most     *int64 `json:"most_within_ms"`
	Greatest *int64 `json:"greatest_ms"`
}

type countsBody struct {
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	Rejected   int64 `json:"rejected"`
}

type hoursBody struct {
	From timestamp `json:"from"`
	seriesBody
}

type daysBody struct {
	From string `json:"from"`
	seriesBody
}

// seriesBody has one number for each hour or day, the last one of the present.
type seriesBody struct {
	Accepted   []int64 `json:"accepted"`
	Duplicates []int64 `json:"duplicates"`
	Rejected   []int64 `json:"rejected"`
}

type rejectionsBody struct {
	Code    string                `json:"code"`
	Count   int64                 `json:"count"`
	Samples []rejectionSampleBody `json:"samples"`
}

type rejectionSampleBody struct {
	At      timestamp `json:"at"`
	ID      string    `json:"id"`
	Field   string    `json:"field"`
	Message string    `json:"message"`
}

// listSources answers how the sources have been sending whose events came with
// keys of the caller's client. A key that is narrowed may not see what others
// sent for other projects, and the counts do not tell them apart.
func listSources(x *exchange) error {
	if err := x.caller.RequireNotNarrowed("list event sources, which are not told apart by project, region or type"); err != nil {
		return err
	}
	q := x.query()
	q.only("status", "order", "late_after_seconds", "silent_after_seconds", "limit", "offset")
	view := sourcesView{
		now:    x.s.options.Clock(),
		late:   q.integer("late_after_seconds", DefaultLateSeconds, 1, MaxSilentSeconds),
		silent: q.integer("silent_after_seconds", DefaultSilentSeconds, 1, MaxSilentSeconds),
	}
	status := q.choice("status", sourceFresh, sourceLate, sourceSilent)
	order := q.choice("order", "source", "silence")
	limit, offset := q.integer("limit", DefaultPageSize, 1, MaxPageSize), q.integer("offset", 0, 0, maxOffset)
	if err := (&members{fields: q.fields}).err(); err != nil {
		return err
	}
	sources := x.backend.Store.Sources(report.SourceScope{All: x.caller.AboveClients(), Client: x.caller.Key().Client})
	body := sourceListBody{Now: timestamp(view.now), Results: []sourceBody{}, Statuses: view.count(sources)}
	if status != "" {
		sources = slices.DeleteFunc(sources, func(s *report.Source) bool { return view.status(s) != status })
	}
	if order == "silence" {
		slices.SortStableFunc(sources, func(a, b *report.Source) int { return cmp.Compare(a.Received, b.Received) })
	}
	body.Count = len(sources)
	for _, s := range sources[min(offset, len(sources)):min(offset+limit, len(sources))] {
		body.Results = append(body.Results, view.body(s))
	}
	return x.json(http.StatusOK, &body)
}

// sourcesView is from when, and by which thresholds, sources are looked at.
type sourcesView struct {
	now          metering.Instant
	late, silent int // seconds
}

func (v *sourcesView) status(s *report.Source) string {
	age := v.now - s.Received
	switch {
	case s.Received == 0 || age > metering.Instant(v.silent)*metering.Second:
		return sourceSilent
	case age > metering.Instant(v.late)*metering.Second:
		return sourceLate
	}
	return sourceFresh
}

func (v *sourcesView) count(sources []*report.Source) (b sourceStatusBody) {
	for _, s := range sources {
		switch v.status(s) {
		case sourceSilent:
			b.Silent++
		case sourceLate:
			b.Late++
		default:
			b.Fresh++
		}
	}
	return b
}

func (v *sourcesView) body(s *report.Source) sourceBody {
	b := sourceBody{
		Client: given(s.Key.Client), Source: given(s.Key.Source), Others: s.Key.Rest, Status: v.status(s),
		FirstHeard: timestamp(s.Since), LastHeard: timestamp(s.Heard), Received: known(s.Received), LastEvent: known(s.LastEvent),
		Rejections: v.rejections(s),
	}
	present := report.HourOf(v.now)
	from := present - report.SourceHours + 1
	b.Hours = hoursBody{timestamp(from.Start()), newSeries(report.SourceHours)}
	var hour, day report.SourceCounts
	var lags report.LagCounts
	var greatest metering.Instant
	for i := range s.Hours {
		h := &s.Hours[i]
		b.Hours.add(int(h.Hour-from), &h.SourceCounts)
		if h.Hour == present {
			hour = h.SourceCounts
		}
		if h.Hour > present-24 && h.Hour <= present {
			if h.Accepted > 0 && (day.Accepted == 0 || h.Greatest > greatest) {
				greatest = h.Greatest
			}
			day.Add(h.SourceCounts)
			lags.Add(&h.Lags)
		}
	}
	b.Hour, b.Day = bodyOfCounts(&hour), bodyOfCounts(&day)
	b.Lag = bodyOfLag(s, &lags, greatest)
	b.Days = v.days(s)
	return b
}

func (v *sourcesView) days(s *report.Source) daysBody {
	from := v.now.Day() - listedDays + 1
	days := daysBody{from.String(), newSeries(listedDays)}
	for i := range s.Days {
		days.add(int(s.Days[i].Day-from), &s.Days[i].SourceCounts)
	}
	return days
}

func newSeries(n int) seriesBody {
	return seriesBody{make([]int64, n), make([]int64, n), make([]int64, n)}
}

func (b *seriesBody) add(i int, c *report.SourceCounts) {
	if i >= 0 && i < len(b.Accepted) {
		b.Accepted[i], b.Duplicates[i], b.Rejected[i] = int64(c.Accepted), int64(c.Duplicates), int64(c.Rejected)
	}
}

func bodyOfCounts(c *report.SourceCounts) countsBody {
	return countsBody{int64(c.Accepted), int64(c.Duplicates), int64(c.Rejected)}
}

// bodyOfLag rounds down to milliseconds.
func bodyOfLag(s *report.Source, lags *report.LagCounts, greatest metering.Instant) (b lagBody) {
	ms := func(i metering.Instant) *int64 {
		n := i.Duration().Milliseconds()
		return &n
	}
	if s.Received != 0 {
		b.Last = ms(s.LastLag)
	}
	if *lags == (report.LagCounts{}) {
		return b
	}
	b.Greatest = ms(greatest)
	if bound, ok := lags.Within(50); ok {
		b.Half = ms(bound)
	}
	if bound, ok := lags.Within(mostPercent); ok {
		b.Most = ms(bound)
	}
	return b
}

// rejections lists what was refused in the days that are shown, by code.
func (v *sourcesView) rejections(s *report.Source) []rejectionsBody {
	counts := map[metering.RejectCode]int64{}
	for i := range s.Days {
		if d := &s.Days[i]; d.Day > v.now.Day()-listedDays && d.Day <= v.now.Day() {
			for _, c := range d.ByCode {
				counts[c.Code] += int64(c.Count)
			}
		}
	}
	bodies := []rejectionsBody{}
	for _, code := range metering.RejectCodes() {
		if counts[code] == 0 {
			continue
		}
		b := rejectionsBody{Code: code.String(), Count: counts[code], Samples: []rejectionSampleBody{}}
		for _, e := range slices.Backward(s.Samples) {
			if e.Code == code {
				b.Samples = append(b.Samples, rejectionSampleBody{timestamp(e.At), e.ID, e.Field, e.Message})
			}
		}
		bodies = append(bodies, b)
	}
	return bodies
}
