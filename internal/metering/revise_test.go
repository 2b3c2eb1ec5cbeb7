package metering

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRevisingADayIsFoldingItAnew lets some windows of a day come late, most of
// which correct others or overlap them, and others be taken back.
func TestRevisingADayIsFoldingItAnew(t *testing.T) {
	t.Parallel()
	revised, declined := 0, 0
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		windows := someWindows(random)
		for i := range windows {
			windows[i].Attributes.Texts[InstanceName] = pick(random, "a", "a", "a", "b")
		}
		from, to := random.IntN(len(windows)+1), random.IntN(len(windows)+1)
		from, to = min(from, to), max(from, to) // [0, from) goes, [from, to) stays, the rest comes
		if random.IntN(2) == 0 {
			from = 0
		}
		changed := slices.Concat(windows[:from], windows[to:])
		begins := func(w Window) bool {
			return slices.ContainsFunc(changed, func(c Window) bool { return c.From == w.From }) || w.From == windows[to-1].From
		}
		if to == 0 {
			return
		}
		was, is := only(windows[:to], begins), only(windows[from:], begins)
		sums := FoldDay(historyDay, slices.Clone(windows[:to]))
		before := slices.Clone(sums)
		got, ok := ReviseDay(sums, was, is)
		if !slices.EqualFunc(sums, before, sameSum) {
			t.Errorf("revising changed %+v to %+v", before, sums)
		}
		if !ok {
			declined++
			return
		}
		revised++
		checkFolded(t, got, FoldDay(historyDay, slices.Clone(windows[from:])))
	})
	if 2*revised < declined {
		t.Errorf("%d days were revised and %d declined: revising is of no use", revised, declined)
	}
}

func only(windows []Window, chosen func(Window) bool) (some []Window) {
	for _, w := range windows {
		if chosen(w) {
			some = append(some, w)
		}
	}
	return some
}

// TestADayThatLostAWindowIsNotRevised takes back the only window, and one that
// another one corrected.
func TestADayThatLostAWindowIsNotRevised(t *testing.T) {
	t.Parallel()
	windows := someWindows(rand.New(rand.NewPCG(1, 1)))[:1]
	correction := windows[0]
	correction.At, correction.Quantity = correction.At+1, correction.Quantity.Add(AmountOf(1))
	sums := FoldDay(historyDay, slices.Clone(windows))
	if _, ok := ReviseDay(sums, windows, nil); ok {
		t.Error("a day was revised of which nothing is left")
	}
	got, ok := ReviseDay(sums, windows, []Window{windows[0], correction})
	if !ok || got[0].Sum != correction.Quantity {
		t.Errorf("corrected: %+v, %t", got, ok)
	}
	middle := slices.Repeat(windows, 3)
	for i := range middle {
		middle[i].From += Instant(i) * 3600 * Second
		middle[i].To = middle[i].From + 3600*Second
	}
	sums = FoldDay(historyDay, slices.Clone(middle))
	rest, ok := ReviseDay(sums, slices.Clone(middle[1:]), slices.Clone(middle[2:]))
	if want := FoldDay(historyDay, []Window{middle[0], middle[2]}); !ok || !slices.EqualFunc(rest, want, sameSum) {
		t.Errorf("the window in the middle taken back: %+v, %t, want %+v", rest, ok, want)
	}
	if _, ok := ReviseDay(sums, slices.Clone(middle[1:2]), nil); ok {
		t.Error("a window was taken out that may be the latest")
	}
	back, ok := ReviseDay(got, []Window{windows[0], correction}, windows)
	if !ok || back[0].Sum != windows[0].Quantity {
		t.Errorf("the correction taken back: %+v, %t", back, ok)
	}
}
