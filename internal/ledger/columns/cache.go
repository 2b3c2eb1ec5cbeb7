package columns

import (
	"slices"
	"sync"

	"github.com/meterbook/meterbook/internal/metering"
)

// Limits of what is kept of projections: they are derived, so they are only
// worth their memory while they are asked for.
const (
	maxProjections    = 3
	maxProjectionRows = 6_000_000
)

// cache keeps the projections that were used last, the latest one first.
type cache struct {
	mu struct {
		sync.Mutex
		kept []*entry
	}
	ranked    sync.Once
	meterRank []uint32
}

// entry is a projection that is there or being built.
type entry struct {
	period metering.Period
	ready  chan struct{}
	built  *Projection // nil, once ready: it could not be built
}

func (e *entry) rows() int {
	if e.built == nil {
		return 0
	}
	return e.built.rows()
}

// find returns the projection of the period, waiting while it is being built;
// nil when there is none.
func (c *cache) find(period metering.Period) *Projection {
	c.mu.Lock()
	e := c.takeLocked(period)
	c.mu.Unlock()
	if e == nil {
		return nil
	}
	<-e.ready
	return e.built
}

// takeLocked moves the period's entry to the front.
func (c *cache) takeLocked(period metering.Period) *entry {
	i := slices.IndexFunc(c.mu.kept, func(e *entry) bool { return e.period == period })
	if i < 0 {
		return nil
	}
	e := c.mu.kept[i]
	copy(c.mu.kept[1:i+1], c.mu.kept[:i])
	c.mu.kept[0] = e
	return e
}

// get returns the projection of the period, building it if need be. However
// many ask at once, it is built once.
func (c *cache) get(period metering.Period, build func() *Projection) *Projection {
	for {
		c.mu.Lock()
		e := c.takeLocked(period)
		if e == nil {
			e = &entry{period: period, ready: make(chan struct{})}
			c.mu.kept = append([]*entry{e}, c.mu.kept...)
			c.mu.Unlock()
			c.build(e, build)
			c.trim()
			return e.built
		}
		c.mu.Unlock()
		if <-e.ready; e.built != nil {
			return e.built
		}
	}
}

// build builds what an entry is for. If that panics, because the base is damaged,
// the entry goes, so that nobody waits for it.
func (c *cache) build(e *entry, build func() *Projection) {
	defer func() {
		if e.built == nil {
			c.mu.Lock()
			c.mu.kept = slices.DeleteFunc(c.mu.kept, func(kept *entry) bool { return kept == e })
			c.mu.Unlock()
		}
		close(e.ready)
	}()
	e.built = build()
}

// trim drops what was used longest ago beyond the limits; the latest stays.
func (c *cache) trim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := 0
	for i, e := range c.mu.kept {
		select {
		case <-e.ready:
			rows += e.rows()
		default: // being built: it will trim when it is there
		}
		if i > 0 && (i >= maxProjections || rows > maxProjectionRows) {
			c.mu.kept = c.mu.kept[:i:i]
			return
		}
	}
}

// periods lists what is kept, the latest first.
func (c *cache) periods() []metering.Period {
	c.mu.Lock()
	defer c.mu.Unlock()
	var periods []metering.Period
	for _, e := range c.mu.kept {
		periods = append(periods, e.period)
	}
	return periods
}

// Warm builds the projections that prev had, so that reports that moved from
// prev to b do not wait for them. It takes one core: the others are for reports.
func (b *Base) Warm(prev *Base) {
	periods := prev.projections.periods()
	slices.Reverse(periods)
	for _, period := range periods {
		b.projections.get(period, func() *Projection { return b.projectWhole(period, 1) })
	}
}

// meterRanks gives every meter its place among all, so that ordering by meter
// compares integers.
func (b *Base) meterRanks() []uint32 {
	c := &b.projections
	c.ranked.Do(func() {
		sorted := make([]int, len(b.meters))
		for i := range sorted {
			sorted[i] = i
		}
		slices.SortFunc(sorted, func(x, y int) int { return b.meters[x].Compare(b.meters[y]) })
		c.meterRank = make([]uint32, len(b.meters))
		for rank, meter := range sorted {
			c.meterRank[meter] = uint32(rank)
		}
	})
	return c.meterRank
}

// ProjectionRows returns the rows of all projections that are kept.
func (b *Base) ProjectionRows() int {
	b.projections.mu.Lock()
	defer b.projections.mu.Unlock()
	rows := 0
	for _, e := range b.projections.mu.kept {
		select {
		case <-e.ready:
			rows += e.rows()
		default:
		}
	}
	return rows
}
