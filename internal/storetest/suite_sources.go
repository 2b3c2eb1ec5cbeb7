package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// sources is what is remembered of who sends.
func sources() []behaviour {
	everyone := report.SourceScope{All: true}
	return []behaviour{
		{"SourcesAreCountedByHourDayAndFate", func(s *scene) {
			first := s.state(instance(1), "2024-07-04T23:59:50Z", from("/a", "1"))
			s.send("accepted duplicate id_reused", first, first, s.state(instance(2), "2024-07-01T00:00:00Z", from("/a", "1")))
			s.clock.Set(At("2024-07-05T03:30:00Z"))
			s.accept(s.state(instance(1), "2024-07-05T02:00:00Z", from("/a", "2")))
			s.expectSources(everyone,
				"client-a /a since 2024-07-05T00:00:00Z heard 2024-07-05T03:30:00Z received 2024-07-05T03:30:00Z event 2024-07-05T02:00:00Z lag 1h30m0s; "+
					"00:00 1 1 1 [0 1 0 0 0 0 0 0 0] 10s; 03:00 1 0 0 [0 0 0 0 0 0 1 0 0] 1h30m0s; 2024-07-05 2 1 1 [id_reused 1]; id_reused 1 id")
		}},
		{"SourcesOfClientsAreApart", func(s *scene) {
			batch := batchOf(s.state(instance(1), "2024-07-05T00:00:00Z", from("/a", "1")), s.state(elsewhere(instance(2), 11, 76), "2024-07-05T00:00:00Z", from("/a", "1")), s.state(elsewhere(instance(3), 12, 76), "2024-07-05T00:00:00Z", from("/b", "1")))
			batch[1].Client, batch[2].AnyClient = "client-b", true
			s.sendBatch("accepted accepted accepted", batch)
			s.expectSourceNames(everyone, " /b", "client-a /a", "client-b /a")
			s.expectSourceNames(report.SourceScope{Client: "client-a"}, "client-a /a")
			s.expectSourceNames(report.SourceScope{Client: "client-c"})
			s.expectSourceNames(report.SourceScope{}, " /b")
		}},
		{"WhatWasRefusedBeforeIsCountedAndNothingElse", func(s *scene) {
			batch := batchOf(s.state(instance(1), "2024-07-05T00:00:00Z", from("/a", "1")), &metering.Observation{Name: metering.ObservationName{Source: "/a", ID: "x"}}, &metering.Observation{})
			batch[1].Refused = &metering.Rejection{Code: metering.InvalidValue, Field: "data.name", Message: strings.Repeat("é", 200)}
			batch[2].Refused, batch[2].Times = &metering.Rejection{Code: metering.Malformed, Message: "no JSON"}, 7
			s.sendBatch("accepted invalid_value malformed", batch)
			s.expectSourceNames(everyone, "client-a ", "client-a /a")
			got := s.store.Sources(everyone)
			if e := got[1].Samples[0]; e.ID != "x" || e.Field != "data.name" || e.Message != strings.Repeat("é", report.MaxSampleBytes/2) {
				s.t.Errorf("sample %+v", e)
			}
			if c := got[0].Days[len(got[0].Days)-1]; c.Rejected != 7 || got[0].Received != 0 {
				s.t.Errorf("of rubbish %+v", got[0])
			}
			s.expect(period("2024-07-05", "2024-07-06"))
		}},
		{"SourcesAreThoseOfTheModel", sourcesOfModel},
		{"SourcesBeyondTheirLimitAreCountedTogether", func(s *scene) {
			var batch []report.Submission
			for n := range report.MaxSourcesOfClient + 2 {
				batch = append(batch, batchOf(s.state(instance(1), "2024-07-05T00:00:00Z", from(fmt.Sprintf("/%05d", n), "1")))...)
			}
			other := batchOf(s.state(elsewhere(instance(1), 11, 76), "2024-07-05T00:00:00Z", from("/00000", "1")))
			other[0].Client = "client-b"
			s.sendBatch(strings.TrimSuffix(strings.Repeat("accepted ", len(batch)+1), " "), append(batch, other...))
			for range 2 {
				got := s.store.Sources(report.SourceScope{Client: "client-a"})
				if last := got[len(got)-1]; len(got) != report.MaxSourcesOfClient+1 || !last.Key.Rest || last.Hours[len(last.Hours)-1].Accepted != 2 {
					s.t.Errorf("%d sources, the last one %+v", len(got), last)
				}
				if got := s.store.Sources(report.SourceScope{Client: "client-b"}); len(got) != 1 || got[0].Key.Rest {
					s.t.Errorf("another client has %+v", got)
				}
				if !s.restart() {
					return
				}
			}
		}},
	}
}

// sourcesOfModel sends at random, with a clock that is put back now and then.
func sourcesOfModel(s *scene) {
	rng, model := rand.New(rand.NewPCG(1, 2)), NewModel(s.clock.Now)
	const hour = 3600 * metering.Second
	for n := range 600 {
		if s.clock.Set(s.clock.Now() + metering.Instant(rng.Int64N(int64(4*hour)))); rng.IntN(10) == 0 {
			s.clock.Set(s.clock.Now() - hour)
		}
		at := s.clock.Now() - metering.Instant(rng.ExpFloat64()*float64(hour)) + hour/2
		batch := batchOf(s.state(instance(byte(n%5)), at.String(), from(fmt.Sprintf("/%d", rng.IntN(3)), fmt.Sprint(rng.IntN(300)))))
		if rng.IntN(8) == 0 {
			batch[0].Refused = &metering.Rejection{Code: metering.RejectCodes()[rng.IntN(4)], Message: fmt.Sprint(n)}
		}
		got := words(s.wait(s.submit(batch)))
		wanted, err := model.Submit(s.t.Context(), batch)
		if err != nil || words(s.wait(wanted)) != got {
			s.t.Fatalf("event %d: %s, %v", n, got, err)
		}
		if n%100 == 99 {
			s.restart()
			now := s.clock.Now()
			if got, want := sourceTexts(s.store, report.SourceScope{All: true}, now), sourceTexts(model, report.SourceScope{All: true}, now); !slices.Equal(withoutMessages(got), withoutMessages(want)) {
				s.t.Fatalf("after %d events\ngot  %s\nwant %s", n+1, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		}
	}
}

// withoutMessages cuts the messages of samples, which stores word as they like.
func withoutMessages(texts []string) (cut []string) {
	for _, t := range texts {
		text, _, _ := strings.Cut(t, " //")
		cut = append(cut, text)
	}
	return cut
}

func (s *scene) expectSources(of report.SourceScope, want ...string) {
	s.t.Helper()
	s.whenever(func() []string { return withoutMessages(sourceTexts(s.store, of, s.clock.Now())) }, want)
}

func (s *scene) expectSourceNames(of report.SourceScope, want ...string) {
	s.t.Helper()
	s.whenever(func() (names []string) {
		for _, f := range s.store.Sources(of) {
			names = append(names, string(f.Key.Client)+" "+f.Key.Source)
		}
		return names
	}, want)
}

// whenever demands texts now, and after a restart.
func (s *scene) whenever(texts func() []string, want []string) {
	s.t.Helper()
	for range 2 {
		if got := texts(); !slices.Equal(got, want) {
			s.t.Fatalf("sources:\ngot  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
		if !s.restart() {
			return
		}
	}
}

// sourceTexts shows what a store remembers of the sources, of the hours and days
// that must be remembered.
func sourceTexts(store report.SourceKeeper, of report.SourceScope, now metering.Instant) (texts []string) {
	for _, f := range store.Sources(of) {
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s since %s heard %s received %s event %s lag %s", f.Key.Client, f.Key.Source, f.Since, f.Heard, f.Received, f.LastEvent, f.LastLag.Duration())
		for _, h := range f.Hours {
			if present := report.HourOf(now); h.SourceCounts != (report.SourceCounts{}) && h.Hour > present-report.SourceHours && h.Hour <= present {
				fmt.Fprintf(&b, "; %s %d %d %d %v %s", h.Hour.Start().Time().Format("15:04"), h.Accepted, h.Duplicates, h.Rejected, h.Lags, h.Greatest.Duration())
			}
		}
		for _, d := range f.Days {
			if d.SourceCounts == (report.SourceCounts{}) || d.Day <= now.Day()-report.SourceDays || d.Day > now.Day() {
				continue
			}
			fmt.Fprintf(&b, "; %s %d %d %d", d.Day, d.Accepted, d.Duplicates, d.Rejected)
			for _, c := range d.ByCode {
				fmt.Fprintf(&b, " [%s %d]", c.Code, c.Count)
			}
		}
		for _, e := range f.Samples {
			fmt.Fprintf(&b, "; %s %s %s", e.Code, e.ID, e.Field)
		}
		for _, e := range f.Samples {
			fmt.Fprintf(&b, " // %s", e.Message)
		}
		texts = append(texts, b.String())
	}
	return texts
}

// silences is what was not heard of, and ids that were used twice.
func silences() []behaviour {
	const day = 24 * 3600 * metering.Second
	silent := func(p metering.Period, after metering.Instant) report.FindingQuery {
		return report.FindingQuery{Period: p, Scope: report.FullScope(), Kinds: report.KindsOf(report.SilentResources), SilentFor: after}
	}
	july, tomorrow := period("2024-07-01", "2024-08-01"), period("2024-07-01", "2024-07-06")
	return []behaviour{
		{"ResourceThatRunsAndIsNotHeardOfIsSilent", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.state(volume(1), "2024-07-01T00:00:00Z"), s.gone(volume(1), "2024-07-02T00:00:00Z"))
			s.merge()
			s.accept(s.state(elsewhere(instance(2), 9, 76), "2024-07-01T00:00:00Z"), s.state(instance(3), "2024-07-04T00:00:00Z"))
			s.expectFound(silent(july, 3*day), "instance/2 of 9/76 2024-07-01T00:00:00Z..2024-07-05T00:00:00Z", "instance/1 of 10/76 2024-07-01T00:00:00Z..2024-07-05T00:00:00Z")
			s.expectFound(silent(tomorrow, 4*day))
			s.expectFound(silent(tomorrow, 0), "instance/2 of 9/76 2024-07-01T00:00:00Z..2024-07-05T00:00:00Z", "instance/1 of 10/76 2024-07-01T00:00:00Z..2024-07-05T00:00:00Z", "instance/3 of 10/76 2024-07-04T00:00:00Z..2024-07-05T00:00:00Z")
		}},
		{"StateThatChangesNothingIsNews", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z"), s.state(instance(2), "2024-07-01T00:00:00Z"))
			s.merge()
			news := s.state(instance(1), "2024-07-04T12:00:10Z")
			s.accept(news)
			s.expectFound(silent(july, day), "instance/2 of 10/76 2024-07-01T00:00:00Z..2024-07-05T00:00:00Z")
			s.expectFound(silent(period("2024-07-01", "2024-07-04"), day), "instance/2 of 10/76 2024-07-01T00:00:00Z..2024-07-04T00:00:00Z")
			s.accept(s.retraction(news))
			s.expectFound(silent(july, day), "instance/1 of 10/76 2024-07-01T00:00:00Z..2024-07-05T00:00:00Z", "instance/2 of 10/76 2024-07-01T00:00:00Z..2024-07-05T00:00:00Z")
		}},
		{"PortThatUsedToSendIsSilent", func(s *scene) {
			s.accept(s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "1"), s.quantity(port(2), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "1"), s.quantity(port(3), "2024-06-30T10:00:00Z", "2024-06-30T12:00:00Z", "1"))
			s.merge()
			s.accept(s.quantity(port(2), "2024-07-04T10:00:00Z", "2024-07-04T12:00:00Z", "0"))
			s.expectFound(silent(july, day), "egress_traffic/1 of 10/76 2024-07-01T12:00:00Z..2024-07-05T00:00:00Z")
			s.expectFound(silent(period("2024-06-30", "2024-07-01"), 0), "egress_traffic/3 of 10/76 2024-06-30T12:00:00Z..2024-07-01T00:00:00Z")
			s.expectFound(silent(period("2024-07-02", "2024-07-03"), 0))
		}},
		{"ReusedIDsAreFound", func(s *scene) {
			reused := func(p metering.Period) report.FindingQuery {
				return report.FindingQuery{Period: p, Scope: report.FullScope(), Kinds: report.KindsOf(report.ReusedIDs)}
			}
			s.accept(s.state(instance(1), "2024-07-01T00:00:00Z", from("/a", "1")))
			s.send("id_reused", s.state(instance(2), "2024-07-01T00:00:00Z", from("/a", "1")))
			s.clock.Set(At("2024-07-07T00:00:00Z"))
			s.send("id_reused duplicate", s.state(volume(2), "2024-07-01T00:00:00Z", from("/a", "1")), s.state(instance(1), "2024-07-01T00:00:00Z", from("/a", "1")))
			found := "instance/1 of 10/76 2024-07-05T00:00:00Z..2024-07-07T00:00:00Z /a 1 2 times"
			s.expectFound(reused(july), found)
			s.expectFound(reused(period("2024-07-06", "2024-07-07")), found)
			s.expectFound(reused(period("2024-07-08", "2024-08-01")))
			s.expectFound(reused(period("2024-07-01", "2024-07-05")))
			q := reused(july)
			q.Scope.Projects = report.Only[metering.ProjectID](11)
			s.expectFound(q)
		}},
	}
}
