package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// balance tells whether observations and id entries point to each other without
// looking one up for the other: both add up what they say about themselves, and
// where a sum is not 0 in the end, something of those numbers differs. They are
// then looked up one by one.
//
//	observation (name, key, mark) --(+)--> sum of its number <--(-)-- entry (name, key, flag)
type balance struct{ sums [1 << 16]uint64 }

func (b *balance) add(n layout.Seq, print uint64)  { b.sums[n%layout.Seq(len(b.sums))] += print }
func (b *balance) take(n layout.Seq, print uint64) { b.sums[n%layout.Seq(len(b.sums))] -= print }
func (b *balance) evenAt(n layout.Seq) bool        { return b.sums[n%layout.Seq(len(b.sums))] == 0 }
func (b *balance) even() bool                      { return b.sums == [len(b.sums)]uint64{} }

// fingerprint hashes what an observation and its id entry must agree on.
func fingerprint(name, key []byte, retracted bool) uint64 {
	var room [256]byte
	text := append(append(room[:0], name...), key...)
	text = append(text, byte(len(key)), 0)
	if retracted {
		text[len(text)-1] = 1
	}
	return xxhash.Sum64(text)
}

// namedTargets are the hashes of the id keys that retractions name.
type namedTargets struct {
	hashes []uint64 // sorted and distinct once all retractions were read
	found  bitSet   // by index + 1: there is an entry
}

func (t *namedTargets) seal() {
	slices.Sort(t.hashes)
	t.hashes = slices.Compact(t.hashes)
	t.found = newBitSet(uint64(len(t.hashes)))
}

// names reports whether a retraction names the id, and notes that it was met.
func (t *namedTargets) names(hash uint64) bool {
	i, named := slices.BinarySearch(t.hashes, hash)
	if named {
		t.found.add(uint64(i) + 1)
	}
	return named
}

func (t *namedTargets) met(hash uint64) bool {
	i, named := slices.BinarySearch(t.hashes, hash)
	return named && t.found.has(uint64(i)+1)
}

// targetKey returns the id key of what a retraction names.
func (v *verifier) targetKey(s *layout.Stored) (key []byte, ok bool) {
	source, ok := v.sources.numbers[s.TargetSource]
	return layout.AppendID(nil, s.Name.Project, source, s.TargetID), ok
}

func (v *verifier) noteTarget(s *layout.Stored) {
	if key, ok := v.targetKey(s); ok {
		v.named.hashes = append(v.named.hashes, xxhash.Sum64(key))
		return
	}
	v.differOnce(checkSources, fmt.Sprintf("source %q", s.TargetSource), "without a number", "in the table: "+observationText(s)+" names it")
}

// entries checks all id entries.
func (v *verifier) entries(ctx context.Context) error {
	v.named.seal()
	return scan(v.r, []byte{layout.IDs}, func(key, value []byte) error {
		v.IDs++
		v.entry(key, value)
		return v.step(ctx, "ids")
	})
}

func (v *verifier) entry(key, value []byte) {
	project, _, _, err := layout.DecodeID(key)
	if err != nil {
		v.differ(checkIDs, fmt.Sprintf("id entry %x", key), err.Error(), "an id entry")
		return
	}
	hash := xxhash.Sum64(key)
	if v.ids != nil && !v.ids.mayHave(hash) {
		v.differ(checkIDFilter, v.idText(key), "taken for unknown", "known: it would be stored twice")
	}
	named := v.named.names(hash)
	e, err := layout.DecodeIDEntry(project, value)
	if err != nil {
		v.differ(checkIDs, v.idText(key), err.Error(), "an id entry")
		return
	}
	isRetraction := e.Known && e.Kind == metering.RetractionMade
	switch {
	case isRetraction: // a retraction of a retraction has no effect
	case e.Retracted && !named && !v.unread:
		v.differ(checkRetractions, v.idText(key), "retracted", "not retracted: no retraction names it")
	case !e.Retracted && named:
		v.differ(checkRetractions, v.idText(key), "not retracted", "retracted: a retraction names it")
	}
	switch {
	case e.Known && v.months.Before.Closes(e.Kind, e.At) && v.numbers.add(uint64(e.Seq)):
		v.Dropped++ // no observation has the number
		v.droppedNumber(key, e.Seq)
	case e.Known:
		v.balance.take(e.Seq, fingerprint(key, e.Key(project), e.Retracted && !isRetraction))
	case !e.Retracted:
		v.differ(checkIDs, v.idText(key), "neither stored nor retracted", "one of both")
	}
}

// unfoundTargets names what retractions name and the id index does not know.
func (v *verifier) unfoundTargets(ctx context.Context) error {
	if v.named.complete() {
		return nil
	}
	return eachObservation(v.r, layout.Retractions, func(_ []byte, s *layout.Stored, _ bool) error {
		if key, ok := v.targetKey(s); ok && !v.named.met(xxhash.Sum64(key)) {
			v.differ(checkRetractions, v.idText(key), "no id entry", "retracted: "+observationText(s)+" names it")
		}
		return ctx.Err()
	}, func([]byte, error) {})
}

func (t *namedTargets) complete() bool {
	for i := range t.hashes {
		if !t.found.has(uint64(i) + 1) {
			return false
		}
	}
	return true
}

// explainImbalance looks up one by one what the sums say is not in order.
func (v *verifier) explainImbalance(ctx context.Context) error {
	for _, prefix := range []byte{layout.States, layout.Quantities, layout.Retractions} {
		err := eachObservation(v.r, prefix, func(key []byte, s *layout.Stored, marked bool) error {
			if v.balance.evenAt(s.Seq) {
				return ctx.Err()
			}
			return errors.Join(v.lookUpEntry(key, s, marked), ctx.Err())
		}, func([]byte, error) {})
		if err != nil {
			return err
		}
	}
	return scan(v.r, []byte{layout.IDs}, func(key, value []byte) error {
		project, _, _, err := layout.DecodeID(key)
		if err != nil {
			return ctx.Err() // it was named before
		}
		e, err := layout.DecodeIDEntry(project, value)
		if err != nil || !e.Known || v.balance.evenAt(e.Seq) {
			return ctx.Err()
		}
		return errors.Join(v.lookUpObservation(key, project, &e), ctx.Err())
	})
}

// lookUpEntry checks that the id entry of an observation points to it.
func (v *verifier) lookUpEntry(key []byte, s *layout.Stored, marked bool) error {
	if text, err := v.sources.text(s.Source); err == nil {
		s.Name.Source = text
	}
	name := layout.AppendID(nil, s.Name.Project, s.Source, s.Name.ID)
	value, found, err := get(v.r, name)
	if err != nil {
		return err
	}
	if !found {
		v.differ(checkIDs, observationText(s), "without id entry", "with an id entry: it would be stored twice")
		return nil
	}
	e, err := layout.DecodeIDEntry(s.Name.Project, value)
	switch {
	case err != nil: // it was named before
	case !e.Known:
		v.differ(checkIDs, observationText(s), "its id entry says that it is not stored", "that it is")
	case string(e.Key(s.Name.Project)) != string(key):
		v.differ(checkIDs, observationText(s), fmt.Sprintf("its id entry points to number %d, key %x", e.Seq, e.Key(s.Name.Project)), fmt.Sprintf("to its key %x", key))
	case s.Kind != metering.RetractionMade && marked != e.Retracted:
		v.differ(checkMarks, observationText(s), markText(marked), fmt.Sprintf("%s, as its id entry says", markText(e.Retracted)))
	}
	return nil
}

func markText(marked bool) string {
	if marked {
		return "marked as retracted"
	}
	return "not marked as retracted"
}

// lookUpObservation checks that an id entry points to an observation of its
// name, unless that may have been dropped.
func (v *verifier) lookUpObservation(name []byte, project metering.ProjectID, e *layout.IDEntry) error {
	key := e.Key(project)
	value, found, err := get(v.r, key)
	if err != nil || !found && v.months.Before.Closes(e.Kind, e.At) {
		return err
	}
	if !found {
		v.differ(checkIDs, v.idText(name), fmt.Sprintf("points to key %x, where nothing is stored", key), "points to an observation")
		return nil
	}
	s, err := layout.Decode(key, value)
	if err != nil {
		return nil // it was named before
	}
	if other := layout.AppendID(nil, s.Name.Project, s.Source, s.Name.ID); string(other) != string(name) {
		v.differ(checkIDs, v.idText(name), "points to the observation of another name: "+v.idText(other), "points to the one of its name")
	}
	return nil
}

// get returns a copy of the value at a key.
func get(r pebble.Reader, key []byte) (value []byte, found bool, err error) {
	shared, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read key %x: %w", key, err)
	}
	return slices.Clone(shared), true, closer.Close()
}
