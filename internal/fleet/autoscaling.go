package fleet

import "github.com/meterbook/meterbook/internal/metering"

// groupRate is about how many machines an autoscaling group makes a month.
const groupRate = 30

func (g *generator) addAutoscaling(project int) {
	p := &g.projects[project]
	g.slots = append(g.slots, slot{typ: g.instance, project: int32(project), region: p.home, at: g.start})
	i := len(g.slots) - 1
	g.planSpawn(&g.slots[i])
	g.schedule(i)
}

// planSpawn sets when the group makes its next machine: mostly by day.
func (g *generator) planSpawn(s *slot) {
	s.step = spawn
	s.at += minute + g.exponential(month/groupRate)
	if h := (s.at % day) / hour; (h < 7 || h > 21) && g.random.IntN(3) > 0 {
		s.at += 10 * hour
	}
}

// shortLife draws how long an autoscaling machine lives: minutes to hours, but
// some fail within seconds.
func (g *generator) shortLife() metering.Instant {
	switch g.random.IntN(20) {
	case 0:
		return 1 + g.below(40*metering.Second)
	case 1, 2, 3, 4, 5, 6, 7, 8:
		return minute + g.below(30*minute)
	}
	return 30*minute + g.below(10*hour)
}
