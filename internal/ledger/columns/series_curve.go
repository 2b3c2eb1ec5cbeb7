package columns

import (
	"math/bits"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// grid is the steps of a series on the grids of minutes and days.
type grid struct {
	from, until uint32 // the minutes that count: [from, until)
	// The minutes of each step that count: [start, end).
	start, end []uint32
	firstDay   metering.Day
	step       []uint32       // of each day from firstDay on
	starts     []metering.Day // the first day of each step
}

func newGrid(q *report.SeriesQuery) *grid {
	from, until := q.Period.Minutes(q.Now)
	g := &grid{from: uint32(from), until: uint32(until), firstDay: max(q.Period.From, 0)} // nothing happens before 1970
	for start := range q.Step.Starts(q.Period) {
		g.starts = append(g.starts, start)
	}
	for i, first := range g.starts {
		behind := q.Period.To
		if i+1 < len(g.starts) {
			behind = g.starts[i+1]
		}
		g.start = append(g.start, min(max(uint32(first.FirstMinute()), g.from), g.until))
		g.end = append(g.end, min(max(uint32(behind.FirstMinute()), g.from), g.until))
		for day := max(first, g.firstDay); day < behind; day++ {
			g.step = append(g.step, uint32(i))
		}
	}
	return g
}

// stepOf returns the step of a day.
func (g *grid) stepOf(day metering.Day) uint32 { return g.step[day-g.firstDay] }

// minutesOfDay is the length of a day.
const minutesOfDay = 24 * 60

// curve is what some lines count, by step. What counts from a minute on changes two
// numbers, however long it lasts: its part of that minute's step, and the slope of
// all the steps behind it.
//
//	multiplier x minutes   slope                    part
//	     ___________       ...+m...........-m...    ..p...........-p...
//	____|           |___   with m a minute          p: from the edge to the step's end
//	 0  1  2  3  4  5  6   steps
//
// Both are counted modulo 2^128, where what ends cancels what began.
type curve struct {
	slope []metering.Amount // a minute, from this step on; one more than there are steps
	part  []metering.Amount
}

func newCurve(g *grid) *curve {
	n := len(g.starts)
	memory := make([]metering.Amount, 2*n+1)
	return &curve{slope: memory[:n+1], part: memory[n+1:]}
}

// span counts so much a minute for the minutes [from, to), which all count.
func (c *curve) span(g *grid, from, to uint32, rate metering.Amount) {
	if from == g.from {
		accrue(&c.slope[0], rate)
	} else {
		c.edge(g, from, rate)
	}
	if to < g.until {
		c.edge(g, to, negative(rate))
	}
}

// edge counts so much a minute from a minute on.
func (c *curve) edge(g *grid, at uint32, rate metering.Amount) {
	s := g.stepOf(metering.Day(at / minutesOfDay))
	if at > g.start[s] {
		accrue(&c.part[s], times(rate, uint64(g.end[s]-at)))
		s++
	}
	accrue(&c.slope[s], rate)
}

// day counts what belongs to a day as a whole.
func (c *curve) day(g *grid, day metering.Day, sum metering.Amount) {
	accrue(&c.part[g.stepOf(day)], sum)
}

// values returns what each step counts.
func (c *curve) values(g *grid) []metering.Amount {
	values, rate := make([]metering.Amount, len(c.part)), metering.Amount{}
	for s := range values {
		accrue(&rate, c.slope[s])
		values[s] = times(rate, uint64(g.end[s]-g.start[s]))
		accrue(&values[s], c.part[s])
	}
	return values
}

// accrue adds modulo 2^128.
func accrue(to *metering.Amount, a metering.Amount) {
	lo, carry := bits.Add64(to.Lo, a.Lo, 0)
	to.Hi, _ = bits.Add64(to.Hi, a.Hi, carry)
	to.Lo = lo
}

// negative returns what cancels an amount modulo 2^128.
func negative(a metering.Amount) metering.Amount {
	lo, borrow := bits.Sub64(0, a.Lo, 0)
	hi, _ := bits.Sub64(0, a.Hi, borrow)
	return metering.Amount{Hi: hi, Lo: lo}
}

// times multiplies modulo 2^128.
func times(a metering.Amount, factor uint64) metering.Amount {
	p := metering.Product(a.Lo, factor)
	p.Hi += a.Hi * factor
	return p
}
