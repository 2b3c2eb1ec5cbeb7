package timeline

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// Run is a segment with its place in the account.
type Run struct {
	client.Segment
	Line, Term int
	Metric     string
}

// Runs are all segments of an account in the order of time.
func Runs(a *client.Account) (runs []Run) {
	for i := range a.Lines {
		for j, s := range a.Lines[i].Segments {
			runs = append(runs, Run{s, i, j, a.Lines[i].Line.BillingMetricName})
		}
	}
	slices.SortFunc(runs, func(a, b Run) int { return a.From.Compare(b.From) })
	return runs
}

// Plan is what a drawing is made for.
type Plan struct {
	Type  metering.ResourceType
	Scale Scale
	Size  func(bytes int64) string // for people
}

// State is what is counted of a resource in a segment: its flavor or size and
// what totals are split by. Segments of one state differ in nothing that counts.
func (p *Plan) State(s *client.Segment) string {
	var parts []string
	for _, a := range []metering.Attribute{metering.Flavor, p.Type.Dimension()} {
		if a == metering.NoAttribute {
			continue
		}
		if text, ok := s.Attributes[a.String()].(string); ok && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	switch {
	case p.Type.Measure() == metering.Sized:
		parts = append(parts, p.Size(s.Multiplier))
	case s.Multiplier > 1:
		parts = append(parts, fmt.Sprintf("%d ×", s.Multiplier))
	case len(parts) == 0:
		parts = append(parts, "active")
	}
	return strings.Join(parts, " · ")
}

// Lane has the bars of one state.
type Lane struct {
	Label   string
	Minutes int64
	Bars    []Bar
}

// Bar is a stretch of time in which a state held.
type Bar struct {
	X, Width   Share
	From, To   time.Time
	Minutes    int64
	Segments   int
	Line, Term int // of its first segment
}

// Limits of a drawing: what lies beyond is joined, not left out.
const (
	maxLanes = 12
	// minGap is what must lie between two bars for the eye to see it.
	minGap Share = 10
)

// Lanes draws the runs, one lane a state, in the order in which the states first
// held. The states of fewest minutes share a lane where there are too many.
func (p *Plan) Lanes(runs []Run) []Lane {
	var lanes []Lane
	place := map[string]int{}
	for i := range runs {
		state := p.State(&runs[i].Segment)
		if _, known := place[state]; !known {
			place[state] = len(lanes)
			lanes = append(lanes, Lane{Label: state})
		}
		lanes[place[state]].Minutes += runs[i].Minutes
	}
	shared := share(lanes, place)
	lanes = lanes[:min(len(lanes), maxLanes)]
	if shared > 0 {
		lanes[maxLanes-1] = Lane{Label: fmt.Sprintf("%d others", shared)}
	}
	for i := range runs {
		lane := &lanes[place[p.State(&runs[i].Segment)]]
		if shared > 0 && lane == &lanes[maxLanes-1] {
			lane.Minutes += runs[i].Minutes
		}
		lane.add(&runs[i], p.Scale)
	}
	return lanes
}

// share gives the states beyond the limit one place, and returns how many they
// are. The lanes that stay keep their order.
func share(lanes []Lane, place map[string]int) int {
	if len(lanes) <= maxLanes {
		return 0
	}
	byMinutes := slices.Clone(lanes)
	slices.SortStableFunc(byMinutes, func(a, b Lane) int { return cmp.Compare(b.Minutes, a.Minutes) })
	least := map[string]bool{}
	for _, l := range byMinutes[maxLanes-1:] {
		least[l.Label], place[l.Label] = true, maxLanes-1
	}
	next := 0
	for _, l := range slices.Clone(lanes) {
		if !least[l.Label] {
			lanes[next], place[l.Label] = l, next
			next++
		}
	}
	return len(least)
}

// add draws a run; one that lies next to the last bar of the lane makes it
// longer, so that no drawing has more bars than the eye can tell apart.
func (l *Lane) add(r *Run, scale Scale) {
	x, end := scale.At(r.From), scale.At(r.To)
	if n := len(l.Bars); n > 0 {
		last := &l.Bars[n-1]
		if r.From.Equal(last.To) || x-(last.X+last.Width) < minGap {
			last.Width, last.To = max(end-last.X, last.Width), r.To
			last.Minutes += r.Minutes
			last.Segments++
			return
		}
	}
	l.Bars = append(l.Bars, Bar{X: x, Width: max(end-x, minGap/2), From: r.From, To: r.To, Minutes: r.Minutes, Segments: 1, Line: r.Line, Term: r.Term})
}
