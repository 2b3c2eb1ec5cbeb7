package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/columns"
	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// The checks of a verification, as its differences name them.
const (
	checkStore       = "store"       // the key-value store can be read
	checkObservation = "observation" // each decodes, its source is known
	checkSequence    = "sequence"    // numbers are unique, none is missing
	checkIDs         = "ids"         // observations and id entries point to each other
	checkMarks       = "marks"       // marks of retraction agree with the id entries
	checkRetractions = "retractions" // what is retracted is what retractions name
	checkIDFilter    = "id filter"   // knows every id
	checkSources     = "sources"     // the table is complete
	checkDirectory   = "directory"   // projects and regions are registered
	checkClosed      = "closed"      // what closed months came to
	checkJournal     = "journal"     // a restart folds anew what changed
	checkBase        = "base"        // checksums, order, ranks of names
	checkUsage       = "usage"       // what is folded is what the observations say
	checkHeard       = "heard"       // what is remembered of event sources can be read
)

// verifier compares what is stored with what follows from the observations. It
// reads everything in the order of the keys, a unit at a time, so its memory
// does not grow with the store but for a bit an observation and a few bytes a
// retraction.
type verifier struct {
	report.Verification
	r        pebble.Reader
	progress func(report.Progress)
	closing  <-chan struct{} // nil: nobody closes the store meanwhile
	read     int64           // observations and id entries so far
	// unread is set when some part cannot be read; what would follow from
	// knowing all of it is not checked then.
	unread bool

	sources  *sourceTable
	projects map[metering.ProjectID]bool // true: an observation has named it
	regions  map[metering.RegionID]bool
	pointer  pointer
	months   closing
	last     layout.Seq           // the last number given out
	journal  map[layout.Unit]bool // of what changed since the base; true: behind what was condensed
	// changed are the units that the base does not show as they are now; nil:
	// a restart folds it anew.
	changed map[layout.Unit]*folded
	base    *columns.Base // nil: it cannot be read
	recent  *columns.Base // what a start lays over the base; nil: nothing
	audit   *columns.Audit
	ids     *idFilter // nil: it cannot be read

	numbers numberSet
	balance balance
	named   namedTargets
	told    map[string]bool // differences that would be told of each observation
	key     []byte
}

func newVerifier(r pebble.Reader, progress func(report.Progress)) *verifier {
	return &verifier{
		r: r, progress: progress, told: map[string]bool{},
		projects: map[metering.ProjectID]bool{}, regions: map[metering.RegionID]bool{},
		numbers: numberSet{}, journal: map[layout.Unit]bool{}, changed: map[layout.Unit]*folded{},
	}
}

// differ notes a difference.
func (v *verifier) differ(check, of, stored, want string) {
	if v.Total++; v.Total <= report.MaxListedDifferences {
		v.Differences = append(v.Differences, report.Difference{Check: check, Of: of, Stored: stored, Want: want})
	}
}

// differOnce notes a difference that is the same for many observations.
func (v *verifier) differOnce(check, of, stored, want string) {
	if at := check + "\x00" + of; !v.told[at] {
		v.told[at] = true
		v.differ(check, of, stored, want)
	}
}

// part runs a part of the verification. That something cannot be read is a
// difference too; only that it must not go on is an error.
func (v *verifier) part(ctx context.Context, what string, run func() error) error {
	err := run()
	if ended := v.ended(ctx); ended != nil {
		return ended
	}
	if err != nil {
		v.unread = true
		v.differ(checkStore, what, err.Error(), "readable")
	}
	return nil
}

// verify runs all parts. Sources, directory and journal have been read.
func (v *verifier) verify(ctx context.Context) error {
	if v.base != nil {
		named := func(f columns.Flaw) { v.differ(checkBase, v.baseName()+": "+f.Of, f.Stored, f.Want) }
		if v.base.Flaws(named) {
			v.audit = columns.NewAudit(v.base)
		}
	}
	v.readCondensed()
	parts := []struct {
		what string
		run  func() error
	}{
		{"states", func() error { return v.observations(ctx, layout.States) }},
		{"quantities", func() error { return v.observations(ctx, layout.Quantities) }},
		{"retractions", func() error { return v.observations(ctx, layout.Retractions) }},
		{"ids", func() error { return v.entries(ctx) }},
		{"event sources", v.eventSources},
		{"other keys", v.strangers},
		{"records", func() error { return scan(v.r, []byte{layout.Records}, func(_, _ []byte) error { return ctx.Err() }) }},
	}
	for _, p := range parts {
		if err := v.part(ctx, p.what, p.run); err != nil {
			return err
		}
	}
	if v.unread {
		return nil
	}
	v.unseen()
	v.missingNumbers()
	if err := v.part(ctx, "retractions", func() error { return v.unfoundTargets(ctx) }); err != nil {
		return err
	}
	if v.balance.even() {
		return nil
	}
	return v.part(ctx, "ids", func() error { return v.explainImbalance(ctx) })
}

func (v *verifier) baseName() string {
	if v.pointer.Base == "" {
		return "the base in memory"
	}
	return v.pointer.Base
}

// stepSize is the number of keys between two looks at the context.
const stepSize = 4096

// step counts a key that was read.
func (v *verifier) step(ctx context.Context, stage string) error {
	v.read++
	if v.read%stepSize != 1 {
		return nil
	}
	v.progress(report.Progress{Stage: stage, Done: v.read - 1, Total: max(2*int64(v.last), v.read)})
	return v.ended(ctx)
}

// ended says why the verification must not go on.
func (v *verifier) ended(ctx context.Context) error {
	select {
	case <-v.closing:
		return errStopped()
	case <-ctx.Done():
		return context.Cause(ctx)
	default:
		return nil
	}
}

// bitSet is a set of the numbers 0 to n.
type bitSet []uint64

func newBitSet(n uint64) bitSet { return make(bitSet, n/64+1) }

func (s bitSet) has(n uint64) bool { return s[n/64]>>(n%64)&1 == 1 }
func (s bitSet) add(n uint64)      { s[n/64] |= 1 << (n % 64) }

// numberSet is a set of numbers that lie close together, in blocks that are made
// when they are needed: a damaged number must not cost memory.
type numberSet map[uint64]bitSet

const numberBlock = 1 << 16

// add adds a number; fresh is false when it was there.
func (s numberSet) add(n uint64) (fresh bool) {
	block := s[n/numberBlock]
	if block == nil {
		block = newBitSet(numberBlock)
		s[n/numberBlock] = block
	}
	fresh = !block.has(n % numberBlock)
	block.add(n % numberBlock)
	return fresh
}

// missing visits the runs of numbers from 1 to last that are not in the set.
func (s numberSet) missing(last uint64, visit func(first, last uint64)) {
	next := uint64(1) // all before it have been looked at
	for _, b := range slices.Sorted(maps.Keys(s)) {
		for n := range uint64(numberBlock) {
			if !s[b].has(n) {
				continue
			}
			if at := b*numberBlock + n; at > next {
				visit(next, at-1)
			}
			next = b*numberBlock + n + 1
		}
	}
	if next <= last {
		visit(next, last)
	}
}

// number checks the sequence number of an observation.
func (v *verifier) number(s *layout.Stored) {
	switch n := s.Seq; {
	case n == 0 || n > v.last:
		v.differ(checkSequence, observationText(s), fmt.Sprintf("number %d", n), fmt.Sprintf("a number from 1 to %d, the last one given out", v.last))
	case !v.numbers.add(uint64(n)):
		v.differ(checkSequence, observationText(s), fmt.Sprintf("number %d, which another observation has too", n), "a number of its own")
	}
}

// missingNumbers names the runs of numbers that no observation has.
func (v *verifier) missingNumbers() {
	v.numbers.missing(uint64(v.last), func(first, last uint64) {
		v.differ(checkSequence, fmt.Sprintf("observations with the numbers %d to %d", first, last), "missing", "stored")
	})
}
