package columns

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// changedLines are the selected lines of changes as a series needs them.
func changedLines(changes []Change, q *report.Query) (all []ChangedLine) {
	for i := range changes {
		for _, l := range lines(changes[i:i+1], q) {
			all = append(all, ChangedLine{Line: l, Segments: changes[i].Timeline.Segments, Days: changes[i].Sums})
		}
	}
	return all
}

// TestSeriesAreTheSameFromColumnsAndFromChanges reads the same lines from a base,
// from a base with changes over it, from layers, and from changes alone.
func TestSeriesAreTheSameFromColumnsAndFromChanges(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		w := newWorld(seed, 200)
		base := Build(w.changes(80), 1)
		fresh := w.changes(draw(w, 1, 10, 60))
		merged, recent, mask := merge(t, base, fresh, 2), Changed(fresh, 0), base.NewMask()
		for _, c := range fresh {
			if res := base.Find(c.Key); res != NotFound {
				mask.Add(res)
			}
		}
		below := Layer{Base: base, Mask: []Mask{mask}}
		for i := range 60 {
			q := &report.SeriesQuery{Query: w.query(), Step: report.Step(w.IntN(2)), By: report.Grouping(w.IntN(4)), Top: 1 + w.IntN(12)}
			want := toldOf(t, q, changedLines(w.all(), &q.Query))
			for name, got := range map[string]string{
				"base":          toldOf(t, q, nil, Layer{Base: merged}),
				"changes above": toldOf(t, q, changedLines(fresh, &q.Query), below),
				"layers":        toldOf(t, q, nil, below, Layer{Base: recent}),
			} {
				if got != want {
					t.Fatalf("seed %d, query %d, %s: %+v\nwant %s\ngot  %s", seed, i, name, q, want, got)
				}
			}
		}
	}
}

func toldOf(t *testing.T, q *report.SeriesQuery, changed []ChangedLine, layers ...Layer) string {
	t.Helper()
	s, err := Series(q, changed, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%+v", *s)
}

// TestCurvesAreWhatMinutesSay counts minute by minute.
func TestCurvesAreWhatMinutesSay(t *testing.T) {
	t.Parallel()
	drawn := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		first := worldStart + metering.Day(drawn.IntN(40))
		q := &report.SeriesQuery{Step: report.Step(drawn.IntN(2)), Query: report.Query{Period: metering.Period{From: first, To: first + 1 + metering.Day(drawn.IntN(70))}}}
		q.Now = first.Start() + metering.Instant(drawn.Int64N(80*86400))*metering.Second
		g := newGrid(q)
		if g.from == g.until {
			continue
		}
		c, want := newCurve(g), make([]metering.Amount, len(g.starts))
		for range drawn.IntN(8) {
			from := g.from + uint32(drawn.IntN(int(g.until-g.from)))
			to := from + 1 + uint32(drawn.IntN(int(g.until-from)))
			if drawn.IntN(3) == 0 { // whole days
				from, to = max(from/minutesOfDay*minutesOfDay, g.from), min((to+minutesOfDay)/minutesOfDay*minutesOfDay, g.until)
			}
			rate := metering.Amount{Hi: drawn.Uint64N(3), Lo: drawn.Uint64()}
			c.span(g, from, to, rate)
			for m := from; m < to; m++ {
				day := metering.Minute(m).Start().Day()
				step, found := slices.BinarySearch(g.starts, day)
				if !found {
					step--
				}
				want[step] = want[step].Add(rate)
			}
		}
		if got := c.values(g); !slices.Equal(got, want) {
			t.Fatalf("%+v: want %v, got %v", *q, want, got)
		}
	}
}
