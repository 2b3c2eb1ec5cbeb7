package ledger

import (
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// TestAnIDThatTwoClientsReusedIsFoundWhole: one of them did so in the period, the
// other one on the day before.
func TestAnIDThatTwoClientsReusedIsFoundWhole(t *testing.T) {
	t.Parallel()
	b, day := newSourceBook(), metering.DayOf(2024, 1, 1)
	for place, at := range []metering.Instant{day.Start() - 1, day.Start() + 1} {
		b.mu.reused[reusedPlace{report.ClientID("client " + string(rune('a'+place))), 0}] = &report.ReusedID{
			Name: metering.ObservationName{Project: 1, Source: "/probe", ID: "again"}, Resource: flapping(0).Resource, First: at, Last: at, Times: 1,
		}
	}
	for _, test := range []struct{ from, to, found int }{{-1, 0, 1}, {0, 1, 1}, {-1, 1, 1}, {1, 9, 0}, {-9, -1, 0}, {0, 0, 0}} {
		var found []*report.Finding
		err := b.reusedIDs(metering.Period{From: day + metering.Day(test.from), To: day + metering.Day(test.to)}, report.FullScope(), func(f *report.Finding) error {
			found = append(found, f)
			return nil
		})
		if err != nil || len(found) != test.found {
			t.Fatalf("days %d to %d: %d found, %v; want %d", test.from, test.to, len(found), err, test.found)
		}
		if test.found > 0 && (found[0].From != day.Start()-1 || found[0].To != day.Start()+1 || found[0].Times != 2) {
			t.Errorf("days %d to %d: %+v, want both refusals", test.from, test.to, found[0])
		}
	}
}
