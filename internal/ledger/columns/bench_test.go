package columns

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// benchResources is the number of live resources in the benchmarks' base.
// METERBOOK_BENCH_RESOURCES changes it; the file of a size is made once.
const benchResources = 100_000

// benchBase returns the folded base of a year of a fleet.
func benchBase(b *testing.B) (*Base, *fleet.Fleet) {
	b.Helper()
	n := benchResources
	if text := os.Getenv("METERBOOK_BENCH_RESOURCES"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	f := fleet.New(fleet.Config{
		Seed: 1, Resources: n, Months: 12, Clients: max(1, n/20_000), Projects: max(5, n/500), Regions: 20,
	})
	dir, name := os.TempDir(), "meterbook-bench-base-"+strconv.Itoa(n)
	if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
		base := Build(foldFleet(f), 1)
		if err := base.Write(vfs.Default, dir, name); err != nil {
			b.Fatal(err)
		}
	}
	base, err := Open(vfs.Default, dir, name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := base.Release(); err != nil {
			b.Error(err)
		}
	})
	return base, f
}

func foldFleet(f *fleet.Fleet) []Change {
	all := map[metering.ResourceKey]*Change{}
	for o := range f.Events() {
		if o.Kind == metering.RetractionMade {
			continue
		}
		c := all[o.Resource]
		if c == nil {
			c = &Change{Key: o.Resource}
			all[o.Resource] = c
		}
		if o.Kind == metering.QuantityObserved {
			w := o.Window()
			day := slices.IndexFunc(c.Sums, func(s metering.DaySum) bool { return s.Day == w.From.Day() })
			if day < 0 {
				day = len(c.Sums)
			}
			if placed, ok := metering.PlaceWindow(c.Sums[day:], &w); ok { // a correction changes nothing here
				c.Sums = append(c.Sums[:day], placed...)
			}
			continue
		}
		s := o.State()
		placed, ok := c.Timeline.Place(&s)
		if ok {
			c.Timeline = placed
		}
	}
	changes := make([]Change, 0, len(all))
	for _, c := range all {
		changes = append(changes, *c)
	}
	slices.SortFunc(changes, func(x, y Change) int { return x.Key.Compare(y.Key) })
	return changes
}

// BenchmarkMonth measures a month's report of the whole fleet, limit 10, in
// every order, per line that it counts.
func BenchmarkMonth(b *testing.B) {
	base, f := benchBase(b)
	end := f.End()
	last := end.Day() - 1
	month := metering.Period{From: last - 30, To: last + 1}
	orders := map[string][]report.OrderTerm{
		"canonical": {{Field: report.ByProject}},
		"backwards": {{Field: report.ByProject, Descending: true}},
		"region":    {{Field: report.ByRegion, Descending: true}},
		"type":      {{Field: report.ByType, Descending: true}},
		"value":     {{Field: report.ByValue, Descending: true}},
		"name":      {{Field: report.ByLastName}},
		"first":     {{Field: report.ByFirstSeen}},
		"last":      {{Field: report.ByLastSeen, Descending: true}, {Field: report.ByLastName, Descending: true}},
	}
	for _, name := range slices.Sorted(maps.Keys(orders)) {
		q := &report.Query{
			Period: month, Now: end, Limit: 10, Order: orders[name],
			Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		}
		b.Run(name, func(b *testing.B) {
			lines := Report(q, NewOverlay(q), Layer{Base: base}).Count // builds the projection
			best := time.Hour                                          // the machine may be busy with something else, too
			for b.Loop() {
				start := time.Now()
				r := Report(q, NewOverlay(q), Layer{Base: base})
				for range r.Lines {
				}
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(best.Nanoseconds())/float64(lines), "ns/line-at-best")
		})
	}
}

// BenchmarkMerge measures a merge of changes that are spread over all resources.
func BenchmarkMerge(b *testing.B) {
	base, _ := benchBase(b)
	dir, step := b.TempDir(), max(1, base.Resources()/65_536)
	var changes []Change
	for res := 0; res < base.Resources(); res += step {
		c := Change{Key: base.Key(res)}
		if c.Key.Type.Measure() == metering.Counted {
			c.Sums = base.DaySums(res, metering.Period{From: -1 << 31, To: 1<<31 - 1})
		} else {
			c.Timeline = base.Timeline(res)
		}
		changes = append(changes, c)
	}
	for b.Loop() {
		merged, err := Merge(vfs.Default, dir, "base", base, Changed(changes, 0), 2)
		if err != nil {
			b.Fatal(err)
		}
		if err := merged.Release(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(changes)), "changes")
	b.ReportMetric(float64(base.Resources()), "resources")
}

// BenchmarkProject measures what the first report of a month waits for.
func BenchmarkProject(b *testing.B) {
	base, f := benchBase(b)
	last := f.End().Day() - 1
	for name, days := range map[string]metering.Day{"month": 30, "year": 364} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				base.projectWhole(metering.Period{From: last - days, To: last + 1}, base.workers(runtime.GOMAXPROCS(0)))
			}
		})
	}
}

// everyLine names all projects, so that the sums of the whole month do not help.
const everyLine = "all projects named"

func namedProjects(f *fleet.Fleet) report.Selection[metering.ProjectID] {
	var ids []metering.ProjectID
	for _, p := range f.Projects() {
		ids = append(ids, p.ID)
	}
	return report.Only(ids...)
}

// BenchmarkFiltered measures tag filters over the whole fleet, beside the report
// without a filter and the one that must read every line.
func BenchmarkFiltered(b *testing.B) {
	base, f := benchBase(b)
	last := f.End().Day() - 1
	filters := map[string]*report.TagFilter{"none": nil, everyLine: nil}
	for _, key := range []string{"env", "cost-center", "os_distro"} {
		filters[key] = &report.TagFilter{Conditions: []report.TagCondition{{Key: &key}}}
	}
	for _, value := range []string{"test", "prod"} {
		key := "env"
		filters[key+"="+value] = &report.TagFilter{Conditions: []report.TagCondition{{Key: &key, Value: &value, Strict: true}}}
	}
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		q := &report.Query{
			Period: metering.Period{From: last - 30, To: last + 1}, Now: f.End(), Limit: 10, Order: []report.OrderTerm{{Field: report.ByProject}}, Tags: filters[name],
			Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		}
		if name == everyLine {
			q.Projects = namedProjects(f)
		}
		b.Run(name, func(b *testing.B) {
			lines := Report(q, NewOverlay(q), Layer{Base: base}).Count // builds the projection
			best := time.Hour
			for b.Loop() {
				start := time.Now()
				Report(q, NewOverlay(q), Layer{Base: base})
				best = min(best, time.Since(start))
			}
			b.ReportMetric(float64(lines), "lines")
			b.ReportMetric(float64(best.Microseconds())/1000, "ms-at-best")
		})
	}
}
