package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger/columns"
)

// The file FORMAT in the store's folder says which program can read it.
const (
	formatFile   = "FORMAT"
	formatPrefix = "meterbook store format "
	// formatVersion is the highest that this program reads and, once months are
	// closed, what it writes: an older program would count what closed records
	// stand for as nothing. Until then a store is of formatPlain, which older
	// programs read.
	formatVersion = 2
	formatPlain   = 1
)

// checkFormat creates the folder if it is new, and refuses one that is not a
// store, or is one of another format.
func checkFormat(fsys vfs.FS, dir string) error {
	if err := makeFolder(fsys, dir); err != nil {
		return fmt.Errorf("create folder %s: %w", dir, err)
	}
	err := judgeFormat(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return createFormat(fsys, dir)
	}
	return err
}

// judgeFormat refuses what is not a store, or is one of another format.
// fs.ErrNotExist: the folder does not say what it is.
func judgeFormat(fsys vfs.FS, dir string) error {
	text, err := readFile(fsys, fsys.PathJoin(dir, formatFile))
	if err != nil {
		return fmt.Errorf("read %s of store %s: %w", formatFile, dir, err)
	}
	return judgeFormatText(dir, text)
}

// judgeFormatText judges what FORMAT says in the store of a folder.
func judgeFormatText(dir string, text []byte) error {
	number, isStore := strings.CutPrefix(strings.TrimSpace(string(text)), formatPrefix)
	version, err := strconv.Atoi(number)
	switch {
	case !isStore || err != nil || strconv.Itoa(version) != number:
		return fmt.Errorf("%s is not a meterbook store: its file %s says %.40q", dir, formatFile, text)
	case version > formatVersion:
		return fmt.Errorf("store %s has format %d by its file %s, made by a newer meterbook; this one reads up to %d: use the newer program", dir, version, formatFile, formatVersion)
	case version < formatPlain:
		return fmt.Errorf("store %s has format %d by its file %s, which this meterbook (formats %d to %d) no longer reads: export it with the older program", dir, version, formatFile, formatPlain, formatVersion)
	}
	return nil
}

// makeFolder creates a folder and those missing above it, durably: a crash must
// not take the folder away with all that was acknowledged in it.
func makeFolder(fsys vfs.FS, dir string) error {
	var above []string // of the missing ones
	for at := dir; ; at = fsys.PathDir(at) {
		_, err := fsys.Stat(at)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		above = append(above, fsys.PathDir(at))
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, parent := range above {
		if err := columns.SyncDir(fsys, parent); err != nil {
			return err
		}
	}
	return nil
}

// createFormat makes an empty folder a store. The file comes into being whole
// or not at all.
func createFormat(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, name := range names {
		if name != formatFile+".tmp" {
			return fmt.Errorf("%s is neither empty nor a meterbook store (it holds %s): choose another folder", dir, name)
		}
	}
	tmp := fsys.PathJoin(dir, formatFile+".tmp")
	f, err := fsys.Create(tmp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	_, err = f.Write(formatText(formatPlain))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = fsys.Rename(tmp, fsys.PathJoin(dir, formatFile))
	}
	if err != nil {
		return fmt.Errorf("create store: %w", err)
	}
	return columns.SyncDir(fsys, dir)
}

func formatText(version int) []byte { return fmt.Appendf(nil, "%s%d\n", formatPrefix, version) }

// raiseFormat keeps older programs away from a store whose months are closed.
func raiseFormat(fsys vfs.FS, dir string) error {
	text, err := readFile(fsys, fsys.PathJoin(dir, formatFile))
	if err != nil || string(text) == string(formatText(formatVersion)) {
		return err
	}
	return writeDurably(fsys, dir, formatFile, formatText(formatVersion))
}

func readFile(fsys vfs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	whole := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead)) // so that it need not grow
	_, err = whole.ReadFrom(f)
	return whole.Bytes(), err
}

// Sizes of Pebble's memory. It takes the memtables out of the cache, so the
// cache must be larger than those that may wait for a flush.
const (
	DefaultMemTableBytes = 64 << 20
	DefaultCacheBytes    = 320 << 20
)

// Keys come in no order, so a compaction rewrites nearly all of the level below:
// the more is compacted at once, and the fewer levels there are, the less is
// written.
const (
	// compactionThreshold is how many tables may lie over each other before they are
	// compacted; a look-up asks each.
	compactionThreshold = 16
	// lastLevelAloneBytes of tables are one level.
	lastLevelAloneBytes = 1 << 30
)

// indexBlockBytes is more than the index of most tables takes. As large as a
// block of observations, which is what Pebble does by itself, an index has two
// levels, and an observation in a cold table costs two blocks more.
const indexBlockBytes = 256 << 10

// pebbleFormat is the version of Pebble's own files that belongs to formatVersion.
// A newer one needs a newer formatVersion, so that an older program refuses the
// store with a sentence of its own.
const pebbleFormat = pebble.FormatValueSeparation

func pebbleOptions(o *Options) *pebble.Options {
	options := &pebble.Options{
		FS:                          o.FS,
		CacheSize:                   o.CacheBytes,
		MemTableSize:                uint64(o.MemTableBytes),
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       compactionThreshold,
		L0StopWritesThreshold:       2 * compactionThreshold,
		LBaseMaxBytes:               lastLevelAloneBytes,
		MaxOpenFiles:                4096,
		FormatMajorVersion:          pebbleFormat,
		Logger:                      pebbleLogger{o.Logger, o.OnFatal},
		EventListener:               onCorruption(o.Logger),
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
	}
	// The other levels take from the first one what they do not have. What is looked
	// for is mostly in the last level: there a filter would save nothing.
	options.Levels[0].IndexBlockSize, options.Levels[0].FilterPolicy = indexBlockBytes, idTables{idTableBits}
	options.Levels[len(options.Levels)-1].FilterPolicy = pebble.NoFilterPolicy
	return options
}

// pebbleLogger passes on what Pebble says. What Pebble calls fatal is a write
// that it cannot undo: the process must end, and start again from the disk.
type pebbleLogger struct {
	log     *slog.Logger
	onFatal func() // nil: none
}

func (p pebbleLogger) Infof(format string, args ...any) {
	p.log.Debug("pebble: " + fmt.Sprintf(format, args...))
}

func (p pebbleLogger) Errorf(format string, args ...any) {
	p.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

func (p pebbleLogger) Fatalf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	p.log.Error("pebble: the store cannot go on", "error", message)
	if p.onFatal != nil {
		p.onFatal()
	}
	panic("the store cannot go on: " + message)
}
