package storetest

import "math/rand/v2"

// entropy is a source of random numbers that takes a byte for each. So a fuzzer
// that changes a byte changes one decision, one that removes bytes removes what
// they had decided, and what it finds is found again from the bytes alone.
type entropy struct {
	rest  []byte
	drawn uint64
	then  rand.Source // when the bytes are used up; nil: the least number
}

// Draw returns decisions that are taken from bytes. When they are used up, each
// further one is the least: nothing is added, the first alternative is chosen.
func Draw(bytes []byte) *rand.Rand { return rand.New(&entropy{rest: bytes}) }

// DrawOn is Draw for what must not stand still: when the bytes are used up, it
// goes on at random, but always in the same way.
func DrawOn(bytes []byte) *rand.Rand {
	return rand.New(&entropy{rest: bytes, then: rand.NewPCG(1, 2)})
}

// Uint64 implements [rand.Source]. The byte is at both ends, since [rand.Rand]
// scales the high bits, or masks the low ones. What is between them differs from
// number to number, or its search for a number without bias might not end.
func (e *entropy) Uint64() uint64 {
	var b byte
	switch {
	case len(e.rest) > 0:
		b, e.rest = e.rest[0], e.rest[1:]
	case e.then != nil:
		return e.then.Uint64()
	}
	e.drawn++
	const odd = 0x9e3779b97f4a7c15 // spreads the count over all bits
	between := (e.drawn*odd ^ uint64(b)*odd>>7) >> 8 << 8 &^ (0xff << 56)
	return uint64(b)<<56 | between | uint64(b)
}
