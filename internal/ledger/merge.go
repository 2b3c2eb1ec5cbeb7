package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// pointer names the files that hold what is derived from the observations up to
// Seq. It is written in one batch with the end of the journal before it.
type pointer struct {
	Seq  layout.Seq `json:"seq"`
	Base string     `json:"base"`
	IDs  string     `json:"ids"`
	// IDsSum is the checksum at the end of the file IDs, 0 in a pointer that was
	// written before this was noted. A filter of an earlier time, intact and under
	// the right name, would take later ids for unknown.
	IDsSum uint32 `json:"ids_crc32c,omitempty"`
	// Recent names a base of what changed since, up to RecentSeq, so that a start
	// need not fold that anew. The journal keeps it all the same.
	Recent    string     `json:"recent,omitempty"`
	RecentSeq layout.Seq `json:"recent_seq,omitempty"`
}

func pointerKey() []byte { return append([]byte{layout.Meta}, "base"...) }

// The names of derived files begin with these.
const (
	basePrefix   = "base-"
	recentPrefix = "recent-"
	idsPrefix    = "ids-"
)

// mergeState is what the sequencer knows about a merge in the background.
type mergeState struct {
	running  *view // what is being merged; nil: nothing
	finished chan *merged
	failed   error // of the last merge
	// postponed is the number of units at which the next merge begins after one
	// that failed: trying at each group would cost more than it helps.
	postponed int
}

// merged is the outcome of a merge, or of condensing.
type merged struct {
	from    *view
	settled settled
	pointer pointer // of a new base
	err     error
}

// considerMerge settles what has changed when it is enough: in memory while it is
// little beside the base, otherwise in a new base, as also when the journal is
// long. While that cannot keep up, it waits for it: the delta must not grow
// without bound.
func (s *sequencer) considerMerge() {
	if s.mergeNow {
		s.mergeNow = false
		s.lastMerge()
		return
	}
	o, units := &s.ledger.options, len(s.delta.slots)
	long := s.seq-layout.Seq(s.delta.base.Seq) >= layout.Seq(o.MergeObservations)
	switch {
	case s.merge.running != nil && units > 2*manyUnits*o.MergeUnits:
		s.finishMerge(<-s.merge.finished)
	case s.merge.running != nil:
		s.delta.compact(len(s.merge.running.log))
	case units < s.merge.postponed || units < o.MergeUnits && !long:
		s.delta.compact(0)
	case !long && !s.delta.worthCondensing(o.CondensedDaySums):
		if units < manyUnits*o.MergeUnits {
			s.delta.compact(0) // it is too soon for a merge
		} else {
			s.beginMerge()
		}
	case !long && !worthMerging(s.delta.base.Resources(), s.delta.recentResources()+units, o.MergeUnits):
		s.beginCondensing()
	default:
		s.beginMerge()
	}
}

// manyUnits times MergeUnits are what the delta may hold before it is merged where
// condensing is not worth it; twice as many, and the sequencer waits for the merge.
const manyUnits = 2

// worthCondensing reports whether to condense what has changed copies less than half
// of what a merge does: a counted resource is copied with all of its days, so that
// of many which change each hour, with a long history, all are copied each time, and
// in memory. To copy few does not matter.
func (d *delta) worthCondensing(few int) bool {
	copied := d.copied
	if d.recent != nil {
		copied += d.recent.DaySumCount()
	}
	return copied < few || 2*copied < d.base.Segments()+d.base.DaySumCount()
}

// worthMerging reports whether what has changed of a base should become part of a
// new one rather than be condensed once more. Until a merge, each condensing copies
// what was condensed before, half of what has changed in the mean, and there is one
// every mergeUnits; the merge copies the base. So what a change costs,
//
//	changed/(2*mergeUnits) + base/changed
//
// is least where both are equal.
func worthMerging(base, changed, mergeUnits int) bool {
	return int64(changed)*int64(changed) >= 2*int64(mergeUnits)*int64(base)
}

// mergeWhenIdle merges less than would be worth it under load, so that reports
// of a quiet time have nearly all in columns; and it writes what a start had to
// make again.
func (s *sequencer) mergeWhenIdle() {
	units := len(s.delta.slots) + s.delta.recentResources()
	enough := min(max(IdleMergeUnits, s.delta.base.Resources()/idleMergeShare), s.ledger.options.MergeUnits)
	worth := units >= enough || s.remade && s.merge.failed == nil
	if s.merge.running == nil && worth {
		s.beginMerge()
	}
}

// beginCondensing puts what the delta has into columns in memory, in the
// background. Nothing is shown by it that is not on the disk: views do so.
func (s *sequencer) beginCondensing() {
	v := s.delta.view(s.seq)
	v.base.Acquire()
	s.merge.running = v
	inForce := s.pointer
	go s.ledger.courtesy.behind(func() {
		m := &merged{from: v, settled: v.condensed(), pointer: inForce}
		m.settled.recent.Warm(v.base)
		if err := s.writeRecent(m); err != nil {
			s.ledger.options.Logger.Warn("what changed is condensed in memory only: the journal keeps it", "error", err)
		}
		s.merge.finished <- m
	})
}

// writeRecent stores what was condensed, under the name that the pointer will
// have.
func (s *sequencer) writeRecent(m *merged) error {
	if err := s.ledger.checkRoom(); err != nil {
		return err
	}
	o, name := &s.ledger.options, fmt.Sprintf("%s%016d", recentPrefix, m.from.seq)
	if err := m.settled.recent.Write(o.FS, o.Dir, name); err != nil {
		return err
	}
	m.pointer.Recent, m.pointer.RecentSeq = name, m.from.seq
	return nil
}

// beginMerge merges what is on the disk by now, in the background.
func (s *sequencer) beginMerge() {
	s.inflight.Wait() // then all of the delta is on the disk
	if s.failure.get() != nil {
		return
	}
	if err := s.ledger.views.publish(s.delta.view(s.seq)); err != nil {
		s.ledger.options.Logger.Error("unmap base", "error", err)
	}
	v, err := s.ledger.views.acquire()
	if err != nil {
		return
	}
	filter := s.ids.snapshot()
	s.merge.running = v
	go s.ledger.courtesy.behind(func() {
		m := &merged{from: v}
		m.pointer = pointer{Seq: v.seq, Base: fmt.Sprintf("%s%016d", basePrefix, v.seq), IDs: fmt.Sprintf("%s%016d", idsPrefix, v.seq)}
		m.settled.base, m.err = s.mergeView(v, filter, &m.pointer)
		s.merge.finished <- m
	})
}

// mergeView writes a view's base and delta as a new base, and the id filter,
// under the names that the pointer will have.
func (s *sequencer) mergeView(v *view, filter []byte, p *pointer) (*columns.Base, error) {
	o := &s.ledger.options
	if err := s.ledger.checkRoom(); err != nil {
		return nil, err
	}
	base, err := columns.Merge(o.FS, o.Dir, p.Base, v.base, v.toMerge(), uint64(v.seq))
	if err != nil {
		return nil, err
	}
	p.IDsSum = checksumAtEnd(filter)
	if err := writeDurably(o.FS, o.Dir, p.IDs, filter); err != nil {
		return nil, errors.Join(err, base.Release())
	}
	base.Warm(v.base)
	return base, nil
}

// writePointer makes the store begin with what the pointer names.
func (s *sequencer) writePointer(p *pointer) error {
	value, err := json.Marshal(p)
	if err != nil {
		return err
	}
	batch := s.db.NewBatch()
	err = errors.Join(
		batch.Set(pointerKey(), value, nil),
		batch.DeleteRange(layout.AppendSeqKey(nil, layout.Journal, 0), layout.AppendSeqKey(nil, layout.Journal, uint64(p.Seq)+1), nil),
	)
	if err != nil {
		return errors.Join(err, batch.Close())
	}
	s.ledger.pointing.Lock()
	defer s.ledger.pointing.Unlock()
	if err := s.commit(batch); err != nil {
		return err // the batch is Pebble's: it may be half committed
	}
	return errors.Join(batch.SyncWait(), batch.Close())
}

// finishMerge goes over to what was settled. What changed meanwhile is the new
// delta.
func (s *sequencer) finishMerge(m *merged) {
	s.merge.running = nil
	if err := m.from.base.Release(); err != nil {
		s.ledger.options.Logger.Error("unmap base", "error", err)
	}
	s.merge.failed, s.merge.postponed = m.err, 0
	if m.err != nil {
		s.ledger.options.Logger.Error("merge put off: the journal keeps what changed", "error", m.err)
		s.merge.postponed = len(s.delta.slots) + s.ledger.options.MergeUnits
		return
	}
	if m.settled.base == m.from.base { // condensed
		s.delta = s.delta.rebase(m.settled, len(m.from.log))
		s.pointToRecent(&m.pointer)
		return
	}
	s.inflight.Wait() // the published view must not be older than this one
	err := s.failure.get()
	if err == nil {
		if err = s.writePointer(&m.pointer); err != nil {
			s.fail(fmt.Errorf("write the pointer to the base: %w", err))
		}
	}
	if err != nil { // the delta holds what is not on the disk: it must never be shown
		s.merge.failed = errors.Join(err, m.settled.base.Release())
		return
	}
	s.delta, s.remade = s.delta.rebase(m.settled, len(m.from.log)), false
	if err := s.ledger.views.publish(s.delta.view(s.seq)); err != nil {
		s.ledger.options.Logger.Error("unmap base", "error", err)
	}
	s.ledger.counters.merges.Add(1)
	s.pointer = m.pointer
	removeDerived(&s.ledger.options, &s.pointer)
}

// pointToRecent lets a start begin with what was condensed and stored.
func (s *sequencer) pointToRecent(p *pointer) {
	if p.Recent == s.pointer.Recent || s.failure.get() != nil {
		return
	}
	if err := s.writePointer(p); err != nil {
		s.fail(fmt.Errorf("write the pointer to what was condensed: %w", err))
		return
	}
	s.pointer = *p
	removeDerived(&s.ledger.options, &s.pointer)
}

// lastMerge merges all that changed, when the ledger closes.
func (s *sequencer) lastMerge() {
	if s.merge.running != nil {
		s.finishMerge(<-s.merge.finished)
	}
	if s.merge.failed = nil; len(s.delta.slots)+s.delta.recentResources() == 0 && !s.remade {
		return
	}
	s.beginMerge()
	if s.merge.running != nil {
		s.finishMerge(<-s.merge.finished)
	}
}

// isDerived reports whether a file can be made again from the observations.
func isDerived(name string) bool {
	return strings.HasPrefix(name, basePrefix) || strings.HasPrefix(name, recentPrefix) || strings.HasPrefix(name, idsPrefix)
}

// removeDerived removes the derived files but those that the pointer names. A
// file that cannot be removed does no harm: the next merge tries again.
func removeDerived(o *Options, p *pointer) {
	names, err := o.FS.List(o.Dir)
	if err != nil {
		o.Logger.Warn("list derived files", "error", err)
		return
	}
	for _, name := range names {
		if !isDerived(name) || name == p.Base || name == p.IDs || name == p.Recent {
			continue
		}
		if err := o.FS.Remove(o.FS.PathJoin(o.Dir, name)); err != nil {
			o.Logger.Warn("remove derived file", "name", name, "error", err)
		}
	}
}

// loggedChanges returns the present state of every resource in the log, in
// canonical order; counted says what that of a counted one is.
func (v *view) loggedChanges(counted func(metering.ResourceKey, *changedDays) columns.Change) []columns.Change {
	all := make([]columns.Change, 0, v.slots)
	days := map[metering.ResourceKey]*changedDays{}
	v.logged(nothing, func(c *change) {
		key := c.is.unit.Resource
		if key.Type.Measure() != metering.Counted {
			all = append(all, columns.Change{Key: key, Timeline: c.is.timeline})
			return
		}
		if days[key] == nil {
			days[key] = &changedDays{at: c.at}
		}
		days[key].days = append(days[key].days, c.is)
	})
	for key, changed := range days {
		all = append(all, counted(key, changed))
	}
	slices.SortFunc(all, func(a, b columns.Change) int { return a.Key.Compare(b.Key) })
	return all
}

// changeOf returns a counted resource whole.
func (v *view) changeOf(key metering.ResourceKey, changed *changedDays) columns.Change {
	c := partlyChanged(key, changed)
	c.Partly, c.Rest = false, v.rest(changed.at)
	return c
}

// partlyChanged puts the changed days of a counted resource in order.
func partlyChanged(key metering.ResourceKey, changed *changedDays) columns.Change {
	slices.SortFunc(changed.days, func(a, b *folded) int { return int(a.unit.Day) - int(b.unit.Day) })
	c := columns.Change{Key: key, Partly: true}
	for _, f := range changed.days {
		c.Days, c.Sums = append(c.Days, f.unit.Day), append(c.Sums, f.sums...)
	}
	return c
}

// Merge folds all that has changed into a new base and waits for it. The ledger
// does so by itself when enough has changed. An error says why the changes stay
// in the journal; nothing is lost by it.
func (l *Ledger) Merge(ctx context.Context) error {
	now := func(g *group) error {
		g.s.mergeNow = true
		return nil
	}
	if err := l.do(ctx, now); err != nil {
		return err
	}
	return l.do(ctx, func(g *group) error { return g.s.merge.failed }) // its turn comes after the merge
}
