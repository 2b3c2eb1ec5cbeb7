package ledger

import (
	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"

	"github.com/meterbook/meterbook/internal/ledger/layout"
)

// idTables are Bloom filters over the ids that a table of Pebble has. A retraction,
// and an event that is sent again, look for an id entry, which lies in one of many
// tables over each other: the others need not be read. Observations are mostly read in
// ranges, where a filter does not help, so only ids are in them.
type idTables struct{ bloom.FilterPolicy }

// idTableBits of an id let one in a hundred tables be read in vain.
const idTableBits = 10

// Name is written into each table.
func (idTables) Name() string { return "meterbook.ids" }

func (p idTables) MayContain(t pebble.FilterType, filter, key []byte) bool {
	return !isIDKey(key) || p.FilterPolicy.MayContain(t, filter, key)
}

func (p idTables) NewWriter(t pebble.FilterType) pebble.FilterWriter {
	return idTableWriter{p.FilterPolicy.NewWriter(t)}
}

type idTableWriter struct{ pebble.FilterWriter }

func (w idTableWriter) AddKey(key []byte) {
	if isIDKey(key) {
		w.FilterWriter.AddKey(key)
	}
}

func isIDKey(key []byte) bool { return len(key) > 0 && key[0] == layout.IDs }
