package ledger

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// fetched is an id entry as Pebble has it.
type fetched struct {
	key         []byte
	project     metering.ProjectID
	own         bool // it is that of an observation of the group, which may be a copy
	found       bool
	entry       layout.IDEntry
	observation *metering.Observation // that an own entry points to; nil: it was not read
	err         error
}

// worthFetching is how many id entries are read ahead rather than one by one.
const worthFetching = 16

// fetch reads the id entries that the items name and that may be there, and the
// observations that are sent again, on all processors: one by one, each would wait
// for blocks that are in no cache.
func (g *group) fetch(items []item) {
	var wanted []*fetched
	numbers := g.s.sources.numbers
	for i := range items {
		it := &items[i]
		if it.Refused != nil {
			continue
		}
		o := it.Observation
		if source, known := numbers[o.Name.Source]; known {
			if it.id = g.sought(o.Name.Project, source, o.Name.ID); it.id.stored {
				wanted = append(wanted, &fetched{key: it.id.key, project: o.Name.Project, own: true})
			}
		}
		if o.Kind != metering.RetractionMade {
			continue
		}
		if source, known := numbers[o.TargetSource]; known {
			if id := g.sought(o.Name.Project, source, o.TargetID); id.stored {
				wanted = append(wanted, &fetched{key: id.key, project: o.Name.Project})
			}
		}
	}
	if len(wanted) < worthFetching {
		return
	}
	_ = g.s.ledger.courtesy.inShares(len(wanted), func(from, to int) error { // each keeps its own error
		for _, f := range wanted[from:to] {
			f.read(g.s.db)
		}
		return nil
	})
	if g.fetched == nil {
		g.fetched = make(map[string]*fetched, len(wanted))
	}
	for _, f := range wanted {
		g.fetched[string(f.key)] = f
	}
}

// read reads the entry and, if it is an own one, what it points to.
func (f *fetched) read(db *pebble.DB) {
	value, closer, err := db.Get(f.key)
	if errors.Is(err, pebble.ErrNotFound) {
		return
	}
	if err != nil {
		f.err = fmt.Errorf("read id entry: %w", err)
		return
	}
	f.entry, err = layout.DecodeIDEntry(f.project, value)
	if f.err = errors.Join(err, closer.Close()); f.err != nil {
		return
	}
	f.found = true
	if f.own && f.entry.Known {
		// An error comes again when it is asked for: it may be closed and dropped.
		f.observation, _ = readObservation(db, f.entry.Key(f.project))
	}
}

// readObservation returns a stored observation, without the text of its source.
func readObservation(db *pebble.DB, key []byte) (*metering.Observation, error) {
	value, closer, err := db.Get(key)
	if err != nil {
		return nil, fmt.Errorf("read observation %x: %w", key, err)
	}
	stored, err := layout.Decode(key, value)
	if err := errors.Join(err, closer.Close()); err != nil {
		return nil, err
	}
	return &stored.Observation, nil
}
