package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// group is what is committed in one atomic batch.
type group struct {
	s       *sequencer
	batch   *pebble.Batch
	touched layout.Touched
	units   map[layout.Unit]*refold // touched; nil: the delta has it as it is now
	entries map[string]*groupEntry
	fresh   []groupEntry // memory of entries, as many as there are observations
	publish []func()     // show what changed in the directory, once it is on the disk
	key     []byte       // of the id entry in hand
	buf     []byte
	err     error    // of a read that failed: the group cannot be decided
	applied []func() // called between this group and the next one
}

// groupEntry is an id entry that this group wrote, which Pebble does not show
// yet, and its observation if that is of this group too.
type groupEntry struct {
	layout.IDEntry
	observation *metering.Observation
}

// newGroup makes a group that takes the requests.
func (s *sequencer) newGroup(requests []*request) *group {
	n, size := 0, 0
	for _, r := range requests {
		n, size = n+len(r.items), size+r.size
	}
	g := &group{s: s, batch: s.newBatch(size + n*observationOverhead)}
	s.workspace.lend(g, n)
	return g
}

// workspace is memory that one group after the other uses, so that it is not
// garbage after each.
type workspace struct {
	units   map[layout.Unit]*refold
	entries map[string]*groupEntry
	fresh   []groupEntry
	ids     []uint64
	pairs   []pair
	batch   *pebble.Batch // empty; nil: none
}

// smallGroup has maps of its own: to clear those of large ones would take longer.
const smallGroup = 512

// lend gives memory for so many observations to a group.
func (w *workspace) lend(g *group, n int) {
	w.fresh, w.ids = slices.Grow(w.fresh[:0], n), slices.Grow(w.ids[:0], n)
	g.fresh, g.touched.IDs = w.fresh, w.ids
	switch {
	case n <= smallGroup:
		g.units, g.entries = make(map[layout.Unit]*refold, n), make(map[string]*groupEntry, n)
	case w.units == nil:
		w.units, w.entries = make(map[layout.Unit]*refold, n), make(map[string]*groupEntry, n)
		fallthrough
	default:
		g.units, g.entries = w.units, w.entries
	}
}

// giveBack ends what a group has in that memory.
func (w *workspace) giveBack(g *group) {
	clear(g.units)
	clear(g.entries)
	clear(g.fresh)
	clear(w.pairs)
	w.pairs = w.pairs[:0]
}

// newBatch returns a batch with room for so many bytes.
func (s *sequencer) newBatch(size int) *pebble.Batch {
	if b := s.workspace.batch; b != nil {
		s.workspace.batch = nil
		return b
	}
	return s.db.NewBatchWithSize(size, pebble.WithMaxRetainedSizeBytes(spareBatchBytes))
}

// spareBatchBytes is the most memory that is kept of one group for the next.
const spareBatchBytes = 8 << 20

// order puts the batch into the order of its keys where that helps. What was
// collected in is kept for the next group.
func (g *group) order() error {
	w := &g.s.workspace
	ordered, err := w.inKeyOrder(g.s.db, g.batch)
	if err != nil || ordered == nil {
		return err
	}
	g.batch.Reset()
	w.batch, g.batch = g.batch, ordered
	return nil
}

// observationOverhead is about what a commit takes for an observation besides its
// value, in bytes: its key, its id entry, its share of the journal.
const observationOverhead = 192

// take decides about one observation and, if it is accepted, adds it.
func (g *group) take(it *item) report.Outcome {
	o := it.Observation
	if it.Refused != nil {
		return report.Outcome{Rejected: it.Refused}
	}
	if rejection := g.s.ledger.directory.admits(&it.Submission, &g.s.ledger.options); rejection != nil {
		return report.Outcome{Rejected: rejection}
	}
	if rejection := g.refuses(o); rejection != nil {
		return report.Outcome{Rejected: rejection}
	}
	source := g.source(o.Name.Source)
	g.key = layout.AppendID(g.key[:0], o.Name.Project, source, o.Name.ID)
	hash := xxhash.Sum64(g.key)
	entry := g.lookUp(o.Name.Project, hash)
	if entry != nil && entry.Known {
		return g.known(&it.Submission, entry)
	}
	g.s.seq++
	g.fresh = append(g.fresh, groupEntry{IDEntry: layout.EntryOf(o, g.s.seq), observation: o})
	fresh := &g.fresh[len(g.fresh)-1]
	fresh.Retracted = entry != nil && entry.Retracted
	g.s.ids.add(hash)
	g.touched.IDs = append(g.touched.IDs, hash)
	g.putEntry(fresh)
	g.putObservation(it, source, fresh.Retracted)
	g.register(&it.Submission)
	switch {
	case o.Kind == metering.RetractionMade:
		g.retract(o)
	case !fresh.Retracted:
		g.place(o)
	}
	return report.Outcome{}
}

// known answers for an observation whose name was used before.
func (g *group) known(s *report.Submission, entry *groupEntry) report.Outcome {
	o := s.Observation
	// What is stored may be dropped when it is closed; o is not, so they differ.
	if !g.s.closing.Before.Closes(entry.Kind, entry.At) {
		stored := entry.observation
		if stored == nil {
			stored = g.read(entry.Key(o.Name.Project))
		}
		if stored == nil || stored.SameContent(o) { // nil: g.err says why, the group fails
			return report.Outcome{Duplicate: true}
		}
	}
	g.s.book.reused.reuse(s, &entry.IDEntry)
	return report.Outcome{Rejected: &metering.Rejection{
		Code: metering.IDReused, Field: "id",
		Message: fmt.Sprintf("the id %q of source %q in project %d names another observation already; what was stored first stands: send this one under a new id",
			o.Name.ID, o.Name.Source, o.Name.Project),
	}}
}

// lookUp finds the id entry at g.key, nil when there is none.
func (g *group) lookUp(project metering.ProjectID, hash uint64) *groupEntry {
	if e, ok := g.entries[string(g.key)]; ok {
		return e
	}
	if !g.s.ids.mayHave(hash) {
		return nil
	}
	value, closer, err := g.s.db.Get(g.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		g.fail(fmt.Errorf("read id entry: %w", err))
		return nil
	}
	entry, err := layout.DecodeIDEntry(project, value)
	if err := errors.Join(err, closer.Close()); err != nil {
		g.fail(err)
		return nil
	}
	return &groupEntry{IDEntry: entry}
}

func (g *group) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

// putEntry writes an id entry at g.key.
func (g *group) putEntry(e *groupEntry) {
	g.entries[string(g.key)] = e
	g.buf = e.Append(g.buf[:0])
	g.set(g.key, g.buf)
}

// set adds a pair to the batch, which copies both.
func (g *group) set(key, value []byte) {
	if err := g.batch.Set(key, value, nil); err != nil {
		g.fail(err)
	}
}

func (g *group) putObservation(it *item, source layout.SourceNumber, retracted bool) {
	key := layout.AppendKey(g.buf[:0], it.Observation, g.s.seq)
	var number [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(number[:], uint64(source))
	op := g.batch.SetDeferred(len(key), n+len(it.value))
	copy(op.Key, key)
	copy(op.Value, number[:n])
	copy(op.Value[n:], it.value)
	if err := op.Finish(); err != nil {
		g.fail(err)
	}
	g.buf = key
	if retracted && it.Observation.Kind != metering.RetractionMade {
		g.set(layout.MarkKey(key), nil)
	}
}

// place folds an accepted observation into its unit, now if that is possible
// without the others, otherwise once the group is applied.
func (g *group) place(o *metering.Observation) {
	unit := layout.UnitOf(o)
	late := g.units[unit]
	if late == nil {
		t, ok := g.s.delta.place(o)
		if ok {
			g.units[unit] = nil
			return
		}
		late = &refold{was: t}
		g.units[unit] = late
	}
	late.add(o, g.s.seq)
}

// retract marks what a retraction names, whether it is there yet or not.
func (g *group) retract(o *metering.Observation) {
	project := o.Name.Project
	g.key = layout.AppendID(g.key[:0], project, g.source(o.TargetSource), o.TargetID)
	hash := xxhash.Sum64(g.key)
	target := g.lookUp(project, hash)
	switch {
	case target == nil:
		g.s.ids.add(hash)
		g.touched.IDs = append(g.touched.IDs, hash)
		target = &groupEntry{}
	case target.Retracted, target.Kind == metering.RetractionMade:
		return
	}
	target.Retracted = true
	g.putEntry(target)
	if target.Known {
		g.set(layout.MarkKey(target.Key(project)), nil)
		unit := target.Unit()
		if g.units[unit] == nil {
			g.units[unit] = &refold{was: g.s.delta.current(unit)}
		}
		g.units[unit].retract(&target.IDEntry)
	}
}

// source returns the number of a source, giving it one if it is new.
func (g *group) source(name string) layout.SourceNumber {
	number, fresh := g.s.sources.number(name)
	if fresh {
		g.set(layout.AppendSeqKey(nil, layout.Sources, uint64(number)), []byte(name))
	}
	return number
}

// read returns a stored observation, with the text of its source.
func (g *group) read(key []byte) *metering.Observation {
	value, closer, err := g.s.db.Get(key)
	if err != nil {
		g.fail(fmt.Errorf("read observation %x: %w", key, err))
		return nil
	}
	stored, err := layout.Decode(key, value)
	if err := errors.Join(err, closer.Close()); err != nil {
		g.fail(err)
		return nil
	}
	return &stored.Observation
}

// apply gives the group to Pebble, which orders it and begins to write, and
// folds what could not be folded one by one.
func (g *group) apply() error {
	g.saveSources()
	g.touched.Units = make([]layout.Unit, 0, len(g.units))
	for unit := range g.units {
		g.touched.Units = append(g.touched.Units, unit)
	}
	if len(g.touched.IDs) > 0 {
		g.set(layout.AppendSeqKey(nil, layout.Journal, uint64(g.s.seq)), g.touched.Append(nil))
	}
	if g.err != nil {
		return errors.Join(g.err, g.batch.Close())
	}
	if err := g.order(); err != nil {
		return errors.Join(err, g.batch.Close())
	}
	if err := g.s.commit(g.batch); err != nil {
		return err // the batch is Pebble's: it may be half committed
	}
	if err := g.foldAnew(); err != nil {
		return errors.Join(err, g.batch.SyncWait(), g.batch.Close())
	}
	return nil
}

// foldAnew brings the units up to date that could not take in all of the group.
func (g *group) foldAnew() error {
	var units []layout.Unit
	for unit, late := range g.units {
		if late != nil {
			units = append(units, unit)
		}
	}
	if len(units) == 0 {
		return nil
	}
	return eachUnit(g.s.db, units, g.fold, func(f *folded) { g.s.delta.set(g.units[f.unit].was, f) })
}

// fold says what a unit has become with what it could not take in.
func (g *group) fold(it *pebble.Iterator, unit layout.Unit) (*folded, error) {
	if !g.s.closing.concerns(unit) {
		f, err := g.units[unit].revise(it, g.s.sources, unit)
		if err != nil || f != nil {
			return f, err
		}
	}
	return g.s.closing.foldFrom(it, g.s.sources, unit)
}
