package columns

import (
	"iter"
	"runtime"
	"sort"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// picker selects whole groups: by project, region and type.
type picker struct {
	q     *report.Query
	types report.TypeSet
}

func newPicker(q *report.Query) picker {
	types := q.Types
	if q.Where != nil {
		types &= report.TypesOf(q.Where.Type)
	}
	if q.Tags != nil {
		for _, t := range metering.ResourceTypes() {
			if !t.HasTags() {
				types &^= report.TypesOf(t)
			}
		}
	}
	return picker{q: q, types: types}
}

func (p picker) takes(g *group) bool {
	return p.types.Contains(g.resourceType()) && p.q.Regions.Contains(metering.RegionID(g.region))
}

// among yields the indexes of the selected ones of n groups that are sorted by
// project. Projects that are named are looked up, not walked to.
func (p picker) among(n int, at func(int) *group) iter.Seq[int] {
	return func(yield func(int) bool) {
		walk := func(from, to int) bool {
			for i := from; i < to; i++ {
				if p.takes(at(i)) && !yield(i) {
					return false
				}
			}
			return true
		}
		if p.q.Projects.All {
			walk(0, n)
			return
		}
		from := 0
		for _, project := range p.q.Projects.Items {
			from = seek(n, from, func(i int) bool { return at(i).project < int64(project) })
			to := seek(n, from, func(i int) bool { return at(i).project == int64(project) })
			if !walk(from, to) {
				return
			}
			from = to
		}
	}
}

// seek returns the first index from `from` on, up to n, at which below no longer
// holds. It looks nearby first, so that many projects in a row cost little each.
func seek(n, from int, below func(i int) bool) int {
	to, step := from, 1
	for to < n && below(to) {
		from, to, step = to+1, to+step, 2*step
	}
	to = min(to, n)
	return from + sort.Search(to-from, func(i int) bool { return !below(from + i) })
}

// groupsOf yields the indexes of the base's groups that the query selects.
func (b *Base) groupsOf(p picker) iter.Seq[int] {
	return p.among(len(b.groups), func(i int) *group { return &b.groups[i] })
}

// allGroups yields the index of every group.
func (b *Base) allGroups() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range b.groups {
			if !yield(i) {
				return
			}
		}
	}
}

// narrowShare: a query that selects less than 1/narrowShare of the resources
// reads them straight from the base, rather than have the whole period
// projected.
const narrowShare = 8

// projectionFor returns a projection that holds at least what the query
// selects.
func (b *Base) projectionFor(q *report.Query, p picker) *Projection {
	if whole := b.projections.find(q.Period); whole != nil {
		return whole
	}
	selected := 0
	for i := range b.groupsOf(p) {
		selected += b.groupEnd(i) - int(b.groups[i].first)
	}
	if selected < len(b.ids)/narrowShare {
		return b.project(q.Period, b.groupsOf(p))
	}
	return b.projections.get(q.Period, func() *Projection { return b.projectWhole(q.Period, b.workers(runtime.GOMAXPROCS(0))) })
}
