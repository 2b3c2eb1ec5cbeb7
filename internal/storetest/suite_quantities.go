package storetest

import (
	"github.com/meterbook/meterbook/internal/metering"
)

// quantities is what sources say was consumed.
func quantities() []behaviour {
	return []behaviour{
		{"QuantitiesAddUpExactly", func(s *scene) {
			s.accept(s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "12.000001"), s.quantity(functions(1), "2024-07-01T11:00:00Z", "2024-07-01T12:00:00Z", "0.5"),
				s.quantity(functions(2), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "999999999999999.999999"), s.quantity(functions(2), "2024-07-01T11:00:00Z", "2024-07-01T12:00:00Z", "0.000001"),
				s.quantity(port(3), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "9223372036854775807"), s.quantity(port(3), "2024-07-01T12:00:00Z", "2024-07-01T13:00:00Z", "9223372036854775807"))
			s.expect(firstOfJuly(),
				"egress_traffic/3 egress_traffic_vm_gbs=18446744073709551614 2024-07-01T10:00:00Z..2024-07-01T13:00:00Z",
				"functions/1 faas_function_resources_sec=12.500001 2024-07-01T10:00:00Z..2024-07-01T12:00:00Z",
				"functions/2 faas_function_resources_sec=1000000000000000 2024-07-01T10:00:00Z..2024-07-01T12:00:00Z")
		}},
		{"QuantityBelongsToTheDayOfItsBeginning", func(s *scene) {
			s.accept(s.quantity(functions(1), "2024-07-01T23:30:00Z", "2024-07-02T00:30:00Z", "3"), s.quantity(functions(1), "2024-07-02T00:00:00Z", "2024-07-03T00:00:00Z", "5"),
				s.quantity(functions(1), "2024-06-30T23:59:59.999999999Z", "2024-07-01T00:00:00Z", "7"))
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=3 2024-07-01T23:30:00Z..2024-07-02T00:00:00Z")
			s.expect(period("2024-07-02", "2024-07-03"), "functions/1 faas_function_resources_sec=5 2024-07-02T00:00:00Z..2024-07-03T00:00:00Z")
			s.expect(period("2024-06-30", "2024-07-02"), "functions/1 faas_function_resources_sec=10 2024-06-30T23:59:59.999999999Z..2024-07-02T00:00:00Z")
			s.expect(period("2024-07-01", "2024-07-03"), "functions/1 faas_function_resources_sec=8 2024-07-01T23:30:00Z..2024-07-03T00:00:00Z")
		}},
	}
}

// corrections is several observations of one window.
func corrections() []behaviour {
	return []behaviour{
		{"LaterObservationOfOneWindowCorrects", func(s *scene) {
			window := func(amount, told string, edits ...edit) *metering.Observation {
				return s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", amount, append(edits, toldAt(told))...)
			}
			s.accept(window("5", "2024-07-01T12:00:00Z"))
			s.accept(window("9", "2024-07-01T11:00:00Z"))
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=5 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
			s.accept(window("0", "2024-07-03T12:00:00Z", named("corrected")), window("4", "2024-07-02T12:00:00Z"))
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=0 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z name=corrected")
		}},
		{"AmountThenSourceThenIDDecideAtOneInstant", func(s *scene) {
			window := func(amount, name, source, id string) *metering.Observation {
				return s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", amount, named(name), from(source, id), sequence(int64(len(name))))
			}
			s.accept(window("10", "less", "/z", "z"), window("11", "sourceA", "/a", "z"), window("11", "b1", "/b", "1"))
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=11 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z name=b1")
			s.accept(window("11", "b11", "/b", "11"), window("11", "b10", "/b", "10"), window("9", "little", "/zz", "zz"))
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=11 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z name=b11")
		}},
		{"CorrectionIsOfOneMeterOnly", func(s *scene) {
			window := func(amount, told string, edits ...edit) *metering.Observation {
				return s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", amount, append(edits, toldAt(told))...)
			}
			s.accept(window("1", "2024-07-01T11:00:00Z"), window("2", "2024-07-01T12:00:00Z", with(metering.InstanceType, "router")),
				window("4", "2024-07-01T12:00:00Z", metered("m")), window("8", "2024-07-01T12:00:00Z", with(metering.InstanceType, "router"), metered("m")))
			s.expect(firstOfJuly(),
				"egress_traffic/1 egress_traffic_router_gbs=2 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z",
				"egress_traffic/1 egress_traffic_vm_gbs=1 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z",
				"egress_traffic/1 m=8 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z",
				"egress_traffic/1 m=4 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
		}},
		{"OverlappingWindowsAddUp", func(s *scene) {
			s.accept(s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T12:00:00Z", "1"))
			s.accept(s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "2"), s.quantity(functions(1), "2024-07-01T10:30:00Z", "2024-07-01T11:00:00Z", "4"))
			s.accept(s.quantity(functions(1), "2024-07-01T09:59:59.999999999Z", "2024-07-01T11:00:00Z", "8"))
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=15 2024-07-01T09:59:59.999999999Z..2024-07-01T12:00:00Z")
		}},
	}
}

// windows is what the windows make of a line.
func windows() []behaviour {
	return []behaviour{
		{"AttributesAreThoseOfTheGreatestWindow", func(s *scene) {
			s.accept(s.quantity(functions(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "1", named("latest told"), toldAt("2024-07-04T00:00:00Z")),
				s.quantity(functions(1), "2024-07-01T11:00:00Z", "2024-07-01T12:00:00Z", "1", named("short")),
				s.quantity(functions(1), "2024-07-01T11:00:00Z", "2024-07-01T13:00:00Z", "1", named("long")),
				s.quantity(functions(1), "2024-07-01T09:00:00Z", "2024-07-01T18:00:00Z", "1", named("longest")))
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=4 2024-07-01T09:00:00Z..2024-07-01T18:00:00Z name=long")
		}},
		{"QuantitiesCountWhollyWhateverNowIs", func(s *scene) {
			s.clock.Set(At("2024-07-01T10:00:00Z"))
			s.accept(s.quantity(functions(1), "2024-07-01T10:30:00Z", "2024-07-01T11:00:00Z", "6"), s.quantity(functions(1), "2024-07-01T09:30:00Z", "2024-07-01T10:30:00Z", "1"))
			s.expect(firstOfJuly(), "functions/1 faas_function_resources_sec=7 2024-07-01T09:30:00Z..2024-07-01T11:00:00Z")
		}},
		{"QuantityOfNothingIsALine", func(s *scene) {
			s.accept(s.quantity(port(1), "2024-07-01T10:00:00Z", "2024-07-01T11:00:00Z", "0"))
			s.expect(firstOfJuly(), "egress_traffic/1 egress_traffic_vm_gbs=0 2024-07-01T10:00:00Z..2024-07-01T11:00:00Z")
		}},
	}
}
