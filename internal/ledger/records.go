package ledger

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
)

// Records keeps small documents of other packages by key, durably.
type Records struct{ ledger *Ledger }

// Records returns the documents that lie in the ledger.
func (l *Ledger) Records() *Records { return &Records{l} }

func recordKey(key string) []byte { return append([]byte{layout.Records}, key...) }

// Load returns all documents. A ledger that was closed gives KindUnavailable, as
// do Put and Delete.
func (r *Records) Load(ctx context.Context) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := r.ledger.reading(func(db *pebble.DB) error {
		return scan(db, []byte{layout.Records}, func(key, value []byte) error {
			all[string(key[1:])] = append([]byte(nil), value...)
			return ctx.Err()
		})
	})
	return all, err
}

// Put stores a document; it is on the disk when Put returns. When ctx ends
// first, it may be stored all the same.
func (r *Records) Put(ctx context.Context, key string, value []byte) error {
	return r.ledger.do(ctx, func(g *group) error {
		g.set(recordKey(key), value)
		return nil
	})
}

// Delete removes a document, durably when it returns. When ctx ends first, it
// may be removed all the same.
func (r *Records) Delete(ctx context.Context, key string) error {
	return r.ledger.do(ctx, func(g *group) error { return g.batch.Delete(recordKey(key), nil) })
}
