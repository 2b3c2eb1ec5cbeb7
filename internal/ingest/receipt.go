package ingest

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// MaxListedRejections is how many rejected events a receipt lists; it counts
// all of them (spec 3-ingest).
const MaxListedRejections = 1000

// Receipt says what became of the events of one request. All that it counts as
// accepted or duplicate is durable and visible to reports.
type Receipt struct {
	Accepted      int  `json:"accepted"`
	Duplicates    int  `json:"duplicates"`
	RejectedTotal int  `json:"rejected_total"`
	Complete      bool `json:"complete"`
	// Message says why and where a stream broke off; "" when Complete.
	Message string `json:"message,omitempty"`
	// Cause is what broke the stream off, for the log.
	Cause error `json:"-"`
	// Rejected lists the first MaxListedRejections by Index; never nil.
	Rejected []Rejected `json:"rejected"`
}

// Rejected is one event that was refused.
type Rejected struct {
	// Index is the event's place in the batch, or its line in the stream, from
	// 0; blank lines count.
	Index int `json:"index"`
	// Source and ID are the event's, as far as they could be read.
	Source  string `json:"source,omitempty"`
	ID      string `json:"id,omitempty"`
	Code    string `json:"code"`
	Field   string `json:"field,omitempty"` // dotted path in the event
	Message string `json:"message"`
}

// Status is the HTTP status of the answer: 200 when every event is stored, 422
// when one was refused or the stream broke off.
func (r *Receipt) Status() int {
	if r.RejectedTotal > 0 || !r.Complete {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

func newReceipt() *Receipt { return &Receipt{Complete: true, Rejected: []Rejected{}} }

// reject counts a refused event. Calls come in the order of the indexes.
func (r *Receipt) reject(index int, name eventName, why *metering.Rejection) {
	r.RejectedTotal++
	if len(r.Rejected) == MaxListedRejections {
		return
	}
	r.Rejected = append(r.Rejected, Rejected{
		Index:  index,
		Source: cut(name.source, metering.MaxSourceBytes), ID: cut(name.id, metering.MaxIDBytes),
		Code: why.Code.String(), Field: why.Field, Message: why.Message,
	})
}

// eventName is what an event calls itself, as far as it could be read.
type eventName struct{ source, id string }

// refusal is an event that did not reach the store.
type refusal struct {
	index int
	name  eventName
	why   *metering.Rejection
}

// chunk is a run of events that are submitted together.
type chunk struct {
	submissions []report.Submission
	indexes     []int // of submissions
	refusals    []refusal
	// unlisted counts refusals that no receipt could list any more, by code.
	unlisted map[metering.RejectCode]int
	bytes    int // of the events' texts
	first    int // line of the stream at which it begins
}

// refuse notes a refused event; what lies beyond the end of any receipt's list
// is only counted, so that a body full of rubbish costs no memory.
func (c *chunk) refuse(r refusal) {
	if len(c.refusals) < MaxListedRejections {
		c.refusals = append(c.refusals, r)
		return
	}
	if c.unlisted == nil {
		c.unlisted = map[metering.RejectCode]int{}
	}
	c.unlisted[r.why.Code]++
}

// expect makes room for so many events, so that slices need not grow step by step.
func (c *chunk) expect(events int) {
	c.submissions, c.indexes = make([]report.Submission, 0, events), make([]int, 0, events)
}

func (c *chunk) add(index int, s report.Submission) {
	c.submissions = append(c.submissions, s)
	c.indexes = append(c.indexes, index)
}

// batch returns the submissions of the chunk, and behind them what was refused,
// all received now.
func (c *chunk) batch(p *Permission, now metering.Instant) []report.Submission {
	batch := slices.Grow(c.submissions, len(c.refusals)+len(c.unlisted))
	for i := range batch {
		batch[i].ReceivedAt = now
	}
	refused := func(name eventName, why *metering.Rejection, times int) {
		o := &metering.Observation{Name: metering.ObservationName{
			Source: cut(name.source, metering.MaxSourceBytes), ID: cut(name.id, metering.MaxIDBytes),
		}}
		batch = append(batch, report.Submission{
			Observation: o, Client: p.Client, AnyClient: p.AnyClient, ReceivedAt: now, Refused: why, Times: uint64(times),
		})
	}
	for _, f := range c.refusals {
		refused(f.name, f.why, 1)
	}
	for _, code := range metering.RejectCodes() {
		if n := c.unlisted[code]; n > 0 {
			refused(eventName{}, &metering.Rejection{Code: code, Message: "one of many in a request"}, n)
		}
	}
	return batch
}

// settle adds a chunk to the receipt, refusals and outcomes merged by index.
func (s *Service) settle(r *Receipt, c *chunk, outcomes []report.Outcome) {
	if len(outcomes) < len(c.submissions) {
		metering.Bug("%d outcomes for %d submissions", len(outcomes), len(c.submissions))
	}
	outcomes = outcomes[:len(c.submissions)] // behind them stands what was refused before
	accepted, duplicates := r.Accepted, r.Duplicates
	refusals := c.refusals
	refuseUntil := func(index int) {
		for len(refusals) > 0 && refusals[0].index < index {
			f := refusals[0]
			refusals = refusals[1:]
			r.reject(f.index, f.name, f.why)
			s.onRejected(f.why.Code)
		}
	}
	for i, o := range outcomes {
		refuseUntil(c.indexes[i])
		switch {
		case o.Rejected != nil:
			name := &c.submissions[i].Observation.Name
			r.reject(c.indexes[i], eventName{name.Source, name.ID}, o.Rejected)
			s.onRejected(o.Rejected.Code)
		case o.Duplicate:
			r.Duplicates++
		default:
			r.Accepted++
		}
	}
	refuseUntil(int(^uint(0) >> 1))
	for code, n := range c.unlisted {
		r.RejectedTotal += n
		for range n {
			s.onRejected(code)
		}
	}
	s.onAccepted(r.Accepted - accepted)
	s.onDuplicates(r.Duplicates - duplicates)
}

// cut shortens a text that is echoed to at most limit bytes, between characters,
// and mends its UTF-8, which may be what is wrong with it.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
