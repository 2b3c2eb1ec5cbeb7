package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Model is a complete store in memory that is slow and obviously right. It
// writes nothing to a disk, never blocks, and takes any batch until it is
// closed. It is safe for concurrent use.
type Model struct {
	clock     func() metering.Instant
	strict    bool
	retention metering.Instant // 0: for ever

	mu struct {
		sync.Mutex
		closed    bool
		openFrom  metering.Instant // 0: no month was ever closed
		stored    map[metering.ObservationName]*metering.Observation
		receipts  map[metering.ObservationName]receipt
		retracted map[metering.ObservationName]bool
		projects  map[metering.ProjectID]report.Project
		regions   map[metering.RegionID]report.Region
		heard     []heard
	}
}

var _ report.Store = (*Model)(nil)

// ModelOption changes how a model is made.
type ModelOption func(*Model)

// StrictProjects makes the model refuse observations of projects and regions
// that nobody registered.
func StrictProjects() ModelOption { return func(m *Model) { m.strict = true } }

// Retention makes the model refuse, as period_closed, states whose time and
// quantities whose from is more than age before the clock.
func Retention(age metering.Instant) ModelOption { return func(m *Model) { m.retention = age } }

// NewModel makes an empty model.
func NewModel(clock func() metering.Instant, options ...ModelOption) *Model {
	m := &Model{clock: clock}
	for _, option := range options {
		option(m)
	}
	m.mu.stored = map[metering.ObservationName]*metering.Observation{}
	m.mu.receipts = map[metering.ObservationName]receipt{}
	m.mu.retracted = map[metering.ObservationName]bool{}
	m.mu.projects = map[metering.ProjectID]report.Project{}
	m.mu.regions = map[metering.RegionID]report.Region{}
	return m
}

// done is a batch that needs no waiting.
type done []report.Outcome

// Wait implements [report.Pending].
func (d done) Wait(context.Context) ([]report.Outcome, error) { return d, nil }

// Submit implements [report.Writer]; the batch has taken effect on return.
func (m *Model) Submit(_ context.Context, batch []report.Submission) (report.Pending, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return nil, err
	}
	outcomes := make(done, len(batch))
	for i := range batch {
		outcomes[i] = m.storeLocked(&batch[i])
		m.mu.heard = append(m.mu.heard, heard{batch[i], outcomes[i]})
	}
	return outcomes, nil
}

// Writable implements [report.Writer].
func (m *Model) Writable() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.openLocked()
}

// Close implements [report.Store].
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.closed = true
	return nil
}

// CloseMonths makes the model refuse what would change the months before one.
func (m *Model) CloseMonths(before metering.Month) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.openFrom = before.Start().Start()
}

// closesLocked reports whether an observation counts in a closed month: a state
// if a sample there can see it, the last of which is taken 30 seconds before the
// month's end; a quantity if it begins there.
func (m *Model) closesLocked(o *metering.Observation) bool {
	switch o.Kind {
	case metering.StateObserved:
		return o.Time <= m.mu.openFrom-30*metering.Second
	case metering.QuantityObserved:
		return o.From < m.mu.openFrom
	}
	target := m.mu.stored[metering.ObservationName{Project: o.Name.Project, Source: o.TargetSource, ID: o.TargetID}]
	return target != nil && target.Kind != metering.RetractionMade && m.closesLocked(target)
}

func (m *Model) openLocked() error {
	if m.mu.closed {
		return metering.Errorf(metering.KindUnavailable, "the store is closed; open it again")
	}
	return nil
}

// storeLocked decides about one submission, in the precedence of spec
// 2-metering, and keeps it if it is new.
func (m *Model) storeLocked(s *report.Submission) report.Outcome {
	if s.Refused != nil {
		return report.Outcome{Rejected: s.Refused}
	}
	if r := m.refusalLocked(s); r != nil {
		return report.Outcome{Rejected: r}
	}
	o := s.Observation
	if known := m.mu.stored[o.Name]; known != nil {
		if sameContent(known, o) {
			return report.Outcome{Duplicate: true}
		}
		return report.Outcome{Rejected: &metering.Rejection{Code: metering.IDReused, Field: "id",
			Message: fmt.Sprintf("id %q of source %q was used for other content; give this event a new id", o.Name.ID, o.Name.Source)}}
	}
	kept := *o
	kept.Attributes.Tags = slices.Clone(o.Attributes.Tags)
	m.mu.stored[o.Name] = &kept
	m.mu.receipts[o.Name] = receipt{number: uint64(len(m.mu.stored)), at: s.ReceivedAt}
	m.registerLocked(s)
	if o.Kind == metering.RetractionMade {
		m.mu.retracted[metering.ObservationName{Project: o.Name.Project, Source: o.TargetSource, ID: o.TargetID}] = true
	}
	return report.Outcome{}
}

func (m *Model) refusalLocked(s *report.Submission) *metering.Rejection {
	o := s.Observation
	project, known := m.mu.projects[o.Name.Project]
	if known && !s.AnyClient && project.Client != s.Client {
		return &metering.Rejection{Code: metering.ForbiddenProject, Field: "data.project_id",
			Message: fmt.Sprintf("the key may not write to project %d", o.Name.Project)}
	}
	if m.strict && !known {
		return &metering.Rejection{Code: metering.UnknownProject, Field: "data.project_id",
			Message: fmt.Sprintf("project %d is not registered; register it first", o.Name.Project)}
	}
	if _, known := m.mu.regions[o.Resource.Region]; m.strict && !known && o.Kind != metering.RetractionMade {
		return &metering.Rejection{Code: metering.UnknownProject, Field: "data.region_id",
			Message: fmt.Sprintf("region %d is not registered; register it first", o.Resource.Region)}
	}
	if m.closesLocked(o) {
		return &metering.Rejection{Code: metering.PeriodClosed, Message: fmt.Sprintf("the months before %s are closed", m.mu.openFrom)}
	}
	at, field := o.Time, "time"
	switch o.Kind {
	case metering.RetractionMade:
		return nil
	case metering.QuantityObserved:
		at, field = o.From, "data.from"
	}
	if m.retention > 0 && at < m.clock()-m.retention {
		return &metering.Rejection{Code: metering.PeriodClosed, Field: field,
			Message: fmt.Sprintf("%s is older than the retention; nothing is stored before %s", at, m.clock()-m.retention)}
	}
	return nil
}

// registerLocked notes the project and the region of an accepted observation.
func (m *Model) registerLocked(s *report.Submission) {
	o := s.Observation
	if _, known := m.mu.projects[o.Name.Project]; !known {
		m.mu.projects[o.Name.Project] = report.Project{ID: o.Name.Project, Client: s.Client, CreatedAt: s.ReceivedAt}
	}
	if o.Kind == metering.RetractionMade {
		return
	}
	if _, known := m.mu.regions[o.Resource.Region]; !known {
		m.mu.regions[o.Resource.Region] = report.Region{ID: o.Resource.Region, CreatedAt: s.ReceivedAt}
	}
}

// sameContent compares all that an observation says (spec 2-metering,
// "Identity"); the name itself is known to be equal.
func sameContent(a, b *metering.Observation) bool {
	x, y := *a, *b
	tagsEqual := slices.Equal(x.Attributes.Tags, y.Attributes.Tags)
	return tagsEqual && fmt.Sprintf("%#v", untagged(x)) == fmt.Sprintf("%#v", untagged(y))
}

func untagged(o metering.Observation) metering.Observation {
	o.Attributes.Tags = nil
	return o
}
