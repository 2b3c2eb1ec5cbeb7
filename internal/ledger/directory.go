package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// directory holds the projects and regions. The sequencer alone changes it.
type directory struct {
	mu struct {
		sync.RWMutex
		projects map[metering.ProjectID]projectEntry
		regions  map[metering.RegionID]regionEntry
	}
}

// An entry is Seen when an observation has named it: then it cannot be deleted.
type (
	projectEntry struct {
		report.Project
		Seen bool
	}
	regionEntry struct {
		report.Region
		Seen bool
	}
)

// pair is what a change of the directory writes.
type pair struct{ key, value []byte }

func projectKey(id metering.ProjectID) []byte {
	return layout.AppendUint([]byte{layout.Projects}, uint64(id))
}

func regionKey(id metering.RegionID) []byte {
	return layout.AppendUint([]byte{layout.Regions}, uint64(id))
}

func loadDirectory(r pebble.Reader) (*directory, error) {
	d := &directory{}
	d.mu.projects, d.mu.regions = map[metering.ProjectID]projectEntry{}, map[metering.RegionID]regionEntry{}
	err := scan(r, []byte{layout.Projects}, func(key, value []byte) error {
		var e projectEntry
		err := json.Unmarshal(value, &e)
		d.mu.projects[e.ID] = e
		return err
	})
	err = errors.Join(err, scan(r, []byte{layout.Regions}, func(key, value []byte) error {
		var e regionEntry
		err := json.Unmarshal(value, &e)
		d.mu.regions[e.ID] = e
		return err
	}))
	if err != nil {
		return nil, fmt.Errorf("read projects and regions: %w", err)
	}
	return d, nil
}

// admits says why an observation may not be written to its project or region.
func (d *directory) admits(s *report.Submission, strict bool) *metering.Rejection {
	d.mu.RLock()
	defer d.mu.RUnlock()
	o := s.Observation
	project, known := d.mu.projects[o.Name.Project]
	if known && project.Client != s.Client && !s.AnyClient {
		return &metering.Rejection{
			Code: metering.ForbiddenProject, Field: "data.project_id",
			Message: fmt.Sprintf("this key may not write to project %d", o.Name.Project),
		}
	}
	if strict && !known {
		return &metering.Rejection{
			Code: metering.UnknownProject, Field: "data.project_id",
			Message: fmt.Sprintf("project %d is not registered; an operator registers it with POST /v1/projects", o.Name.Project),
		}
	}
	if strict && o.Kind != metering.RetractionMade {
		if _, known := d.mu.regions[o.Resource.Region]; !known {
			return &metering.Rejection{
				Code: metering.UnknownProject, Field: "data.region_id",
				Message: fmt.Sprintf("region %d is not registered; an operator registers it with POST /v1/regions", o.Resource.Region),
			}
		}
	}
	return nil
}

// see notes the project and the region of an accepted observation, and returns
// what must be stored of that.
func (d *directory) see(s *report.Submission) (writes []pair) {
	o := s.Observation
	project, region := o.Name.Project, o.Resource.Region
	d.mu.RLock()
	seen := d.mu.projects[project].Seen && (region == 0 || d.mu.regions[region].Seen)
	d.mu.RUnlock()
	if seen {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, known := d.mu.projects[project]; !p.Seen {
		if !known {
			p.Project = report.Project{ID: project, Client: cmp.Or(s.Client, report.DefaultClient), CreatedAt: s.ReceivedAt}
		}
		p.Seen = true
		d.mu.projects[project] = p
		writes = append(writes, pair{projectKey(project), encodeEntry(p)})
	}
	if r, known := d.mu.regions[region]; region != 0 && !r.Seen {
		if !known {
			r.Region = report.Region{ID: region, CreatedAt: s.ReceivedAt}
		}
		r.Seen = true
		d.mu.regions[region] = r
		writes = append(writes, pair{regionKey(region), encodeEntry(r)})
	}
	return writes
}

func encodeEntry(e any) []byte {
	value, err := json.Marshal(e)
	if err != nil {
		metering.Bug("encode %+v: %v", e, err)
	}
	return value
}

// Project implements report.Directory.
func (l *Ledger) Project(id metering.ProjectID) (report.Project, bool) {
	d := l.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	e, ok := d.mu.projects[id]
	return e.Project, ok
}

// Projects implements report.Directory.
func (l *Ledger) Projects(client report.ClientID) []report.Project {
	d := l.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	var projects []report.Project
	for _, e := range d.mu.projects {
		if client == "" || e.Client == client {
			projects = append(projects, e.Project)
		}
	}
	slices.SortFunc(projects, func(a, b report.Project) int { return cmp.Compare(a.ID, b.ID) })
	return projects
}

// Region implements report.Directory.
func (l *Ledger) Region(id metering.RegionID) (report.Region, bool) {
	d := l.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	e, ok := d.mu.regions[id]
	return e.Region, ok
}

// Regions implements report.Directory.
func (l *Ledger) Regions() []report.Region {
	d := l.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	var regions []report.Region
	for _, e := range d.mu.regions {
		regions = append(regions, e.Region)
	}
	slices.SortFunc(regions, func(a, b report.Region) int { return cmp.Compare(a.ID, b.ID) })
	return regions
}

// AddProject implements report.Directory.
func (l *Ledger) AddProject(ctx context.Context, p report.Project) error {
	return l.putProject(ctx, p, func(known bool) error {
		if known {
			return metering.Errorf(metering.KindConflict, "project %d exists already", p.ID)
		}
		return nil
	})
}

// PutProject implements report.Directory.
func (l *Ledger) PutProject(ctx context.Context, p report.Project) error {
	return l.putProject(ctx, p, func(bool) error { return nil })
}

// putProject stores a project if check, told whether it is known, allows it.
func (l *Ledger) putProject(ctx context.Context, p report.Project, check func(known bool) error) error {
	return l.do(ctx, func(g *group) error {
		d := l.directory
		d.mu.Lock()
		defer d.mu.Unlock()
		_, known := d.mu.projects[p.ID]
		if err := check(known); err != nil {
			return err
		}
		e := projectEntry{Project: p, Seen: d.mu.projects[p.ID].Seen}
		d.mu.projects[p.ID] = e
		g.set(projectKey(p.ID), encodeEntry(e))
		return nil
	})
}

// PutRegion implements report.Directory.
func (l *Ledger) PutRegion(ctx context.Context, r report.Region) error {
	return l.do(ctx, func(g *group) error {
		d := l.directory
		d.mu.Lock()
		defer d.mu.Unlock()
		e := regionEntry{Region: r, Seen: d.mu.regions[r.ID].Seen}
		d.mu.regions[r.ID] = e
		g.set(regionKey(r.ID), encodeEntry(e))
		return nil
	})
}

// DeleteProject implements report.Directory.
func (l *Ledger) DeleteProject(ctx context.Context, id metering.ProjectID) error {
	return l.do(ctx, func(g *group) error {
		d := l.directory
		d.mu.Lock()
		defer d.mu.Unlock()
		e, known := d.mu.projects[id]
		if !known {
			return metering.Errorf(metering.KindNotFound, "there is no project %d", id)
		}
		if e.Seen {
			return metering.Errorf(metering.KindConflict, "project %d has observations and cannot be deleted", id)
		}
		delete(d.mu.projects, id)
		return g.batch.Delete(projectKey(id), nil)
	})
}

// DeleteRegion implements report.Directory.
func (l *Ledger) DeleteRegion(ctx context.Context, id metering.RegionID) error {
	return l.do(ctx, func(g *group) error {
		d := l.directory
		d.mu.Lock()
		defer d.mu.Unlock()
		e, known := d.mu.regions[id]
		if !known {
			return metering.Errorf(metering.KindNotFound, "there is no region %d", id)
		}
		if e.Seen {
			return metering.Errorf(metering.KindConflict, "region %d has observations and cannot be deleted", id)
		}
		delete(d.mu.regions, id)
		return g.batch.Delete(regionKey(id), nil)
	})
}
