package cli

import (
	"context"

	"github.com/meterbook/meterbook/internal/metering"
)

func openLedger(ctx context.Context, o storeOptions) (*store, error) {
	return nil, metering.Errorf(metering.KindUnavailable, "interim")
}
