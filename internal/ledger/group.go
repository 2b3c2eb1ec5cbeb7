package ledger

import (
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// group is what is committed in one atomic batch. First each observation is
// decided about, in the order in which they came; what was accepted is then
// written and placed in the order of its keys.
type group struct {
	s       *sequencer
	batch   *pebble.Batch
	entries map[uint64]*groupEntry // in hand, by the hash of their keys
	fetched map[string]*fetched    // id entries that were read ahead, by their keys
	fresh   []groupEntry           // memory of entries, as many as there are observations
	changed []*groupEntry          // that are to be written
	late    map[layout.Unit]*refold
	ids     []uint64 // hashes of the id keys that were added
	runs    []unitRun
	publish []func() // show what changed in the directory, once it is on the disk
	buf     []byte
	err     error    // of a read that failed: the group cannot be decided
	applied []func() // called between this group and the next one
}

// groupEntry is an id entry of this group, which Pebble does not show yet, and its
// observation if that is of this group too.
type groupEntry struct {
	layout.IDEntry
	key   []byte
	alike *groupEntry // another one whose key has the same hash

	item   *item                 // of the observation, if it is of this group
	stored *metering.Observation // as Pebble has it, if it was read ahead
	source layout.SourceNumber
	place  []byte // key of the observation
}

// newGroup makes a group that takes the requests.
func (s *sequencer) newGroup(requests []*request) *group {
	n, size := 0, 0
	for _, r := range requests {
		n, size = n+len(r.items), size+r.size
	}
	g := &group{s: s, batch: s.db.NewBatchWithSize(size + n*observationOverhead)}
	s.workspace.lend(g, n)
	return g
}

// workspace is memory that one group after the other uses, so that it is not
// garbage after each.
type workspace struct {
	entries map[uint64]*groupEntry
	fresh   []groupEntry
	changed []*groupEntry
	ids     []uint64
	runs    []unitRun
	keys    []byte // of entries and observations
	ordered []keyed
}

// smallGroup has a map of its own: to clear that of a large one would take longer.
const smallGroup = 512

// lend gives memory for so many observations to a group.
func (w *workspace) lend(g *group, n int) {
	w.fresh, w.ids, w.changed = slices.Grow(w.fresh[:0], n), slices.Grow(w.ids[:0], n), slices.Grow(w.changed[:0], n)
	w.keys, w.ordered = slices.Grow(w.keys[:0], n*usualKeys), slices.Grow(w.ordered[:0], n)
	g.fresh, g.ids, g.changed, g.runs = w.fresh, w.ids, w.changed, w.runs[:0]
	switch {
	case n <= smallGroup:
		g.entries = make(map[uint64]*groupEntry, n)
	case w.entries == nil:
		w.entries = make(map[uint64]*groupEntry, n)
		fallthrough
	default:
		g.entries = w.entries
	}
}

// usualKeys is more than the two keys of most observations take, in bytes.
const usualKeys = 80

// giveBack ends what a group has in that memory.
func (w *workspace) giveBack(g *group) {
	clear(g.entries)
	clear(g.fresh)
	clear(g.changed)
	clear(g.runs)
	clear(w.ordered)
	w.runs = g.runs
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
	if it.id.key == nil {
		it.id = g.sought(o.Name.Project, source, o.Name.ID)
	}
	entry := g.lookUp(o.Name.Project, &it.id)
	if entry != nil && entry.Known {
		return g.known(&it.Submission, entry)
	}
	if entry == nil {
		entry = g.newEntry(&it.id)
	}
	g.add(it, source, entry)
	return report.Outcome{}
}

// add accepts an observation under an entry that it makes known.
func (g *group) add(it *item, source layout.SourceNumber, entry *groupEntry) {
	g.s.seq++
	retracted := entry.Retracted
	entry.IDEntry = layout.EntryOf(it.Observation, g.s.seq)
	entry.Retracted = retracted
	entry.item, entry.source = it, source
	w := &g.s.workspace
	start := len(w.keys)
	w.keys = layout.AppendKey(w.keys, it.Observation, g.s.seq)
	entry.place = w.keys[start:]
	g.change(entry, it.id.hash)
	g.register(&it.Submission)
	if it.Observation.Kind == metering.RetractionMade {
		g.retract(it.Observation)
	}
}

// soughtID is an id that is looked for.
type soughtID struct {
	key    []byte // of the id entry; valid as long as the group
	hash   uint64 // of the key
	stored bool   // perhaps, the filter says; false: surely not
}

// sought returns the id of a name.
func (g *group) sought(project metering.ProjectID, source layout.SourceNumber, id string) (s soughtID) {
	w := &g.s.workspace
	start := len(w.keys)
	w.keys = layout.AppendID(w.keys, project, source, id)
	s.key = w.keys[start:]
	s.hash = xxhash.Sum64(s.key)
	s.stored = g.s.ids.mayHave(s.hash)
	return s
}

// newEntry returns an entry for an id of which nothing was known.
func (g *group) newEntry(id *soughtID) *groupEntry {
	g.s.ids.add(id.hash)
	g.ids = append(g.ids, id.hash)
	return g.entryOf(id)
}

// entryOf returns an empty entry of an id.
func (g *group) entryOf(id *soughtID) *groupEntry {
	n := len(g.fresh)
	if n == cap(g.fresh) {
		return &groupEntry{key: id.key} // the others stay where they are
	}
	g.fresh = g.fresh[:n+1]
	g.fresh[n].key = id.key
	return &g.fresh[n]
}

// change notes that an entry is to be written.
func (g *group) change(entry *groupEntry, hash uint64) {
	first := g.entries[hash]
	for e := first; e != nil; e = e.alike {
		if e == entry {
			return
		}
	}
	entry.alike = first
	g.entries[hash] = entry
	g.changed = append(g.changed, entry)
}

// known answers for an observation whose name was used before.
func (g *group) known(s *report.Submission, entry *groupEntry) report.Outcome {
	o := s.Observation
	// What is stored may be dropped when it is closed; o is not, so they differ.
	if !g.s.closing.Before.Closes(entry.Kind, entry.At) {
		stored := g.observation(entry, o.Name.Project)
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

// lookUp finds the entry of an id, nil when there is none.
func (g *group) lookUp(project metering.ProjectID, id *soughtID) *groupEntry {
	for e := g.entries[id.hash]; e != nil; e = e.alike {
		if string(e.key) == string(id.key) {
			return e
		}
	}
	if !id.stored {
		return nil
	}
	f := g.fetched[string(id.key)]
	if f == nil {
		f = &fetched{key: id.key, project: project}
		f.read(g.s.db)
	}
	if f.err != nil {
		g.fail(f.err)
		return nil
	}
	if !f.found {
		return nil
	}
	entry := g.entryOf(id)
	entry.IDEntry, entry.stored = f.entry, f.observation
	return entry
}

func (g *group) fail(err error) {
	if g.err == nil {
		g.err = err
	}
}

// set adds a pair to the batch, which copies both.
func (g *group) set(key, value []byte) {
	if err := g.batch.Set(key, value, nil); err != nil {
		g.fail(err)
	}
}

// retract marks what a retraction names, whether it is there yet or not.
func (g *group) retract(o *metering.Observation) {
	project := o.Name.Project
	id := g.sought(project, g.source(o.TargetSource), o.TargetID)
	target := g.lookUp(project, &id)
	if target == nil {
		target = g.newEntry(&id)
	}
	if target.Retracted || target.Kind == metering.RetractionMade {
		return
	}
	target.Retracted = true
	g.change(target, id.hash)
	if !target.Known || target.item != nil { // what is of this group is not placed
		return
	}
	g.set(layout.MarkKey(target.Key(project)), nil)
	unit := target.Unit()
	if g.late == nil {
		g.late = map[layout.Unit]*refold{}
	}
	if g.late[unit] == nil {
		g.late[unit] = newRefold()
	}
	g.late[unit].retract(&target.IDEntry)
}

// source returns the number of a source, giving it one if it is new.
func (g *group) source(name string) layout.SourceNumber {
	number, fresh := g.s.sources.number(name)
	if fresh {
		g.set(layout.AppendSeqKey(nil, layout.Sources, uint64(number)), []byte(name))
	}
	return number
}

// observation returns the observation of an entry that is known; nil when it
// cannot be read.
func (g *group) observation(e *groupEntry, project metering.ProjectID) *metering.Observation {
	switch {
	case e.item != nil:
		return e.item.Observation
	case e.stored != nil:
		return e.stored
	}
	stored, err := readObservation(g.s.db, e.Key(project))
	if err != nil {
		g.fail(err)
	}
	return stored
}
