package storetest

import (
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// openModel opens the model, which keeps nothing over a restart.
func openModel(_ *testing.T, clock func() metering.Instant) Opened {
	return Opened{Store: NewModel(clock)}
}

func TestModelAgreesWithItself(t *testing.T) {
	t.Parallel()
	RunRandom(t, openModel, 500)
}
