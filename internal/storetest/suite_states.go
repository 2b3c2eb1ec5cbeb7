package storetest

import (
	"fmt"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// The first of July, on which most stories play.
func firstOfJuly() metering.Period { return period("2024-07-01", "2024-07-02") }

// states is how the order of states, not that of their arrival, makes usage.
func states() []behaviour {
	return []behaviour{
		{"StateHoldsUntilTheNext", func(s *scene) {
			s.accept(s.state(volume(1), "2024-07-01T10:00:00Z"), s.state(volume(1), "2024-07-01T10:10:00Z", multiplied(5_000_000_000)),
				s.gone(volume(1), "2024-07-01T10:15:00Z"))
			s.expect(firstOfJuly(), "volume/1 volume_t_g1_gbm=35 2024-07-01T10:00:30Z..2024-07-01T10:14:30Z size=5000000000")
		}},
		{"LateStateChangesWhatWasReported", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z", named("a")), s.gone(instance(1), "2024-07-01T11:00:00Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=60 2024-07-01T10:00:30Z..2024-07-01T10:59:30Z name=a")
			s.accept(s.gone(instance(1), "2024-07-01T10:20:00Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=20 2024-07-01T10:00:30Z..2024-07-01T10:19:30Z name=a")
			s.accept(s.state(instance(1), "2024-07-01T09:00:00Z", named("b")))
			s.expect(firstOfJuly(), "instance/1 g1_min=80 2024-07-01T09:00:30Z..2024-07-01T10:19:30Z name=a")
		}},
		{"StatesMayArriveBackwards", func(s *scene) {
			s.accept(s.gone(instance(1), "2024-07-01T10:30:00Z"))
			s.expect(firstOfJuly())
			s.accept(s.state(instance(1), "2024-07-01T10:20:00Z", named("b")))
			s.accept(s.state(instance(1), "2024-07-01T10:10:00Z", named("a"), with(metering.Flavor, "g2")))
			s.expect(firstOfJuly(),
				"instance/1 g1_min=10 2024-07-01T10:20:30Z..2024-07-01T10:29:30Z name=b",
				"instance/1 g2_min=10 2024-07-01T10:10:30Z..2024-07-01T10:19:30Z name=a")
		}},
	}
}

// tiedStates is which of several states at one instant holds.
func tiedStates() []behaviour {
	return []behaviour{
		{"DeletionWinsAtOneInstant", func(s *scene) {
			s.accept(s.gone(instance(1), "2024-07-01T10:00:00Z"), s.state(instance(1), "2024-07-01T10:00:00Z"))
			s.accept(s.state(instance(2), "2024-07-01T10:00:00Z"))
			s.accept(s.gone(instance(2), "2024-07-01T10:00:00Z"))
			s.expect(firstOfJuly())
		}},
		{"SequenceDecidesAtOneInstant", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z", named("tenth"), sequence(10)),
				s.gone(instance(1), "2024-07-01T10:00:00Z", sequence(9)),
				s.state(instance(2), "2024-07-01T10:00:00Z", sequence(1<<62)),
				s.gone(instance(2), "2024-07-01T10:00:00Z", sequence(1<<63-1)))
			s.expect(firstOfJuly(), "instance/1 g1_min=840 2024-07-01T10:00:30Z..2024-07-01T23:59:30Z name=tenth")
		}},
		{"TimeGoesBeforeSequence", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T23:00:00.000000001Z", named("later")),
				s.state(instance(1), "2024-07-01T23:00:00Z", named("earlier"), sequence(9)))
			s.expect(firstOfJuly(), "instance/1 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z name=later")
		}},
		{"SourceThenIDDecideLast", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T23:00:00Z", named("z"), from("/b", "1")), s.state(instance(1), "2024-07-01T23:00:00Z", named("a"), from("/a", "9")),
				s.state(instance(2), "2024-07-01T23:00:00Z", named("nine"), from("/a", "n9")), s.state(instance(2), "2024-07-01T23:00:00Z", named("ten"), from("/a", "n10")),
				s.state(instance(3), "2024-07-01T23:00:00Z", named("small"), from("/a", "z")), s.state(instance(3), "2024-07-01T23:00:00Z", named("umlaut"), from("/a", "ä")))
			s.expect(firstOfJuly(),
				"instance/1 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z name=z",
				"instance/2 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z name=nine",
				"instance/3 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z name=umlaut")
		}},
	}
}

// hiddenStates is states that change nothing now, but count when others arrive.
func hiddenStates() []behaviour {
	return []behaviour{
		{"HeartbeatsChangeNothing", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z", named("a")), s.gone(instance(1), "2024-07-01T12:00:00Z"))
			s.accept(s.state(instance(1), "2024-07-01T11:00:00Z", named("a")), s.state(instance(1), "2024-07-01T11:30:00Z", named("a")))
			s.expect(firstOfJuly(), "instance/1 g1_min=120 2024-07-01T10:00:30Z..2024-07-01T11:59:30Z name=a")
		}},
		{"HeartbeatHoldsBackAnOlderChange", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z", named("a")), s.state(instance(1), "2024-07-01T11:00:00Z", named("a")), s.gone(instance(1), "2024-07-01T12:00:00Z"))
			s.accept(s.state(instance(1), "2024-07-01T10:30:00Z", named("b"), with(metering.Flavor, "g2")))
			s.expect(firstOfJuly(),
				"instance/1 g1_min=90 2024-07-01T10:00:30Z..2024-07-01T11:59:30Z name=a",
				"instance/1 g2_min=30 2024-07-01T10:30:30Z..2024-07-01T10:59:30Z name=b")
		}},
		{"DeletionWithoutCreationCountsNothing", func(s *scene) {
			s.accept(s.gone(instance(1), "2024-07-01T10:00:00Z"), s.gone(instance(1), "2024-07-01T11:00:00Z"))
			s.expect(firstOfJuly())
		}},
		{"SecondDeletionHoldsBackAnOlderCreation", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z"), s.gone(instance(1), "2024-07-01T11:00:00Z"), s.gone(instance(1), "2024-07-01T12:00:00Z"))
			s.accept(s.state(instance(1), "2024-07-01T11:30:00Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=90 2024-07-01T10:00:30Z..2024-07-01T11:59:30Z")
		}},
		{"StateIsCompleteAndNotMerged", func(s *scene) {
			s.accept(s.state(volume(1), "2024-07-01T10:00:00Z", named("a"), tagged("env", "prod"), with(metering.AttachedToVM, "3c90c3cc-0d44-4b50-8888-28dd25736052")),
				s.state(volume(1), "2024-07-01T11:00:00Z"), s.gone(volume(1), "2024-07-01T12:00:00Z"))
			s.expect(firstOfJuly(), "volume/1 volume_t_g1_gbm=120 2024-07-01T10:00:30Z..2024-07-01T11:59:30Z")
		}},
		{"SameIDElsewhereIsAnotherResource", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T23:00:00Z"), s.state(elsewhere(instance(1), 11, 76), "2024-07-01T23:10:00Z"),
				s.state(elsewhere(instance(1), 10, 77), "2024-07-01T23:20:00Z"), s.state(volume(1), "2024-07-01T23:30:00Z"))
			s.expect(firstOfJuly(),
				"instance/1 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z",
				"volume/1 volume_t_g1_gbm=30 2024-07-01T23:30:30Z..2024-07-01T23:59:30Z",
				"instance/1@10/77 g1_min=40 2024-07-01T23:20:30Z..2024-07-01T23:59:30Z",
				"instance/1@11/76 g1_min=50 2024-07-01T23:10:30Z..2024-07-01T23:59:30Z")
		}},
	}
}

// samples is which minutes count.
func samples() []behaviour {
	return []behaviour{
		{"MinuteIsSampledAtItsThirtiethSecond", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:30Z"), s.gone(instance(1), "2024-07-01T10:02:30Z"),
				s.state(instance(2), "2024-07-01T10:00:30.000000001Z"), s.gone(instance(2), "2024-07-01T10:02:30.000000001Z"),
				s.state(instance(3), "2024-07-01T10:00:29.999Z"), s.gone(instance(3), "2024-07-01T10:02:29.999999999Z"))
			s.expect(firstOfJuly(),
				"instance/1 g1_min=2 2024-07-01T10:00:30Z..2024-07-01T10:01:30Z",
				"instance/2 g1_min=2 2024-07-01T10:01:30Z..2024-07-01T10:02:30Z",
				"instance/3 g1_min=2 2024-07-01T10:00:30Z..2024-07-01T10:01:30Z")
		}},
		{"WhatLivesBetweenSamplesIsNotCounted", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:30.000000001Z"), s.gone(instance(1), "2024-07-01T10:01:30Z"))
			s.accept(s.state(instance(2), "2024-07-01T10:00:00Z", named("a")), s.state(instance(2), "2024-07-01T10:00:10Z", named("b")),
				s.state(instance(2), "2024-07-01T10:00:20Z", named("c")), s.gone(instance(2), "2024-07-01T10:01:00Z"))
			s.expect(firstOfJuly(), "instance/2 g1_min=1 2024-07-01T10:00:30Z..2024-07-01T10:00:30Z name=c")
		}},
		{"MonthIsTheSumOfItsDays", func(s *scene) {
			s.accept(s.state(instance(1), "2024-06-30T23:59:30Z"), s.gone(instance(1), "2024-07-02T00:00:30Z"))
			s.expect(period("2024-06-30", "2024-07-01"), "instance/1 g1_min=1 2024-06-30T23:59:30Z..2024-06-30T23:59:30Z")
			s.expect(firstOfJuly(), "instance/1 g1_min=1440 2024-07-01T00:00:30Z..2024-07-01T23:59:30Z")
			s.expect(period("2024-07-02", "2024-07-03"))
			s.expect(period("2024-06-01", "2024-08-01"), "instance/1 g1_min=1441 2024-06-30T23:59:30Z..2024-07-01T23:59:30Z")
		}},
		{"LeapDayAndYearEndAreDaysLikeOthers", func(s *scene) {
			s.accept(s.state(instance(1), "2023-12-31T23:00:00Z"), s.gone(instance(1), "2024-03-01T01:00:00Z"))
			s.expect(period("2023-12-31", "2024-01-01"), "instance/1 g1_min=60 2023-12-31T23:00:30Z..2023-12-31T23:59:30Z")
			s.expect(period("2024-02-01", "2024-03-01"), "instance/1 g1_min=41760 2024-02-01T00:00:30Z..2024-02-29T23:59:30Z")
			s.expect(period("2024-02-29", "2024-03-01"), "instance/1 g1_min=1440 2024-02-29T00:00:30Z..2024-02-29T23:59:30Z")
		}},
	}
}

// edges is what now and the period cut off.
func edges() []behaviour {
	return []behaviour{
		{"NothingAfterNowIsCounted", func(s *scene) {
			s.clock.Set(At("2024-07-01T10:05:30Z"))
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=6 2024-07-01T10:00:30Z..2024-07-01T10:05:30Z")
			s.clock.Set(At("2024-07-01T10:06:29.999999999Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=6 2024-07-01T10:00:30Z..2024-07-01T10:05:30Z")
			s.clock.Set(At("2024-07-01T10:06:30Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=7 2024-07-01T10:00:30Z..2024-07-01T10:06:30Z")
			s.clock.Set(At("2024-07-03T00:00:00Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=840 2024-07-01T10:00:30Z..2024-07-01T23:59:30Z")
		}},
		{"FutureStateCountsWhenItsTimeHasCome", func(s *scene) {
			s.clock.Set(At("2024-07-01T10:00:00Z"))
			s.accept(s.state(instance(1), "2024-07-01T11:00:00Z", named("b")), s.state(instance(1), "2024-07-01T09:00:00Z", named("a")), s.state(instance(2), "2024-07-01T11:00:00Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=60 2024-07-01T09:00:30Z..2024-07-01T09:59:30Z name=a")
			s.clock.Set(At("2024-07-01T11:00:30Z"))
			s.expect(firstOfJuly(),
				"instance/1 g1_min=121 2024-07-01T09:00:30Z..2024-07-01T11:00:30Z name=b",
				"instance/2 g1_min=1 2024-07-01T11:00:30Z..2024-07-01T11:00:30Z")
		}},
		{"AnyPeriodMayBeAsked", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z"), s.gone(instance(1), "2024-07-01T11:00:00Z"),
				s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1"))
			all := metering.Period{From: metering.DayOf(1, 1, 1), To: metering.DayOf(9999, 12, 31) + 1}
			s.expect(all, "functions/1 faas_function_resources_sec=1 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z",
				"instance/1 g1_min=60 2024-07-01T10:00:30Z..2024-07-01T10:59:30Z")
			s.expect(metering.Period{From: all.From, To: metering.DayOf(1970, 1, 1)})
			s.expect(metering.Period{From: metering.DayOf(2300, 1, 1), To: all.To})
			s.expect(period("2024-07-01", "2024-07-01"))
		}},
	}
}

// lineStories is what makes a line.
func lineStories() []behaviour {
	return []behaviour{
		{"NewFlavorIsAnotherLine", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z", named("a")), s.state(instance(1), "2024-07-01T10:10:00Z", named("b"), with(metering.Flavor, "g2")),
				s.state(instance(1), "2024-07-01T10:30:00Z", named("c")), s.gone(instance(1), "2024-07-01T10:31:00Z"))
			s.expect(firstOfJuly(),
				"instance/1 g1_min=11 2024-07-01T10:00:30Z..2024-07-01T10:30:30Z name=c",
				"instance/1 g2_min=20 2024-07-01T10:10:30Z..2024-07-01T10:29:30Z name=b")
		}},
		{"AttributesAreThoseAtTheEndOfThePeriod", func(s *scene) {
			s.accept(s.state(image(1), "2024-07-01T10:00:00Z", named("a"), multiplied(7)), s.state(image(1), "2024-07-02T00:00:30.000000001Z", named("b"), multiplied(9)),
				s.gone(image(1), "2024-07-03T00:00:00Z"))
			s.expect(firstOfJuly(), "image/1 image_gbm=0.00000588 2024-07-01T10:00:30Z..2024-07-01T23:59:30Z size=7 name=a")
			s.expect(period("2024-07-01", "2024-07-03"), "image/1 image_gbm=0.000018838 2024-07-01T10:00:30Z..2024-07-02T23:59:30Z size=9 name=b")
		}},
		{"CountMultipliesMinutes", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z", multiplied(3)), s.state(instance(1), "2024-07-01T10:10:00Z", multiplied(metering.MaxCount)),
				s.gone(instance(1), "2024-07-01T10:20:00Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=10000030 2024-07-01T10:00:30Z..2024-07-01T10:19:30Z")
		}},
		{"SourceMayNameTheMetric", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z"), s.state(instance(1), "2024-07-01T10:10:00Z", metered("special_min")), s.gone(instance(1), "2024-07-01T10:30:00Z"))
			inference := thing(typeNamed("inference"), 2)
			s.accept(s.quantity(inference, "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1.5", metered("gpu_sec")),
				s.quantity(inference, "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "2.5", metered("gpu_sec"), inUnit("S")))
			s.expect(firstOfJuly(),
				"inference/2 gpu_sec=1.5 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z",
				"inference/2 gpu_sec=2.5S 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z",
				"instance/1 g1_min=10 2024-07-01T10:00:30Z..2024-07-01T10:09:30Z",
				"instance/1 special_min=20 2024-07-01T10:10:30Z..2024-07-01T10:29:30Z")
		}},
		{"SizesAreExactFromNothingTo2To60", func(s *scene) {
			s.accept(s.state(volume(1), "2024-07-01T00:00:00Z", multiplied(0)), s.state(volume(2), "2024-07-01T00:00:00Z", multiplied(metering.MaxSizeBytes)),
				s.state(volume(3), "2024-07-01T23:59:00Z", multiplied(1)), s.state(volume(4), "2024-06-12T00:00:00Z", multiplied(100<<30)), s.gone(volume(4), "2024-06-19T13:23:00Z"))
			s.expect(firstOfJuly(),
				"volume/1 volume_t_g1_gbm=0 2024-07-01T00:00:30Z..2024-07-01T23:59:30Z size=0",
				"volume/2 volume_t_g1_gbm=1660206966633.85964544 2024-07-01T00:00:30Z..2024-07-01T23:59:30Z size=1152921504606846976",
				"volume/3 volume_t_g1_gbm=0.000000001 2024-07-01T23:59:30Z..2024-07-01T23:59:30Z size=1")
			s.expect(period("2024-06-01", "2024-07-01"), "volume/4 volume_t_g1_gbm=1168553.2270592 2024-06-12T00:00:30Z..2024-06-19T13:22:30Z size=107374182400")
		}},
		{"GreatestObservationsAreKeptWhole", checkGreatest},
		{"AllTypesHaveLines", func(s *scene) {
			var told []*metering.Observation
			var want []string
			for _, t := range metering.ResourceTypes() {
				if t.Measure() == metering.Counted {
					told = append(told, s.quantity(thing(t, 1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "2", metered("m")))
					want = append(want, t.String()+"/1 m=2 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
					continue
				}
				told = append(told, s.state(thing(t, 1), "2024-07-01T23:58:00Z", metered("m")))
				want = append(want, t.String()+"/1 m=2 2024-07-01T23:58:30Z..2024-07-01T23:59:30Z")
			}
			s.accept(told...)
			s.expect(firstOfJuly(), want...)
		}},
	}
}

// checkGreatest tells of resources at the limits of what an observation may
// say, and demands every byte of it.
func checkGreatest(s *scene) {
	project := metering.ProjectID(metering.MaxProjectID)
	edits := []edit{
		named(strings.Repeat("🙂", metering.MaxTextLength)), with(metering.Flavor, strings.Repeat("ß", metering.MaxTextLength)), multiplied(metering.MaxCount), sequence(1<<63 - 1),
		from(strings.Repeat("s", metering.MaxSourceBytes), strings.Repeat("é", metering.MaxIDBytes/2)),
	}
	for i := range metering.MaxTags {
		key := fmt.Sprintf("%0*d", metering.MaxTagKeyLength, i)
		edits = append(edits, tagged(key, strings.Repeat("界", metering.MaxTagValueLength)))
	}
	all := s.state(elsewhere(instance(1), project, metering.MaxRegionID), "2024-07-01T23:59:00Z", edits...)
	first := s.state(elsewhere(instance(2), 1, 1), metering.MinEventTime.String())
	s.accept(all, first, s.retraction(first, func(d *draft) { d.Reason = strings.Repeat("界", metering.MaxTextLength) }))
	a := s.ask(s.query(firstOfJuly()))
	s.steady(func(when string) {
		again := s.ask(s.query(firstOfJuly()))
		if len(again.Lines) != 1 || again.Lines[0].Resource != all.Resource || again.Lines[0].Meter != all.Meter || !again.Lines[0].Attributes.Equal(&all.Attributes) {
			s.t.Errorf("the greatest observation was not kept whole%s: %s", when, formatAll(again.Lines, FormatLine))
		}
		AssertEqualAnswers(s.t, a, again)
	})
	s.send("duplicate", all)
}
