package report

import (
	"context"
	"io"

	"github.com/meterbook/meterbook/internal/metering"
)

// Maintainer is a store that can examine and copy itself while it goes on
// taking observations and answering reports. Of each, one goes on at a time; a
// second one gets KindConflict before anything else happens.
type Maintainer interface {
	// Verify computes everything anew from the observations of one consistent
	// snapshot and compares it with what is stored and what reports show. It
	// calls progress now and then, from its own goroutine. Differences are no
	// error: an error means that there is no result.
	Verify(ctx context.Context, progress func(Progress)) (*Verification, error)
	// Backup writes a copy of the store that holds everything acknowledged
	// before the call. What was written before an error is no backup.
	Backup(ctx context.Context, w io.Writer) error
	// Retain closes all months before one: from then on observations that would
	// change them are refused as period_closed, and those that led to their usage
	// are dropped, while the usage is kept and every report stays as it is. A month
	// that has not begun, or that lies before one that is closed already, is
	// KindInvalid. When it ends early, for whatever reason, the months may be
	// closed and not all be dropped: figures are right all the same, and the next
	// call for that month, or a later one, goes on.
	Retain(ctx context.Context, q Retention, progress func(Progress)) (*Retained, error)
}

// Retention asks for observations to be dropped.
type Retention struct {
	Before metering.Month // the first month that stays open
	DryRun bool           // only tell what would be dropped
}

// Retained is what a retention dropped, or would drop.
type Retained struct {
	Observations int64 // states and quantities
	Bytes        int64 // of their keys and values, before compression
	Resources    int64 // with states of which some are dropped; of counted ones, their months
	// Kept counts what lies before the month and stays, since it bears on what
	// comes after: states in effect when the month begins, quantities that reach
	// into it.
	Kept int64
	// Closed is true when those months were closed already, and nothing was left
	// to be dropped.
	Closed bool
}

// Progress tells how far a long task is.
type Progress struct {
	Stage       string // what is being done, for people
	Done, Total int64  // of one unit throughout a task; Total may be an estimate
}

// MaxListedDifferences bounds the list of a Verification; all are counted.
const MaxListedDifferences = 100

// Verification is what a verification found.
type Verification struct {
	Observations int64 // that were read: states, quantities and retractions
	Retracted    int64 // of them
	IDs          int64 // entries of the id index
	Timelines    int64 // of resources with states, folded anew
	Days         int64 // of counted resources, folded anew
	// Closed is the first month that is open; 0: none was ever closed.
	Closed  metering.Month
	Dropped int64 // observations of closed months that are gone
	// Total counts the differences; Differences lists the first
	// MaxListedDifferences.
	Total       int64
	Differences []Difference
}

// Difference is something that is stored otherwise than it should be.
type Difference struct {
	Check  string // what was being checked: "ids", "usage", ...
	Of     string // what differs: a resource, an observation, a file
	Stored string // as it is
	Want   string // as it should be
}
