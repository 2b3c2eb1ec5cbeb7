package layout

import (
	"fmt"
	"math"

	"github.com/meterbook/meterbook/internal/metering"
)

// DecodeID reads the key of an id entry.
func DecodeID(key []byte) (project metering.ProjectID, source SourceNumber, id string, err error) {
	r := reader{b: key}
	if r.byte() != IDs {
		r.fail()
	}
	project = metering.ProjectID(r.uint())
	number := r.uint()
	source = SourceNumber(number)
	switch packed := r.byte(); {
	case packed == 0:
		id = r.idText(uint64(len(r.b)))
	case packed == 1 && len(r.b) == 16:
		id = r.uuid().String()
	default:
		r.fail()
	}
	if r.failed() || number > math.MaxUint32 {
		return 0, 0, "", fmt.Errorf("id key %x: %w", key, errDamaged)
	}
	return project, source, id, nil
}
