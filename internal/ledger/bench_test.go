package ledger_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/metrics"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// loaded returns a ledger in memory that holds a fleet, wholly in the delta.
func loaded(b *testing.B, resources int) (*ledger.Ledger, *fleet.Fleet) {
	b.Helper()
	f := fleet.New(fleet.Config{Seed: 1, Resources: resources, Months: 3})
	l := open(b, ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: f.End, MergeUnits: 1 << 30})
	submitAll(b, l, f)
	b.Cleanup(func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	})
	return l, f
}

func submitAll(b *testing.B, l *ledger.Ledger, f *fleet.Fleet) {
	b.Helper()
	var batch []report.Submission
	var last report.Pending
	flush := func() {
		var err error
		if last, err = l.Submit(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		batch = nil
	}
	for o := range f.Events() {
		batch = append(batch, report.Submission{Observation: o, AnyClient: true, ReceivedAt: o.Time})
		if len(batch) == 1000 {
			flush()
		}
	}
	flush()
	if _, err := last.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkProjectsOfAClient is what every report of a client asks first.
func BenchmarkProjectsOfAClient(b *testing.B) {
	const projects = 100_000
	l := open(b, ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: func() metering.Instant { return 0 }})
	defer func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	}()
	for id := metering.ProjectID(1); id <= projects; id++ {
		if err := l.PutProject(b.Context(), report.Project{ID: id, Client: "acme"}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("ids", func(b *testing.B) {
		for b.Loop() {
			if n := len(l.ProjectIDs("acme")); n != projects {
				b.Fatal(n)
			}
		}
	})
	b.Run("projects", func(b *testing.B) {
		for b.Loop() {
			if n := len(l.Projects("acme")); n != projects {
				b.Fatal(n)
			}
		}
	})
}

// BenchmarkMonth asks for the last month of a fleet, merged into the base and
// all in the delta.
func BenchmarkMonth(b *testing.B) {
	for _, resources := range []int{10_000, 30_000} {
		l, f := loaded(b, resources)
		q := report.Query{
			Period: metering.Period{From: f.End().Day() - 31, To: f.End().Day()}, Now: f.End(), Limit: 10,
			Projects: report.Everything[metering.ProjectID](), Regions: report.Everything[metering.RegionID](), Types: report.AllTypes,
		}
		for _, where := range []string{"delta", "base"} {
			if where == "base" {
				if err := l.Merge(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			for name, field := range map[string]report.OrderField{"project": report.ByProject, "value": report.ByValue, "name": report.ByLastName} {
				q.Order = []report.OrderTerm{{Field: field}}
				b.Run(fmt.Sprintf("%d/%s/by-%s", resources, where, name), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						r, err := l.Report(b.Context(), q)
						if err != nil {
							b.Fatal(err)
						}
						for range r.Lines {
						}
						r.Close()
					}
				})
			}
		}
	}
}

// BenchmarkIngest stores a fleet, without HTTP and JSON.
func BenchmarkIngest(b *testing.B) {
	f := fleet.New(fleet.Config{Seed: 1, Resources: 5000, Months: 3})
	events := f.EstimatedEvents()
	for b.Loop() {
		l := open(b, ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: f.End})
		submitAll(b, l, f)
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(events)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkLateState sends states that come late to a resource that has told each
// hour that it is as it was.
func BenchmarkLateState(b *testing.B) {
	const hour = 3600 * metering.Second
	for _, days := range []int{10, 365} {
		b.Run(fmt.Sprintf("after %d days", days), func(b *testing.B) {
			l := open(b, ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: noon})
			defer func() {
				if err := l.Close(); err != nil {
					b.Error(err)
				}
			}()
			told := 0
			state := func(at metering.Instant) report.Submission {
				told++
				s := machines(0, 1)[0]
				s.Observation.Time, s.Observation.Name.ID = at, fmt.Sprint(told)
				return s
			}
			send := func(batch ...report.Submission) {
				pending, err := l.Submit(b.Context(), batch)
				if err == nil {
					_, err = pending.Wait(b.Context())
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			begin := noon() - metering.Instant(24*days)*hour
			var hours []report.Submission
			for n := range 24 * days {
				hours = append(hours, state(begin+metering.Instant(n)*hour))
			}
			send(hours...)
			random := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				send(state(begin + metering.Instant(random.Int64N(int64(24*days)*int64(hour)))))
			}
		})
	}
}

// BenchmarkTraffic sends a day of each of many ports, which have told their traffic
// for long, and says how large the heap has become at most, as far as it was looked
// at. To see what that depends on: -ports.days=10.
func BenchmarkTraffic(b *testing.B) {
	const ports = 20_000
	l := open(b, ledger.Options{Dir: b.TempDir(), Clock: noon})
	defer func() {
		if err := l.Close(); err != nil {
			b.Error(err)
		}
	}()
	traffic, _ := metering.ResourceTypeNamed("egress_traffic")
	day, most := noon().Day()-1000, uint64(0)
	send := func() {
		day++
		var last report.Pending
		for first := 0; first < ports; first += 1000 {
			batch := machines(first, 1000)
			for i := range batch {
				o := batch[i].Observation
				o.Kind, o.Resource.Type, o.Multiplier = metering.QuantityObserved, traffic, 0
				o.Name.ID, o.Attributes, o.Quantity = fmt.Sprint(day, "-", first+i), metering.Attributes{}, metering.AmountOf(1)
				o.From, o.To, o.Time = day.Start(), (day + 1).Start(), (day + 1).Start()
				o.Meter = traffic.Meter("", "", &o.Attributes)
			}
			var err error
			if last, err = l.Submit(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		if outcomes, err := last.Wait(b.Context()); err != nil || outcomes[0].Rejected != nil {
			b.Fatal(err, outcomes[0].Rejected)
		}
		heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(heap)
		most = max(most, heap[0].Value.Uint64())
	}
	for range *portsDays {
		send()
	}
	most = 0
	for b.Loop() {
		send()
	}
	b.ReportMetric(float64(b.N*ports)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(most>>20), "MiB")
}

var portsDays = flag.Int("ports.days", 200, "days that each port has told before, in BenchmarkTraffic")
