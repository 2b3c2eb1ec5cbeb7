package ledger

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// storeAtRest is a store that no process uses, opened for reading. Nothing in
// its folder is changed.
type storeAtRest struct {
	options  Options
	lock     *pebble.Lock
	db       *pebble.DB      // nil: nothing was ever written
	manifest *cutOffManifest // nil: it is whole
}

// openAtRest opens a store for reading. A store that is in use gives
// KindUnavailable, a folder that is no store KindInvalid, damage a damageError.
// instead names what to do with a store that a server uses.
func openAtRest(o Options, instead string) (*storeAtRest, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch err := judgeFormat(o.FS, o.Dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, metering.Errorf(metering.KindInvalid, "%s is no meterbook store: it has no file %s", o.Dir, formatFile)
	case err != nil:
		return nil, &metering.Error{Kind: metering.KindInvalid, Message: err.Error()}
	}
	s := &storeAtRest{options: o}
	dir := o.FS.PathJoin(o.Dir, observationsDir)
	var err error
	switch s.lock, err = pebble.LockDirectory(dir, o.FS); {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil // a first start was cut off
	case errors.Is(err, fs.ErrPermission):
		return nil, &metering.Error{Kind: metering.KindInvalid, Message: "the store in " + o.Dir + " may not be read by this user", Cause: err}
	case err != nil:
		return nil, &metering.Error{Kind: metering.KindUnavailable, Message: fmt.Sprintf("the store in %s is in use, probably by a server: %s", o.Dir, instead), Cause: err}
	}
	if s.manifest, err = checkManifest(o.FS, o.Dir); err != nil {
		return nil, errors.Join(&damageError{err}, s.lock.Close())
	}
	p := pebbleOptions(&s.options)
	p.ReadOnly, p.Lock = true, s.lock
	switch s.db, err = pebble.Open(dir, p); {
	case errors.Is(err, pebble.ErrDBDoesNotExist):
		return s, nil
	case err != nil:
		return nil, errors.Join(&damageError{ofSettings(s.options.FS, s.options.Dir, err)}, s.lock.Close())
	}
	return s, nil
}

// damageError says that Pebble cannot open its files.
type damageError struct{ cause error }

func (e *damageError) Error() string { return "the observations cannot be opened: " + e.cause.Error() }
func (e *damageError) Unwrap() error { return e.cause }

func (s *storeAtRest) close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// Verify examines the store in a folder, which no server may be using, and does
// not change it (spec 2-metering, "Audit"). Of the options, Dir, FS and Logger
// count. It calls progress now and then. Differences are no error; the kinds of
// errors are KindInvalid for a folder that is no store, and KindUnavailable for
// one that is in use.
func Verify(ctx context.Context, o Options, progress func(report.Progress)) (found *report.Verification, err error) {
	s, err := openAtRest(o, "ask that one, with meterbook verify --server URL, or stop it")
	var damage *damageError
	if errors.As(err, &damage) {
		v := newVerifier(nil, progress)
		v.differ(checkStore, observationsDir, damage.cause.Error(), "readable")
		return &v.Verification, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.db == nil {
		return s.verifyEmpty(progress)
	}
	v := newVerifier(s.db, progress)
	if err := v.part(ctx, observationsDir, func() error { return v.tables(ctx, s) }); err != nil {
		return nil, err
	}
	err = v.atRest(ctx, &s.options)
	s.manifest.explainDifferences(&v.Verification)
	return &v.Verification, err
}

// atRest verifies what a restart would find.
func (v *verifier) atRest(ctx context.Context, o *Options) (err error) {
	err = v.part(ctx, "tables", func() error {
		if err := errors.Join(v.readSources(), v.readDirectory(), v.readPointer(), v.readClosing()); err != nil {
			return err
		}
		v.loadDerived(o)
		addID := func(uint64) {}
		if v.ids != nil {
			addID = v.ids.add
		}
		err := v.readJournal(addID)
		return errors.Join(err, v.hasAll(o))
	})
	if v.base != nil {
		defer func() { err = errors.Join(err, v.base.Release()) }()
	}
	if err != nil || v.unread {
		return err
	}
	for u := range v.journal {
		v.changed[u] = nil
	}
	return v.verify(ctx)
}

// readCondensed notes how the units are that a start finds in what was condensed, and
// does not fold anew. Those that did not change must be as the base has them.
func (v *verifier) readCondensed() {
	if v.recent == nil || v.audit == nil {
		return
	}
	named := func(f columns.Flaw) { v.differ(checkBase, v.pointer.Recent+": "+f.Of, f.Stored, f.Want) }
	if !v.recent.Flaws(named) {
		return
	}
	condensed := over(v.base, v.recent)
	condensed.changedSince(func(c *change) {
		u := c.is.unit
		switch anew, changed := v.journal[u]; {
		case anew:
		case changed || u.Resource.Type.Measure() != metering.Counted:
			v.changed[u] = c.is
		default:
			if below := condensed.under(c.at).Sums(metering.Period{From: u.Day, To: u.Day + 1}, columns.Rest{}); !slices.EqualFunc(c.is.sums, below, sameDaySum) {
				v.differ(checkUsage, unitText(u), sumsText(c.is.sums), sumsText(below)+", as the base has them")
			}
		}
	})
}

// verifyEmpty is for a store without observations: then nothing may be derived
// from any.
func (s *storeAtRest) verifyEmpty(progress func(report.Progress)) (*report.Verification, error) {
	v := newVerifier(nil, progress)
	names, err := s.options.FS.List(s.options.Dir)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", s.options.Dir, err)
	}
	for _, name := range names {
		if isDerived(name) {
			v.differ(checkStore, observationsDir, "there are none", "observations, from which "+name+" was made")
		}
	}
	return &v.Verification, nil
}

// hasAll compares the last number with that of the bases: see newestBase.
func (v *verifier) hasAll(o *Options) error {
	newest, file, err := newestBase(o)
	if newest > v.last {
		v.differ(checkSequence, "the last number", fmt.Sprintf("%d in the pointer and the journal", v.last), fmt.Sprintf("%d at least, which are in %s", newest, file))
	}
	return err
}
