package storetest

import (
	"fmt"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// identities is what counts once, and what is refused.
func identities() []behaviour {
	return []behaviour{
		{"DuplicateIsCountedOnce", func(s *scene) {
			q := s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "5")
			s.send("accepted duplicate", q, q)
			s.send("duplicate", q)
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=5 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
			s.send("duplicate duplicate", q, q)
		}},
		{"ReusedIDIsRefusedAndTheFirstStands", func(s *scene) {
			first := s.state(instance(1), "2024-07-01T23:00:00Z", named("first"), from("/a", "1"))
			other := s.state(instance(1), "2024-07-01T22:00:00Z", named("other"), from("/a", "1"))
			s.send("accepted id_reused duplicate", first, other, first)
			s.expect(firstOfJuly(), "instance/1 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z name=first")
			s.send("id_reused duplicate", other, first)
		}},
		{"NameIsProjectSourceAndID", func(s *scene) {
			s.accept(s.state(instance(1), "2024-07-01T23:00:00Z", from("/a", "1")), s.state(instance(2), "2024-07-01T23:00:00Z", from("/b", "1")),
				s.state(instance(3), "2024-07-01T23:00:00Z", from("/a", "2")), s.state(elsewhere(instance(4), 11, 76), "2024-07-01T23:00:00Z", from("/a", "1")),
				s.state(instance(5), "2024-07-01T23:00:00Z", from("/a1", "x")), s.state(instance(6), "2024-07-01T23:00:00Z", from("/a", "1x")))
			s.expect(firstOfJuly(),
				"instance/1 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z", "instance/2 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z",
				"instance/3 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z", "instance/5 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z",
				"instance/6 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z", "instance/4@11/76 g1_min=60 2024-07-01T23:00:30Z..2024-07-01T23:59:30Z")
		}},
		{"IDsAreTextsWhateverTheyLookLike", func(s *scene) {
			ids := []string{"3c90c3cc-0d44-4b50-8888-28dd25736052", "3C90C3CC-0D44-4B50-8888-28DD25736052", "3c90c3cc-0d44-4b50-8888-28dd2573605", "3c90c3cc0d444b50888828dd25736052",
				"61626364-6566-6768-696a-6b6c6d6e6f70", "abcdefghijklmnop", "{3c90c3cc-0d44-4b50-8888-28dd25736052}", strings.Repeat("i", metering.MaxIDBytes), strings.Repeat("i", metering.MaxIDBytes-1), "0", "00"}
			var told []*metering.Observation
			var want []string
			for i, id := range ids {
				told = append(told, s.state(instance(byte(i)), "2024-07-01T23:59:00Z", from("/a", id)))
				want = append(want, fmt.Sprintf("instance/%d g1_min=1 2024-07-01T23:59:30Z..2024-07-01T23:59:30Z", i))
			}
			s.accept(told...)
			s.expect(firstOfJuly(), want...)
			s.send(strings.TrimSuffix(strings.Repeat("duplicate ", len(told)), " "), told...)
			s.accept(s.retraction(told[0]), s.retraction(told[4]))
			s.expect(firstOfJuly(), append(want[1:4:4], want[5:]...)...)
		}},
		{"OutcomesComeInOrder", func(s *scene) {
			a, b := s.state(instance(1), "2024-07-01T10:00:00Z"), s.state(instance(2), "2024-07-01T10:00:00Z")
			reused := s.state(instance(3), "2024-07-01T10:00:00Z", from(a.Name.Source, a.Name.ID))
			s.send("accepted duplicate id_reused accepted duplicate", a, a, reused, b, b)
			s.send("")
		}},
		{"BatchesTakeEffectInTheOrderOfSubmit", func(s *scene) {
			var pending []report.Pending
			for n := range byte(20) {
				pending = append(pending, s.submit(batchOf(s.state(instance(n), "2024-07-01T23:59:00Z", from("/a", "1")))))
			}
			for i := len(pending) - 1; i >= 0; i-- {
				want := "id_reused"
				if i == 0 {
					want = "accepted"
				}
				if got := words(s.wait(pending[i])); got != want {
					s.t.Errorf("batch %d: want %s, got %s", i, want, got)
				}
			}
			s.expect(firstOfJuly(), "instance/0 g1_min=1 2024-07-01T23:59:30Z..2024-07-01T23:59:30Z")
		}},
	}
}

// contents is what makes two observations of one name different.
func contents() []behaviour {
	pairs := []struct {
		name string
		make func(s *scene, changed bool) *metering.Observation
	}{
		{"Time", func(s *scene, changed bool) *metering.Observation {
			return s.state(instance(1), either(changed, "2024-07-01T10:00:00.000000001Z", "2024-07-01T10:00:00Z"))
		}},
		{"Sequence", func(s *scene, changed bool) *metering.Observation {
			return s.state(instance(1), "2024-07-01T10:00:00Z", sequence(either[int64](changed, 1, 0)))
		}},
		{"Resource", func(s *scene, changed bool) *metering.Observation {
			return s.state(either(changed, instance(2), instance(1)), "2024-07-01T10:00:00Z")
		}},
		{"Status", func(s *scene, changed bool) *metering.Observation {
			if changed {
				return s.gone(instance(1), "2024-07-01T10:00:00Z")
			}
			return s.state(instance(1), "2024-07-01T10:00:00Z")
		}},
		{"Multiplier", func(s *scene, changed bool) *metering.Observation {
			return s.state(volume(1), "2024-07-01T10:00:00Z", multiplied(either[uint64](changed, 1, 0)))
		}},
		{"Name", func(s *scene, changed bool) *metering.Observation {
			return s.state(instance(1), "2024-07-01T10:00:00Z", named(either(changed, "a", "")))
		}},
		{"Tags", func(s *scene, changed bool) *metering.Observation {
			return s.state(instance(1), "2024-07-01T10:00:00Z", tagged("k", either(changed, "v", "w")))
		}},
		{"Metric", func(s *scene, changed bool) *metering.Observation {
			return s.state(instance(1), "2024-07-01T10:00:00Z", metered(either(changed, "m", "")))
		}},
		{"Window", func(s *scene, changed bool) *metering.Observation {
			return s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1", toldAt("2024-07-01T12:00:00Z"),
				func(d *draft) { d.To += either[metering.Instant](changed, 1, 0) })
		}},
		{"Quantity", func(s *scene, changed bool) *metering.Observation {
			return s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", either(changed, "1.000001", "1"))
		}},
		{"Kind", func(s *scene, changed bool) *metering.Observation {
			if changed {
				return s.retraction(&metering.Observation{Name: metering.ObservationName{Project: 10, Source: "/x", ID: "y"}}, toldAt("2024-07-01T10:00:00Z"))
			}
			return s.gone(instance(1), "2024-07-01T10:00:00Z")
		}},
		{"Target", func(s *scene, changed bool) *metering.Observation {
			return s.retraction(&metering.Observation{Name: metering.ObservationName{Project: 10, Source: "/x", ID: either(changed, "y", "z")}})
		}},
		{"Reason", func(s *scene, changed bool) *metering.Observation {
			return s.retraction(&metering.Observation{Name: metering.ObservationName{Project: 10, Source: "/x", ID: "y"}},
				func(d *draft) { d.Reason = either(changed, "why", "") })
		}},
	}
	var all []behaviour
	for _, p := range pairs {
		all = append(all, behaviour{"ContentIncludes" + p.name, func(s *scene) {
			one, other := p.make(s, false), p.make(s, true)
			again := *one
			other.Name = one.Name
			s.send("accepted id_reused", one, other)
			s.merge()
			s.restart()
			s.send("id_reused duplicate", other, &again)
		}})
	}
	return all
}

func either[T any](first bool, a, b T) T {
	if first {
		return a
	}
	return b
}

// retractions is what is treated as never observed.
func retractions() []behaviour {
	return []behaviour{
		{"RetractedStateWasNeverObserved", func(s *scene) {
			wrong := s.state(instance(1), "2024-07-01T11:00:00Z", with(metering.Flavor, "g2"))
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z"), wrong, s.gone(instance(1), "2024-07-01T12:00:00Z"))
			s.expect(firstOfJuly(), "instance/1 g1_min=60 2024-07-01T10:00:30Z..2024-07-01T10:59:30Z", "instance/1 g2_min=60 2024-07-01T11:00:30Z..2024-07-01T11:59:30Z")
			s.accept(s.retraction(wrong))
			s.expect(firstOfJuly(), "instance/1 g1_min=120 2024-07-01T10:00:30Z..2024-07-01T11:59:30Z")
		}},
		{"RetractedDeletionOpensTheResourceAgain", func(s *scene) {
			end := s.gone(instance(1), "2024-07-01T10:10:00Z")
			s.accept(s.state(instance(1), "2024-07-01T10:00:00Z"), end)
			s.accept(s.retraction(end))
			s.expect(firstOfJuly(), "instance/1 g1_min=840 2024-07-01T10:00:30Z..2024-07-01T23:59:30Z")
		}},
		{"RetractedResourceHasNoLine", func(s *scene) {
			only, sum := s.state(instance(1), "2024-07-01T10:00:00Z"), s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1")
			s.accept(only, sum)
			s.accept(s.retraction(only), s.retraction(sum))
			s.expect(firstOfJuly())
		}},
		{"RetractedCorrectionBringsTheFirstBack", func(s *scene) {
			correction := s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "5", toldAt("2024-07-02T00:00:00Z"))
			s.accept(s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "9"), correction)
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=5 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
			s.accept(s.retraction(correction))
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=9 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
		}},
	}
}

// retractionNames is retractions as observations with names of their own.
func retractionNames() []behaviour {
	return []behaviour{
		{"RetractionMayComeFirst", func(s *scene) {
			q := s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1")
			late := s.quantity(functions(1), "2024-07-01T12:00:00Z", "2024-07-01T13:00:00Z", "2")
			s.accept(s.retraction(q), s.retraction(late))
			s.merge()
			s.restart()
			s.accept(q)
			s.expect(firstOfJuly())
			s.send("accepted duplicate", late, q)
			s.expect(firstOfJuly())
		}},
		{"RetractedStaysRetractedWhenSentAgain", func(s *scene) {
			q := s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1")
			s.accept(q)
			s.accept(s.retraction(q))
			s.send("duplicate", q)
			s.expect(firstOfJuly())
			fresh := *q
			fresh.Name = s.name(10)
			s.accept(&fresh)
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=1 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
		}},
		{"RetractionOfARetractionHasNoEffect", func(s *scene) {
			q := s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1")
			first := s.retraction(q)
			s.accept(q, first, s.retraction(first))
			s.expect(firstOfJuly())
			other := s.quantity(functions(2), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1")
			second := s.retraction(other)
			s.accept(s.retraction(second), second, other)
			s.expect(firstOfJuly())
		}},
		{"RetractionIsIdempotent", func(s *scene) {
			q := s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1")
			r := s.retraction(q)
			s.send("accepted accepted duplicate accepted", q, r, r, s.retraction(q))
			s.expect(firstOfJuly())
			s.send("duplicate duplicate", r, q)
		}},
		{"RetractionNamesProjectSourceAndID", func(s *scene) {
			q := s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1", from("/a", "1"))
			for _, name := range []metering.ObservationName{{Project: 11, Source: "/a", ID: "1"}, {Project: 10, Source: "/b", ID: "1"}, {Project: 10, Source: "/a", ID: "2"}} {
				s.accept(s.retraction(&metering.Observation{Name: name}))
			}
			s.accept(q)
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=1 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
		}},
		{"RefusedRetractionHasNoEffect", func(s *scene) {
			q := s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1")
			r := s.retraction(q)
			r.Name = q.Name
			s.send("accepted id_reused", q, r)
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=1 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
		}},
	}
}
