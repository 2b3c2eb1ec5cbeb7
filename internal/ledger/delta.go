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
	since   metering.Minute // of the unit, see tracked
	at      standing
	project metering.ProjectID
	is      *folded
}

// delta is what changed since it was settled. It belongs to the sequencer; views
// see a prefix of its log.
type delta struct {
	settled
	slots map[layout.Unit]*tracked
	log   []change
	// counted are the counted resources that have changed, copied how many day sums
	// they have had: to condense what changed is to copy all of these.
	counted map[metering.ResourceKey]struct{}
	copied  int
	// shown is how many changes a view may see; what is behind them is the
	// sequencer's own, and need not be copied to be changed.
	shown int
	// stale is the size of the changes that later ones of the same unit follow.
	stale int
}

// size is about that of a change in memory, in segments of 16 bytes.
func (f *folded) size() int {
	size := len(f.timeline.Segments) + daySumSize*len(f.sums)
	for i := range f.sums {
		size += len(f.sums[i].Windows) / 16
	}
	return size
}

// daySumSize is the size of a day sum without its windows, in segments.
const daySumSize = 8

// maxStaleSegments bounds the memory of changes that nobody needs any more: of a
// resource with a long history, or a day with many meters, each change has all of
// it.
const maxStaleSegments = 4 << 20

// tracked is the last change of a unit.
type tracked struct {
	slot uint32
	// since is a minute before which a resource with states is as it was settled: a
	// report of an earlier time need not look at it. It never grows, until it is
	// settled anew.
	since metering.Minute
	at    standing
	entry int // of the log; notLogged when the unit is as it was settled
	now   *folded
}

const notLogged = -1

func newDelta(on settled) *delta {
	return &delta{settled: on, slots: map[layout.Unit]*tracked{}, counted: map[metering.ResourceKey]struct{}{}}
}

// current returns the unit as it is now.
func (d *delta) current(u layout.Unit) *tracked {
	if t, ok := d.slots[u]; ok {
		return t
	}
	t := &tracked{since: metering.Open, at: d.find(u.Resource), entry: notLogged, now: &folded{unit: u}}
	if u.Resource.Type.Measure() == metering.Counted {
		t.now.sums = d.day(t.at, u.Day)
	} else {
		t.now.timeline = d.timeline(t.at)
	}
	return t
}

// set makes f the unit's present fold, which differs from the one before from a
// minute on only.
func (d *delta) set(t *tracked, f *folded, since metering.Minute) {
	if t.entry == notLogged {
		t.slot = uint32(len(d.slots))
		d.touch(f.unit.Resource, t.at)
	} else {
		d.stale += t.now.size()
	}
	t.now, t.entry, t.since = f, len(d.log), min(t.since, since)
	d.slots[f.unit] = t
	d.log = append(d.log, t.change())
}

// touch notes that a resource has changed that stood somewhere.
func (d *delta) touch(key metering.ResourceKey, at standing) {
	if key.Type.Measure() != metering.Counted {
		return
	}
	if _, known := d.counted[key]; !known {
		d.counted[key] = struct{}{}
		d.copied += d.rest(at).DaySums()
	}
}

func (t *tracked) change() change {
	return change{slot: t.slot, since: t.since, at: t.at, project: t.now.unit.Resource.Project, is: t.now}
}

// changedFrom returns the minute from which on a unit may differ, once something
// that begins at an instant is told about it or taken back. What the unit of a
// counted resource is about, its day says.
func changedFrom(u *layout.Unit, begin metering.Instant) metering.Minute {
	if u.Resource.Type.Measure() == metering.Counted {
		return 0
	}
	return metering.FirstMinute(begin)
}

// put is set for a unit that need not be known as it is now.
func (d *delta) put(f *folded) {
	t, ok := d.slots[f.unit]
	if !ok {
		t = &tracked{at: d.find(f.unit.Resource), entry: notLogged}
	}
	d.set(t, f, 0)
}

// takeBack takes back what was retracted; false: that cannot be done without the
// observations, and nothing has changed.
func (d *delta) takeBack(t *tracked, r *refold) bool {
	if r.whole || len(r.added) > 0 || len(r.begins) != len(r.retracted) {
		return false
	}
	rest := *t.now
	for _, begin := range r.begins {
		ok := false
		if rest.unit.Resource.Type.Measure() == metering.Counted {
			rest.sums, ok = metering.TakeBackWindow(rest.sums, begin)
		} else {
			rest.timeline, ok = rest.timeline.TakeBack(metering.FirstMinute(begin))
		}
		if !ok {
			return false
		}
	}
	d.set(t, &rest, changedFrom(&rest.unit, r.since))
	return true
}

// place adds one observation to a unit, as it is now; false: that cannot be done
// without others, and nothing has changed.
func (d *delta) place(t *tracked, o *metering.Observation) bool {
	own := t.entry >= d.shown // no view has the unit as it is: it need not be copied
	var timeline metering.Timeline
	var sums []metering.DaySum
	ok := false
	if o.Kind == metering.QuantityObserved {
		w := o.Window()
		if own && metering.ExtendDay(t.now.sums, &w) {
			return true
		}
		sums, ok = metering.PlaceWindow(t.now.sums, &w)
	} else {
		s := o.State()
		if own && metering.FirstMinute(s.At) >= t.since && t.now.timeline.Append(&s) {
			return true
		}
		timeline, ok = t.now.timeline.Place(&s)
	}
	if ok {
		unit := t.now.unit
		d.set(t, &folded{unit: unit, timeline: timeline, sums: sums}, changedFrom(&unit, o.Begins()))
	}
	return ok
}

// compact drops the changes that later ones of the same unit follow, when there
// are more of them than others. It leaves the first ones, which are being merged.
// Views keep the log that they have.
func (d *delta) compact(merging int) {
	if len(d.log)-merging < 2*len(d.slots)+1024 && d.stale < maxStaleSegments {
		return
	}
	log := append(make([]change, 0, merging+len(d.slots)+len(d.slots)/2), d.log[:merging]...)
	for _, t := range d.slots {
		if t.entry < merging {
			continue
		}
		t.entry = len(log)
		log = append(log, t.change())
	}
	// The same units are in the log that views have.
	d.log, d.shown, d.stale = log, len(log), 0
}

// rebase returns the delta of what changed after the first n entries of the log,
// over what has those folded in.
func (d *delta) rebase(on settled, n int) *delta {
	fresh := newDelta(on)
	fresh.slots = make(map[layout.Unit]*tracked, len(d.slots)) // it will grow as large
	fresh.log = make([]change, 0, len(d.log))
	for _, c := range d.log[n:] {
		t, ok := fresh.slots[c.is.unit]
		if !ok {
			t = &tracked{since: metering.Open, at: fresh.findAgain(&d.settled, c.at, c.is.unit.Resource), entry: notLogged}
		}
		fresh.set(t, c.is, c.since)
	}
	fresh.shown = len(fresh.log) // the same units are in the log that views have
	return fresh
}

// view returns what is shown now, as of a sequence number.
func (d *delta) view(seq layout.Seq) *view {
	d.shown = len(d.log)
	return &view{settled: d.settled, log: d.log[:len(d.log):len(d.log)], slots: len(d.slots), seq: seq}
}

// latest calls visit with the last change of each unit since the base, in no
// order.
func (v *view) latest(visit func(*change)) {
	newer := map[layout.Unit]bool{}
	v.logged(nothing, func(c *change) {
		if c.at.recent != columns.NotFound {
			newer[c.is.unit] = true
		}
		visit(c)
	})
	v.changedSince(func(c *change) {
		if !newer[c.is.unit] {
			visit(c)
		}
	})
}

// logged calls visit with the last change of each unit since it was settled that
// skip lets through, in no order. If skip does not let the last one through, it
// must not let through those before it.
func (v *view) logged(skip func(*change) bool, visit func(*change)) {
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

// nothing skips no change.
func nothing(*change) bool { return false }
