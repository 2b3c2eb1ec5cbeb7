// Package layout is how observations lie in the ledger's key-value store: the
// keys, in the order in which they are read again, and the values (the page
// docs/format/store.md describes the same bytes).
//
//	s project region type resource time seq        state
//	q month project region type resource from seq  quantity
//	x project seq                                  retraction
//	i project source id                            where the observation of that name is, and whether it is retracted
//	j seq                                          what a commit touched since the last base
//	n number                                       a source's text
//	p project, r region, m name, a name            directory, meta data, records of other packages
//
// A state or quantity that is retracted has its own key once more with an R
// behind it, so that it comes right after it; nothing is ever overwritten but
// the id entry that gains a mark. Numbers in keys are a length byte and that
// many big-endian bytes, so that keys sort as numbers do.
//
// Invariants: encoding and decoding are inverse; decoding never panics on bytes
// from disk: damage is an error that says what was expected.
package layout
