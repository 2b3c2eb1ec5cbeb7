package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// tables holds every block of Pebble's tables against its checksum, also those that no
// other part reads: filters, and what newer tables hide.
func (v *verifier) tables(ctx context.Context, s *storeAtRest) error {
	levels, err := s.db.SSTables()
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	o := &s.options
	for _, level := range levels {
		for i := range level {
			if err := v.ended(ctx); err != nil {
				return err
			}
			name := o.FS.PathJoin(observationsDir, level[i].BackingSSTNum.String()+".sst")
			if err := checkTable(ctx, o.FS, o.FS.PathJoin(o.Dir, name)); err != nil {
				v.differ(checkStore, name, err.Error(), "readable")
			}
		}
	}
	return nil
}

// checkTable reads a table as a whole.
func checkTable(ctx context.Context, fs vfs.FS, path string) (err error) {
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	file, err := sstable.NewSimpleReadable(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	options := sstable.ReaderOptions{Filters: map[string]sstable.FilterPolicy{idTables{}.Name(): idTables{}}}
	table, err := sstable.NewReader(ctx, file, options)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(table.ValidateBlockChecksums(), table.Close())
}
