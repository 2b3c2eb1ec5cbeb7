package ledger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/report"
)

// checkManifest refuses the store in a folder if Pebble's list of its tables is
// damaged before the last record. Pebble takes damage anywhere in it for a write
// that a crash cut off: it goes on without what follows, and removes the tables that
// it then does not know.
//
// Where the last record cannot be read, either may be: cutOff is not nil then, and
// says what else is missing in the store, if anything is.
func checkManifest(fsys vfs.FS, dir string) (cutOff *cutOffManifest, err error) {
	found, err := pebble.Peek(fsys.PathJoin(dir, observationsDir), fsys)
	if err != nil || !found.Exists {
		return nil, nil // there is none yet, or Pebble says more when it is opened
	}
	data, err := readFile(fsys, found.ManifestFilename)
	if err != nil {
		return nil, nil // as before; or it is another process's, which has a newer one
	}
	file, at := fsys.PathBase(found.ManifestFilename), brokenRecord(data)
	switch {
	case at == len(data):
		return nil, nil
	case holdsRecord(data[at:]):
		return nil, fmt.Errorf("%s/%s is damaged in the record at byte %d of %d: restore a backup", observationsDir, file, at, len(data))
	}
	return &cutOffManifest{file, at}, nil
}

// cutOffManifest is a MANIFEST whose last record cannot be read.
type cutOffManifest struct {
	file string
	at   int // where the record begins
}

func (c *cutOffManifest) String() string {
	return fmt.Sprintf("its last record, at byte %d, cannot be read: a crash cut it off, or it is damaged", c.at)
}

// explain adds to an error what may have led to it; c may be nil.
func (c *cutOffManifest) explain(err error) error {
	if c == nil || err == nil {
		return err
	}
	return fmt.Errorf("%w (%s/%s: %v)", err, observationsDir, c.file, c)
}

// explainDifferences names c before what may follow from it; c may be nil.
func (c *cutOffManifest) explainDifferences(v *report.Verification) {
	if c == nil || v.Total == 0 {
		return
	}
	first := report.Difference{Check: checkStore, Of: observationsDir + "/" + c.file, Stored: c.String(), Want: "readable"}
	v.Differences = slices.Insert(v.Differences, 0, first)
	v.Differences = v.Differences[:min(len(v.Differences), report.MaxListedDifferences)]
	v.Total++
}

// brokenRecord returns where the first record begins that cannot be read, or where
// the file ends.
func brokenRecord(data []byte) (at int) {
	records := record.NewReader(bytes.NewReader(data), 0)
	for {
		at = int(records.Offset())
		text, err := records.Next()
		if err == io.EOF {
			return len(data)
		}
		if err == nil {
			_, err = io.Copy(io.Discard, text)
		}
		if err != nil {
			return at
		}
	}
}

// holdsRecord reports whether a record begins behind the first byte. Each record is
// synced before the next one is written, so what stands before one was whole.
//
// Records are those of LevelDB's log: a part has its checksum, its length and its kind
// before it. Pebble's own reader would try, at each byte, which bit may be wrong.
func holdsRecord(data []byte) bool {
	for i := 1; i+recordHead <= len(data); i++ {
		end := i + recordHead + int(binary.LittleEndian.Uint16(data[i+4:]))
		if kind := data[i+6]; kind != wholeRecord && kind != firstOfRecord || end > len(data) {
			continue
		}
		sum := crc32.Checksum(data[i+6:end], crc32.MakeTable(crc32.Castagnoli))
		if binary.LittleEndian.Uint32(data[i:]) == bits.RotateLeft32(sum, -15)+recordSumOffset {
			return true
		}
	}
	return false
}

const (
	recordHead      = 7 // bytes before a part of a record
	recordSumOffset = 0xa282ead8

	wholeRecord   = 1 // kinds of parts
	firstOfRecord = 2
)
