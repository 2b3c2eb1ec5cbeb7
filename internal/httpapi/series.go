package httpapi

import (
	"fmt"

	"github.com/meterbook/meterbook/internal/report"
)

const seriesPath = "/v1/usage/series"

// usageSeries answers with usage over time.
func usageSeries(x *exchange) error {
	body, err := x.jsonBody()
	if err != nil {
		return err
	}
	store := x.backend.Store
	q, err := report.ParseSeries(body, x.s.options.Clock(), x.caller.Scope(store))
	if err != nil {
		return err
	}
	series, err := store.Series(x.r.Context(), q)
	if err != nil {
		return fmt.Errorf("compute the series: %w", err)
	}
	x.Header().Set("Content-Type", "application/json")
	x.Header().Set(completeUntilHeader, series.CompleteUntil.String())
	if err := report.WriteSeriesJSON(x, &q, series); err != nil {
		return fmt.Errorf("write the series: %w", err)
	}
	return nil
}
