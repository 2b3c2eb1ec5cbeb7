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
func foldUnits(r pebble.Reader, sources *sourceTable, closed closing, units []layout.Unit, visit func(*folded)) (err error) {
	slices.SortFunc(units, func(a, b layout.Unit) int {
		if c := a.Resource.Compare(b.Resource); c != 0 {
			return c
		}
		return int(a.Day) - int(b.Day)
	})
	it, err := r.NewIter(nil)
	if err != nil {
		return fmt.Errorf("read observations: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for _, unit := range units {
		f, err := closed.foldFrom(it, sources, unit)
		if err != nil {
			return err
		}
		visit(f)
	}
	return nil
}

// told reads what was told of one unit and not retracted. The iterator stands
// before its observations and has its bounds.
func told(it *pebble.Iterator, sources *sourceTable, unit layout.Unit) (states []metering.State, windows []metering.Window, err error) {
	for it.Valid() {
		stored, err := next(it, sources)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case stored == nil: // retracted
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

// next reads the observation at the iterator and steps behind it and its mark;
// nil when it is retracted.
func next(it *pebble.Iterator, sources *sourceTable) (*layout.Stored, error) {
	key := slices.Clone(it.Key())
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, fmt.Errorf("read observation %x: %w", key, err)
	}
	stored, err := layout.Decode(key, value)
	if err != nil {
		return nil, err
	}
	if stored.Name.Source, err = sources.text(stored.Source); err != nil {
		return nil, fmt.Errorf("observation %x: %w", key, err)
	}
	if it.Next() && layout.IsMarkOf(it.Key(), key) {
		it.Next()
		return nil, nil
	}
	return stored, nil
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
