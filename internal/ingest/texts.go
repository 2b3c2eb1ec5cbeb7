package ingest

import "hash/maphash"

const (
	internSlots    = 1024
	maxInternBytes = 64
	maxMeters      = 1024
)

// interner keeps the texts that were seen last, so that flavors, sources and
// tags, which repeat, are not allocated for each event. Its memory is bounded:
// a text takes the slot of another one.
type interner struct {
	seed  maphash.Seed
	slots [internSlots]string
}

func (t *interner) intern(b []byte) string {
	if len(b) > maxInternBytes {
		return string(b)
	}
	slot := &t.slots[maphash.Bytes(t.seed, b)%internSlots]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
