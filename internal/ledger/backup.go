package ledger

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/klauspost/compress/zstd"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// A backup is a tar archive compressed with zstd (see docs/format/backup.md):
// what it is, the files of a store, and their checksums in the end, so that one
// that was cut off cannot be taken for whole.
const (
	backupFormatVersion = 1
	backupHeadName      = "BACKUP"
	backupSumsName      = "SHA256SUMS"
)

// backupHead is the first entry of a backup, as JSON.
type backupHead struct {
	Format int   `json:"backup_format"`
	Files  int   `json:"files"`
	Bytes  int64 `json:"bytes"` // of all files
}

// backupFile is a file of a store: its name there, and where it lies now.
type backupFile struct {
	name, path string
	size       int64
}

// backupStage is the folder within the store in which a running store gathers
// what it copies: hard links, mostly.
const backupStage = "backup.tmp"

var _ report.Maintainer = (*Ledger)(nil)

// Backup implements report.Maintainer. What is copied is a checkpoint: ingest
// goes on, and the disk keeps what the copy needs until it is written.
func (l *Ledger) Backup(ctx context.Context, w io.Writer) error {
	ctx, end, err := l.alone(ctx, &l.copying, "backup")
	if err != nil {
		return err
	}
	defer end()
	return l.reading(func(db *pebble.DB) (err error) {
		stage := l.options.FS.PathJoin(l.options.Dir, backupStage)
		defer func() { err = errors.Join(err, l.options.FS.RemoveAll(stage)) }()
		files, err := l.checkpoint(db, stage)
		if err != nil {
			return fmt.Errorf("make a checkpoint: %w", err)
		}
		return writeBackup(ctx, l.options.FS, files, w)
	})
}

// removeBackupStage removes what a backup left that a crash broke off.
func (l *Ledger) removeBackupStage() {
	stage := l.options.FS.PathJoin(l.options.Dir, backupStage)
	if _, err := l.options.FS.Stat(stage); errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err := l.options.FS.RemoveAll(stage); err != nil {
		l.options.Logger.Warn("remove what a backup left", "error", err)
	}
}

// checkpoint gathers a consistent store: Pebble's checkpoint, and the derived
// files that its pointer names. The pointer waits meanwhile: one that is in the
// log already and not yet to be read, or the other way round, would name other
// files than those that are copied.
func (l *Ledger) checkpoint(db *pebble.DB, stage string) ([]backupFile, error) {
	o := &l.options
	if err := o.FS.RemoveAll(stage); err != nil {
		return nil, err
	}
	l.pointing.Lock()
	defer l.pointing.Unlock()
	p, err := readPointer(db)
	if err != nil {
		return nil, err
	}
	// All that was acknowledged is in the log on the disk: it need not be
	// flushed, which only the sequencer may do.
	if err := db.Checkpoint(o.FS.PathJoin(stage, observationsDir)); err != nil {
		return nil, err
	}
	for _, name := range p.derived() {
		err := vfs.LinkOrCopy(o.FS, o.FS.PathJoin(o.Dir, name), o.FS.PathJoin(stage, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a start makes it again
			return nil, err
		}
	}
	return filesOf(o, stage, p)
}

// derived lists the files that the pointer names.
func (p *pointer) derived() (names []string) {
	for _, name := range []string{p.Base, p.IDs} {
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// filesOf lists the files of a store whose observations and derived files lie in
// a folder, FORMAT first.
func filesOf(o *Options, dir string, p pointer) ([]backupFile, error) {
	files := []backupFile{{name: formatFile, path: o.FS.PathJoin(o.Dir, formatFile)}}
	for _, name := range p.derived() {
		files = append(files, backupFile{name: name, path: o.FS.PathJoin(dir, name)})
	}
	names, err := o.FS.List(o.FS.PathJoin(dir, observationsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, name := range names {
		if name != "LOCK" {
			files = append(files, backupFile{name: observationsDir + "/" + name, path: o.FS.PathJoin(dir, observationsDir, name)})
		}
	}
	there := files[:0]
	for _, f := range files {
		info, err := o.FS.Stat(f.path)
		if errors.Is(err, fs.ErrNotExist) && isDerived(f.name) {
			continue // a start makes it again
		}
		if err != nil {
			return nil, err
		}
		f.size = info.Size()
		there = append(there, f)
	}
	return there, nil
}

// Backup writes a copy of the store in a folder, which no server may be using.
// Of the options, Dir, FS and Logger count. Errors are those of Verify; damage
// that keeps the store from opening is KindInvalid.
func Backup(ctx context.Context, o Options, w io.Writer) (err error) {
	s, err := openAtRest(o, "ask that one, with meterbook backup --server URL, or stop it")
	var damage *damageError
	if errors.As(err, &damage) {
		return &metering.Error{Kind: metering.KindInvalid, Message: "the store in " + o.Dir + " is damaged and cannot be opened", Cause: err}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var p pointer
	if s.db != nil {
		if p, err = readPointer(s.db); err != nil {
			return err
		}
	}
	files, err := filesOf(&s.options, s.options.Dir, p)
	if err != nil {
		return err
	}
	return writeBackup(ctx, s.options.FS, files, w)
}

// writeBackup writes the archive. Its memory does not grow with the files.
func writeBackup(ctx context.Context, fsys vfs.FS, files []backupFile, w io.Writer) error {
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	head := backupHead{Format: backupFormatVersion, Files: len(files)}
	for _, f := range files {
		head.Bytes += f.size
	}
	text, err := json.Marshal(&head)
	if err == nil {
		err = writeEntry(t, backupHeadName, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	var sums strings.Builder
	for _, f := range files {
		sum, err := writeFile(ctx, fsys, t, &f)
		if err != nil {
			return fmt.Errorf("write %s to the backup: %w", f.name, err)
		}
		fmt.Fprintf(&sums, "%s  %s\n", sum, f.name)
	}
	if err := writeEntry(t, backupSumsName, []byte(sums.String())); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	return errors.Join(t.Close(), z.Close())
}

func entryHeader(name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600}
}

func writeEntry(t *tar.Writer, name string, text []byte) error {
	if err := t.WriteHeader(entryHeader(name, int64(len(text)))); err != nil {
		return err
	}
	_, err := t.Write(text)
	return err
}

// writeFile writes one file and returns its SHA-256 in hex.
func writeFile(ctx context.Context, fsys vfs.FS, t *tar.Writer, f *backupFile) (sum string, err error) {
	in, err := fsys.Open(f.path, vfs.SequentialReadsOption)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := t.WriteHeader(entryHeader(f.name, f.size)); err != nil {
		return "", err
	}
	hash := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(t, hash), &untilDone{ctx, in}, f.size); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// untilDone reads until its context ends.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}
