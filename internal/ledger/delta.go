package ledger

import (
	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// folded is a unit as it is now: the timeline of a resource with states, or the
// sums of one day of a counted one. It never changes once a view may see it.
type folded struct {
	unit     layout.Unit
	timeline metering.Timeline
	sums     []metering.DaySum
}

// change says that a unit is like this from here on. Changes of one unit have
// the same slot; the last one counts.
type change struct {
	slot    uint32
	base    int32 // the resource's index in the base, or columns.NotFound
	project metering.ProjectID
	is      *folded
}

// delta is what changed since the base. It belongs to the sequencer; views see
// a prefix of its log.
type delta struct {
	base  *columns.Base
	slots map[layout.Unit]*tracked
	log   []change
	// shown is how many changes a view may see; what is behind them is the
	// sequencer's own, and need not be copied to be changed.
	shown int
	// stale counts the segments of changes that later ones of the same unit
	// follow.
	stale int
}

// maxStaleSegments bounds the memory of changes that nobody needs any more, at
// 16 bytes a segment: of a resource with a long history each change has all of
// it.
const maxStaleSegments = 4 << 20

// tracked is the last change of a unit.
type tracked struct {
	slot uint32
	base int32
	at   int // of the change in the log; notLogged when the unit is as in the base
	now  *folded
}

const notLogged = -1

func newDelta(base *columns.Base) *delta {
	return &delta{base: base, slots: map[layout.Unit]*tracked{}}
}

// current returns the unit as it is now, from the delta or the base.
func (d *delta) current(u layout.Unit) *tracked {
	if t, ok := d.slots[u]; ok {
		return t
	}
	res := d.base.Find(u.Resource)
	t := &tracked{slot: uint32(len(d.slots)), base: int32(res), at: notLogged, now: &folded{unit: u}}
	if res != columns.NotFound {
		if u.Resource.Type.Measure() == metering.Counted {
			t.now.sums = d.base.DaySums(res, metering.Period{From: u.Day, To: u.Day + 1})
		} else {
			t.now.timeline = d.base.Timeline(res)
		}
	}
	return t
}

// set makes f the unit's present fold.
func (d *delta) set(t *tracked, f *folded) {
	if t.at != notLogged {
		d.stale += len(t.now.timeline.Segments)
	}
	t.now, t.at = f, len(d.log)
	d.slots[f.unit] = t
	d.log = append(d.log, change{slot: t.slot, base: t.base, project: f.unit.Resource.Project, is: f})
}

// place adds one observation to its unit; false when the unit must be folded
// anew from all its observations.
func (d *delta) place(o *metering.Observation) bool {
	u := layout.UnitOf(o)
	t := d.current(u)
	f, ok := &folded{unit: u}, false
	if o.Kind == metering.QuantityObserved {
		w := o.Window()
		f.sums, ok = metering.PlaceWindow(t.now.sums, &w)
	} else {
		s := o.State()
		if t.at >= d.shown && t.now.timeline.Append(&s) {
			return true
		}
		f.timeline, ok = t.now.timeline.Place(&s)
	}
	if ok {
		d.set(t, f)
	}
	return ok
}

// compact drops the changes that later ones of the same unit follow, when there
// are more of them than others. Views keep the log that they have.
func (d *delta) compact() {
	if len(d.log) < 2*len(d.slots)+1024 && d.stale < maxStaleSegments {
		return
	}
	log := make([]change, 0, len(d.slots)+len(d.slots)/2)
	for _, t := range d.slots {
		t.at = len(log)
		log = append(log, change{slot: t.slot, base: t.base, project: t.now.unit.Resource.Project, is: t.now})
	}
	// The same units are in the log that views have.
	d.log, d.shown, d.stale = log, len(log), 0
}

// rebase returns the delta of what changed after the first n entries of the
// log, over a base that has those folded in.
func (d *delta) rebase(base *columns.Base, n int) *delta {
	fresh := newDelta(base)
	for _, c := range d.log[n:] {
		t, ok := fresh.slots[c.is.unit]
		if !ok {
			t = &tracked{slot: uint32(len(fresh.slots)), base: int32(base.Find(c.is.unit.Resource)), at: notLogged}
		}
		fresh.set(t, c.is)
	}
	fresh.shown = len(fresh.log) // the same units are in the log that views have
	return fresh
}

// view returns what the delta and its base show now, as of a sequence number.
func (d *delta) view(seq layout.Seq) *view {
	d.shown = len(d.log)
	return &view{base: d.base, log: d.log[:len(d.log):len(d.log)], slots: len(d.slots), seq: seq}
}

// latest calls visit with the last change of each unit that skip lets through,
// in no order. skip must decide alike for all changes of one unit.
func (v *view) latest(skip func(*change) bool, visit func(*change)) {
	seen := make(columns.Mask, (v.slots+63)/64)
	for i := len(v.log) - 1; i >= 0; i-- {
		c := &v.log[i]
		if skip(c) || seen.Has(int(c.slot)) {
			continue
		}
		seen.Add(int(c.slot))
		visit(c)
	}
}
