package columns

import (
	"os"

	"github.com/edsrzf/mmap-go"
)

// mapFile maps a file of the machine's own file system read-only. The mapping
// outlives the file's name, so an old base may be removed while reports still
// read it.
func mapFile(path string) ([]byte, func() error, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	m, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	return m, m.Unmap, nil
}
