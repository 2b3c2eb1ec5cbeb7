package fleet

import (
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// Config describes a fleet. A zero member stands for its default; in the
// members that say so, a negative one stands for none.
type Config struct {
	Seed uint64
	// Resources is how many resources of all types but egress_traffic live at
	// any time; default 1000, at least one of each type.
	Resources int
	// TrafficPorts is how many ports tell their egress traffic each hour;
	// default one per 1000 resources, at least one. Negative: none.
	TrafficPorts int
	Clients      int // default 5
	Projects     int // of all clients together, at least one each; default 4 per client
	Regions      int // default 3, at most 200
	// Months is how many calendar months before the month of End have the full
	// fleet; default 12.
	Months int
	// End is the instant at which observations end (exclusive); default
	// 2025-01-01T00:00:00Z.
	End metering.Instant
	// ReplacedPercent is the share of Resources that is deleted and made anew
	// in 730 hours; default 20. Negative: none.
	ReplacedPercent int
	// ChangedPercent is the number of other states that 100 resources get in
	// 730 hours; default 7. Negative: none.
	ChangedPercent int
	// ShortLivedPercent is the number of autoscaling machines that are made in
	// 730 hours per 100 resources; default 2. Negative: none.
	ShortLivedPercent int
}

func (c Config) withDefaults() Config {
	c.Resources = max(orDefault(c.Resources, 1000), len(mix()))
	c.TrafficPorts = orDefault(c.TrafficPorts, max(1, c.Resources/1000))
	c.Clients = max(orDefault(c.Clients, 5), 1)
	c.Projects = max(orDefault(c.Projects, 4*c.Clients), c.Clients)
	c.Regions = min(max(orDefault(c.Regions, 3), 1), 200)
	c.Months = max(orDefault(c.Months, 12), 1)
	c.ReplacedPercent = orDefault(c.ReplacedPercent, 20)
	c.ChangedPercent = orDefault(c.ChangedPercent, 7)
	c.ShortLivedPercent = orDefault(c.ShortLivedPercent, 2)
	if c.End == 0 {
		c.End = metering.DayOf(2025, time.January, 1).Start()
	}
	return c
}

// orDefault replaces zero by the default and a negative number by zero.
func orDefault(n, byDefault int) int {
	if n == 0 {
		return byDefault
	}
	return max(n, 0)
}

// Client names a client (tenant).
type Client string

// Project is a project of the fleet.
type Project struct {
	ID     metering.ProjectID
	Client Client
	Name   string

	home, second                uint8 // regions, by index
	network, subnet, schedule   metering.UUID
	firstSlot, slotCount, share int
}

// Region is a region of the fleet.
type Region struct {
	ID      metering.RegionID
	Name    string
	Country string // ISO 3166-1 alpha-2
}

// Fleet is a fleet that is ready to tell its observations. It is immutable.
type Fleet struct {
	config   Config
	start    metering.Instant
	projects []Project
	regions  []Region
	words    vocabulary
	types    []metering.ResourceType // of Resources, in the order of the slots
	sources  [][]string              // by kind and region
}

// New plans a fleet.
func New(c Config) *Fleet {
	c = c.withDefaults()
	random := rand.New(rand.NewPCG(c.Seed, 1))
	f := &Fleet{
		config:  c,
		start:   startOf(c),
		regions: regionList(c.Regions),
		words:   newVocabulary(random),
		types:   plannedTypes(c.Resources, random),
	}
	f.projects = planProjects(c, random)
	for kind := openstack; kind <= inference; kind++ {
		var paths []string
		for _, region := range f.regions {
			paths = append(paths, kind.path()+strconv.FormatInt(int64(region.ID), 10))
		}
		f.sources = append(f.sources, paths)
	}
	return f
}

// startOf returns the first instant of the month that lies Months before the
// month of End.
func startOf(c Config) metering.Instant {
	year, month, _ := c.End.Time().Date()
	return metering.DayOf(year, month-time.Month(c.Months), 1).Start()
}

// Start is the instant from which on the full fleet is there; the first
// observations are up to two years older.
func (f *Fleet) Start() metering.Instant { return f.start }

// End is the instant at which observations end (exclusive).
func (f *Fleet) End() metering.Instant { return f.config.End }

// Projects lists the projects by id.
func (f *Fleet) Projects() []Project { return append([]Project(nil), f.projects...) }

// Regions lists the regions.
func (f *Fleet) Regions() []Region { return append([]Region(nil), f.regions...) }

// EstimatedEvents is about how many observations Events yields, for progress
// bars.
func (f *Fleet) EstimatedEvents() int {
	c := &f.config
	hours := int((c.End - f.start) / hour)
	// Replaced and short-lived resources are made and deleted.
	percent := 2*c.ReplacedPercent + c.ChangedPercent + 2*c.ShortLivedPercent
	events := c.TrafficPorts * hours
	for _, t := range f.types {
		if t.Measure() == metering.Counted {
			events += hours / int(windowOf(t)/hour)
		} else {
			events++
		}
	}
	return events + c.Resources/100*percent*hours/int(month/hour)
}

// planProjects gives each project its client, its regions and its range of
// slots: project shares fall like 1, 1/2, 1/3, ..., so that a few are big and
// many are small.
func planProjects(c Config, random *rand.Rand) []Project {
	projects := make([]Project, c.Projects)
	sum := 0
	for i, rank := range random.Perm(c.Projects) {
		projects[i].share = 1_000_000 / (rank + 1)
		sum += projects[i].share
	}
	clients := clientNames(c.Clients)
	words := roles()
	first, done := 0, 0
	for i := range projects {
		p := &projects[i]
		p.ID = metering.ProjectID(10 + i)
		client := i // each client has a project
		if i >= c.Clients {
			client = min(random.IntN(c.Clients), random.IntN(c.Clients))
		}
		p.Client = clients[client]
		p.Name = string(p.Client) + "-" + words[i%len(words)] + "-" + twoDigits(i)
		p.home, p.second = uint8(random.IntN(c.Regions)), uint8(random.IntN(c.Regions))
		p.network, p.subnet, p.schedule = newUUID(random), newUUID(random), newUUID(random)
		done += p.share
		end := int(int64(c.Resources) * int64(done) / int64(sum))
		p.firstSlot, p.slotCount = first, end-first
		first = end
	}
	return projects
}

// newUUID draws a UUID of version 4.
func newUUID(random *rand.Rand) (u metering.UUID) {
	hi, lo := random.Uint64(), random.Uint64()
	for i := range 8 {
		u[i], u[8+i] = byte(hi>>(8*i)), byte(lo>>(8*i))
	}
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}
