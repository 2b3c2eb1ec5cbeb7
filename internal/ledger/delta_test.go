package ledger

import (
	"strconv"
	"testing"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// flapping is the state n of a resource that is another one each minute.
func flapping(n int) *metering.Observation {
	instance, known := metering.ResourceTypeNamed("instance")
	if !known {
		metering.Bug("there are no instances")
	}
	o := &metering.Observation{
		Kind: metering.StateObserved, Time: metering.MinEventTime + metering.Instant(n)*60*metering.Second,
		Resource:   metering.ResourceKey{Project: 1, Region: 1, Type: instance, ID: metering.UUID{1}},
		Multiplier: uint64(1 + n%2),
	}
	o.Meter = instance.Meter("", "", &o.Attributes)
	return o
}

func placeOne(d *delta, o *metering.Observation) bool { return d.place(d.current(layout.UnitOf(o)), o) }

// TestAViewIsNotChangedByWhatComesAfterIt adds states in place, which is allowed
// only to what no view has seen.
func TestAViewIsNotChangedByWhatComesAfterIt(t *testing.T) {
	t.Parallel()
	d := newDelta(settled{base: &columns.Base{}})
	var views []*view
	const groups, ofGroup = 20, 50
	for n := range groups * ofGroup {
		if !placeOne(d, flapping(n)) {
			t.Fatalf("state %d must be folded anew", n)
		}
		if n%ofGroup == ofGroup-1 {
			views = append(views, d.view(0))
		}
	}
	if len(d.log) != groups {
		t.Errorf("%d changes of one unit in %d groups", len(d.log), groups)
	}
	for i, v := range views {
		v.latest(func(c *change) {
			segments := c.is.timeline.Segments
			if last := segments[len(segments)-1]; len(segments) != (i+1)*ofGroup || last.To != metering.Open {
				t.Errorf("view %d shows %d segments, the last until %d", i, len(segments), last.To)
			}
		})
	}
}

// TestAViewOfADayIsNotChangedByTheHoursAfterIt adds hours in place, some behind a
// gap.
func TestAViewOfADayIsNotChangedByTheHoursAfterIt(t *testing.T) {
	t.Parallel()
	d := newDelta(settled{base: &columns.Base{}})
	hour := metering.Instant(3600 * metering.Second)
	var views []*view
	const groups, ofGroup = 4, 3
	for n := range groups * ofGroup {
		o := hourOf(1, 0)
		o.From += metering.Instant(2*n-n%3) * hour
		o.To = o.From + hour
		if !placeOne(d, o) {
			t.Fatalf("hour %d must be folded anew", n)
		}
		if n%ofGroup == ofGroup-1 {
			views = append(views, d.view(0))
		}
	}
	if len(d.log) != groups {
		t.Errorf("%d changes of one unit in %d groups", len(d.log), groups)
	}
	one := hourOf(1, 0).Quantity
	for i, v := range views {
		v.latest(func(c *change) {
			want := metering.Amount{}
			for range (i + 1) * ofGroup {
				want = want.Add(one)
			}
			if len(c.is.sums) != 1 || c.is.sums[0].Sum != want {
				t.Errorf("view %d shows %+v, want a sum of %v", i, c.is.sums, want)
			}
		})
	}
}

// TestVersionsOfADayWithManyMetersDoNotPileUp sends windows of one day one by one,
// each of another meter.
func TestVersionsOfADayWithManyMetersDoNotPileUp(t *testing.T) {
	t.Parallel()
	d, most := newDelta(settled{base: &columns.Base{}}), 0
	for n := range 1000 {
		o := hourOf(1, 0)
		o.Meter.Dimension = strconv.Itoa(n)
		if !placeOne(d, o) {
			t.Fatalf("window %d must be folded anew", n)
		}
		d.view(0)
		d.compact(0)
		held := 0
		for _, c := range d.log {
			held += len(c.is.sums)
		}
		most = max(most, held)
	}
	if limit := maxStaleSegments/daySumSize + 2000; most > limit || most < limit/2 {
		t.Errorf("at most %d sums were in memory, want about %d", most, limit)
	}
}

// TestVersionsOfALongTimelineDoNotPileUp sends the states of one resource one by
// one: each change has the whole timeline.
func TestVersionsOfALongTimelineDoNotPileUp(t *testing.T) {
	t.Parallel()
	d, most := newDelta(settled{base: &columns.Base{}}), 0
	const states = 5000
	for n := range states {
		placeOne(d, flapping(n))
		d.view(0)
		d.compact(0)
		held := 0
		for _, c := range d.log {
			held += len(c.is.timeline.Segments)
		}
		most = max(most, held)
	}
	if most > maxStaleSegments+2*states || most < maxStaleSegments/2 {
		t.Errorf("at most %d segments were in memory, want about %d", most, maxStaleSegments)
	}
}

// TestCompactingLeavesWhatIsBeingMerged compacts again and again while a view is
// being merged, and goes over to it.
func TestCompactingLeavesWhatIsBeingMerged(t *testing.T) {
	t.Parallel()
	d := newDelta(settled{base: &columns.Base{}})
	put := func(unit, n int) {
		o := flapping(n)
		o.Resource.ID = metering.UUID{byte(unit)}
		placeOne(d, o)
		d.view(0)
	}
	for unit := range 3 {
		put(unit, 0)
	}
	merging := d.view(0)
	longest := 0
	for n := range 5000 {
		put(1+n%2*2, 1+n/2) // one that is being merged, and a new one
		d.compact(len(merging.log))
		longest = max(longest, len(d.log))
	}
	if longest > 1100 {
		t.Errorf("the log grew to %d changes", longest)
	}
	rebased := d.rebase(settled{base: &columns.Base{}}, len(merging.log))
	units := map[byte]int{}
	rebased.view(0).latest(func(c *change) {
		units[c.is.unit.Resource.ID[0]] = len(c.is.timeline.Segments)
	})
	if len(units) != 2 || units[1] != 2501 || units[3] != 2500 {
		t.Errorf("behind the merge units have these segments: %v", units)
	}
}

// TestAReportOfATimeBeforeAChangeDoesNotLookAtIt changes a resource that a base
// has: from a day on, then late on an earlier day.
func TestAReportOfATimeBeforeAChangeDoesNotLookAtIt(t *testing.T) {
	t.Parallel()
	const day = 86400 * metering.Second
	stateOn := func(n int, multiplier uint64) *metering.Observation {
		o := flapping(0)
		o.Time, o.Multiplier = o.Time+metering.Instant(n)*day, multiplier
		return o
	}
	first := stateOn(0, 1).State()
	base := columns.Build([]columns.Change{{Key: flapping(0).Resource, Timeline: metering.FoldStates([]metering.State{first})}}, 1)
	d := newDelta(settled{base: base})
	looksAt := func(n int) bool {
		from := first.At.Day() + metering.Day(n)
		lines, selected := 0, report.Query{
			Period: metering.Period{From: from, To: from + 1}, Now: first.At + 99*day,
			Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		}
		layers := d.view(0).overlay(&selected, func(*columns.ChangedLine) { lines++ })
		if masked := len(layers[0].Mask) > 0; masked != (lines > 0) {
			t.Fatalf("day %d: %d lines beside the base, masked in it: %t", n, lines, masked)
		}
		return lines > 0
	}
	for _, step := range []struct {
		o     *metering.Observation
		since int
	}{{stateOn(10, 2), 10}, {stateOn(20, 3), 10}, {stateOn(5, 4), 5}, {stateOn(7, 5), 5}} {
		if !placeOne(d, step.o) {
			t.Fatalf("the state of %v must be folded anew", step.o.Time)
		}
		for i, n := range []int{step.since - 1, step.since, step.since + 30} {
			if got := looksAt(n); got != (n >= step.since) {
				t.Errorf("after a state of %v, day %d: looked at it: %t", step.o.Time, n, got)
			}
			if i == 1 {
				d = d.rebase(d.settled, 0)
			}
		}
	}
}

// TestADayOfACountedResourceIsLookedAtWhateverTheClockSays: quantities are not cut
// off by it.
func TestADayOfACountedResourceIsLookedAtWhateverTheClockSays(t *testing.T) {
	t.Parallel()
	d, o := newDelta(settled{base: columns.Build(nil, 0)}), hourOf(1, 0)
	if !placeOne(d, o) {
		t.Fatal("the hour must be folded anew")
	}
	for _, now := range []metering.Instant{0, 29 * metering.Second, o.From - 1, o.To} {
		lines, selected := 0, report.Query{
			Period: metering.Period{From: o.From.Day(), To: o.From.Day() + 1}, Now: now,
			Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		}
		if d.view(0).overlay(&selected, func(*columns.ChangedLine) { lines++ }); lines != 1 {
			t.Errorf("at %v: %d lines, want 1", now, lines)
		}
	}
}
