package columns

import (
	"cmp"
	"container/heap"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// IDCursor walks the resources of one type in the order of their ids, those of
// one id in canonical order. Within a group the ids are sorted already, so it
// merges the groups, and takes memory for each group only.
type IDCursor struct {
	base *Base
	runs idRuns
}

// idRun is the resources [at, end) of a group that the cursor has not come to.
type idRun struct{ group, at, end int }

// ByID returns a cursor before the resources of a type within the scope.
func (b *Base) ByID(t metering.ResourceType, scope report.Scope) *IDCursor {
	c := &IDCursor{base: b, runs: idRuns{base: b}}
	q := report.Query{Projects: scope.Projects, Regions: scope.Regions, Types: scope.Types & report.TypesOf(t)}
	for g := range b.groupsOf(newPicker(&q)) {
		if r := (idRun{g, int(b.groups[g].first), b.groupEnd(g)}); r.at < r.end {
			c.runs.all = append(c.runs.all, r)
		}
	}
	heap.Init(&c.runs)
	return c
}

// Valid reports whether the cursor stands at a resource.
func (c *IDCursor) Valid() bool { return len(c.runs.all) > 0 }

// Resource returns the index and the key of the resource at the cursor.
func (c *IDCursor) Resource() (res int, key metering.ResourceKey) {
	r := &c.runs.all[0]
	return r.at, c.base.groups[r.group].key(c.base.ids[r.at])
}

// Next steps to the next resource.
func (c *IDCursor) Next() {
	r := &c.runs.all[0]
	if r.at++; r.at < r.end {
		heap.Fix(&c.runs, 0)
		return
	}
	heap.Pop(&c.runs)
}

// idRuns is a heap with the least id first. It implements heap.Interface.
type idRuns struct {
	base *Base
	all  []idRun
}

func (h *idRuns) Len() int      { return len(h.all) }
func (h *idRuns) Swap(i, j int) { h.all[i], h.all[j] = h.all[j], h.all[i] }
func (h *idRuns) Push(r any)    { h.all = append(h.all, r.(idRun)) }

func (h *idRuns) Less(i, j int) bool {
	r, s := &h.all[i], &h.all[j]
	return cmp.Or(h.base.ids[r.at].Compare(h.base.ids[s.at]), cmp.Compare(r.group, s.group)) < 0
}

func (h *idRuns) Pop() any {
	last := len(h.all) - 1
	r := h.all[last]
	h.all = h.all[:last]
	return r
}
