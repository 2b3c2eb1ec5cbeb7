package ledger

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// foldUnits folds units from all that is stored of them, in the order of their
// keys, and hands each to visit.
func (s *sequencer) foldUnits(units []layout.Unit, visit func(*folded)) error {
	return s.eachUnit(units, func(it *pebble.Iterator, unit layout.Unit) (*folded, error) {
		return s.closing.foldFrom(it, s.sources, unit)
	}, visit)
}

// eachUnit sorts units by their keys, folds them on all processors, each with an
// iterator of its own, and then visits them one after the other. fold must change
// nothing.
func (s *sequencer) eachUnit(units []layout.Unit, fold func(*pebble.Iterator, layout.Unit) (*folded, error), visit func(*folded)) error {
	slices.SortFunc(units, layout.Unit.Compare)
	all := make([]*folded, len(units))
	err := s.ledger.courtesy.inShares(len(units), func(from, to int) error { return foldInto(all[from:to], s.db, units[from:to], fold) })
	if err != nil {
		return err
	}
	for _, f := range all {
		visit(f)
	}
	return nil
}

// foldInto folds units in the order of their keys.
func foldInto(all []*folded, db *pebble.DB, units []layout.Unit, fold func(*pebble.Iterator, layout.Unit) (*folded, error)) (err error) {
	it, err := db.NewIter(nil)
	if err != nil {
		return fmt.Errorf("read observations: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for i, unit := range units {
		if all[i], err = fold(it, unit); err != nil {
			return err
		}
	}
	return nil
}

// told reads what was told of one unit and not retracted. The iterator stands
// before its observations and has its bounds.
func told(it *pebble.Iterator, sources *sourceTable, unit layout.Unit) (states []metering.State, windows []metering.Window, err error) {
	c := cursor{it: it, sources: sources}
	for it.Valid() {
		stored, retracted, err := c.next()
		if err != nil {
			return nil, nil, err
		}
		switch {
		case retracted:
		case stored.Kind == metering.QuantityObserved:
			windows = append(windows, stored.Window())
		default:
			states = append(states, stored.State())
		}
	}
	if err := it.Error(); err != nil {
		return nil, nil, fmt.Errorf("read observations of %v: %w", unit, err)
	}
	return states, windows, nil
}

// cursor reads observations one after the other.
type cursor struct {
	it      *pebble.Iterator
	sources *sourceTable
	key     []byte // memory of the one that was read last
	stored  layout.Stored
	decoder layout.Decoder
}

// next reads the observation at the iterator and steps behind it and its mark.
// What it returns is valid until it is called again.
func (c *cursor) next() (stored *layout.Stored, retracted bool, err error) {
	c.key = append(c.key[:0], c.it.Key()...)
	value, err := c.it.ValueAndErr()
	if err != nil {
		return nil, false, fmt.Errorf("read observation %x: %w", c.key, err)
	}
	if err := c.decoder.Decode(&c.stored, c.key, value); err != nil {
		return nil, false, err
	}
	if c.stored.Name.Source, err = c.sources.text(c.stored.Source); err != nil {
		return nil, false, fmt.Errorf("observation %x: %w", c.key, err)
	}
	if retracted = c.it.Next() && layout.IsMarkOf(c.it.Key(), c.key); retracted {
		c.it.Next()
	}
	return &c.stored, retracted, nil
}

// sourceTable numbers the sources. It is filled when the store is opened, and
// belongs to the sequencer.
type sourceTable struct {
	numbers map[string]layout.SourceNumber
	texts   []string // by number; 0 is none
}

func newSourceTable() *sourceTable {
	return &sourceTable{numbers: map[string]layout.SourceNumber{}, texts: []string{""}}
}

// number returns the number of a source; fresh says that it is new and must be
// stored.
func (t *sourceTable) number(text string) (n layout.SourceNumber, fresh bool) {
	n, ok := t.numbers[text]
	if !ok {
		n = layout.SourceNumber(len(t.texts))
		t.numbers[text] = n
		t.texts = append(t.texts, text)
	}
	return n, !ok
}

func (t *sourceTable) text(n layout.SourceNumber) (string, error) {
	if n == 0 || int(n) >= len(t.texts) {
		return "", fmt.Errorf("source number %d is not in the table of sources", n)
	}
	return t.texts[n], nil
}

// loadSources reads the table of sources.
func loadSources(r pebble.Reader) (*sourceTable, error) {
	t := newSourceTable()
	err := scan(r, []byte{layout.Sources}, func(key, value []byte) error {
		n, err := layout.SeqOfKey(key)
		if err != nil {
			return err
		}
		if n != uint64(len(t.texts)) {
			return fmt.Errorf("source number %d is missing", len(t.texts))
		}
		t.numbers[string(value)] = layout.SourceNumber(n)
		t.texts = append(t.texts, string(value))
		return nil
	})
	return t, err
}

// scan visits all pairs whose key begins with the prefix. Key and value are
// valid only during the call.
func scan(r pebble.Reader, prefix []byte, visit func(key, value []byte) error) error {
	return scanBetween(r, prefix, layout.PrefixEnd(prefix), visit)
}

// scanBetween visits the pairs whose keys are in [from, to), to the last one
// when to is nil.
func scanBetween(r pebble.Reader, from, to []byte, visit func(key, value []byte) error) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("read keys %q: %w", from, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("read key %x: %w", it.Key(), err)
		}
		if err := visit(it.Key(), value); err != nil {
			return err
		}
	}
	return it.Error()
}
