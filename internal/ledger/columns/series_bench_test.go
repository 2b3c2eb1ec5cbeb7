package columns

import (
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// BenchmarkSeries measures series of the whole fleet: the days of a month by each
// grouping, all projects of it at once, and the months of a year.
func BenchmarkSeries(b *testing.B) {
	base, f := benchBase(b)
	last := f.End().Day() - 1
	month, year := metering.Period{From: last - 30, To: last + 1}, metering.Period{From: last - 364, To: last + 1}
	for _, c := range []struct {
		name string
		in   metering.Period
		report.Step
		report.Grouping
		top int
	}{
		{"type", month, report.ByDay, report.GroupByType, 10},
		{"metric", month, report.ByDay, report.GroupByMetric, 10},
		{"region", month, report.ByDay, report.GroupByRegion, 10},
		{"project", month, report.ByDay, report.GroupByProject, 10},
		{"projects", month, report.ByDay, report.GroupByProject, report.MaxSeriesTop},
		{"year", year, report.ByMonth, report.GroupByType, 10},
	} {
		q := &report.SeriesQuery{Step: c.Step, By: c.Grouping, Top: c.top, Query: report.Query{
			Period: c.in, Now: f.End(), Order: []report.OrderTerm{{Field: report.ByProject}},
			Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		}}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			lines, groups := 0, 0
			best := time.Hour                                         // the machine may be busy with something else, too
			Report(&q.Query, NewOverlay(&q.Query), Layer{Base: base}) // builds the projection
			for b.Loop() {
				start := time.Now()
				s, err := Series(q, nil, Layer{Base: base})
				if err != nil {
					b.Fatal(err)
				}
				best = min(best, time.Since(start))
				lines, groups = 0, 0
				for i := range s.Units {
					lines, groups = lines+s.Units[i].Lines, groups+len(s.Units[i].Groups)
				}
			}
			b.ReportMetric(float64(lines), "lines")
			b.ReportMetric(float64(groups), "groups")
			b.ReportMetric(float64(best.Microseconds())/1000, "ms-at-best")
		})
	}
}
