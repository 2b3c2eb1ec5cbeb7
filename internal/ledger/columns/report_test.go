package columns

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestReportsAreWhatTheFoldsSay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		w := newWorld(seed, 200)
		w.changes(100)
		base := Build(w.all(), 1)
		for i := range 150 {
			q := w.query()
			want := w.naive(&q)
			if want.differs(t, fmt.Sprintf("seed %d, query %d: %+v", seed, i, q), read(Report(&q, NewOverlay(&q), Layer{Base: base}))) {
				return
			}
		}
	}
}

// TestAnOverlayIsAsGoodAsAMerge lays changes over a base.
func TestAnOverlayIsAsGoodAsAMerge(t *testing.T) {
	t.Parallel()
	for seed := range uint64(5) {
		w := newWorld(seed, 200)
		base := Build(w.changes(80), 1)
		fresh := w.changes(draw(w, 1, 10, 60))
		merged := merge(t, base, fresh, 2)
		for i := range 100 {
			q := w.query()
			want := read(Report(&q, NewOverlay(&q), Layer{Base: merged}))
			if want.differs(t, fmt.Sprintf("seed %d, query %d: %+v", seed, i, q), read(laid(base, fresh, &q))) {
				return
			}
			if want.differs(t, fmt.Sprintf("seed %d, query %d, in layers: %+v", seed, i, q), read(layered(base, fresh, &q))) {
				return
			}
		}
	}
}

func TestNarrowReportsAreTheSameFromAKeptProjection(t *testing.T) {
	t.Parallel()
	w := newWorld(3, 600)
	w.changes(100)
	for range 100 {
		base := Build(w.all(), 1)
		q := w.query()
		q.Projects = report.Only(metering.ProjectID(1 + w.IntN(12)))
		want := w.naive(&q)
		want.differs(t, "read from the base", read(Report(&q, NewOverlay(&q), Layer{Base: base})))
		if kept := base.projections.periods(); len(kept) != 0 {
			t.Fatalf("a narrow query projected %v", kept)
		}
		all := w.wide()
		all.Period = q.Period
		Report(&all, NewOverlay(&all), Layer{Base: base}).Close()
		if kept := base.projections.periods(); len(kept) != 1 {
			t.Fatalf("a wide query keeps %v", kept)
		}
		if want.differs(t, fmt.Sprintf("kept: %+v", q), read(Report(&q, NewOverlay(&q), Layer{Base: base}))) {
			return
		}
	}
}

// large is a base with more lines than are kept sorted while scanning.
func large() (*world, *Base) {
	w := newWorld(4, 6000)
	w.changes(100)
	return w, Build(w.all(), 1)
}

func TestPagesTogetherAreTheWholeReport(t *testing.T) {
	t.Parallel()
	w, base := large()
	for range 4 {
		q := w.wide()
		q.Order = w.order()
		whole := read(Report(&q, NewOverlay(&q), Layer{Base: base}))
		var pages []string
		for q.Limit = 700; q.Offset <= whole.count; q.Offset += q.Limit {
			page := read(Report(&q, NewOverlay(&q), Layer{Base: base}))
			if page.count != whole.count || !slices.Equal(page.totals, whole.totals) {
				t.Fatal("count or totals depend on the page")
			}
			pages = append(pages, page.lines...)
		}
		if whole.count < 2*maxHeap || !slices.Equal(whole.lines, pages) {
			t.Fatalf("order %v: %d lines, the pages have %d", q.Order, len(whole.lines), len(pages))
		}
	}
}

// TestDeepPagesAreAsShallowOnes asks around the number of lines at which the way
// of sorting changes, with an overlay and without.
func TestDeepPagesAreAsShallowOnes(t *testing.T) {
	t.Parallel()
	w, base := large()
	fresh := w.changes(50)
	for range 3 {
		q := w.wide()
		q.Order = w.order()
		whole := w.naive(&q)
		for _, end := range []int{1, maxHeap - 1, maxHeap, maxHeap + 1, maxHeap + 700, math.MaxInt} {
			q.Offset = max(0, min(end, whole.count)-5)
			q.Limit = end - q.Offset
			want := whole
			want.lines = whole.lines[q.Offset:min(end, whole.count)]
			if want.differs(t, fmt.Sprintf("order %v, lines up to %d", q.Order, end), read(laid(base, fresh, &q))) {
				return
			}
			if want.differs(t, fmt.Sprintf("in layers, order %v, lines up to %d", q.Order, end), read(layered(base, fresh, &q))) {
				return
			}
		}
	}
}

func TestLimitsAndOffsetsMayBeAnyNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(5, 80)
	base := Build(w.changes(70), 1)
	q := w.wide()
	fresh := newWorld(6, 30).changes(100)
	for _, offset := range []int{0, 1, math.MaxInt - 1, math.MaxInt} {
		for _, limit := range []int{1, math.MaxInt/2 + 1, math.MaxInt - 1, math.MaxInt} {
			for _, order := range []report.OrderField{report.ByProject, report.ByValue} {
				q.Offset, q.Limit, q.Order = offset, limit, []report.OrderTerm{{Field: order}}
				a := read(laid(base, fresh, &q))
				if want := max(0, min(a.count-offset, limit)); a.count == 0 || len(a.lines) != want {
					t.Errorf("offset %d, limit %d: %d lines of %d", offset, limit, len(a.lines), a.count)
				}
			}
		}
	}
}

func TestAReportMayBeLeftBeforeItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(7, 80)
	base := Build(w.changes(100), 1)
	q := w.wide()
	r := Report(&q, NewOverlay(&q), Layer{Base: base})
	n := 0
	for range r.Lines {
		if n++; n == 3 {
			break
		}
	}
	if r.Close(); n != 3 {
		t.Errorf("%d lines came", n)
	}
}

func TestOrdersInWhichRowsStandAreRecognised(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fields []report.OrderField
		want   bool
	}{
		{[]report.OrderField{report.ByProject}, true},
		{[]report.OrderField{report.ByProject, report.ByRegion}, true},
		{[]report.OrderField{report.ByProject, report.ByRegion, report.ByType}, true},
		{[]report.OrderField{report.ByProject, report.ByType}, false},
		{[]report.OrderField{report.ByRegion}, false},
		{[]report.OrderField{report.ByType}, false},
		{[]report.OrderField{report.ByProject, report.ByRegion, report.ByType, report.ByValue}, false},
		{[]report.OrderField{report.ByLastName}, false},
	} {
		var order []report.OrderTerm
		for _, f := range c.fields {
			order = append(order, report.OrderTerm{Field: f})
		}
		if got := canonical(order); got != c.want {
			t.Errorf("%v: canonical is %v", c.fields, got)
		}
		for i := range order {
			order[i].Descending = true
			if canonical(order) {
				t.Errorf("%v is canonical", order)
			}
			order[i].Descending = false
		}
	}
}

func TestRadixSortIsAStableSort(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 8))
	for _, n := range []int{0, 1, 2, 3, 100, 5000} {
		for _, bits := range []int{0, 1, 10, 11, 12, 22, 31, 32} {
			keys, rows := make([]uint32, n), make([]uint32, n)
			for i := range rows {
				rows[i] = uint32(i)
				if bits > 0 {
					keys[i] = random.Uint32() >> (32 - bits)
				}
			}
			rows = rows[:n-n/3] // not all rows need be there
			random.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			want := slices.Clone(rows)
			slices.SortStableFunc(want, func(a, b uint32) int {
				if keys[a] == keys[b] {
					return 0
				} else if keys[a] < keys[b] {
					return -1
				}
				return 1
			})
			radixSort(rows, make([]uint32, len(rows)), keys, 1<<bits-1)
			if !slices.Equal(want, rows) {
				t.Errorf("%d rows with keys of %d bits are not sorted", n, bits)
			}
		}
	}
}

func TestAProjectionIsBuiltOnceHoweverManyAsk(t *testing.T) {
	t.Parallel()
	w := newWorld(8, 100)
	base := Build(w.changes(100), 1)
	var builds, together sync.WaitGroup
	built := make(chan *Projection, 10)
	builds.Add(1)
	for range 10 {
		together.Go(func() {
			p := base.projections.get(w.wide().Period, func() *Projection {
				builds.Done() // panics when it is called twice
				return base.project(w.wide().Period, base.allGroups())
			})
			built <- p
		})
	}
	together.Wait()
	builds.Wait()
	first := <-built
	for range 9 {
		if <-built != first {
			t.Fatal("some got another projection")
		}
	}
}

func TestProjectionsUsedLastAreKeptAndCarriedOver(t *testing.T) {
	t.Parallel()
	w := newWorld(9, 100)
	base := Build(w.changes(100), 1)
	ask := func(from int) metering.Period {
		q := w.wide()
		q.Period = metering.Period{From: worldStart + metering.Day(from), To: worldStart + worldDays}
		Report(&q, NewOverlay(&q), Layer{Base: base}).Close()
		return q.Period
	}
	var p [5]metering.Period
	for i := range p {
		p[i] = ask(i)
	}
	ask(3)
	want := []metering.Period{p[3], p[4], p[2]}
	if got := base.projections.periods(); !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	if base.ProjectionRows() == 0 {
		t.Error("projections without rows are kept")
	}
	next := merge(t, base, w.changes(10), 2)
	next.Warm(base)
	if got := next.projections.periods(); !slices.Equal(got, want) {
		t.Errorf("carried over %v, want %v", got, want)
	}
	q := w.wide()
	q.Period = p[4]
	naive := w.naive(&q)
	naive.differs(t, "carried over", read(Report(&q, NewOverlay(&q), Layer{Base: next})))
}
