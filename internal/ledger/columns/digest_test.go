package columns

import (
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// twins are two bases of the same resources, enough for several blocks; the
// plain one has projections without a digest of the periods given, so that its
// reports read every row.
func twins(seed uint64, periods ...metering.Period) (w *world, digested, plain *Base) {
	w = newWorld(seed, 6000)
	w.changes(100)
	digested, plain = Build(w.all(), 1), Build(w.all(), 1)
	for _, in := range periods {
		plain.projections.get(in, func() *Projection { return plain.project(in, plain.allGroups()) })
	}
	return w, digested, plain
}

// worldPeriods has all days of a world, a part, and one that ends in the midst of
// what runs.
func worldPeriods() []metering.Period {
	return []metering.Period{{From: worldStart - 1, To: worldStart + worldDays + 1}, {From: worldStart + 1, To: worldStart + 3}, {From: worldStart + 2, To: worldStart + worldDays}}
}

func (w *world) mask(b *Base, percent float64) Mask {
	m := b.NewMask()
	for res := range b.Resources() {
		if w.Float64()*100 < percent {
			m.Add(res)
		}
	}
	return m
}

// ofProjection draws a query over all projects of one of the periods.
func (w *world) ofProjection(periods []metering.Period) report.Query {
	q := w.query()
	q.Period, q.Projects = draw(w, periods...), report.Everything[metering.ProjectID]()
	switch w.IntN(4) {
	case 0:
		q.Now = q.Period.To.Start() - metering.Instant(w.IntN(300)-150)*metering.Second
	case 1: // what was true long ago, or is to come
		q.Now = q.Period.From.Start() + metering.Instant(w.IntN(3)-1)*3600*metering.Second
	}
	q.Limit, q.Offset = w.IntN(15), draw(w, 0, 0, 1, w.IntN(300), w.IntN(9000))
	return q
}

func TestWhatADigestLeavesOutIsNotOnThePage(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		periods := worldPeriods()
		w, digested, plain := twins(seed, periods...)
		layers := []Layer{{}}
		for _, percent := range []float64{0.05, 2, 60} {
			over, changed := w.mask(plain, percent), w.mask(plain, draw(w, 0.02, 5))
			layers = append(layers, Layer{Mask: []Mask{over}, Lasting: true}, Layer{Mask: []Mask{over}}, Layer{Mask: []Mask{over, changed}, Lasting: true})
		}
		for i := range 200 {
			q, l := w.ofProjection(periods), draw(w, layers...)
			l.Base = plain
			want := read(Report(&q, NewOverlay(&q), l))
			l.Base = digested
			if want.differs(t, fmt.Sprintf("seed %d, query %d: %+v", seed, i, q), read(Report(&q, NewOverlay(&q), l))) {
				return
			}
		}
	}
}

func TestChangesOverManyBlocksAreAsGoodAsAMerge(t *testing.T) {
	t.Parallel()
	w := newWorld(11, 5000)
	base := Build(w.changes(90), 1)
	fresh := w.changes(7)
	merged := Build(w.all(), 2)
	for i := range 60 {
		q := w.ofProjection(worldPeriods())
		want := read(Report(&q, NewOverlay(&q), Layer{Base: merged}))
		if want.differs(t, fmt.Sprintf("query %d: %+v", i, q), read(laid(base, fresh, &q))) {
			return
		}
		if want.differs(t, fmt.Sprintf("query %d, in layers: %+v", i, q), read(layered(base, fresh, &q))) {
			return
		}
	}
}

// TestADigestHoldsFromTheMomentThatItSays reads small worlds, of one block each,
// at moments from the one on at which the block is settled.
func TestADigestHoldsFromTheMomentThatItSays(t *testing.T) {
	t.Parallel()
	settled := 0
	for seed := range uint64(600) {
		w := newWorld(seed, 1+int(seed%9))
		base := Build(w.changes(100), 1)
		q := w.ofProjection(worldPeriods())
		p := base.projectWhole(q.Period, 1)
		if len(p.digest.zones) == 0 {
			continue
		}
		z := &p.digest.zones[0]
		for range 5 {
			until := p.minTo - w.Uint32N(p.minTo-min(z.settled, p.minTo)+1)
			q.Now = metering.Minute(until - 1).Sample()
			s := newScan(&q, p.readAt(q.Now), nil)
			if s.read.until != until || z.settled > until {
				t.Fatalf("read at %d instead of %d, settled at %d", s.read.until, until, z.settled)
			}
			settled++
			if row := rowBeforeBounds(s); row >= 0 {
				t.Fatalf("seed %d: row %d comes before the bounds of its block: %+v", seed, row, q)
			}
			q.Tags, q.Where = nil, nil
			known, picked := newScan(&q, s.read, nil), newPicker(&q)
			known.sumUp(picked)
			plain := *p
			plain.digest = nil
			added := newScan(&q, plain.readAt(q.Now), nil)
			added.run(picked)
			if known.count != added.count || !slices.Equal(known.totals(), added.totals()) {
				t.Fatalf("seed %d: %d lines %v, want %d %v", seed, known.count, known.totals(), added.count, added.totals())
			}
		}
	}
	if settled < 2000 {
		t.Errorf("only %d readings", settled)
	}
}

// rowBeforeBounds returns a row with keys before the bounds of its block, or -1.
func rowBeforeBounds(s *scan) int {
	keys, v := s.read.pageKeys(s.order), s.visits()
	for row := range s.read.rows() {
		of := make([]uint64, len(keys))
		for i, key := range keys {
			of[i] = key.of(uint32(row))
		}
		if slices.Compare(of, v.of(row/blockRows)) < 0 {
			return row
		}
	}
	return -1
}

func TestValuesOfABlockLieBetweenTheLines(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 9))
	for range 3000 {
		end := 2 + random.Uint32N(20)
		z := zone{settled: 1 + random.Uint32N(end), running: true, early: noSpan(), late: noSpan()}
		type line struct{ value, rate, factor uint64 }
		lines := make([]line, 1+random.IntN(4))
		at := func(l line, until uint32) uint64 {
			return roughly(metering.AmountOf(l.value-l.rate*uint64(end-until)), l.factor)
		}
		size := uint64(1) << random.IntN(60)
		for i := range lines {
			l := line{rate: random.Uint64N(size), factor: uint64(1 + random.IntN(9))}
			l.value = l.rate*uint64(end) + random.Uint64N(size)
			lines[i] = l
			z.early.include(at(l, z.settled))
			z.late.include(at(l, end))
		}
		for until := z.settled; until <= end; until++ {
			is := z.values(until, end)
			for _, l := range lines {
				if v := at(l, until); v < is.min || v > is.max {
					t.Fatalf("%+v at %d of %d: %d is not in %+v, %+v", l, until, end, v, is, z)
				}
			}
		}
	}
}

// TestOnlyBlocksThatMayBeOnThePageAreRead takes away what the rows of all other
// blocks count: neither page nor totals change.
func TestOnlyBlocksThatMayBeOnThePageAreRead(t *testing.T) {
	t.Parallel()
	w, base, _ := twins(6)
	for _, field := range []report.OrderField{report.ByProject, report.ByRegion, report.ByType, report.ByValue, report.ByFirstSeen, report.ByLastSeen, report.ByLastName} {
		for _, descending := range []bool{false, true} {
			q := w.wide()
			q.Order, q.Limit = []report.OrderTerm{{Field: field, Descending: descending}}, 3
			p := base.projectWhole(q.Period, 1)
			s := newScan(&q, p.readAt(q.Now), nil)
			s.run(newPicker(&q))
			want, rows := s.totals(), s.rows
			spoilt := 0
			for row := range p.row {
				if !slices.ContainsFunc(rows, func(kept uint32) bool { return int(kept)/blockRows == row/blockRows }) && spoilt < p.rows()/2 {
					p.row[row].mult, p.row[row].before, p.name[row] = 0, 0, 0
					spoilt++
				}
			}
			again := newScan(&q, p.readAt(q.Now), nil)
			again.run(newPicker(&q))
			if spoilt == 0 || !slices.Equal(want, again.totals()) || s.count != again.count {
				t.Errorf("%v: count or totals were read from rows", q.Order)
			}
		}
	}
}

func TestPartsTogetherAreTheProjection(t *testing.T) {
	t.Parallel()
	_, base, _ := twins(7)
	for _, in := range worldPeriods() {
		whole := base.project(in, base.allGroups())
		for _, workers := range []int{1, 2, 3, 7} {
			p := base.projectWhole(in, workers)
			if p.rows() != whole.rows() || !slices.Equal(p.res, whole.res) || !slices.Equal(p.item, whole.item) || !slices.Equal(p.name, whole.name) ||
				!slices.Equal(p.tags, whole.tags) || !slices.Equal(p.groups, whole.groups) || p.latest != whole.latest {
				t.Fatalf("%v: %d parts have other rows", in, workers)
			}
			for row := range p.row {
				x, y := p.row[row], whole.row[row]
				if p.slots[x.slot] != whole.slots[y.slot] || p.priors[x.before] != whole.priors[y.before] {
					t.Fatalf("%v: row %d of %d parts is %+v", in, row, workers, x)
				}
				if x.slot, x.before = y.slot, y.before; x != y {
					t.Fatalf("%v: row %d of %d parts is %+v, want %+v", in, row, workers, x, y)
				}
			}
		}
	}
}

func TestRoughNumbersAreInTheOrderOfTheValues(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 9))
	amounts := []metering.Amount{{}, {Lo: roughFrom - 1}, {Lo: roughFrom}, {Lo: 1<<64 - 1}, {Hi: 1}, {Hi: 1<<64 - 1, Lo: 1<<64 - 1}}
	for range 3000 {
		shift := random.IntN(128)
		hi, lo := random.Uint64(), random.Uint64()
		if shift >= 64 {
			hi, lo = 0, hi
		}
		amounts = append(amounts, metering.Amount{Hi: hi >> (shift % 64), Lo: lo})
	}
	slices.SortFunc(amounts, metering.Amount.Compare)
	for i, a := range amounts[1:] {
		if roughly(amounts[i], 1) > roughly(a, 1) {
			t.Fatalf("%v is before %v", a, amounts[i])
		}
		exact := a.Hi == 0 && a.Lo < roughFrom
		if exact != (roughly(a, 1) < roughFrom) || exact && roughly(a, 1) != a.Lo {
			t.Fatalf("%v is %x", a, roughly(a, 1))
		}
	}
	for range 3000 { // the factor counts, and what 128 bits do not hold comes last
		a, factor := metering.Amount{Hi: random.Uint64() >> random.IntN(64), Lo: random.Uint64()}, draw(&world{Rand: random}, uint64(1), 1000, 1_000_000_000)
		over, hi := bits.Mul64(a.Hi, factor)
		carry, lo := bits.Mul64(a.Lo, factor)
		hi, more := bits.Add64(hi, carry, 0)
		want := roughly(metering.Amount{Hi: hi, Lo: lo}, 1)
		if over|more != 0 {
			want = 1<<64 - 1
		}
		if got := roughly(a, factor); got != want {
			t.Fatalf("%v times %d is %x, want %x", a, factor, got, want)
		}
	}
}

func TestAStraightLineIsRoundedDown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ low, high, past, all, want uint64 }{
		{0, 10, 0, 3, 0}, {0, 10, 1, 3, 3}, {0, 10, 2, 3, 6}, {0, 10, 3, 3, 10}, {7, 7, 2, 3, 7},
		{1, 1<<64 - 1, 1, 2, 1 << 63}, {0, 1<<64 - 1, 44_639, 44_640, 1<<64 - 1 - (1<<64-1)/44_640 - 1},
	} {
		if got := between(c.low, c.high, c.past, c.all); got != c.want {
			t.Errorf("%+v: got %d", c, got)
		}
	}
}

func TestAPanicInAPartEndsTheCaller(t *testing.T) {
	t.Parallel()
	defer func() {
		if p := recover(); p != "part 2" {
			t.Errorf("got %v", p)
		}
	}()
	inParallel(4, func(i int) {
		if i == 2 {
			panic("part 2")
		}
	})
}

func TestAProjectionThatCannotBeBuiltIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(8, 50)
	base := Build(w.changes(100), 1)
	in := w.wide().Period
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the report did not fail")
			}
		}()
		base.projections.get(in, func() *Projection { panic("damaged") })
	}()
	if len(base.projections.periods()) != 0 || base.ProjectionRows() != 0 {
		t.Error("what could not be built is kept")
	}
	if base.projections.get(in, func() *Projection { return base.projectWhole(in, 1) }) == nil {
		t.Error("there is no projection")
	}
}

func TestTheFirstNumberIsFoundAmongSortedOnes(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2, 9))
	for range 300 {
		sorted := make([]uint32, random.IntN(40))
		for i := range sorted {
			sorted[i] = random.Uint32N(30)
		}
		slices.Sort(sorted)
		number, from := random.Uint32N(32), random.IntN(len(sorted)+1)
		want := from
		for want < len(sorted) && cmp.Less(sorted[want], number) {
			want++
		}
		if got := firstFrom(sorted, from, number); got != want {
			t.Fatalf("%d from %d on in %v: got %d, want %d", number, from, sorted, got, want)
		}
	}
}

// TestManyMaySumWithoutDifferentMasks asks at once, as before and after a
// condensing.
func TestManyMaySumWithoutDifferentMasks(t *testing.T) {
	t.Parallel()
	w, digested, plain := twins(9, worldPeriods()[0])
	q := w.wide()
	q.Limit = 1
	var together sync.WaitGroup
	for i := range 4 {
		over := w.mask(plain, float64(5+20*i))
		want := read(Report(&q, NewOverlay(&q), Layer{Base: plain, Mask: []Mask{over}}))
		together.Go(func() {
			for range 5 {
				if want.differs(t, "beside others", read(Report(&q, NewOverlay(&q), Layer{Base: digested, Mask: []Mask{over}, Lasting: true}))) {
					return
				}
			}
		})
	}
	together.Wait()
}
