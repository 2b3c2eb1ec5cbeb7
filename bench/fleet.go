package main

import (
	"time"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/metering"
)

// scale is the size of a fleet. The standard one has 1,000,000 live resources,
// 2,000 projects, 20 regions, 1,000 ports with hourly traffic, 12 months.
type scale struct{ Resources, Months, Ports, Projects int }

func scaleOf(resources, months int) scale {
	return scale{Resources: resources, Months: months, Ports: max(1, resources/1000), Projects: max(20, resources/500)}
}

func (s scale) fleet() *fleet.Fleet {
	return fleet.New(fleet.Config{
		Seed: 1, Resources: s.Resources, TrafficPorts: s.Ports, Months: s.Months,
		Clients: max(1, s.Projects/40), Projects: s.Projects, Regions: 20, ReplacedPercent: 20,
	})
}

// small fleets are measured with fewer repetitions: they show that it works.
func (s scale) small() bool { return s.Resources < 50_000 }

// times is how often something is asked: n times, or a tenth of that.
func (s scale) times(n int) int {
	if s.small() {
		return max(3, n/10)
	}
	return n
}

// lasting is how long something goes on: d, or a tenth of that.
func (s scale) lasting(d time.Duration) time.Duration {
	if s.small() {
		return d / 10
	}
	return d
}

// period returns the whole months [from, to) counted back from the end of the
// fleet: period(2, 1) is the last month but one.
func period(end metering.Instant, from, to int) (time.Time, time.Time) {
	return end.Time().AddDate(0, -from, 0), end.Time().AddDate(0, -to, 0)
}
