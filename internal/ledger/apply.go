package ledger

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// unitRun is what a group says about one unit.
type unitRun struct {
	unit layout.Unit
	told []keyed  // its observations, in the order of their instants
	now  *tracked // the unit as it is
	late *refold  // what the unit cannot take in without others; nil: nothing
}

// keyed is an entry with the key by which it is ordered.
type keyed struct {
	high, low uint64 // the key's first 16 bytes
	key       []byte
	entry     *groupEntry
}

// order begins the list anew, with the entries that have such a key, in the order
// of these. In that order Pebble's memtable puts each beside the one before, and
// what is looked for in the base lies beside what was found just now.
func (w *workspace) order(entries []*groupEntry, key func(*groupEntry) []byte) []keyed {
	clear(w.ordered)
	all := w.ordered[:0]
	for _, e := range entries {
		if k := key(e); k != nil {
			var first [16]byte
			copy(first[:], k)
			all = append(all, keyed{binary.BigEndian.Uint64(first[:]), binary.BigEndian.Uint64(first[8:]), k, e})
		}
	}
	slices.SortFunc(all, func(a, b keyed) int {
		switch {
		case a.high != b.high:
			return cmp.Compare(a.high, b.high)
		case a.low != b.low:
			return cmp.Compare(a.low, b.low)
		}
		return bytes.Compare(a.key, b.key)
	})
	w.ordered = all
	return all
}

// apply gives the group to Pebble, which orders it and begins to write, and places
// it meanwhile. What must be folded anew is read from Pebble, so it comes after.
func (g *group) apply() error {
	g.saveSources()
	g.putEntries()
	g.putObservations()
	g.putJournal()
	if g.err != nil {
		return errors.Join(g.err, g.batch.Close())
	}
	committed := make(chan error, 1)
	go g.s.ledger.courtesy.behind(func() { committed <- g.s.commit(g.batch) })
	g.place()
	if err := <-committed; err != nil {
		return err // the batch is Pebble's: it may be half committed
	}
	if err := g.foldAnew(); err != nil {
		return errors.Join(err, g.batch.SyncWait(), g.batch.Close())
	}
	return nil
}

// putEntries writes the id entries.
func (g *group) putEntries() {
	for _, k := range g.s.workspace.order(g.changed, func(e *groupEntry) []byte { return e.key }) {
		g.buf = k.entry.Append(g.buf[:0])
		g.set(k.key, g.buf)
	}
}

// putObservations writes the observations with their marks, and finds the units
// that they are about.
func (g *group) putObservations() {
	all := g.s.workspace.order(g.changed, func(e *groupEntry) []byte { return e.place })
	from := 0 // where the observations of the unit in hand begin
	for i := range all {
		e := all[i].entry
		g.putObservation(e)
		if e.Kind == metering.RetractionMade {
			from = i + 1
			continue
		}
		if unit := e.Unit(); i+1 == len(all) || all[i+1].entry.Kind == metering.RetractionMade || all[i+1].entry.Unit() != unit {
			g.addRun(unit, all[from:i+1])
			from = i + 1
		}
	}
	for unit, late := range g.late {
		if !late.listed {
			g.runs = append(g.runs, unitRun{unit: unit, late: late})
		}
	}
}

// addRun notes what was told about a unit, if not all of it is retracted.
func (g *group) addRun(unit layout.Unit, told []keyed) {
	late := g.late[unit]
	if late != nil {
		late.listed = true
	}
	if late != nil || slices.ContainsFunc(told, func(k keyed) bool { return !k.entry.Retracted }) {
		g.runs = append(g.runs, unitRun{unit: unit, told: told, late: late})
	}
}

// putObservation writes the observation of an entry.
func (g *group) putObservation(e *groupEntry) {
	var number [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(number[:], uint64(e.source))
	op := g.batch.SetDeferred(len(e.place), n+len(e.item.value))
	copy(op.Key, e.place)
	copy(op.Value, number[:n])
	copy(op.Value[n:], e.item.value)
	if err := op.Finish(); err != nil {
		g.fail(err)
	}
	if e.Retracted && e.Kind != metering.RetractionMade {
		g.set(layout.MarkKey(e.place), nil)
	}
}

// putJournal writes what is to be folded anew, should the process end.
func (g *group) putJournal() {
	if len(g.changed) == 0 {
		return
	}
	touched := layout.Touched{IDs: g.ids, Units: make([]layout.Unit, len(g.runs))}
	for i := range g.runs {
		touched.Units[i] = g.runs[i].unit
	}
	g.set(layout.AppendSeqKey(nil, layout.Journal, uint64(g.s.seq)), touched.Append(nil))
}

// place folds what was told into the units, as far as that is possible without
// other observations. Units are looked for on all processors.
func (g *group) place() {
	_ = g.s.ledger.courtesy.inShares(len(g.runs), func(from, to int) error { // there is nothing that could fail
		for i := range g.runs[from:to] {
			r := &g.runs[from+i]
			r.now = g.s.delta.current(r.unit)
		}
		return nil
	})
	for i := range g.runs {
		g.runs[i].place(g.s.delta)
	}
}

// place folds the run into its unit; what cannot be folded so is late.
func (r *unitRun) place(d *delta) {
	if r.late != nil && d.takeBack(r.now, r.late) {
		r.late = nil
	}
	for _, k := range r.told {
		o := k.entry.item.Observation
		if k.entry.Retracted || r.late == nil && d.place(r.now, o) {
			continue
		}
		if r.late == nil {
			r.late = newRefold()
		}
		r.late.add(o, k.entry.Seq)
	}
	if r.late != nil {
		r.late.was = r.now
	}
}

// foldAnew brings the units up to date that could not take in all of the group.
func (g *group) foldAnew() error {
	var units []layout.Unit
	for i := range g.runs {
		if r := &g.runs[i]; r.late != nil {
			if g.late == nil {
				g.late = map[layout.Unit]*refold{}
			}
			g.late[r.unit] = r.late
			units = append(units, r.unit)
		}
	}
	if len(units) == 0 {
		return nil
	}
	return g.s.eachUnit(units, g.fold, func(f *folded) {
		late := g.late[f.unit]
		g.s.delta.set(late.was, f, changedFrom(&f.unit, late.since))
	})
}

// fold says what a unit has become with what it could not take in.
func (g *group) fold(it *pebble.Iterator, unit layout.Unit) (*folded, error) {
	// Of what is closed nothing changes. The states beside one that is open are there.
	if unit.Resource.Type.Measure() != metering.Counted || !g.s.closing.concerns(unit) {
		f, err := g.late[unit].revise(it, g.s.sources, unit)
		if err != nil || f != nil {
			return f, err
		}
	}
	return g.s.closing.foldFrom(it, g.s.sources, unit)
}
