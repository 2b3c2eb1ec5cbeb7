package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// recover loads the base and the id filter, folds anew what the journal says
// was touched since, and makes the sequencer. What of the derived files is
// damaged or missing is made again from the observations.
func (l *Ledger) recover(ctx context.Context) (*sequencer, error) {
	s := &sequencer{
		ledger: l, db: l.db, queue: make(chan *request, QueueLength), jobs: make(chan *job, 8),
		stopped: make(chan struct{}), failure: &l.failure,
	}
	s.merge.finished = make(chan *merged, 1)
	p, err := s.readTables()
	if err != nil {
		return nil, err
	}
	base, err := l.openBase(ctx, p, s.sources)
	if err != nil {
		return nil, err
	}
	filterRemade := false
	if s.ids, filterRemade, err = l.openIDs(ctx, p); err != nil {
		return nil, errors.Join(err, base.Release())
	}
	s.remade = filterRemade || p.Base != "" && !base.Loaded()
	s.pointer = p
	s.delta, s.seq = newDelta(l.openRecent(base, &p)), layout.Seq(base.Seq)
	if err := s.replay(ctx); err != nil {
		return nil, errors.Join(err, base.Release())
	}
	if err := l.refuseLoss(s.seq); err != nil {
		return nil, errors.Join(err, base.Release())
	}
	l.views = newViews(s.delta.view(s.seq))
	removeDerived(&l.options, &p)
	return s, nil
}

// readTables reads what the sequencer keeps in memory besides what is derived, and
// the pointer to that.
func (s *sequencer) readTables() (p pointer, err error) {
	if s.sources, err = loadSources(s.db); err != nil {
		return p, err
	}
	if s.book, err = loadSourceBook(s.db); err != nil {
		return p, err
	}
	if s.closing, err = readClosing(s.db); err != nil {
		return p, err
	}
	return readPointer(s.db)
}

func readPointer(db *pebble.DB) (p pointer, err error) {
	value, closer, err := db.Get(pointerKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("read the pointer to the base: %w", err)
	}
	err = json.Unmarshal(value, &p)
	return p, errors.Join(err, closer.Close())
}

// openBase opens the base, or makes it again.
func (l *Ledger) openBase(ctx context.Context, p pointer, sources *sourceTable) (*columns.Base, error) {
	if p.Base == "" {
		return columns.Build(nil, 0), nil
	}
	base, err := columns.Open(l.options.FS, l.options.Dir, p.Base)
	if err == nil {
		if layout.Seq(base.Seq) == p.Seq {
			return base, nil
		}
		err = errors.Join(fmt.Errorf("base %s is of observation %d, not %d: it is another one's file", p.Base, base.Seq, p.Seq), base.Release())
	}
	l.options.Logger.Error("the base is made again from the observations", "error", err)
	return rebuildBase(ctx, l.db, sources, p.Seq)
}

// openIDs opens the id filter, or makes it again.
func (l *Ledger) openIDs(ctx context.Context, p pointer) (f *idFilter, remade bool, err error) {
	if p.IDs == "" {
		return newIDFilter(), false, nil
	}
	f, err = readIDFilter(l.options.FS, l.options.Dir, &p)
	if err == nil {
		return f, false, nil
	}
	level := slog.LevelError
	if errors.Is(err, errFilterEarlier) {
		level = slog.LevelInfo
	}
	l.options.Logger.Log(ctx, level, "the id filter is made again from the ids", "name", p.IDs, "error", err)
	f, err = rebuildIDFilter(l.db)
	return f, true, err
}

// openRecent lays over the base what was condensed, if it is there: a backup does not
// have it. Otherwise the journal tells what changed, and so it does over a base that was
// made again: whoever removes a base that is wrong wants no figure of before.
func (l *Ledger) openRecent(base *columns.Base, p *pointer) settled {
	if p.Recent == "" || p.Base != "" && !base.Loaded() {
		return settled{base: base}
	}
	recent, err := columns.Read(l.options.FS, l.options.Dir, p.Recent)
	if err == nil && layout.Seq(recent.Seq) != p.RecentSeq {
		err = fmt.Errorf("%s is of observation %d, not %d: it is another one's file", p.Recent, recent.Seq, p.RecentSeq)
	}
	if err != nil {
		l.options.Logger.Warn("what changed since the base is folded anew", "error", err)
		return settled{base: base}
	}
	return over(base, recent)
}

// replay folds anew what was touched after what is settled, as the journal has
// it.
func (s *sequencer) replay(ctx context.Context) error {
	units, from := map[layout.Unit]bool{}, s.seq
	if s.delta.recent != nil {
		from = s.pointer.RecentSeq
	}
	err := scan(s.db, []byte{layout.Journal}, func(key, value []byte) error {
		seq, err := layout.SeqOfKey(key)
		if err != nil || layout.Seq(seq) <= s.seq {
			return err
		}
		s.seq = max(s.seq, layout.Seq(seq))
		return layout.DecodeTouched(value, s.ids.add, func(u layout.Unit) {
			if layout.Seq(seq) > from {
				units[u] = true
			}
		})
	})
	if err != nil || len(units) == 0 {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	list := make([]layout.Unit, 0, len(units))
	for u := range units {
		list = append(list, u)
	}
	return s.foldUnits(list, s.delta.put)
}

// rebuildBase folds every observation in the store. It may fold in more than
// seq says: what the journal names is folded once more, to the same end.
func rebuildBase(ctx context.Context, db *pebble.DB, sources *sourceTable, seq layout.Seq) (*columns.Base, error) {
	changes, err := foldAll(ctx, db, sources)
	if err != nil {
		return nil, fmt.Errorf("make the base again: %w", err)
	}
	slices.SortFunc(changes, func(a, b columns.Change) int { return a.Key.Compare(b.Key) })
	return columns.Build(changes, uint64(seq)), nil
}

// foldAll folds everything in the store.
func foldAll(ctx context.Context, db *pebble.DB, sources *sourceTable) (changes []columns.Change, err error) {
	it, err := db.NewIter(nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	days := map[metering.ResourceKey][]*folded{}
	err = foldEach(ctx, it, layout.Quantities, sources, func(f *folded) { days[f.unit.Resource] = append(days[f.unit.Resource], f) })
	if err != nil {
		return nil, err
	}
	for key, d := range days {
		changes = append(changes, columns.Change{Key: key, Sums: withDays(nil, d)})
	}
	return changes, foldEach(ctx, it, layout.States, sources, func(f *folded) {
		changes = append(changes, columns.Change{Key: f.unit.Resource, Timeline: f.timeline})
	})
}

// foldEach folds every unit whose observations lie under a prefix: first those
// that closed records stand for, of counted resources a month at a time, then
// the others.
func foldEach(ctx context.Context, it *pebble.Iterator, prefix byte, sources *sourceTable, visit func(*folded)) error {
	err := eachClosed(ctx, it, closedPrefix(prefix), func(key metering.ResourceKey, c *closedRecord) error {
		f, unit := &folded{sums: c.sums}, layout.Unit{Resource: key}
		if f.unit = unit; prefix == layout.States {
			var err error
			if f, err = c.fold(it, sources, unit); err != nil {
				return err
			}
		}
		visit(f)
		return nil
	})
	if err != nil {
		return err
	}
	for at := []byte{prefix}; ; {
		unit, ok, err := unitAt(ctx, it, at, prefix)
		if err != nil || !ok {
			return err
		}
		closed, err := readClosed(it, unit)
		if err != nil {
			return err
		}
		if closed.found {
			at = layout.PrefixEnd(layout.ObservationsOf(unit))
			continue
		}
		f, err := closed.fold(it, sources, unit)
		if err != nil {
			return err
		}
		visit(f)
		_, at = unit.Bounds()
	}
}

// closedPrefix is what the keys of the records begin with that stand for
// observations under a prefix.
func closedPrefix(observations byte) byte {
	if observations == layout.States {
		return layout.ClosedStates
	}
	return layout.ClosedQuantities
}

// eachClosed visits all closed records under a prefix. What visit does with the
// iterator is its own affair.
func eachClosed(ctx context.Context, it *pebble.Iterator, prefix byte, visit func(metering.ResourceKey, *closedRecord) error) error {
	for at := []byte{prefix}; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		it.SetBounds(at, []byte{prefix + 1})
		if !it.First() {
			return it.Error()
		}
		key := slices.Clone(it.Key())
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		resource, _, err := layout.DecodeClosedKey(key)
		if err != nil {
			return err
		}
		c, err := decodeClosed(key, value)
		if err != nil {
			return err
		}
		if err := visit(resource, &c); err != nil {
			return err
		}
		at = append(key, 0)
	}
}

// unitAt returns the unit of the first observation at or behind a key.
func unitAt(ctx context.Context, it *pebble.Iterator, at []byte, prefix byte) (u layout.Unit, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return u, false, err
	}
	it.SetBounds(at, layout.PrefixEnd([]byte{prefix}))
	if !it.First() {
		return u, false, it.Error()
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return u, false, err
	}
	stored, err := layout.Decode(it.Key(), value)
	if err != nil {
		return u, false, err
	}
	return layout.UnitOf(&stored.Observation), true, nil
}
