package ledger

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// pair is a key and a value of a batch.
type pair struct {
	prefix     uint64 // the key's first 8 bytes
	place      int    // in the batch
	key, value []byte
}

// pairsWorthOrdering is how many pairs gain by it.
const pairsWorthOrdering = 64

// inKeyOrder returns a batch with the same pairs about in the order of their
// keys: Pebble's memtable looks for each key from where it put the one before,
// so that neighbours are soon found. Pairs of one key stay in their order. It
// returns nil for a batch that had better stay as it is: a small one, or one that
// also deletes. The given batch is not changed and must outlive the call only.
func (w *workspace) inKeyOrder(db *pebble.DB, b *pebble.Batch) (*pebble.Batch, error) {
	if b.Count() < pairsWorthOrdering {
		return nil, nil
	}
	pairs := slices.Grow(w.pairs[:0], int(b.Count()))
	defer func() { w.pairs = pairs }()
	for r := b.Reader(); len(r) > 0; {
		kind, key, value, ok, err := r.Next()
		if err != nil || !ok {
			return nil, errors.Join(fmt.Errorf("read batch after %d pairs", len(pairs)), err)
		}
		if kind != pebble.InternalKeyKindSet {
			return nil, nil
		}
		pairs = append(pairs, pair{prefixOf(key), len(pairs), key, value})
	}
	slices.SortFunc(pairs, func(a, b pair) int { return cmp.Or(cmp.Compare(a.prefix, b.prefix), a.place-b.place) })
	ordered := db.NewBatchWithSize(b.Len(), pebble.WithMaxRetainedSizeBytes(spareBatchBytes))
	for i := range pairs {
		if err := ordered.Set(pairs[i].key, pairs[i].value, nil); err != nil {
			return nil, errors.Join(err, ordered.Close())
		}
	}
	return ordered, nil
}

// prefixOf returns what sorts as the key's first 8 bytes do.
func prefixOf(key []byte) uint64 {
	var first [8]byte
	copy(first[:], key)
	return binary.BigEndian.Uint64(first[:])
}
