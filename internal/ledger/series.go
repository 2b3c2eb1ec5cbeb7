package ledger

import (
	"context"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/report"
)

// Series implements report.Reader.
func (l *Ledger) Series(ctx context.Context, q report.SeriesQuery) (*report.Series, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.courtesy.reportAsked()
	v, err := l.views.acquire()
	if err != nil {
		return nil, err
	}
	defer l.release(v)
	var changed []columns.ChangedLine
	layers := v.overlay(&q.Query, func(c *columns.ChangedLine) { changed = append(changed, *c) })
	return columns.Series(&q, changed, layers...)
}
