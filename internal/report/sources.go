package report

import (
	"cmp"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/meterbook/meterbook/internal/metering"
)

// Bounds of what is remembered of event sources.
const (
	// MaxSourcesOfClient is how many sources of one client are told apart. What
	// further ones send is counted together, so that making up names costs
	// nothing.
	MaxSourcesOfClient = 4096
	// SourceHours and SourceDays are how many hours and days are remembered, the
	// present one included.
	SourceHours = 48
	SourceDays  = 35
	// MaxRejectionSamples is how many refused events of a source are remembered,
	// MaxSamplesOfCode how many of them with one code.
	MaxRejectionSamples = 6
	MaxSamplesOfCode    = 2
	// MaxSampleBytes is where the texts of a sample are cut.
	MaxSampleBytes = 256
	// MaxReusedIDs is how many ids that were sent again with other content are
	// remembered of one client: those that were refused last.
	MaxReusedIDs = 1000
)

// SourceKeeper remembers how each event source has been sending, durably: what
// was accepted is counted in the same write as the observations.
type SourceKeeper interface {
	// Sources lists the sources of the keys of one client ("" are the keys above
	// all clients), or of all, in the order of client and source. The list is the
	// caller's, what it points to never changes. It has everything acknowledged
	// before the call.
	Sources(of SourceScope) []*Source
}

// SourceScope says whose sources are asked for.
type SourceScope struct {
	All    bool
	Client ClientID // unless All
}

// SourceKey names an event source: two clients that use the same name have two.
type SourceKey struct {
	Client ClientID // of the keys that sent; "": keys above all clients
	// Source is the CloudEvents source; "" when it could not be read.
	Source string
	// Rest is everything of the client's beyond MaxSourcesOfClient sources;
	// Source is "" then.
	Rest bool
}

// Source is what is remembered of one event source. It never changes.
type Source struct {
	Key SourceKey
	// Since is when it was first heard of, by the server's clock.
	Since metering.Instant
	// Heard is when the last event came of whatever fate.
	Heard metering.Instant
	// Received is when the last accepted event came, LastEvent the latest time of
	// all accepted events, LastLag the lag of the accepted event that came last.
	// All are 0 when none was ever accepted.
	Received, LastEvent, LastLag metering.Instant
	Hours                        []SourceHour // with anything in them, ascending
	Days                         []SourceDay  // with anything in them, ascending
	Samples                      []RejectionSample
}

// SourceCounts says what became of events.
type SourceCounts struct{ Accepted, Duplicates, Rejected uint64 }

// Add adds another count.
func (c *SourceCounts) Add(d SourceCounts) {
	c.Accepted += d.Accepted
	c.Duplicates += d.Duplicates
	c.Rejected += d.Rejected
}

// Hour numbers the UTC hours since 1970-01-01T00:00:00Z.
type Hour int64

// HourOf returns the hour of an instant.
func HourOf(at metering.Instant) Hour {
	const hour = 3600 * metering.Second
	h := at / hour
	if at%hour < 0 {
		h--
	}
	return Hour(h)
}

// Start returns the hour's first instant.
func (h Hour) Start() metering.Instant { return metering.Instant(h) * 3600 * metering.Second }

// SourceHour is what came in one UTC hour of the server's clock.
type SourceHour struct {
	Hour Hour
	SourceCounts
	Lags     LagCounts
	Greatest metering.Instant // lag of an accepted event; 0 if none was accepted
}

// SourceDay is what came on one UTC day of the server's clock.
type SourceDay struct {
	Day metering.Day
	SourceCounts
	ByCode []CodeCount // of the rejected, by code
}

// CodeCount is how many events were refused for one reason.
type CodeCount struct {
	Code  metering.RejectCode
	Count uint64
}

// RejectionSample is one event that was refused. Its texts are cut at
// MaxSampleBytes.
type RejectionSample struct {
	At                 metering.Instant // when it came
	ID, Field, Message string
	Code               metering.RejectCode
}

// LagCounts counts accepted events by their lag, from the event's time to its
// receipt: those of at most LagBounds()[i] and more than the bound before it; the
// last one counts what is beyond all bounds. An event whose time lies ahead of
// the server's clock is in the first.
type LagCounts [lagBoundCount + 1]uint32

const lagBoundCount = 8

// LagBounds returns the upper bounds by which lags are counted.
func LagBounds() [lagBoundCount]metering.Instant {
	const second = metering.Second
	return [...]metering.Instant{second, 10 * second, 60 * second, 300 * second, 900 * second, 3600 * second, 6 * 3600 * second, 24 * 3600 * second}
}

// Count counts one lag.
func (c *LagCounts) Count(lag metering.Instant) {
	i := 0
	if lag > metering.Second { // most are not, of a source that is well
		bounds := LagBounds()
		for i = 1; i < len(bounds) && lag > bounds[i]; i++ {
		}
	}
	if c[i]++; c[i] == 0 {
		c[i]-- // it stays at the greatest number
	}
}

// Add adds other counts.
func (c *LagCounts) Add(d *LagCounts) {
	for i := range c {
		if c[i] += d[i]; c[i] < d[i] {
			c[i] = math.MaxUint32 // it stays at the greatest number
		}
	}
}

// Within returns the least bound that so many percent of the counted lags, at
// least, are within; ok is false when none was counted, or when they are beyond
// all bounds.
func (c *LagCounts) Within(percent uint64) (bound metering.Instant, ok bool) {
	var all, upTo uint64
	for _, n := range c {
		all += uint64(n)
	}
	for i, b := range LagBounds() {
		if upTo += uint64(c[i]); upTo > 0 && upTo*100 >= all*percent {
			return b, true
		}
	}
	return 0, false
}

// KeyOfSource returns whose statistics a submission belongs to.
func (s *Submission) KeyOfSource() SourceKey {
	if s.AnyClient {
		return SourceKey{Source: s.Observation.Name.Source}
	}
	return SourceKey{Client: s.Client, Source: s.Observation.Name.Source}
}

// ReusedID is the name of an observation that was sent again with other content,
// which was refused: what was stored first stands.
type ReusedID struct {
	Name     metering.ObservationName
	Resource metering.ResourceKey // of what stands
	// First and Last are when it was refused, by the server's clock, and Times how
	// often.
	First, Last metering.Instant
	Times       uint64
}

// Join adds what another client's keys did to the same id.
func (u ReusedID) Join(v ReusedID) ReusedID {
	if v.Times == 0 {
		return u
	}
	u.First, u.Last, u.Times = min(u.First, v.First), max(u.Last, v.Last), u.Times+v.Times
	return u
}

// Compare orders by resource, source and id.
func (u ReusedID) Compare(v ReusedID) int {
	return cmp.Or(u.Resource.Compare(v.Resource), cmp.Compare(u.Name.Source, v.Name.Source), cmp.Compare(u.Name.ID, v.Name.ID))
}

// Compare orders by client and source; the rest of a client comes last.
func (k SourceKey) Compare(l SourceKey) int {
	rest := func(k SourceKey) int {
		if k.Rest {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(k.Client, l.Client), cmp.Compare(rest(k), rest(l)), cmp.Compare(k.Source, l.Source))
}

// SampleOf tells of a refused event what is remembered.
func SampleOf(s *Submission, why *metering.Rejection) RejectionSample {
	return RejectionSample{
		At: s.ReceivedAt, Code: why.Code,
		ID: cutSample(s.Observation.Name.ID), Field: cutSample(why.Field), Message: cutSample(why.Message),
	}
}

// cutSample cuts a text between characters.
func cutSample(text string) string {
	if len(text) <= MaxSampleBytes {
		return text
	}
	end := MaxSampleBytes
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// AddSample returns the samples with one more, oldest first. When there are too
// many, the oldest one goes: of the code if that has its share, of all otherwise.
// The slice that is given does not change.
func AddSample(samples []RejectionSample, s RejectionSample) []RejectionSample {
	oldest, ofCode := 0, 0
	for i := range samples {
		if samples[i].Code == s.Code {
			if ofCode++; ofCode == 1 {
				oldest = i
			}
		}
	}
	switch {
	case ofCode >= MaxSamplesOfCode:
	case len(samples) >= MaxRejectionSamples:
		oldest = 0
	default:
		return append(slices.Clip(samples), s)
	}
	return append(slices.Delete(slices.Clone(samples), oldest, oldest+1), s)
}
