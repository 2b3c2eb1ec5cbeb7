package storetest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// heard is a submission and what became of it. The model keeps all of them.
type heard struct {
	submission report.Submission
	outcome    report.Outcome
}

func (h *heard) times() uint64 {
	if h.submission.Times > 1 {
		return h.submission.Times
	}
	return 1
}

// Sources implements [report.SourceKeeper]. It counts every submission anew.
func (m *Model) Sources(of report.SourceScope) []*report.Source {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[report.SourceKey]*report.Source{}
	perClient := map[report.ClientID]int{}
	for i := range m.mu.heard {
		h := &m.mu.heard[i]
		key := report.SourceKey{Source: h.submission.Observation.Name.Source}
		if !h.submission.AnyClient {
			key.Client = h.submission.Client
		}
		if !of.All && key.Client != of.Client {
			continue
		}
		if found[key] == nil && perClient[key.Client] == report.MaxSourcesOfClient {
			key.Source, key.Rest = "", true
		}
		if found[key] == nil {
			found[key] = &report.Source{Key: key, Since: h.submission.ReceivedAt}
			if !key.Rest {
				perClient[key.Client]++
			}
		}
		hear(found[key], h)
	}
	return slices.SortedFunc(maps.Values(found), func(a, b *report.Source) int {
		if c := cmp.Compare(a.Key.Client, b.Key.Client); c != 0 {
			return c
		}
		if a.Key.Rest != b.Key.Rest {
			return map[bool]int{true: 1, false: -1}[a.Key.Rest]
		}
		return cmp.Compare(a.Key.Source, b.Key.Source)
	})
}

// hear adds one event to its source.
func hear(s *report.Source, h *heard) {
	at := h.submission.ReceivedAt
	s.Heard = at
	hour := report.SourceHour{Hour: report.Hour(floorDivide(int64(at), 3600*secondNanos))}
	day := report.SourceDay{Day: metering.Day(floorDivide(int64(at), daySeconds*secondNanos))}
	switch {
	case h.outcome.Rejected != nil:
		hour.Rejected = h.times()
		day.ByCode = []report.CodeCount{{Code: h.outcome.Rejected.Code, Count: hour.Rejected}}
		s.Samples = sampled(s.Samples, h)
	case h.outcome.Duplicate:
		hour.Duplicates = 1
	default:
		hour.Accepted = 1
		event := h.submission.Observation.Time
		s.LastEvent, s.LastLag, hour.Greatest = max(s.LastEvent, event), at-event, at-event
		if s.Received == 0 {
			s.LastEvent = event
		}
		s.Received = at
		hour.Lags[lagBound(at-event)] = 1
	}
	day.SourceCounts = hour.SourceCounts
	addHour(s, hour)
	addDay(s, day)
}

// lagBound is which of 1 s, 10 s, 1 min, 5 min, 15 min, 1 h, 6 h, 1 d a lag is
// within.
func lagBound(lag metering.Instant) (i int) {
	for _, seconds := range []int64{1, 10, 60, 300, 900, 3600, 21600, 86400} {
		if int64(lag) > seconds*secondNanos {
			i++
		}
	}
	return i
}

func addHour(s *report.Source, h report.SourceHour) {
	for i := range s.Hours {
		if e := &s.Hours[i]; e.Hour == h.Hour {
			if h.Accepted > 0 && (e.Accepted == 0 || h.Greatest > e.Greatest) {
				e.Greatest = h.Greatest
			}
			e.Add(h.SourceCounts)
			for b := range e.Lags {
				e.Lags[b] += h.Lags[b]
			}
			return
		}
	}
	s.Hours = append(s.Hours, h)
	slices.SortFunc(s.Hours, func(a, b report.SourceHour) int { return int(a.Hour - b.Hour) })
}

func addDay(s *report.Source, d report.SourceDay) {
	for i := range s.Days {
		e := &s.Days[i]
		if e.Day != d.Day {
			continue
		}
		e.Add(d.SourceCounts)
		codes := map[metering.RejectCode]uint64{}
		for _, c := range slices.Concat(e.ByCode, d.ByCode) {
			codes[c.Code] += c.Count
		}
		e.ByCode = nil
		for _, code := range slices.Sorted(maps.Keys(codes)) {
			e.ByCode = append(e.ByCode, report.CodeCount{Code: code, Count: codes[code]})
		}
		return
	}
	s.Days = append(s.Days, d)
	slices.SortFunc(s.Days, func(a, b report.SourceDay) int { return int(a.Day - b.Day) })
}

// sampled keeps at most two of a code and six in all, the last ones.
func sampled(samples []report.RejectionSample, h *heard) []report.RejectionSample {
	name, why := h.submission.Observation.Name, h.outcome.Rejected
	samples = append(samples, report.RejectionSample{At: h.submission.ReceivedAt, ID: name.ID, Field: why.Field, Message: strings.ToValidUTF8(why.Message[:min(len(why.Message), 256)], ""), Code: why.Code})
	ofCode := 0
	for _, s := range samples {
		if s.Code == why.Code {
			ofCode++
		}
	}
	for i := range samples {
		if ofCode > 2 && samples[i].Code == why.Code || ofCode <= 2 && len(samples) > 6 {
			return slices.Delete(samples, i, i+1)
		}
	}
	return samples
}

// reusedIDsLocked lists the names that were refused in the period because other
// content had them.
func (m *Model) reusedIDsLocked(q *report.Query) (found []*report.Finding) {
	named := map[metering.ObservationName]*report.Finding{}
	for i := range m.mu.heard {
		h := &m.mu.heard[i]
		if h.outcome.Rejected == nil || h.outcome.Rejected.Code != metering.IDReused {
			continue
		}
		o := h.submission.Observation
		k := m.mu.stored[o.Name].Resource
		if m.mu.stored[o.Name].Kind == metering.RetractionMade {
			k = o.Resource
		}
		if !k.Type.Valid() || !contains(q.Projects, k.Project) || !contains(q.Regions, k.Region) || !hasType(q.Types, k.Type) {
			continue
		}
		f := named[o.Name]
		if f == nil {
			f = &report.Finding{Kind: report.ReusedIDs, Resources: []metering.ResourceKey{k}, From: h.submission.ReceivedAt, To: h.submission.ReceivedAt, Name: o.Name}
			named[o.Name] = f
		}
		f.From, f.To, f.Times = min(f.From, h.submission.ReceivedAt), max(f.To, h.submission.ReceivedAt), f.Times+1
	}
	for _, f := range named {
		if from, to := metering.Day(floorDivide(int64(f.From), daySeconds*secondNanos)), metering.Day(floorDivide(int64(f.To), daySeconds*secondNanos)); from < q.Period.To && to >= q.Period.From && q.Period.From < q.Period.To {
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b *report.Finding) int {
		return cmp.Or(a.Resources[0].Compare(b.Resources[0]), cmp.Compare(a.Name.Source, b.Name.Source), cmp.Compare(a.Name.ID, b.Name.ID))
	})
	return found
}

// silentResources asks of each resource whether it counts in the last minute of
// the period that counts, and how long ago it was last heard of then.
func silentResources(of *report.FindingQuery, q *report.Query, resources []*told) (found []*report.Finding) {
	end := q.Now
	if int64(q.Period.To) < int64(q.Now)/(daySeconds*secondNanos)+1 {
		end = metering.Instant(max(int64(q.Period.To), -100_000) * daySeconds * secondNanos)
	}
	for _, r := range resources {
		var last metering.Instant
		counts := false
		for _, o := range r.quantities {
			if day := metering.Day(floorDivide(int64(o.From), daySeconds*secondNanos)); day >= q.Period.From {
				last, counts = max(last, o.To), counts || day < q.Period.To
			}
		}
		for _, o := range r.states {
			last = max(last, firstSampled(o.Time))
		}
		if len(r.states) > 0 {
			final := floorDivide(int64(end)-sampleSecond*secondNanos, minuteSeconds*secondNanos)
			if end != q.Now {
				final = int64(q.Period.To)*dayMinutes - 1
			}
			counts = r.isThereAt(final, q)
		}
		if counts && last < end-of.SilentFor {
			found = append(found, &report.Finding{Kind: report.SilentResources, Resources: []metering.ResourceKey{r.resource}, From: last, To: end})
		}
	}
	return found
}

// firstSampled is the start of the first minute whose sample a state can hold.
func firstSampled(at metering.Instant) metering.Instant {
	const minute = minuteSeconds * secondNanos
	return metering.Instant(floorDivide(int64(at)+minute-sampleSecond*secondNanos-1, minute) * minute)
}
