package report

import (
	"context"

	"github.com/meterbook/meterbook/internal/metering"
)

// Reader answers reports.
type Reader interface {
	// Report answers from one consistent snapshot that includes everything
	// acknowledged before the call. It neither blocks nor is blocked by
	// writing. A store that is still loading or has stopped returns
	// KindUnavailable.
	Report(ctx context.Context, q Query) (*Report, error)

	// Series answers from a snapshot as Report does: the totals of the report and
	// what the series come to are equal. KindInvalid when it would have more than
	// MaxSeriesValues values.
	Series(ctx context.Context, q SeriesQuery) (*Series, error)
}

// Submission is one valid observation on its way into the store.
type Submission struct {
	Observation *metering.Observation
	Client      ClientID         // owner of a project that is first seen in it
	AnyClient   bool             // the key stands above all clients: any project may be written
	ReceivedAt  metering.Instant // by the server's clock
	// Refused is why an event was refused before it came here, nil for all others.
	// It is not stored but counted for its source (see SourceKeeper), so of the
	// observation only the source and the id count, as far as they could be read.
	// Its outcome is Refused.
	Refused *metering.Rejection
	// Times, of what was refused: it stands for so many events; 0 is 1.
	Times uint64
}

// Outcome is what became of a submission.
type Outcome struct {
	Duplicate bool                // stored already, with the same content
	Rejected  *metering.Rejection // nil: it is stored
}

// Pending is a batch on its way to the disk.
type Pending interface {
	// Wait blocks until the batch is durable and visible to reports, then
	// returns one outcome per submission, in order. If it fails, nothing of the
	// batch was acknowledged; sending it again is safe. When ctx ends first,
	// the batch goes on.
	Wait(ctx context.Context) ([]Outcome, error)
}

// Writer stores observations.
type Writer interface {
	// Submit queues a batch and returns without waiting for the disk. Batches
	// take effect in the order in which Submit was called; of two observations
	// with one name the first one counts. It blocks while the queue is full.
	// A store that is starting, stopping or out of room gives KindUnavailable.
	Submit(ctx context.Context, batch []Submission) (Pending, error)

	// Writable reports, without blocking, why a batch would not be taken now:
	// KindRateLimited when the queue is full, KindUnavailable when starting,
	// stopping or out of room, nil otherwise.
	Writable() error
}

// ClientID names a client (tenant).
type ClientID string

// DefaultClient owns projects that are first seen from keys above all clients.
const DefaultClient ClientID = "default"

// Project is a project as the directory knows it.
type Project struct {
	ID          metering.ProjectID
	Client      ClientID
	Name        string // "" when nobody named it
	Description string
	CreatedAt   metering.Instant // when it was registered or first seen
}

// Region is a region as the directory knows it.
type Region struct {
	ID        metering.RegionID
	Name      string // "" when nobody named it
	Country   string // ISO 3166-1 alpha-2, "" when unknown
	CreatedAt metering.Instant
}

// Directory knows the projects and regions: those registered by hand and those
// first seen in an observation. A change is durable when the call returns and
// seen by every call after it.
type Directory interface {
	Project(id metering.ProjectID) (Project, bool)
	// Projects lists the projects of one client, "" for all, by id.
	Projects(client ClientID) []Project
	// ProjectIDs is Projects without what is known of them, and costs next to
	// nothing while the client's projects stay the same: every request of a
	// client asks. The caller must not change the list.
	ProjectIDs(client ClientID) []metering.ProjectID
	Region(id metering.RegionID) (Region, bool)
	Regions() []Region
	// AddProject registers a project; KindConflict when it is known already,
	// if only from an observation that came first.
	AddProject(ctx context.Context, p Project) error
	PutProject(ctx context.Context, p Project) error
	PutRegion(ctx context.Context, r Region) error
	// DeleteProject and DeleteRegion give KindConflict when observations name
	// them: what was metered stays.
	DeleteProject(ctx context.Context, id metering.ProjectID) error
	DeleteRegion(ctx context.Context, id metering.RegionID) error
}

// Store is all of it.
type Store interface {
	Reader
	Writer
	Directory
	Auditor
	Inspector
	SourceKeeper
	// Close finishes what was submitted, then releases everything.
	Close() error
}
