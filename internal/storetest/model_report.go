package storetest

import (
	"context"
	"math/big"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// The grid of spec 2-metering in plain numbers.
const (
	secondNanos   = int64(1_000_000_000)
	minuteSeconds = int64(60)
	sampleSecond  = int64(30)
	dayMinutes    = int64(24 * 60)
	daySeconds    = int64(24 * 60 * 60)
)

// Report implements [report.Reader]. Everything is computed before it returns,
// so the report is its own snapshot.
func (m *Model) Report(ctx context.Context, q report.Query) (*report.Report, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return nil, err
	}
	lines := []*modelLine{}
	for _, told := range m.resourcesLocked(&q) {
		for _, l := range told.lines(&q) {
			if selects(&q, l) {
				lines = append(lines, l)
			}
		}
	}
	slices.SortFunc(lines, func(a, b *modelLine) int { return compareLines(q.Order, a, b) })
	first := min(max(q.Offset, 0), len(lines))
	page := lines[first:]
	page = page[:min(q.Limit, len(page))]
	return &report.Report{
		Count:         len(lines),
		Totals:        totals(lines),
		CompleteUntil: q.Now,
		Close:         func() {},
		Lines: func(yield func(*report.Line) bool) {
			for _, l := range page {
				if !yield(l.print()) {
					return
				}
			}
		},
	}, nil
}

// told is all that was told about one resource and not retracted.
type told struct {
	resource   metering.ResourceKey
	states     []*metering.Observation
	quantities []*metering.Observation
}

// resourcesLocked gathers what was told about each resource whose key the query
// selects.
func (m *Model) resourcesLocked(q *report.Query) map[metering.ResourceKey]*told {
	resources := map[metering.ResourceKey]*told{}
	for name, o := range m.mu.stored {
		k := o.Resource
		if o.Kind == metering.RetractionMade || m.mu.retracted[name] ||
			!contains(q.Projects, k.Project) || !contains(q.Regions, k.Region) || !hasType(q.Types, k.Type) {
			continue
		}
		r := resources[k]
		if r == nil {
			r = &told{resource: k}
			resources[k] = r
		}
		if o.Kind == metering.StateObserved {
			r.states = append(r.states, o)
		} else {
			r.quantities = append(r.quantities, o)
		}
	}
	return resources
}

// modelLine is a line while it is being summed.
type modelLine struct {
	resource    metering.ResourceKey
	meter       metering.Meter
	value       *big.Int // at the scale of the type's measure
	first, last int64    // nanoseconds since 1970
	latest      *metering.Observation
}

func (r *told) lines(q *report.Query) []*modelLine {
	byMeter := map[metering.Meter]*modelLine{}
	line := func(meter metering.Meter, first int64) *modelLine {
		l := byMeter[meter]
		if l == nil {
			l = &modelLine{resource: r.resource, meter: meter, value: new(big.Int), first: first}
			byMeter[meter] = l
		}
		return l
	}
	r.walkMinutes(q, line)
	r.addQuantities(q, line)
	lines := []*modelLine{}
	for _, l := range byMeter {
		lines = append(lines, l)
	}
	return lines
}

// walkMinutes samples every minute of the period at its 30th second and counts
// one minute for the state that holds there. The states are sorted, so those
// with a time <= the sample are a prefix, and the one that holds is the last of
// the prefix. Minutes before the first state and after now are skipped.
func (r *told) walkMinutes(q *report.Query, line func(metering.Meter, int64) *modelLine) {
	if len(r.states) == 0 {
		return
	}
	slices.SortFunc(r.states, compareStates)
	minute := max(int64(q.Period.From)*dayMinutes, int64(r.states[0].Time)/(minuteSeconds*secondNanos))
	end := min(int64(q.Period.To)*dayMinutes, floorDivide(int64(q.Now), minuteSeconds*secondNanos)+1)
	minutes := make([]int64, len(r.states)) // that each state counts
	next := 0
	var l *modelLine // of the state that held a minute before
	for ; minute < end; minute++ {
		sample := (minute*minuteSeconds + sampleSecond) * secondNanos
		if sample > int64(q.Now) {
			break
		}
		for next < len(r.states) && int64(r.states[next].Time) <= sample {
			next++
		}
		if next == 0 || r.states[next-1].Deleted {
			continue
		}
		if l == nil || l.latest != r.states[next-1] {
			l = line(r.states[next-1].Meter, sample)
		}
		l.last, l.latest = sample, r.states[next-1]
		minutes[next-1]++
	}
	for i, n := range minutes {
		if n > 0 {
			value := line(r.states[i].Meter, 0).value
			value.Add(value, new(big.Int).Mul(big.NewInt(n), new(big.Int).SetUint64(r.states[i].Multiplier)))
		}
	}
}

// addQuantities adds, for each window, the observation that corrected all
// others of that window.
func (r *told) addQuantities(q *report.Query, line func(metering.Meter, int64) *modelLine) {
	for _, o := range r.quantities {
		day := floorDivide(int64(o.From), daySeconds*secondNanos)
		if day < int64(q.Period.From) || day >= int64(q.Period.To) || r.corrected(o) {
			continue
		}
		l := line(o.Meter, int64(o.From))
		l.value.Add(l.value, bigAmount(o.Quantity))
		l.first = min(l.first, int64(o.From))
		l.last = max(l.last, beforePeriodEnd(q.Period, int64(o.To)))
		if l.latest == nil || l.latest.From < o.From || l.latest.From == o.From && l.latest.To < o.To {
			l.latest = o
		}
	}
}

// corrected reports whether another quantity of the same key is greater in the
// order (time, quantity, source, id).
func (r *told) corrected(o *metering.Observation) bool {
	return slices.ContainsFunc(r.quantities, func(p *metering.Observation) bool {
		return p.Meter == o.Meter && p.From == o.From && p.To == o.To && outranks(p, o)
	})
}

// beforePeriodEnd cuts an instant to the end of the period; days that no
// instant can reach cut nothing.
func beforePeriodEnd(p metering.Period, nanos int64) int64 {
	end := new(big.Int).Mul(big.NewInt(int64(p.To)), big.NewInt(daySeconds*secondNanos))
	if end.Cmp(big.NewInt(nanos)) < 0 {
		return end.Int64()
	}
	return nanos
}

func floorDivide(a, b int64) int64 {
	quotient, _ := new(big.Int).DivMod(big.NewInt(a), big.NewInt(b), new(big.Int))
	return quotient.Int64() // Euclidean: for b > 0 it is the floor
}

func (l *modelLine) print() *report.Line {
	line := &report.Line{
		Resource: l.resource, Meter: l.meter, Value: amountOf(l.value),
		First: metering.Instant(l.first), Last: metering.Instant(l.last),
		Attributes: &metering.Attributes{Texts: l.latest.Attributes.Texts, Tags: slices.Clone(l.latest.Attributes.Tags)},
	}
	if l.resource.Type.Measure() == metering.Sized {
		line.SizeBytes = l.latest.Multiplier
	}
	return line
}

// totals adds the lines of each region and meter, across projects; a backup has
// no total.
func totals(lines []*modelLine) []report.Total {
	type group struct {
		region metering.RegionID
		meter  metering.Meter
	}
	sums := map[group]*big.Int{}
	for _, l := range lines {
		if l.resource.Type.String() == "backup" {
			continue
		}
		g := group{l.resource.Region, l.meter}
		if sums[g] == nil {
			sums[g] = new(big.Int)
		}
		sums[g].Add(sums[g], l.value)
	}
	all := []report.Total{}
	for g, sum := range sums {
		all = append(all, report.Total{Region: g.region, Meter: g.meter, Value: amountOf(sum)})
	}
	slices.SortFunc(all, compareTotals)
	return all
}

func bigAmount(a metering.Amount) *big.Int {
	n := new(big.Int).SetUint64(a.Hi)
	n.Lsh(n, 64)
	return n.Add(n, new(big.Int).SetUint64(a.Lo))
}

func amountOf(n *big.Int) metering.Amount {
	low := new(big.Int).And(n, new(big.Int).SetUint64(1<<64-1))
	return metering.Amount{Hi: new(big.Int).Rsh(n, 64).Uint64(), Lo: low.Uint64()}
}
