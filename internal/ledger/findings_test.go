package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// smelling returns instances each of which is in two projects, and ports with two
// windows that overlap.
func smelling(first, n int) []report.Submission {
	batch := machines(first, n)
	port, _ := metering.ResourceTypeNamed("egress_traffic")
	for i, s := range machines(first, n) {
		o := *s.Observation
		o.Name.Project, o.Resource.Project = 9, 9
		batch = append(batch, report.Submission{Observation: &o, Client: s.Client, AnyClient: true, ReceivedAt: s.ReceivedAt})
		for hour := range metering.Instant(2) {
			q := &metering.Observation{
				Kind: metering.QuantityObserved, Name: metering.ObservationName{Project: 9, Source: "/probe", ID: fmt.Sprintf("%d-%d", first+i, hour)},
				Time: noon(), Resource: metering.ResourceKey{Project: 9, Region: 76, Type: port, ID: o.Resource.ID},
				From: noon() - (4-hour)*3600*metering.Second, To: noon() - (2-hour)*3600*metering.Second, Quantity: metering.AmountOf(1e6),
			}
			q.Attributes.Texts[metering.InstanceType], q.Attributes.Texts[metering.VMID] = "vm", o.Resource.ID.String()
			q.Meter = port.Meter("", "", &q.Attributes)
			batch = append(batch, report.Submission{Observation: q, Client: s.Client, AnyClient: true, ReceivedAt: s.ReceivedAt})
		}
	}
	return batch
}

func today() metering.Period { return metering.Period{From: noon().Day(), To: noon().Day() + 1} }

func findings(t *testing.T, store report.Inspector, each func()) (texts []string) {
	t.Helper()
	err := store.Findings(t.Context(), allFindings(today()), func(f *report.Finding) error {
		texts = append(texts, storetest.FormatFinding(f))
		each()
		return nil
	})
	if err != nil {
		t.Fatalf("findings: %v", err)
	}
	return texts
}

func TestFindingsAreOfOneMomentAndHoldNobodyUp(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.store(smelling(0, 10))
	want := findings(t, v.model, func() {})
	if len(want) != 20 {
		t.Fatalf("the model finds %d", len(want))
	}
	n := 10
	got := findings(t, v.ledger, func() { // while it looks, more comes, is merged and reported
		v.store(smelling(n, 5))
		if n += 5; n%25 == 0 {
			if err := v.ledger.Merge(t.Context()); err != nil {
				t.Error(err)
			}
		}
		v.agrees()
	})
	if !slices.Equal(got, want) {
		t.Errorf("got %d findings, want %d:\n%q\n%q", len(got), len(want), got, want)
	}
	if got, want := findings(t, v.ledger, func() {}), findings(t, v.model, func() {}); !slices.Equal(got, want) {
		t.Errorf("afterwards got %d findings, want %d", len(got), len(want))
	}
	v.close()
}

func TestClosingEndsFindings(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.store(smelling(0, 3))
	closed, visited := make(chan struct{}), 0
	err := v.ledger.Findings(t.Context(), allFindings(today()), func(*report.Finding) error {
		if visited++; visited == 1 {
			go func() {
				defer close(closed)
				v.close()
			}()
		}
		for v.ledger.Writable() == nil { // until it is closing
			runtime.Gosched()
		}
		return nil
	})
	v.unavailable("findings", err)
	if <-closed; visited != 1 {
		t.Errorf("it went on to %d findings", visited)
	}
}

func TestFindingsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	l := open(t, ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: noon})
	if _, err := submitTogether(t.Context(), l, [][]report.Submission{smelling(0, 3)}); err != nil {
		t.Fatal(err)
	}
	visited := 0
	err := l.Findings(ctx, allFindings(today()), func(*report.Finding) error {
		visited++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || visited != 1 {
		t.Errorf("got %v after %d findings", err, visited)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

func TestAStoreThatCouldNotWriteTellsSoWhenAskedForFindings(t *testing.T) {
	t.Parallel()
	v := newTested(t)
	v.store(smelling(0, 3))
	v.fs.fail(logIsLost)
	_, err := submitTogether(t.Context(), v.ledger, [][]report.Submission{machines(100, 1)})
	v.unavailable("submit", err)
	v.unavailable("findings", v.ledger.Findings(t.Context(), allFindings(metering.Period{}), func(*report.Finding) error { return nil }))
	if err := v.ledger.Close(); err == nil {
		t.Error("close does not say that the log could not be written")
	}
	v.options.FS = v.fs.under.CrashClone(vfs.CrashCloneCfg{})
	v.reopen()
	if got, want := findings(t, v.ledger, func() {}), findings(t, v.model, func() {}); !slices.Equal(got, want) {
		t.Errorf("opened again it has %d findings, want %d", len(got), len(want))
	}
	v.close()
}

var _ report.Inspector = (*ledger.Ledger)(nil)

// BenchmarkFindings looks through the last month of a fleet.
func BenchmarkFindings(b *testing.B) {
	l, f := loaded(b, 10_000)
	month := metering.Period{From: f.End().Day() - 31, To: f.End().Day()}
	for _, where := range []string{"delta", "base"} {
		if where == "base" {
			if err := l.Merge(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(where, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Findings(b.Context(), allFindings(month), func(*report.Finding) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// wrongBills are the kinds that are of what counts.
func wrongBills() report.KindSet {
	return report.KindsOf(report.IDInTwoProjects, report.OverlappingWindows)
}

func allFindings(in metering.Period) report.FindingQuery {
	return report.FindingQuery{Period: in, Scope: report.FullScope(), Kinds: wrongBills()}
}
