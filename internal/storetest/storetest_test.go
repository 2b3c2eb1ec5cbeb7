package storetest

import (
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// openModel opens the model, which keeps nothing over a restart.
func openModel(_ *testing.T, clock func() metering.Instant) Opened {
	return Opened{
		Store:  NewModel(clock),
		Strict: func(testing.TB) report.Store { return NewModel(clock, StrictProjects()) },
		Retaining: func(_ testing.TB, age metering.Instant) report.Store {
			return NewModel(clock, Retention(age))
		},
	}
}

func TestModelBehavesAsEveryStore(t *testing.T) {
	t.Parallel()
	Run(t, openModel)
}

func TestModelAgreesWithItself(t *testing.T) {
	t.Parallel()
	RunRandom(t, openModel, 100)
}
