package ledger

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// hourNamed is an hour of the first resource, the n-th one of the day.
func hourNamed(id string, n metering.Instant, quantity uint64, name string) report.Submission {
	o := hourOf(1, 1)
	o.From += n * 3600 * metering.Second
	o.To = o.From + 3600*metering.Second
	o.Time, o.Name.ID, o.Quantity = o.To, id, metering.AmountOf(quantity)
	o.Attributes.Texts[metering.Name] = name
	o.Meter = o.Resource.Type.Meter("", "", &o.Attributes)
	return report.Submission{Observation: o, AnyClient: true, ReceivedAt: o.Time}
}

// TestWhatABaseDoesNotKnowOfWindowsStaysUnknown lets a day go through a base of which
// some windows are not known, beside a resource of which all are, and tells and takes
// back others of that day.
func TestWhatABaseDoesNotKnowOfWindowsStaysUnknown(t *testing.T) {
	t.Parallel()
	other := hourNamed("other", 0, 5, "")
	other.Observation.Resource.ID = metering.UUID{2}
	inOneSecond := hourNamed("b corrected", 1, 6, "b")
	inOneSecond.Observation.Time += 1000
	next := hourNamed("next", 4, 7, "b")
	for _, c := range []struct {
		name  string
		first []report.Submission
		then  report.Submission
	}{
		{"windows of nothing, described in two ways", []report.Submission{hourNamed("a", 0, 0, "a")}, hourNamed("b", 1, 0, "b")},
		{"a correction within a second", []report.Submission{hourNamed("a", 0, 0, "b"), hourNamed("b", 1, 4, "b"), hourNamed("c", 3, 4, "b")}, inOneSecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := metering.MinEventTime + 30*86400*metering.Second
			l, err := Open(t.Context(), Options{Dir: "store", FS: vfs.NewMem(), Clock: func() metering.Instant { return now }})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close() //nolint:errcheck // nothing is read afterwards
			submit(t, l, append(c.first, other))
			submit(t, l, []report.Submission{c.then})
			if err := l.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := everything(t, l, now)
			submit(t, l, []report.Submission{next})
			verified(t, l)
			submit(t, l, []report.Submission{retraction(next)})
			verified(t, l)
			if after := everything(t, l, now); after != before {
				t.Errorf("before an hour was told and taken back\n%s\nafter\n%s", before, after)
			}
		})
	}
}
