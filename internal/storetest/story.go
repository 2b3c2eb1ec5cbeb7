package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Story is what the sources of some random histories tell, in no order that
// matters: whoever takes it in must show the same reports whatever the order,
// the batches, and the number of times that each observation comes.
type Story struct {
	Submissions []report.Submission // each above all clients; ReceivedAt is not set
	Now         metering.Instant    // nothing is later
	Queries     []report.Query      // as of instants around Now
	Periods     []metering.Period   // in which something is told, to be taken apart
}

// maxStoryHistories is the number of histories that one story is made of.
const maxStoryHistories = 3

// NewStory draws a story.
func NewStory(drawn *rand.Rand) *Story {
	s := &Story{}
	era := uint64(drawn.IntN(6)) * historiesPerStore
	var histories []*History
	for i := range uint64(1 + drawn.IntN(maxStoryHistories)) {
		h := newHistory(era+i, drawn)
		const near = 20 * daySeconds * secondNanos // the model counts every minute from the first on
		if len(histories) > 0 && max(h.Start-histories[0].Start, histories[0].Start-h.Start) > metering.Instant(near) {
			continue
		}
		histories = append(histories, h)
		s.Submissions = append(s.Submissions, h.WithoutConflicts()...)
		s.Now = max(s.Now, h.End+metering.Instant(3*daySeconds*secondNanos))
		s.Periods = append(s.Periods, metering.Period{From: dayOf(h.Start) - 1, To: dayOf(h.End) + 2})
	}
	for _, h := range histories {
		s.Queries = append(s.Queries, h.everything(s.Now), h.Query(drawn, s.Now), h.Query(drawn, h.End), h.Query(drawn, s.Now))
	}
	all := histories[0].Query(drawn, s.Now)
	all.Projects, all.Limit, all.Offset = report.Everything[metering.ProjectID](), math.MaxInt, 0
	s.Queries = append(s.Queries, all)
	return s
}

// Reports returns the answers to all queries of the story, in JSON.
func (s *Story) Reports(ctx context.Context, r report.Reader) ([][]byte, error) {
	answers := make([][]byte, len(s.Queries))
	for i, q := range s.Queries {
		rep, err := r.Report(ctx, q)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		err = report.WriteJSON(&b, rep)
		rep.Close()
		if err != nil {
			return nil, err
		}
		answers[i] = b.Bytes()
	}
	return answers, nil
}

// Expected returns what the model says about the story.
func (s *Story) Expected(t testing.TB) [][]byte {
	t.Helper()
	m := NewModel(func() metering.Instant { return s.Now })
	if _, err := m.Submit(t.Context(), s.Submissions); err != nil {
		t.Fatalf("model: %v", err)
	}
	answers, err := s.Reports(t.Context(), m)
	if err != nil {
		t.Fatalf("model: %v", err)
	}
	return answers
}

// FormatSubmissions shows observations, one a row, in the order given.
func FormatSubmissions(all []report.Submission) string {
	var b strings.Builder
	for _, s := range all {
		o := s.Observation
		fmt.Fprintf(&b, "%s %s %q of %q sequence %d", o.Time, kindText(o), o.Name.ID, o.Name.Source, o.Sequence)
		if o.Kind == metering.RetractionMade {
			fmt.Fprintf(&b, " project %d: %q of %q\n", o.Name.Project, o.TargetID, o.TargetSource)
			continue
		}
		fmt.Fprintf(&b, " %d/%d %s %s", o.Resource.Project, o.Resource.Region, o.Resource.Type, o.Resource.ID)
		if o.Kind == metering.QuantityObserved {
			fmt.Fprintf(&b, " %s..%s %s", o.From, o.To, o.Quantity.Format(metering.QuantityScale))
		}
		fmt.Fprintf(&b, " x %d %q [%s] %s %q %q\n", o.Multiplier, o.Meter.Metric, o.Meter.Dimension, o.Meter.Unit, o.Attributes.Texts, o.Attributes.Tags)
	}
	return b.String()
}

func kindText(o *metering.Observation) string {
	switch {
	case o.Kind == metering.RetractionMade:
		return "retraction"
	case o.Kind == metering.QuantityObserved:
		return "quantity"
	case o.Deleted:
		return "deletion"
	}
	return "state"
}
