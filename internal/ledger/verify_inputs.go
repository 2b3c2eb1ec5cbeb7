package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
)

func (v *verifier) readSources() error {
	v.sources = newSourceTable()
	return scan(v.r, []byte{layout.Sources}, func(key, value []byte) error {
		n, err := layout.SeqOfKey(key)
		if err != nil || n == 0 || n > 1<<32-1 {
			v.differ(checkSources, fmt.Sprintf("key %x", key), "a number that no source has", "the number of a source")
			return nil
		}
		if missing := uint64(len(v.sources.texts)); missing < n {
			v.differ(checkSources, fmt.Sprintf("source numbers %d to %d", missing, n-1), "not in the table of sources", "in the table")
		}
		for uint64(len(v.sources.texts)) < n {
			v.sources.texts = append(v.sources.texts, "")
		}
		if other, twice := v.sources.numbers[string(value)]; twice {
			v.differ(checkSources, fmt.Sprintf("source %q", value), fmt.Sprintf("numbers %d and %d", other, n), "one number: names would be told apart by it")
		}
		v.sources.numbers[string(value)] = layout.SourceNumber(n)
		v.sources.texts = append(v.sources.texts, string(value))
		return nil
	})
}

func (v *verifier) readDirectory() error {
	err := scan(v.r, []byte{layout.Projects}, func(key, value []byte) error {
		var e projectEntry
		if err := json.Unmarshal(value, &e); err != nil || string(projectKey(e.ID)) != string(key) || e.Client == "" {
			v.differ(checkDirectory, fmt.Sprintf("project at key %x", key), fmt.Sprintf("%.200q", value), "the record of a project of that id, with its client")
			return nil
		}
		v.projects[e.ID] = e.Seen
		return nil
	})
	return errors.Join(err, scan(v.r, []byte{layout.Regions}, func(key, value []byte) error {
		var e regionEntry
		if err := json.Unmarshal(value, &e); err != nil || string(regionKey(e.ID)) != string(key) {
			v.differ(checkDirectory, fmt.Sprintf("region at key %x", key), fmt.Sprintf("%.200q", value), "the record of a region of that id")
			return nil
		}
		v.regions[e.ID] = e.Seen
		return nil
	}))
}

func (v *verifier) readPointer() error {
	value, found, err := get(v.r, pointerKey())
	if err != nil || !found {
		return err
	}
	if err := json.Unmarshal(value, &v.pointer); err != nil {
		v.differ(checkBase, "the pointer to the base", fmt.Sprintf("%.200q", value), "JSON with seq, base and ids")
	}
	v.last = v.pointer.Seq
	return nil
}

func (v *verifier) readClosing() (err error) {
	value, found, err := get(v.r, closingKey())
	if err != nil || !found {
		return err
	}
	if err := json.Unmarshal(value, &v.months); err != nil || v.months.Before == 0 {
		v.differ(checkClosed, "which months are closed", fmt.Sprintf("%.200q", value), "JSON with before, at and unfinished")
	}
	v.Closed = v.months.Before
	return nil
}

// strangers names keys of kinds that no program writes.
func (v *verifier) strangers() error {
	kinds := []byte{
		layout.Records, layout.ClosedStates, layout.ClosedQuantities, layout.IDs, layout.Journal, layout.Meta,
		layout.Sources, layout.Projects, layout.Quantities, layout.Regions, layout.States, layout.Retractions,
		layout.EventSources, layout.ReusedIDs,
	}
	slices.Sort(kinds)
	name := func(key, _ []byte) error {
		v.differ(checkStore, fmt.Sprintf("key %x", key), "there", "nothing: no key of this kind is written")
		return nil
	}
	var from []byte // the lowest key of all
	for _, kind := range kinds {
		if err := scanBetween(v.r, from, []byte{kind}, name); err != nil {
			return err
		}
		from = []byte{kind + 1}
	}
	return errors.Join(scanBetween(v.r, from, nil, name), scan(v.r, []byte{layout.Meta}, func(key, value []byte) error {
		if string(key) == string(pointerKey()) || string(key) == string(closingKey()) {
			return nil
		}
		return name(key, value)
	}))
}

// readJournal notes which units a restart folds anew, and hands the hashes of
// the ids that were added since the base to addID.
func (v *verifier) readJournal(addID func(hash uint64)) error {
	return scan(v.r, []byte{layout.Journal}, func(key, value []byte) error {
		seq, err := layout.SeqOfKey(key)
		if err == nil && layout.Seq(seq) <= v.pointer.Seq {
			return nil // a restart skips it
		}
		if err == nil {
			v.last = max(v.last, layout.Seq(seq))
			behind := layout.Seq(seq) > v.pointer.RecentSeq
			err = layout.DecodeTouched(value, addID, func(u layout.Unit) { v.journal[u] = v.journal[u] || behind })
		}
		if err != nil {
			v.differ(checkJournal, fmt.Sprintf("journal entry %x", key), err.Error(), "a journal entry")
		}
		return nil
	})
}

// loadDerived loads the base and the id filter that the pointer names. The
// caller releases the base.
func (v *verifier) loadDerived(o *Options) {
	if v.pointer.Recent != "" {
		recent, err := columns.Read(o.FS, o.Dir, v.pointer.Recent)
		switch {
		case errors.Is(err, fs.ErrNotExist): // a start folds anew
		case err != nil:
			v.differ(checkBase, v.pointer.Recent, err.Error(), "a file that a start can load, or none")
		case recent.Seq != uint64(v.pointer.RecentSeq):
			v.differ(checkBase, v.pointer.Recent, fmt.Sprintf("up to observation %d", recent.Seq), fmt.Sprintf("up to observation %d, as its pointer says", v.pointer.RecentSeq))
		default:
			v.recent = recent
		}
	}
	v.base, v.ids = columns.Build(nil, 0), newIDFilter()
	if v.pointer.Base != "" {
		base, err := columns.Open(o.FS, o.Dir, v.pointer.Base)
		if err != nil {
			v.differ(checkBase, v.pointer.Base, err.Error(), "a base: a start makes it again, which takes long")
		} else if base.Seq != uint64(v.pointer.Seq) {
			v.differ(checkBase, v.pointer.Base, fmt.Sprintf("up to observation %d", base.Seq), fmt.Sprintf("up to observation %d, as its pointer says", v.pointer.Seq))
		}
		v.base = base
	}
	if v.pointer.IDs != "" {
		ids, err := readIDFilter(o.FS, o.Dir, &v.pointer)
		if errors.Is(err, errFilterEarlier) { // a start makes it again
			ids, err = rebuildIDFilter(v.r)
		}
		if err != nil {
			v.differ(checkIDFilter, v.pointer.IDs, err.Error(), "an id filter: a start makes it again, which takes long")
		}
		v.ids = ids
	}
}
