package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Project implements [report.Directory].
func (m *Model) Project(id metering.ProjectID) (report.Project, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, known := m.mu.projects[id]
	return p, known
}

// Projects implements [report.Directory].
func (m *Model) Projects(client report.ClientID) []report.Project {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := slices.SortedFunc(maps.Values(m.mu.projects), func(a, b report.Project) int { return cmp.Compare(a.ID, b.ID) })
	return slices.DeleteFunc(all, func(p report.Project) bool { return client != "" && p.Client != client })
}

// ProjectIDs implements [report.Directory].
func (m *Model) ProjectIDs(client report.ClientID) (ids []metering.ProjectID) {
	for _, p := range m.Projects(client) {
		ids = append(ids, p.ID)
	}
	return ids
}

// Region implements [report.Directory].
func (m *Model) Region(id metering.RegionID) (report.Region, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, known := m.mu.regions[id]
	return r, known
}

// Regions implements [report.Directory].
func (m *Model) Regions() []report.Region {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.mu.regions), func(a, b report.Region) int { return cmp.Compare(a.ID, b.ID) })
}

// AddProject implements [report.Directory].
func (m *Model) AddProject(_ context.Context, p report.Project) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return err
	}
	if _, known := m.mu.projects[p.ID]; known {
		return metering.Errorf(metering.KindConflict, "project %d exists already", p.ID)
	}
	m.mu.projects[p.ID] = p
	return nil
}

// PutProject implements [report.Directory].
func (m *Model) PutProject(_ context.Context, p report.Project) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return err
	}
	m.mu.projects[p.ID] = p
	return nil
}

// PutRegion implements [report.Directory].
func (m *Model) PutRegion(_ context.Context, r report.Region) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return err
	}
	m.mu.regions[r.ID] = r
	return nil
}

// DeleteProject implements [report.Directory]; an unknown project gives
// KindNotFound.
func (m *Model) DeleteProject(_ context.Context, id metering.ProjectID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return err
	}
	if _, known := m.mu.projects[id]; !known {
		return metering.Errorf(metering.KindNotFound, "project %d is not known", id)
	}
	for name := range m.mu.stored {
		if name.Project == id {
			return metering.Errorf(metering.KindConflict, "project %d has observations; what was metered stays", id)
		}
	}
	delete(m.mu.projects, id)
	return nil
}

// DeleteRegion implements [report.Directory]; an unknown region gives
// KindNotFound.
func (m *Model) DeleteRegion(_ context.Context, id metering.RegionID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.openLocked(); err != nil {
		return err
	}
	if _, known := m.mu.regions[id]; !known {
		return metering.Errorf(metering.KindNotFound, "region %d is not known", id)
	}
	for _, o := range m.mu.stored {
		if o.Kind != metering.RetractionMade && o.Resource.Region == id {
			return metering.Errorf(metering.KindConflict, "region %d has observations; what was metered stays", id)
		}
	}
	delete(m.mu.regions, id)
	return nil
}
