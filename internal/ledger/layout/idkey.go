package layout

import (
	"fmt"

	"github.com/meterbook/meterbook/internal/metering"
)

// DecodeID reads the key of an id entry.
func DecodeID(key []byte) (project metering.ProjectID, source SourceNumber, id string, err error) {
	r := reader{b: key}
	if r.byte() != IDs {
		r.fail()
	}
	project, source = metering.ProjectID(r.uint()), SourceNumber(r.uint())
	switch packed := r.byte(); {
	case packed == 0:
		id = string(r.b)
	case packed == 1 && len(r.b) == 16:
		id = r.uuid().String()
	default:
		r.fail()
	}
	if r.failed() {
		return 0, 0, "", fmt.Errorf("id key %x: %w", key, errDamaged)
	}
	return project, source, id, nil
}
