package metering

import (
	"math/big"
	"math/rand/v2"
)

// The naive evaluation asks for every minute which state holds at its 30th
// second, straight from the words of spec 2-metering. It shares no code with
// the fold.

// naiveLater reports whether a comes after b in the order of states.
func naiveLater(a, b *State) bool {
	if a.At != b.At {
		return a.At > b.At
	}
	if a.Sequence != b.Sequence {
		return a.Sequence > b.Sequence
	}
	if (a.Is == nil) != (b.Is == nil) {
		return a.Is == nil // the deletion wins
	}
	if a.Source != b.Source {
		return a.Source > b.Source
	}
	return a.ID > b.ID
}

// naiveAt returns what the resource is like at an instant, nil: not there.
func naiveAt(states []State, instant Instant) *Description {
	var holds *State
	for i := range states {
		s := &states[i]
		if s.At <= instant && (holds == nil || naiveLater(s, holds)) {
			holds = s
		}
	}
	if holds == nil {
		return nil
	}
	return holds.Is
}

// naiveLine is what one meter comes to.
type naiveLine struct {
	minutes     int
	value       *big.Int
	first, last Instant
	lastIs      *Description
}

func naiveMinutes(states []State, p Period, now Instant) map[Meter]*naiveLine {
	lines := map[Meter]*naiveLine{}
	for d := p.From; d < p.To; d++ {
		for m := range 1440 {
			sample := Instant(int64(d)*86400e9 + int64(m)*60e9 + 30e9)
			if sample > now {
				return lines
			}
			is := naiveAt(states, sample)
			if is == nil {
				continue
			}
			l := lines[is.Meter]
			if l == nil {
				l = &naiveLine{value: new(big.Int), first: sample}
				lines[is.Meter] = l
			}
			l.minutes++
			l.value.Add(l.value, new(big.Int).SetUint64(is.Multiplier))
			l.last, l.lastIs = sample, is
		}
	}
	return lines
}

// naiveCounted returns the windows that count: of each key the one with the
// greatest time, quantity, source, id.
func naiveCounted(windows []Window) []Window {
	type key struct {
		meter    Meter
		from, to Instant
	}
	better := func(a, b Window) bool {
		if a.At != b.At {
			return a.At > b.At
		}
		if a.Quantity != b.Quantity {
			return a.Quantity.big().Cmp(b.Quantity.big()) > 0
		}
		if a.Source != b.Source {
			return a.Source > b.Source
		}
		return a.ID > b.ID
	}
	at := map[key]int{}
	var counted []Window
	for _, w := range windows {
		k := key{w.Meter, w.From, w.To}
		i, known := at[k]
		switch {
		case !known:
			at[k] = len(counted)
			counted = append(counted, w)
		case better(w, counted[i]):
			counted[i] = w
		}
	}
	return counted
}

// naiveDay sums the counted windows of each meter.
func naiveDay(day Day, windows []Window) map[Meter]DaySum {
	sums := map[Meter]DaySum{}
	greatest := map[Meter]Window{}
	for _, w := range naiveCounted(windows) {
		s, known := sums[w.Meter]
		if !known {
			s = DaySum{Day: day, Meter: w.Meter, First: w.From, Last: w.To}
		}
		s.Sum = s.Sum.Add(w.Quantity)
		s.First, s.Last = min(s.First, w.From), max(s.Last, w.To)
		if g := greatest[w.Meter]; !known || w.From > g.From || w.From == g.From && w.To > g.To {
			greatest[w.Meter] = w
			s.Attributes = w.Attributes
		}
		sums[w.Meter] = s
	}
	return sums
}

// big converts for comparison with math/big.
func (a Amount) big() *big.Int {
	n := new(big.Int).SetUint64(a.Hi)
	return n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(a.Lo))
}

// shuffled returns a copy in another order.
func shuffled[T any](random *rand.Rand, items []T) []T {
	out := append([]T(nil), items...)
	random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
