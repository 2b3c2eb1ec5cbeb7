package ledger

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
)

// Records keeps small documents of other packages by key, durably.
type Records struct{ db *pebble.DB }

// Records returns the documents that lie in the ledger.
func (l *Ledger) Records() *Records { return &Records{l.db} }

func recordKey(key string) []byte { return append([]byte{layout.Records}, key...) }

// Load returns all documents.
func (r *Records) Load(ctx context.Context) (map[string][]byte, error) {
	all := map[string][]byte{}
	err := scan(r.db, []byte{layout.Records}, func(key, value []byte) error {
		all[string(key[1:])] = append([]byte(nil), value...)
		return ctx.Err()
	})
	return all, err
}

// Put stores a document; it is on the disk when Put returns.
func (r *Records) Put(ctx context.Context, key string, value []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.db.Set(recordKey(key), value, pebble.Sync); err != nil {
		return fmt.Errorf("store record %s: %w", key, err)
	}
	return nil
}

// Delete removes a document, durably when it returns.
func (r *Records) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.db.Delete(recordKey(key), pebble.Sync); err != nil {
		return fmt.Errorf("delete record %s: %w", key, err)
	}
	return nil
}
