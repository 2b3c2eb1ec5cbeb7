package metering

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTakingBackAWindowIsFoldingTheDayAnew takes windows back one by one, of days in
// which several observations tell of the same ones.
func TestTakingBackAWindowIsFoldingTheDayAnew(t *testing.T) {
	t.Parallel()
	taken, declined := 0, 0
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		windows := someWindows(random)
		sums := FoldDay(historyDay, slices.Clone(windows))
		for len(windows) > 0 {
			before := FoldDay(historyDay, slices.Clone(windows))
			from := windows[0].From
			windows = windows[1:]
			got, ok := TakeBackWindow(sums, from)
			checkFolded(t, sums, before)
			if want := FoldDay(historyDay, slices.Clone(windows)); !ok {
				declined++
				sums = want
			} else {
				taken++
				checkFolded(t, got, want)
				sums = got
			}
		}
	})
	if taken < declined/2 {
		t.Errorf("%d windows were taken back and %d declined: it is of no use", taken, declined)
	}
}

// TestAWindowThatIsToldTwiceIsNotTakenBack corrects a window: what is left without one
// of the two, only the observations say.
func TestAWindowThatIsToldTwiceIsNotTakenBack(t *testing.T) {
	t.Parallel()
	w := someWindows(rand.New(rand.NewPCG(1, 1)))[0]
	correction := w
	correction.At, correction.Quantity = w.At+Second, w.Quantity.Add(AmountOf(1))
	sums := FoldDay(historyDay, []Window{w})
	for _, late := range []Window{correction, w} { // the second time it is the earlier one that comes late
		corrected, ok := PlaceWindow(sums, &late)
		if !ok || corrected[0].Sum != correction.Quantity {
			t.Fatalf("corrected: %+v, %t", corrected, ok)
		}
		if rest, ok := TakeBackWindow(corrected, w.From); ok {
			t.Errorf("taken back: %+v", rest)
		}
		sums = FoldDay(historyDay, []Window{correction})
	}
	if rest, ok := TakeBackWindow(sums, w.From); !ok || len(rest) != 0 {
		t.Errorf("the only one taken back: %+v, %t", rest, ok)
	}
	if rest, ok := TakeBackWindow(sums, w.From+1); ok {
		t.Errorf("one that is not there taken back: %+v", rest)
	}
}

// TestWhichOfTwoWindowsOfOneSecondCountsTheObservationsSay corrects a window within
// the second in which it was observed.
func TestWhichOfTwoWindowsOfOneSecondCountsTheObservationsSay(t *testing.T) {
	t.Parallel()
	w := someWindows(rand.New(rand.NewPCG(1, 1)))[0]
	w.At = w.To + Second/2
	for _, after := range []Instant{-Second / 2, -1, 0, 1, Second/2 - 1} {
		correction := w
		correction.At += after
		if placed, ok := PlaceWindow(FoldDay(historyDay, []Window{w}), &correction); ok {
			t.Errorf("one of %d ns later was placed: %+v", after, placed)
		}
	}
	for _, after := range []Instant{-Second/2 - 1, Second / 2} {
		correction := w
		correction.At, correction.Quantity = w.At+after, w.Quantity.Add(AmountOf(1))
		placed, ok := PlaceWindow(FoldDay(historyDay, []Window{w}), &correction)
		if want := FoldDay(historyDay, []Window{w, correction}); !ok || !slices.EqualFunc(placed, want, sameSum) {
			t.Errorf("one of %d ns later: %+v, %t, want %+v", after, placed, ok, want)
		}
	}
}

// TestADayOfManyWindowsKnowsTheLatest sends a day of windows of a minute, neighbours
// swapped: what comes late by little is placed, and so are corrections and retractions
// of the latest ones. What is earlier, the observations say.
func TestADayOfManyWindowsKnowsTheLatest(t *testing.T) {
	t.Parallel()
	model := someWindows(rand.New(rand.NewPCG(1, 1)))[0]
	var sums []DaySum
	var windows []Window
	for minute := range Instant(24 * 60) {
		w := model
		w.From = historyDay.Start() + (minute^1)*60*Second
		w.To, w.Quantity = w.From+30*Second, Product(uint64(5e9+minute), millionths)
		w.At = w.To + Second/3
		placed, ok := PlaceWindow(sums, &w)
		if !ok {
			t.Fatalf("window %d was declined", minute)
		}
		if size := len(placed[0].Windows); size > maxWindowList+20 {
			t.Fatalf("%d bytes after window %d", size, minute)
		}
		sums, windows = placed, append(windows, w)
	}
	checkDay(t, sums, windows)
	checkFolded(t, sums, FoldDay(historyDay, slices.Clone(windows)))
	all, partly, ok := sums[0].Windows.windows(historyDay, nil)
	if !ok || !partly || len(all) < 100 {
		t.Fatalf("%d windows are known, partly: %t", len(all), partly)
	}
	for _, at := range []int{0, 1, len(windows) - len(all), len(windows) - len(all) + 2, len(windows) - 40, len(windows) - 2, len(windows) - 1} {
		correction := windows[at]
		known := correction.From > all[0].From
		correction.At, correction.Quantity = correction.At+Second, AmountOf(1)
		placed, ok := PlaceWindow(sums, &correction)
		if ok != known {
			t.Errorf("a correction of window %d of %d was placed: %t", at, len(windows), ok)
		} else if ok {
			checkFolded(t, placed, FoldDay(historyDay, append(slices.Clone(windows), correction)))
		}
		rest, ok := TakeBackWindow(sums, correction.From)
		if latest := correction.To == sums[0].Last; ok != (known && !latest) {
			t.Errorf("window %d of %d was taken back: %t", at, len(windows), ok)
		} else if ok {
			checkFolded(t, rest, FoldDay(historyDay, slices.Delete(slices.Clone(windows), at, at+1)))
		}
	}
}

// TestAListHoldsWhateverAWindowIs writes windows with unusual numbers and reads them.
func TestAListHoldsWhateverAWindowIs(t *testing.T) {
	t.Parallel()
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		var all []heldWindow
		for range 1 + random.IntN(40) {
			h := heldWindow{From: historyDay.Start() + pick(random, 0, Instant(random.Int64N(int64(86400*Second))), 3600*Second), Corrects: random.IntN(3) == 0}
			h.To = h.From + pick(random, 1, 3600*Second, 1+Instant(random.Int64N(int64(MaxQuantityWindow))))
			h.Since = h.To + pick[Instant](random, 0, 1, -1, 40, -1e9, 7e9)*Second
			h.Quantity = pick(random, Amount{}, AmountOf(1), Product(5e9, millionths), Amount{Lo: random.Uint64()}, Amount{Hi: 1<<19 - 1, Lo: 1}, Amount{Hi: 7})
			all = append(all, h)
		}
		slices.SortFunc(all, func(a, b heldWindow) int { return a.compare(b.From, b.To) })
		all = slices.CompactFunc(all, func(a, b heldWindow) bool { return a.compare(b.From, b.To) == 0 })
		list := listWindows(historyDay, all, len(all)%2 == 0)
		if got, partly, ok := list.windows(historyDay, nil); !ok || partly != (len(all)%2 == 0) || !slices.Equal(got, all) || !list.Valid(historyDay) {
			t.Errorf("read %+v, %t, %t, want %+v", got, partly, ok, all)
		}
	})
}

// TestAListOfOtherWindowsIsAsGoodAsNone gives a sum a list that is not its own.
func TestAListOfOtherWindowsIsAsGoodAsNone(t *testing.T) {
	t.Parallel()
	w := someWindows(rand.New(rand.NewPCG(1, 1)))[0]
	w.Quantity = AmountOf(5)
	sums, other := FoldDay(historyDay, []Window{w}), w
	other.Quantity = AmountOf(6)
	correction := w
	correction.At += Second
	for _, list := range []WindowList{FoldDay(historyDay, []Window{other})[0].Windows, nil, {}, {0}, {1}, sums[0].Windows[:3]} {
		wrong := slices.Clone(sums)
		wrong[0].Windows = list
		if placed, ok := PlaceWindow(wrong, &correction); ok {
			t.Errorf("%x: a correction was placed: %+v", list, placed)
		}
		if rest, ok := TakeBackWindow(wrong, w.From); ok {
			t.Errorf("%x: a window was taken back: %+v", list, rest)
		}
	}
}
