package metering

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestUsageIsWhatEveryMinuteCounts(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		states := someStates(random)
		p := Period{From: historyDay + Day(random.IntN(2)), To: historyDay + 1 + Day(random.IntN(2))}
		now := (historyDay + 1).Start() + Instant(random.IntN(80)-40)*30*Second + pick[Instant](random, -1, 0, 1)
		usages := FoldStates(slices.Clone(states)).Usage(p.Minutes(now))
		want := naiveMinutes(states, p, now)
		if len(usages) != len(want) {
			t.Errorf("%d lines, want %d", len(usages), len(want))
		}
		for i, u := range usages {
			n := want[u.Meter]
			if n == nil || u.Value.big().Cmp(n.value) != 0 || u.First != n.first || u.Last != n.last || u.Multiplier != n.lastIs.Multiplier || !u.Attributes.Equal(&n.lastIs.Attributes) {
				t.Errorf("%v: got %+v, want %+v", u.Meter, u, n)
			}
			if i > 0 && usages[i-1].Meter.Compare(u.Meter) >= 0 {
				t.Error("usages are not in the order of the meters")
			}
		}
	})
}

func TestUsageOfAPeriodIsTheSumOfItsDays(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		line := FoldStates(someStates(random))
		now := (historyDay + 3).Start()
		sums := map[Meter]Amount{}
		for d := historyDay; d < historyDay+3; d++ {
			for _, u := range line.Usage(Period{d, d + 1}.Minutes(now)) {
				sums[u.Meter] = sums[u.Meter].Add(u.Value)
			}
		}
		for _, u := range line.Usage(Period{historyDay, historyDay + 3}.Minutes(now)) {
			if sums[u.Meter] != u.Value {
				t.Errorf("%v: %v, its days %v", u.Meter, u.Value, sums[u.Meter])
			}
			delete(sums, u.Meter)
		}
		if len(sums) > 0 {
			t.Errorf("the days have more: %v", sums)
		}
	})
}

func TestQuantitiesOfAPeriodEndWithIt(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		var sums []DaySum
		counted := map[Meter][]Window{}
		p := Period{historyDay + Day(random.IntN(2)), historyDay + 2 + Day(random.IntN(2))}
		for d := historyDay; d < historyDay+4; d++ {
			windows := someWindows(random)
			for i := range windows {
				windows[i].From += Instant(d-historyDay) * 86400 * Second
				windows[i].To += Instant(d-historyDay) * 86400 * Second
			}
			for _, w := range naiveCounted(windows) {
				if p.From <= d && d < p.To {
					counted[w.Meter] = append(counted[w.Meter], w)
				}
			}
			sums = append(sums, FoldDay(d, windows)...)
		}
		usages := SumDays(sums, p)
		if len(usages) != len(counted) {
			t.Errorf("%d lines, want %d", len(usages), len(counted))
		}
		for _, u := range usages {
			checkQuantities(t, u, counted[u.Meter], p.To.Start())
		}
	})
}

func checkQuantities(t *testing.T, u Usage, counted []Window, end Instant) {
	t.Helper()
	if len(counted) == 0 {
		t.Errorf("%v has no quantity", u.Meter)
		return
	}
	first, last := counted[0].From, counted[0].To
	greatest := counted[0]
	for _, w := range counted {
		first, last = min(first, w.From), max(last, w.To)
		if w.From > greatest.From || w.From == greatest.From && w.To > greatest.To {
			greatest = w
		}
	}
	if u.Value.big().Cmp(sumOf(counted)) != 0 || u.First != first || u.Last != min(last, end) || u.Attributes != greatest.Attributes || u.Multiplier != 0 {
		t.Errorf("got %+v, want the sum of %+v", u, counted)
	}
}

func TestObservationsAreFoldedAsToldByTheirSource(t *testing.T) {
	t.Parallel()
	o := Observation{
		Kind: StateObserved, Name: ObservationName{1, "/s", "1"}, Time: 5, Sequence: 6,
		Resource: ResourceKey{1, 2, 3, UUID{4}}, Meter: Meter{3, "m", "d", "u"}, Multiplier: 7,
		Attributes: Attributes{Tags: Tags{{"a", "b"}}}, From: 8, To: 9, Quantity: AmountOf(10),
	}
	s := o.State()
	if s.At != 5 || s.Sequence != 6 || s.Source != "/s" || s.ID != "1" || !s.Is.Equal(&Description{o.Meter, 7, o.Attributes}) {
		t.Errorf("got state %+v", s)
	}
	o.Deleted = true
	if s := o.State(); s.Is != nil || s.At != 5 {
		t.Errorf("got deletion %+v", s)
	}
	w := o.Window()
	if w.From != 8 || w.To != 9 || w.At != 5 || w.Quantity != AmountOf(10) || w.Source != "/s" || w.ID != "1" || w.Meter != o.Meter || !w.Attributes.Equal(&o.Attributes) {
		t.Errorf("got window %+v", w)
	}
}
