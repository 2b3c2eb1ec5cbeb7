package metering

import (
	"cmp"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"testing"
)

// histories is how many random histories each property is tried on.
const histories = 4000

// forEachSeed runs a property on many seeds and names the one that fails.
func forEachSeed(t *testing.T, property func(t *testing.T, random *rand.Rand)) {
	t.Helper()
	for seed := range uint64(histories) {
		property(t, rand.New(rand.NewPCG(seed, 0)))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func pick[T any](random *rand.Rand, items ...T) T { return items[random.IntN(len(items))] }

// someDescriptions are few, so that states often repeat; each call makes new
// ones, so that equal states are equal by value only.
func someDescriptions() []*Description {
	volume, _ := ResourceTypeNamed("volume")
	var all []*Description
	for _, size := range []uint64{1, 2} {
		for _, name := range []string{"a", "b"} {
			d := &Description{Multiplier: size}
			d.Attributes.Texts[Name], d.Attributes.Texts[VolumeType] = name, "type-"+strconv.Itoa(int(size))
			d.Meter = volume.Meter("", "", &d.Attributes)
			all = append(all, d)
		}
	}
	return all
}

const historyDay Day = 19781 // 2024-02-28, the eve of a leap day

// someStates makes a history around a midnight: many states share a minute, a
// sample, an instant, or a sequence.
func someStates(random *rand.Rand) []State {
	states := make([]State, random.IntN(10))
	midnight := (historyDay + 1).Start()
	spread := pick(random, 3, 8, 30)
	for i := range states {
		s := &states[i]
		s.At = midnight + Instant(random.IntN(2*spread)-spread)*60*Second +
			pick(random, 0, 1, 29*Second+999_999_999, 30*Second, 30*Second+1, 59*Second+999_999_999)
		s.Sequence = pick[Sequence](random, 0, 0, 9, 10)
		s.Source, s.ID = pick(random, "/a", "/b"), strconv.Itoa(i)
		if random.IntN(3) > 0 {
			s.Is = pick(random, someDescriptions()...)
		}
	}
	return states
}

func equalTimelines(a, b Timeline) bool {
	return a.Known == b.Known && (!a.Known || a.LastBoundary == b.LastBoundary) &&
		slices.EqualFunc(a.Segments, b.Segments, func(s, r Segment) bool {
			return s.From == r.From && s.To == r.To && s.Is.Equal(r.Is)
		})
}

func cloned(t Timeline) Timeline {
	t.Segments = slices.Clone(t.Segments)
	return t
}

func checkTimeline(t *testing.T, line Timeline, states []State) {
	t.Helper()
	boundaries := map[Minute]bool{}
	for i, s := range line.Segments {
		boundaries[s.From], boundaries[s.To] = true, true
		if s.From >= s.To || s.Is == nil {
			t.Errorf("segment %d is [%d, %d) of %v", i, s.From, s.To, s.Is)
		}
		if i > 0 && (line.Segments[i-1].To > s.From || line.Segments[i-1].To == s.From && line.Segments[i-1].Is.Equal(s.Is)) {
			t.Errorf("segment %d does not follow the one before", i)
		}
	}
	if line.Known != (len(states) > 0) {
		t.Errorf("known is %v of %d states", line.Known, len(states))
	}
	held := map[Minute]bool{}
	for i := range states {
		from := FirstMinute(states[i].At)
		if held[from] && !line.Shared {
			t.Errorf("several states hold from minute %d on, and the timeline does not say so", from)
		}
		held[from] = true
		if !boundaries[from] && line.Hidden != from && line.Hidden != ManyHidden {
			t.Errorf("the boundary at minute %d is hidden, and the timeline does not say so", from)
		}
	}
}

func TestTimelineIsWhatEveryMinuteSays(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		states := someStates(random)
		line := FoldStates(slices.Clone(states))
		checkTimeline(t, line, states)
		i := 0
		for m := historyDay.FirstMinute() + 1400; m < (historyDay+1).FirstMinute()+40; m++ {
			for i < len(line.Segments) && line.Segments[i].To <= m {
				i++
			}
			var got *Description
			if i < len(line.Segments) && line.Segments[i].From <= m {
				got = line.Segments[i].Is
			}
			if want := naiveAt(states, m.Sample()); !same(got, want) {
				t.Errorf("minute %d: got %v, want %v", m, got, want)
			}
		}
	})
}

func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		states := someStates(random)
		a, b := FoldStates(shuffled(random, states)), FoldStates(shuffled(random, states))
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%+v in another order: %+v", a, b)
		}
	})
}

// TestRevisingIsFoldingAnew lets some states of a resource come late and others be
// taken back, many of them alike or in the same minute.
func TestRevisingIsFoldingAnew(t *testing.T) {
	t.Parallel()
	revised, declined, hidden := 0, 0, 0
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		states := shuffled(random, someStates(random))
		from, to := random.IntN(len(states)+1), random.IntN(len(states)+1)
		from, to = min(from, to), max(from, to) // [0, from) goes, [from, to) stays, the rest comes
		line, now := FoldStates(slices.Clone(states[:to])), slices.Clone(states[from:])
		slices.SortFunc(now, func(a, b State) int { return a.Compare(&b) })
		var minutes []Minute
		for _, s := range slices.Concat(states[:from], states[to:]) {
			minutes = append(minutes, FirstMinute(s.At))
		}
		slices.Sort(minutes)
		before := cloned(line)
		got, ok := line, true
		for _, m := range slices.Compact(minutes) {
			first, _ := slices.BinarySearchFunc(now, m.Since(), func(s State, at Instant) int { return cmp.Compare(s.At, at) })
			end := first
			for end < len(now) && FirstMinute(now[end].At) == m {
				end++
			}
			if got, ok = got.Revise(m, shuffled(random, now[first:min(end+1, len(now))])); !ok {
				declined++
				break
			}
		}
		if len(line.Segments) > 0 && !reflect.DeepEqual(line, before) {
			t.Errorf("revising changed the timeline %+v to %+v", before, line)
		}
		if !ok {
			return
		}
		revised++
		if line.Hidden != NoneHidden {
			hidden++
		}
		checkTimeline(t, got, now)
		if want := FoldStates(now); !equalTimelines(got, want) {
			t.Errorf("%v\nrevised at %v: %+v, want %+v", now, minutes, got, want)
		}
	})
	if revised < declined || hidden < revised/4 {
		t.Errorf("%d timelines were revised, %d of which had hidden boundaries, and %d declined: revising is of no use", revised, hidden, declined)
	}
}

func TestTakingBackAStateIsFoldingAnew(t *testing.T) {
	t.Parallel()
	taken, declined, hidden := 0, 0, 0
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		states := someStates(random)
		if random.IntN(2) == 0 {
			slices.SortFunc(states, func(a, b State) int { return a.Compare(&b) })
			states = slices.CompactFunc(states, func(a, b State) bool { return FirstMinute(a.At) == FirstMinute(b.At) })
		}
		states = shuffled(random, states)
		line := FoldStates(slices.Clone(states))
		for len(states) > 0 {
			gone, before := FirstMinute(states[0].At), cloned(line)
			states = states[1:]
			got, ok := line.TakeBack(gone)
			if len(line.Segments) > 0 && !reflect.DeepEqual(line, before) {
				t.Errorf("taking back changed the timeline %+v to %+v", before, line)
			}
			want := FoldStates(slices.Clone(states))
			if !ok {
				declined++
				line = want
				continue
			}
			taken++
			if line.Hidden != NoneHidden {
				hidden++
			}
			checkTimeline(t, got, states)
			if !equalTimelines(got, want) {
				t.Errorf("%v\ntaken back at %d: %+v, want %+v", states, gone, got, want)
			}
			line = got
		}
	})
	if taken < declined || hidden < taken/10 {
		t.Errorf("%d states were taken back, %d from timelines with a hidden boundary, and %d declined: it is of no use", taken, hidden, declined)
	}
	if rest, ok := FoldStates([]State{{At: historyDay.Start()}}).TakeBack(historyDay.FirstMinute() + 1); ok {
		t.Errorf("a state that is not there was taken back: %+v", rest)
	}
}

func TestPlacingIsFoldingAnew(t *testing.T) {
	t.Parallel()
	placed, declined := 0, 0
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		states := someStates(random)
		line := Timeline{}
		for i := range states {
			before := cloned(line)
			got, ok := line.Place(&states[i])
			if !reflect.DeepEqual(line, before) && len(line.Segments) > 0 {
				t.Errorf("placing changed the timeline %+v to %+v", before, line)
			}
			want := FoldStates(slices.Clone(states[:i+1]))
			if !ok {
				declined++
				line = want
				continue
			}
			placed++
			if !equalTimelines(got, want) {
				t.Errorf("after %d states: placed %+v, folded %+v", i+1, got, want)
			}
			checkTimeline(t, got, states[:i+1])
			line = got
		}
	})
	if placed < declined {
		t.Errorf("%d states were placed and %d declined: placing is of no use", placed, declined)
	}
}

func TestAStateInTimeOrderIsAlwaysPlaced(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		states := someStates(random)
		slices.SortFunc(states, func(a, b State) int { return a.Compare(&b) })
		states = slices.CompactFunc(states, func(a, b State) bool { return FirstMinute(a.At) == FirstMinute(b.At) })
		line := Timeline{}
		for i := range states {
			placed, ok := line.Place(&states[i])
			if !ok {
				t.Errorf("state %d of %+v was declined", i, states)
			}
			line = placed
		}
	})
}

// someWindows makes quantities of one day: many share a window, some overlap. Those
// of most days are described alike.
func someWindows(random *rand.Rand) []Window {
	egress, _ := ResourceTypeNamed("egress_traffic")
	windows, alike := make([]Window, 1+random.IntN(10)), random.IntN(3) > 0
	for i := range windows {
		w := &windows[i]
		w.From = historyDay.Start() + Instant(random.IntN(24))*3600*Second
		w.To = w.From + pick[Instant](random, 1, 1, 1, 2, 24)*3600*Second
		w.At = w.To + pick(random, -Second-1, -1, 0, 1, Second, 2*Second)
		w.Quantity = AmountOf(uint64(random.IntN(3)))
		w.Source, w.ID = pick(random, "/a", "/b"), strconv.Itoa(i)
		w.Attributes = &Attributes{}
		w.Attributes.Texts[InstanceType] = pick(random, "vm", "vm", "router")
		if !alike {
			w.Attributes.Texts[InstanceName] = w.ID
		}
		w.Meter = egress.Meter("", "", w.Attributes)
	}
	return windows
}

// sameSum compares what reports show of a sum.
func sameSum(a, b DaySum) bool {
	return a.Day == b.Day && a.Meter == b.Meter && a.Sum == b.Sum && a.First == b.First && a.Last == b.Last && a.Attributes.Equal(b.Attributes)
}

func checkDay(t *testing.T, sums []DaySum, windows []Window) {
	t.Helper()
	want := naiveDay(historyDay, windows)
	if len(sums) != len(want) {
		t.Errorf("%d sums, want %d", len(sums), len(want))
	}
	for i, s := range sums {
		if w := want[s.Meter]; !sameSum(s, w) {
			t.Errorf("sum of %v: got %+v, want %+v", s.Meter, s, w)
		}
		if i > 0 && sums[i-1].Meter.Compare(s.Meter) >= 0 {
			t.Errorf("sums are not in the order of the meters")
		}
	}
}

func TestDaySumsAreTheSumsOfTheCountedWindows(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		windows := someWindows(random)
		sums := FoldDay(historyDay, shuffled(random, windows))
		checkDay(t, sums, windows)
		if again := FoldDay(historyDay, shuffled(random, windows)); !slices.EqualFunc(sums, again, sameSum) {
			t.Errorf("%+v in another order: %+v", sums, again)
		}
	})
}

func TestPlacingAWindowIsFoldingTheDayAnew(t *testing.T) {
	t.Parallel()
	placed, declined := 0, 0
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		windows := someWindows(random)
		var sums []DaySum
		for i := range windows {
			before := FoldDay(historyDay, slices.Clone(windows[:i]))
			got, ok := PlaceWindow(sums, &windows[i])
			checkFolded(t, sums, before)
			want := FoldDay(historyDay, slices.Clone(windows[:i+1]))
			if ok {
				placed++
				checkDay(t, got, windows[:i+1])
				checkFolded(t, got, want)
				sums = got
				continue
			}
			declined++
			sums = want
		}
	})
	if placed < 2*declined {
		t.Errorf("%d windows were placed and %d declined: placing is of no use", placed, declined)
	}
}

// checkFolded compares sums with those that folding gives, and what is known of their
// windows.
func checkFolded(t *testing.T, got, want []DaySum) {
	t.Helper()
	if !slices.EqualFunc(got, want, sameSum) {
		t.Errorf("got %+v, want %+v", got, want)
		return
	}
	for i := range want {
		if !got[i].Agrees(&want[i]) {
			t.Errorf("of the windows %x is known, want %x", got[i].Windows, want[i].Windows)
		}
	}
}

// TestExtendingADayIsPlacingTheWindow extends a day's sums where that is possible,
// and shows that sums from which they were copied stay as they are.
func TestExtendingADayIsPlacingTheWindow(t *testing.T) {
	t.Parallel()
	extended := 0
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		windows := someWindows(random)
		var sums []DaySum
		for i := range windows {
			shown := slices.Clone(sums)
			before := FoldDay(historyDay, slices.Clone(windows[:i]))
			placed, ok := PlaceWindow(sums, &windows[i])
			if ExtendDay(sums, &windows[i]) {
				extended++
				if !ok || !slices.EqualFunc(sums, placed, sameSum) || !slices.EqualFunc(sums, placed, sameWindows) {
					t.Errorf("extended to %+v, placed %t as %+v", sums, ok, placed)
				}
				if !slices.EqualFunc(shown, before, sameSum) {
					t.Errorf("extending changed %+v to %+v", before, shown)
				}
				continue
			}
			if sums = placed; !ok {
				sums = FoldDay(historyDay, slices.Clone(windows[:i+1]))
			}
		}
	})
	if extended < histories/5 {
		t.Errorf("only %d windows extended a day", extended)
	}
}

// sameWindows compares what is known of the windows.
func sameWindows(a, b DaySum) bool { return string(a.Windows) == string(b.Windows) }

// TestWindowsApartAreAlwaysPlaced sends the hours of a day in any order, as several
// connections do.
func TestWindowsApartAreAlwaysPlaced(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		var sums []DaySum
		var windows []Window
		model := someWindows(random)[0]
		for _, h := range random.Perm(24) {
			w := model
			w.From = historyDay.Start() + Instant(h)*3600*Second
			w.To = w.From + 3600*Second - Instant(h%3)*60*Second
			placed, ok := PlaceWindow(sums, &w)
			if !ok {
				t.Fatalf("hour %d was declined after %d others", h, len(windows))
			}
			sums, windows = placed, append(windows, w)
			checkDay(t, sums, windows)
		}
	})
}

func TestWindowsInOrderAreAlwaysPlaced(t *testing.T) {
	t.Parallel()
	var sums []DaySum
	windows := someWindows(rand.New(rand.NewPCG(1, 1)))[:1]
	for h := range Instant(24) {
		w := windows[0]
		w.From, w.To = historyDay.Start()+h*3600*Second, historyDay.Start()+(h+1)*3600*Second
		placed, ok := PlaceWindow(sums, &w)
		if !ok {
			t.Fatalf("hour %d was declined", h)
		}
		sums = placed
	}
	if len(sums) != 1 || sums[0].Last-sums[0].First != 24*3600*Second {
		t.Errorf("got %+v", sums)
	}
}
