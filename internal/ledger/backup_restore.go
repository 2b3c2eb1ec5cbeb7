package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// restoreStage is the folder in which a restore gathers files until it knows
// that they are whole.
const restoreStage = "restore.tmp"

// Restore makes a store of a backup in a folder that is empty or does not exist
// yet; of the options, Dir and FS count. The folder becomes a store at the very
// end, by its file FORMAT, and only if every checksum was right; after an error
// it is as it was. KindConflict: the folder is not empty; KindInvalid: the backup
// is none, cut off or damaged; an error of r is returned as it is.
func Restore(ctx context.Context, o Options, r io.Reader, progress func(report.Progress)) (err error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	existed, err := emptyFolder(o.FS, o.Dir)
	if err != nil {
		return err
	}
	if err := makeFolder(o.FS, o.Dir); err != nil {
		return fmt.Errorf("create folder %s: %w", o.Dir, err)
	}
	re := &restore{fs: o.FS, dir: o.Dir, stage: o.FS.PathJoin(o.Dir, restoreStage)}
	if err := re.run(ctx, r, progress); err != nil {
		return errors.Join(err, re.undo(existed))
	}
	return nil
}

// emptyFolder refuses a folder that holds something.
func emptyFolder(fsys vfs.FS, dir string) (existed bool, err error) {
	names, err := fsys.List(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, &metering.Error{Kind: metering.KindInvalid, Message: "cannot restore into " + dir, Cause: err}
	case len(names) > 0:
		return true, metering.Errorf(metering.KindConflict, "%s is not empty (it holds %s): restore into a new or an empty directory", dir, names[0])
	}
	return true, nil
}

// restore is a restore that is going on.
type restore struct {
	fs         vfs.FS
	dir, stage string
	format     []byte   // what FORMAT will say
	moved      []string // from stage to dir
}

func (re *restore) run(ctx context.Context, r io.Reader, progress func(report.Progress)) error {
	if err := re.fs.MkdirAll(re.fs.PathJoin(re.stage, observationsDir), 0o700); err != nil {
		return err
	}
	if err := readBackup(ctx, r, progress, re.take); err != nil {
		return err
	}
	for _, dir := range []string{re.fs.PathJoin(re.stage, observationsDir), re.stage} {
		if err := columns.SyncDir(re.fs, dir); err != nil {
			return err
		}
	}
	names, err := re.fs.List(re.stage)
	if err != nil {
		return err
	}
	for _, name := range names {
		re.moved = append(re.moved, name)
		if err := re.fs.Rename(re.fs.PathJoin(re.stage, name), re.fs.PathJoin(re.dir, name)); err != nil {
			return err
		}
	}
	if err := re.fs.RemoveAll(re.stage); err != nil {
		return err
	}
	if err := columns.SyncDir(re.fs, re.dir); err != nil {
		return err
	}
	return writeDurably(re.fs, re.dir, formatFile, re.format)
}

// take writes a file of the backup into the stage, durably.
func (re *restore) take(name string, content io.Reader) (err error) {
	if name == formatFile {
		re.format, err = io.ReadAll(io.LimitReader(content, backupTextMax))
		if err != nil {
			return err
		}
		if err := judgeFormatText("of the backup", re.format); err != nil {
			return &metering.Error{Kind: metering.KindInvalid, Message: err.Error()}
		}
		return nil
	}
	f, err := re.fs.Create(re.fs.PathJoin(re.stage, path.Dir(name), path.Base(name)), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Sync(), f.Close())
}

// undo leaves the folder as it was.
func (re *restore) undo(existed bool) error {
	err := re.fs.RemoveAll(re.stage)
	for _, name := range append(re.moved, formatFile+".tmp", formatFile) {
		err = errors.Join(err, re.fs.RemoveAll(re.fs.PathJoin(re.dir, name)))
	}
	if !existed {
		err = errors.Join(err, re.fs.RemoveAll(re.dir))
	}
	return err
}
