package cli

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// storeOptions are what a store needs to know.
type storeOptions struct {
	dir            string
	strictProjects bool
	retention      time.Duration // 0: no end
	clock          func() metering.Instant
	logger         *slog.Logger
	onSync         func(time.Duration) // told how long each fsync took
	onRest         func()              // called when there is nothing to do any more; nil: nothing
	mergeUnits     int                 // 0: its default
	onFatal        func()              // ends the process when the store cannot go on; nil: a panic does
}

// store is a store together with what it keeps for others.
type store struct {
	report.Store
	records     access.Records
	metrics     prometheus.Collector // nil: it has none
	maintenance report.Maintainer    // nil: it can neither verify nor copy itself
	behind      func(func())         // calls what takes long such that reports come before it; nil: it has no way to
}

// openStore opens a store, creating an empty one where there is none.
type openStore func(ctx context.Context, o storeOptions) (*store, error)
