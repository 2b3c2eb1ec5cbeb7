package report

import (
	"context"
	"io"
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
