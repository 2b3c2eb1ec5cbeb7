package columns

import (
	"cmp"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/meterbook/meterbook/internal/metering"
)

// Base is an immutable, sorted set of folded resources. All slices lie in the
// mapped file, or in memory when the base was just built.
type Base struct {
	// Seq is the sequence number up to which observations are folded in.
	Seq uint64

	groups   []group
	ids      []metering.UUID // of the resources
	itemEnd  []uint32        // end of a resource's items in its table (segments or cells)
	boundary []uint32        // LastBoundary of the timeline; 0 for counted resources
	hidden   []uint32        // Hidden of the timeline; 0 for counted resources
	flags    []uint8         // flagKnown, flagShared

	seg  segments
	cell cells

	meters  []metering.Meter
	names   texts
	rank    []uint32 // by name: the place among all distinct names, by bytes
	tagSets texts
	extras  texts

	// days are those of a counted resource, by its index, that have changed, where it
	// has no others here.
	days map[int][]metering.Day

	projections cache
	refs        atomic.Int32
	release     func() error // unmaps; nil for a base in memory
	file        []byte       // as it was loaded; nil for a base in memory
	image       []byte       // the file that a base in memory would be; nil: it was not made yet
	size        int64        // of the file, or about that of the columns in memory
}

// group is a contiguous run of resources of one project, region and type.
type group struct {
	project   int64
	region    int64
	kind      uint32 // metering.ResourceType
	first     uint32 // index of the first resource
	firstItem uint32 // index of its first item
	_         uint32
}

func (g *group) resourceType() metering.ResourceType { return metering.ResourceType(g.kind) }

// compare compares the group's project, region and type with those of a key.
func (g *group) compare(k *metering.ResourceKey) int {
	switch {
	case g.project != int64(k.Project):
		return cmp.Compare(g.project, int64(k.Project))
	case g.region != int64(k.Region):
		return cmp.Compare(g.region, int64(k.Region))
	}
	return cmp.Compare(g.kind, uint32(k.Type))
}

// alike reports whether both are of one project, region and type.
func (g *group) alike(h *group) bool {
	return g.project == h.project && g.region == h.region && g.kind == h.kind
}

func (g *group) key(id metering.UUID) metering.ResourceKey {
	return metering.ResourceKey{
		Project: metering.ProjectID(g.project), Region: metering.RegionID(g.region), Type: g.resourceType(), ID: id,
	}
}

// segments are the columns of the states' table: half-open [from, to) minutes.
type segments struct {
	from, to, meter, name, tags, extra []uint32
	mult                               []uint64
}

// cells are the columns of the quantities' table, one a (resource, day, meter).
type cells struct {
	day                      []int32
	meter, name, tags, extra []uint32
	hi, lo                   []uint64
	first, last              []int64

	windowsEnd []uint32 // end of what is known of a sum's windows, in windows
	windows    []byte
}

// windowsOf returns what is known of the windows of the sum at an index; nil: nothing.
func (c *cells) windowsOf(i int) metering.WindowList {
	from, to := c.windowsBefore(uint32(i)), c.windowsEnd[i]
	if from == to {
		return nil
	}
	return c.windows[from:to:to]
}

// windowsBefore returns where those of the sum at an index begin.
func (c *cells) windowsBefore(i uint32) uint32 {
	if i == 0 {
		return 0
	}
	return c.windowsEnd[i-1]
}

const (
	flagKnown  = 1 << 0
	flagShared = 1 << 1
)

// noRank is the rank of a missing name: behind all others.
const noRank = 1<<32 - 1

// partly notes that the resource at an index has only some of its days here.
func (b *Base) partly(res int, days []metering.Day) {
	if b.days == nil {
		b.days = map[int][]metering.Day{}
	}
	b.days[res] = days
}

// Resources returns the number of resources.
func (b *Base) Resources() int { return len(b.ids) }

// Segments returns the number of segments of all timelines.
func (b *Base) Segments() int { return len(b.seg.from) }

// DaySumCount returns the number of day sums of all counted resources.
func (b *Base) DaySumCount() int { return len(b.cell.day) }

// Size returns the bytes that the columns take, mapped or not.
func (b *Base) Size() int64 { return b.size }

// Acquire keeps the base mapped until Release.
func (b *Base) Acquire() { b.refs.Add(1) }

// Release undoes one Acquire; the last one unmaps the file.
func (b *Base) Release() error {
	if b.refs.Add(-1) == 0 && b.release != nil {
		return b.release()
	}
	return nil
}

// groupEnd returns the index behind the group's last resource.
func (b *Base) groupEnd(g int) int {
	if g+1 < len(b.groups) {
		return int(b.groups[g+1].first)
	}
	return len(b.ids)
}

// items returns the half-open range of a resource's items.
func (b *Base) items(g *group, res int) (from, to int) {
	if res == int(g.first) {
		return int(g.firstItem), int(b.itemEnd[res])
	}
	return int(b.itemEnd[res-1]), int(b.itemEnd[res])
}

// NotFound is the index of a resource that a base does not hold.
const NotFound = -1

// Find returns the index of a resource, or NotFound.
func (b *Base) Find(key metering.ResourceKey) int {
	g := sort.Search(len(b.groups), func(i int) bool { return b.groups[i].compare(&key) >= 0 })
	if g == len(b.groups) || b.groups[g].compare(&key) != 0 {
		return NotFound
	}
	first := int(b.groups[g].first)
	i, found := slices.BinarySearchFunc(b.ids[first:b.groupEnd(g)], key.ID, metering.UUID.Compare)
	if !found {
		return NotFound
	}
	return first + i
}

// groupOf returns the index of the group that holds a resource.
func (b *Base) groupOf(res int) int {
	return sort.Search(len(b.groups), func(i int) bool { return int(b.groups[i].first) > res }) - 1
}

// Timeline returns the timeline of the resource at index res.
func (b *Base) Timeline(res int) metering.Timeline {
	g := &b.groups[b.groupOf(res)]
	from, to := b.items(g, res)
	t := metering.Timeline{
		LastBoundary: metering.Minute(b.boundary[res]),
		Known:        b.flags[res]&flagKnown != 0,
		Hidden:       metering.Minute(b.hidden[res]),
		Shared:       b.flags[res]&flagShared != 0,
	}
	for i := from; i < to; i++ {
		t.Segments = append(t.Segments, metering.Segment{
			From: metering.Minute(b.seg.from[i]), To: metering.Minute(b.seg.to[i]), Is: b.description(i),
		})
	}
	return t
}

func (b *Base) description(seg int) *metering.Description {
	d := &metering.Description{Meter: b.meters[b.seg.meter[seg]], Multiplier: b.seg.mult[seg]}
	b.attributes(&d.Attributes, &d.Meter, b.seg.name[seg], b.seg.tags[seg], b.seg.extra[seg], copied)
	return d
}

// DaySums returns the sums of the counted resource at index res that lie in the
// period, in the order of day and meter, without their windows.
func (b *Base) DaySums(res int, in metering.Period) (sums []metering.DaySum) {
	b.eachDaySum(res, in, func(_ int, s metering.DaySum) { sums = append(sums, s) })
	return sums
}

// eachDaySum visits the sums with their indexes.
func (b *Base) eachDaySum(res int, in metering.Period, visit func(i int, s metering.DaySum)) {
	g := &b.groups[b.groupOf(res)]
	from, to := b.items(g, res)
	from += sort.Search(to-from, func(i int) bool { return b.cell.day[from+i] >= int32(in.From) })
	for i := from; i < to && b.cell.day[i] < int32(in.To); i++ {
		s := metering.DaySum{
			Day:        metering.Day(b.cell.day[i]),
			Meter:      b.meters[b.cell.meter[i]],
			Sum:        metering.Amount{Hi: b.cell.hi[i], Lo: b.cell.lo[i]},
			First:      metering.Instant(b.cell.first[i]),
			Last:       metering.Instant(b.cell.last[i]),
			Attributes: &metering.Attributes{},
		}
		b.attributes(s.Attributes, &s.Meter, b.cell.name[i], b.cell.tags[i], b.cell.extra[i], copied)
		visit(i, s)
	}
}

// Key returns the key of the resource at index res.
func (b *Base) Key(res int) metering.ResourceKey {
	return b.groups[b.groupOf(res)].key(b.ids[res])
}
