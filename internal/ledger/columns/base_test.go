package columns

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/metering"
)

// contents shows all that a base holds, resource by resource.
func contents(b *Base) (all []string) {
	for res := range b.Resources() {
		key := b.Key(res)
		if key.Type.Measure() == metering.Counted {
			all = append(all, describeChange(Change{Key: key, Sums: allDays(Rest{Base: b, Res: res}, Rest{})}))
		} else {
			all = append(all, describeChange(Change{Key: key, Timeline: b.Timeline(res)}))
		}
	}
	return all
}

// allDays returns the sums of a resource with their windows.
func allDays(r, under Rest) []metering.DaySum {
	return r.Sums(metering.Period{From: -1 << 31, To: 1<<31 - 1}, under)
}

func describeChange(c Change) string {
	text := fmt.Sprintf("%+v known %v hidden %v shared %v boundary %d", c.Key, c.Timeline.Known, c.Timeline.Hidden, c.Timeline.Shared, c.Timeline.LastBoundary)
	for _, s := range c.Timeline.Segments {
		text += fmt.Sprintf("\n  [%d, %d) %+v %d %q %q", s.From, s.To, s.Is.Meter, s.Is.Multiplier, s.Is.Attributes.Texts, s.Is.Attributes.Tags)
	}
	for _, s := range c.Sums {
		text += fmt.Sprintf("\n  %s %+v %v %s %s %q %q %x", s.Day, s.Meter, s.Sum, s.First, s.Last, s.Attributes.Texts, s.Attributes.Tags, []byte(s.Windows))
	}
	return text
}

// checkBase compares a base with the world, and its dictionaries with
// themselves.
func checkBase(t *testing.T, w *world, b *Base) {
	t.Helper()
	var want []string
	for _, c := range w.all() {
		want = append(want, describeChange(c))
	}
	if got := contents(b); !slices.Equal(want, got) {
		for i := range min(len(want), len(got)) {
			if want[i] != got[i] {
				t.Fatalf("resource %d:\nwant %s\ngot  %s", i, want[i], got[i])
			}
		}
		t.Fatalf("want %d resources, got %d", len(want), len(got))
	}
	checkRanks(t, b)
	seen := map[string]bool{}
	for i := range b.tagSets.count() {
		if set := string(b.tagSets.at(uint32(i))); seen[set] {
			t.Errorf("tag set %q is stored twice", set)
		} else {
			seen[set] = true
		}
	}
	meters := map[metering.Meter]bool{}
	for _, m := range b.meters {
		if meters[m] {
			t.Errorf("meter %+v is stored twice", m)
		}
		meters[m] = true
	}
	for _, k := range w.keys {
		if res := b.Find(k); res != NotFound && b.Key(res) != k {
			t.Fatalf("resource %v was found as %v", k, b.Key(res))
		}
	}
}

// checkRanks compares the ranks with the order of the names themselves: equal
// names have one rank, and no rank is left out.
func checkRanks(t *testing.T, b *Base) {
	t.Helper()
	ids := make([]uint32, 0, b.names.count())
	for id := uint32(1); int(id) < b.names.count(); id++ {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y uint32) int { return cmp.Compare(string(b.names.at(x)), string(b.names.at(y))) })
	next := uint32(0)
	for i, id := range ids {
		if i > 0 && string(b.names.at(ids[i-1])) != string(b.names.at(id)) {
			next++
		}
		if b.rank[id] != next {
			t.Fatalf("name %q has rank %d, want %d", b.names.at(id), b.rank[id], next)
		}
	}
	if b.rank[0] != noRank {
		t.Errorf("the missing name has rank %d", b.rank[0])
	}
}

func TestMergingAgainAndAgainIsBuildingFromScratch(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		w, fs := newWorld(seed, 150), vfs.NewMem()
		base := Build(nil, 0)
		for round := range 12 {
			before := contents(base)
			next := merge(t, base, w.changes(draw(w, 0, 3, 30, 100)), uint64(round))
			if !slices.Equal(before, contents(base)) {
				t.Fatalf("seed %d, round %d: the base before was changed", seed, round)
			}
			checkBase(t, w, next)
			scratch := Build(w.all(), uint64(round))
			checkBase(t, w, scratch)
			q := w.wide()
			if a := read(Report(&q, NewOverlay(&q), Layer{Base: scratch})); a.differs(t, fmt.Sprintf("seed %d, round %d", seed, round), read(Report(&q, NewOverlay(&q), Layer{Base: next}))) {
				return
			}
			if base = next; round%2 == 0 {
				base = rewritten(t, fs, next)
				checkBase(t, w, base)
			}
		}
	}
}

// rewritten is a base as it comes back from a file.
func rewritten(t *testing.T, fs vfs.FS, b *Base) *Base {
	t.Helper()
	name := fmt.Sprint("base-", b.Seq)
	if err := b.Write(fs, "", name); err != nil {
		t.Fatal(err)
	}
	again, err := Open(fs, "", name)
	if err != nil {
		t.Fatal(err)
	}
	if again.Seq != b.Seq || !reflect.DeepEqual(again.meters, b.meters) {
		t.Errorf("written %d %v, read %d %v", b.Seq, b.meters, again.Seq, again.meters)
	}
	return again
}

// TestWhatIsLaidOverABaseComesBackFromItsFile writes the file that a base in
// memory is already.
func TestWhatIsLaidOverABaseComesBackFromItsFile(t *testing.T) {
	t.Parallel()
	w := newWorld(5, 100)
	under := Build(w.changes(100), 1)
	laid := under.With(Changed(w.changes(30), 2))
	if laid.image == nil {
		t.Fatal("a base in memory has no file to be written")
	}
	again := rewritten(t, vfs.NewMem(), laid)
	if want := contents(laid); !slices.Equal(want, contents(again)) {
		t.Error("the file holds something else than the base")
	}
	again.Flaws(func(f Flaw) { t.Errorf("%+v", f) })
	checkRanks(t, again)
}

func TestAResourceWithoutObservationsIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(1, 60)
	base := Build(w.changes(100), 1)
	var gone []Change
	for _, c := range w.all() {
		gone = append(gone, Change{Key: c.Key})
	}
	half := merge(t, base, gone[:len(gone)/2], 2)
	if got := half.Resources(); got != len(gone)-len(gone)/2 || half.Find(gone[0].Key) != NotFound {
		t.Errorf("%d resources of %d are left", got, len(gone))
	}
	checkRanks(t, half)
	none := merge(t, half, gone, 3)
	if none.Resources()+none.Segments()+none.DaySumCount() != 0 || none.names.count() != 1 {
		t.Errorf("something is left: %d resources, %d names", none.Resources(), none.names.count())
	}
	q := w.wide()
	if a := read(Report(&q, NewOverlay(&q), Layer{Base: rewritten(t, vfs.NewMem(), none)})); a.count+len(a.lines)+len(a.totals) != 0 {
		t.Errorf("an empty base reports %+v", a)
	}
}

func TestAResourceThatIsAddedOutOfOrderIsABug(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("nobody noticed")
		}
	}()
	w := newWorld(1, 20)
	all := w.changes(100)
	slices.Reverse(all)
	Build(all, 1)
}

// TestABaseStaysMappedWhileItIsRead counts the releases of a base in a mapped
// file.
func TestABaseStaysMappedWhileItIsRead(t *testing.T) {
	t.Parallel()
	w, dir := newWorld(2, 50), t.TempDir()
	if err := Build(w.changes(100), 1).Write(vfs.Default, dir, "base-1"); err != nil {
		t.Fatal(err)
	}
	b, err := Open(vfs.Default, dir, "base-1")
	if err != nil {
		t.Fatal(err)
	}
	unmapped, unmap := 0, b.release
	b.release = func() error {
		unmapped++
		return unmap()
	}
	b.Acquire()
	if err := b.Release(); err != nil || unmapped != 0 {
		t.Fatalf("unmapped %d times while it was read: %v", unmapped, err)
	}
	checkBase(t, w, b)
	if err := b.Release(); err != nil || unmapped != 1 {
		t.Fatalf("unmapped %d times: %v", unmapped, err)
	}
}

func TestSeekFindsTheFirstIndexThatIsNotBelow(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		for from := 0; from <= n; from++ {
			for end := from; end <= n; end++ {
				if got := seek(n, from, func(i int) bool { return i < end }); got != end {
					t.Fatalf("seek(%d, %d) up to %d gave %d", n, from, end, got)
				}
			}
		}
	}
}

// someDays draws some days of a counted resource anew, some of which have nothing any
// more, and notes what the resource is like then.
func (w *world) someDays(k metering.ResourceKey) Change {
	c, was := Change{Key: k, Partly: true}, w.is[k]
	now := Change{Key: k}
	share := 1 + w.IntN(100)
	for d := worldStart; d < worldStart+worldDays; d++ {
		var sums []metering.DaySum
		if w.IntN(100) < share {
			sums = w.day(k.Type, d)
			for i := range sums {
				if len(was.Sums) > 0 && w.IntN(2) == 0 { // as most stay
					old, now := was.Sums[w.IntN(len(was.Sums))].Attributes, *sums[i].Attributes
					now.Texts[metering.Name], now.Tags = old.Texts[metering.Name], old.Tags
					sums[i].Attributes = &now
				}
			}
			c.Days, c.Sums = append(c.Days, d), append(c.Sums, sums...)
		} else {
			for _, s := range was.Sums {
				if s.Day == d {
					sums = append(sums, s)
				}
			}
		}
		now.Sums = append(now.Sums, sums...)
	}
	w.is[k] = now
	return c
}

// TestMergingChangedDaysIsBuildingFromScratch merges resources of which only some
// days are told, beside others that are told whole.
func TestMergingChangedDaysIsBuildingFromScratch(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		w, fs := newWorld(seed, 60), vfs.NewMem()
		base := merge(t, Build(nil, 0), w.changes(draw(w, 30, 100)), 1)
		for round := range 8 {
			next := merge(t, base, w.partlyChanged(), uint64(round))
			checkBase(t, w, next)
			if base = rewritten(t, fs, next); t.Failed() {
				t.Fatalf("seed %d, round %d", seed, round)
			}
			checkBase(t, w, base)
		}
	}
}

// partlyChanged draws changes of some resources, most counted ones partly.
func (w *world) partlyChanged() []Change {
	changes := w.changes(draw(w, 0, 20))
	whole := map[metering.ResourceKey]bool{}
	for _, c := range changes {
		whole[c.Key] = true
	}
	percent := draw(w, 10, 100)
	for _, k := range w.keys {
		if k.Type.Measure() == metering.Counted && !whole[k] && w.IntN(100) < percent {
			changes = append(changes, w.someDays(k))
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return a.Key.Compare(b.Key) })
	return changes
}

// TestWhatIsCondensedLeavesTheWindowsOfOtherDaysBelow lays changes over a base, some of
// them over each other, and merges all.
func TestWhatIsCondensedLeavesTheWindowsOfOtherDaysBelow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		w, fs := newWorld(seed, 60), vfs.NewMem()
		base := merge(t, Build(nil, 0), w.changes(draw(w, 30, 100)), 1)
		for round := range 6 {
			recent := Changed(nil, 0)
			for range draw(w, 1, 2, 3) {
				changes := w.partlyChanged()
				for i := range changes {
					if c := &changes[i]; c.Partly {
						if c.Partly, c.Rest = false, restIn(recent, c.Key, true); c.Rest.Base == nil {
							c.Rest = restIn(base, c.Key, false)
						}
					}
				}
				recent = recent.With(Changed(changes, 0))
				for res := range recent.Resources() {
					if key := recent.Key(res); key.Type.Measure() == metering.Counted {
						got := Change{Key: key, Sums: allDays(restIn(recent, key, true), restIn(base, key, false))}
						if want := (Change{Key: key, Sums: w.is[key].Sums}); describeChange(got) != describeChange(want) {
							t.Fatalf("seed %d, round %d:\nwant %s\ngot  %s", seed, round, describeChange(want), describeChange(got))
						}
					}
				}
			}
			next, err := Merge(fs, "", "base", base, recent, uint64(round))
			if err != nil {
				t.Fatal(err)
			}
			if checkBase(t, w, next); t.Failed() {
				t.Fatalf("seed %d, round %d", seed, round)
			}
			base = next
		}
	}
}

func restIn(b *Base, key metering.ResourceKey, changed bool) Rest {
	res := b.Find(key)
	if res == NotFound {
		return Rest{}
	}
	return Rest{Base: b, Res: res, Changed: changed}
}

// TestABaseOfTooManyWindowsKnowsNone writes one that may have no more of them than it
// has, and one that would have more.
func TestABaseOfTooManyWindowsKnowsNone(t *testing.T) {
	t.Parallel()
	w, fs := newWorld(3, 60), vfs.NewMem()
	whole := Build(w.changes(100), 1)
	for _, less := range []int{0, 1} {
		p := newPlan(whole, Build(nil, 0), false)
		p.maxWindowBytes = len(whole.cell.windows) - less
		if err := p.write(fs, "", "base", 1); err != nil {
			t.Fatal(err)
		}
		b, err := Open(fs, "", "base")
		if err != nil {
			t.Fatal(err)
		}
		b.Flaws(func(f Flaw) { t.Errorf("%+v", f) })
		if known := len(b.cell.windows); known != (1-less)*len(whole.cell.windows) || len(whole.cell.windows) == 0 {
			t.Errorf("of %d bytes of windows %d are left", len(whole.cell.windows), known)
		}
		q := w.wide()
		want := read(Report(&q, NewOverlay(&q), Layer{Base: whole}))
		want.differs(t, "windows forgotten", read(Report(&q, NewOverlay(&q), Layer{Base: b})))
	}
}

// TestMergingADayAfterTheOtherKeepsOneName merges the days of a resource one by one,
// in order and then anew.
func TestMergingADayAfterTheOtherKeepsOneName(t *testing.T) {
	t.Parallel()
	w, base := newWorld(1, 60), Build(nil, 0)
	i := slices.IndexFunc(w.keys, func(k metering.ResourceKey) bool { return k.Type.Measure() == metering.Counted })
	key := w.keys[i]
	a := &metering.Attributes{}
	a.Texts[metering.Name], a.Tags = "one", []metering.Tag{{Key: "env", Value: "prod"}}
	for range 2 {
		for d := worldStart; d < worldStart+worldDays; d++ {
			from := d.Start()
			sums := metering.FoldDay(d, []metering.Window{{From: from, To: from + 1, ID: "w", Quantity: metering.AmountOf(1), Meter: key.Type.Meter("", "", a), Attributes: a}})
			base = merge(t, base, []Change{{Key: key, Days: []metering.Day{d}, Sums: sums, Partly: true}}, 1)
		}
	}
	if base.DaySumCount() != worldDays || base.names.count() != 2 || base.tagSets.count() != 2 || base.extras.count() > 2 {
		t.Errorf("%d days, %d names, %d tag sets, %d extras; want %d, and one of each beside the missing one",
			base.DaySumCount(), base.names.count()-1, base.tagSets.count()-1, base.extras.count()-1, worldDays)
	}
	checkRanks(t, base)
}
