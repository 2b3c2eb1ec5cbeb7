package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// directory holds the projects and regions.
type directory struct {
	projects register[metering.ProjectID, projectEntry]
	regions  register[metering.RegionID, regionEntry]
	owned    owned
}

// projectEntry and regionEntry are how the store keeps them, as JSON. Seen says
// that an observation has named it: then it cannot be deleted. CreatedAt is in
// nanoseconds since 1970.
type (
	projectEntry struct {
		ID          metering.ProjectID `json:"id"`
		Client      report.ClientID    `json:"client"`
		Name        string             `json:"name,omitempty"`
		Description string             `json:"description,omitempty"`
		CreatedAt   metering.Instant   `json:"created_at"`
		Seen        bool               `json:"seen"`
	}
	regionEntry struct {
		ID        metering.RegionID `json:"id"`
		Name      string            `json:"name,omitempty"`
		Country   string            `json:"country,omitempty"`
		CreatedAt metering.Instant  `json:"created_at"`
		Seen      bool              `json:"seen"`
	}
)

func entryOfProject(p *report.Project) projectEntry {
	return projectEntry{ID: p.ID, Client: p.Client, Name: p.Name, Description: p.Description, CreatedAt: p.CreatedAt}
}

func (e projectEntry) project() report.Project {
	return report.Project{ID: e.ID, Client: e.Client, Name: e.Name, Description: e.Description, CreatedAt: e.CreatedAt}
}

func (e regionEntry) region() report.Region {
	return report.Region{ID: e.ID, Name: e.Name, Country: e.Country, CreatedAt: e.CreatedAt}
}

func projectKey(id metering.ProjectID) []byte {
	return layout.AppendUint([]byte{layout.Projects}, uint64(id))
}

func regionKey(id metering.RegionID) []byte {
	return layout.AppendUint([]byte{layout.Regions}, uint64(id))
}

func newDirectory() *directory {
	d := &directory{}
	d.projects.clear()
	d.regions.clear()
	return d
}

func loadDirectory(r pebble.Reader) (*directory, error) {
	d := newDirectory()
	err := scan(r, []byte{layout.Projects}, func(key, value []byte) error {
		var e projectEntry
		err := json.Unmarshal(value, &e)
		d.projects.load(e.ID, e)
		return err
	})
	err = errors.Join(err, scan(r, []byte{layout.Regions}, func(key, value []byte) error {
		var e regionEntry
		err := json.Unmarshal(value, &e)
		d.regions.load(e.ID, e)
		return err
	}))
	if err != nil {
		return nil, fmt.Errorf("read projects and regions: %w", err)
	}
	return d, nil
}

// admits says why an observation may not be written, apart from what it says.
func (d *directory) admits(s *report.Submission, options *Options) *metering.Rejection {
	o, strict := s.Observation, options.StrictProjects
	project, known := d.projects.next[o.Name.Project]
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
		if _, known := d.regions.next[o.Resource.Region]; !known {
			return &metering.Rejection{
				Code: metering.UnknownProject, Field: "data.region_id",
				Message: fmt.Sprintf("region %d is not registered; an operator registers it with POST /v1/regions", o.Resource.Region),
			}
		}
	}
	return withinRetention(s, metering.Instant(options.Retention))
}

// withinRetention refuses states whose time and quantities whose from are older
// than the retention, when they are received. A retraction is never too old.
func withinRetention(s *report.Submission, retention metering.Instant) *metering.Rejection {
	at, field := s.Observation.Time, "time"
	switch s.Observation.Kind {
	case metering.QuantityObserved:
		at, field = s.Observation.From, "data.from"
	case metering.RetractionMade:
		return nil
	}
	if retention <= 0 || at >= s.ReceivedAt-retention {
		return nil
	}
	return &metering.Rejection{
		Code: metering.PeriodClosed, Field: field,
		Message: fmt.Sprintf("%s is older than the retention that the operator has set: nothing is taken from before %s", at, s.ReceivedAt-retention),
	}
}

// register notes the project and the region of an accepted observation, if they
// are seen for the first time.
func (g *group) register(s *report.Submission) {
	d, o := g.s.ledger.directory, s.Observation
	if p, known := d.projects.next[o.Name.Project]; !p.Seen {
		if !known {
			p = projectEntry{ID: o.Name.Project, Client: cmp.Or(s.Client, report.DefaultClient), CreatedAt: s.ReceivedAt}
		}
		p.Seen = true
		g.putProject(p)
	}
	if o.Kind == metering.RetractionMade {
		return
	}
	if r, known := d.regions.next[o.Resource.Region]; !r.Seen {
		if !known {
			r = regionEntry{ID: o.Resource.Region, CreatedAt: s.ReceivedAt}
		}
		r.Seen = true
		g.putRegion(r)
	}
}

func (g *group) putProject(e projectEntry) {
	g.publish = append(g.publish, g.s.ledger.directory.putProject(e))
	g.set(projectKey(e.ID), encodeEntry(e))
}

func (g *group) putRegion(e regionEntry) {
	g.publish = append(g.publish, g.s.ledger.directory.regions.put(e.ID, e))
	g.set(regionKey(e.ID), encodeEntry(e))
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
	e, ok := l.directory.projects.get(id)
	return e.project(), ok
}

// Projects implements report.Directory.
func (l *Ledger) Projects(client report.ClientID) []report.Project {
	var projects []report.Project
	l.directory.projects.each(func(e projectEntry) {
		if client == "" || e.Client == client {
			projects = append(projects, e.project())
		}
	})
	slices.SortFunc(projects, func(a, b report.Project) int { return cmp.Compare(a.ID, b.ID) })
	return projects
}

// Region implements report.Directory.
func (l *Ledger) Region(id metering.RegionID) (report.Region, bool) {
	e, ok := l.directory.regions.get(id)
	return e.region(), ok
}

// Regions implements report.Directory.
func (l *Ledger) Regions() []report.Region {
	var regions []report.Region
	l.directory.regions.each(func(e regionEntry) { regions = append(regions, e.region()) })
	slices.SortFunc(regions, func(a, b report.Region) int { return cmp.Compare(a.ID, b.ID) })
	return regions
}

// AddProject implements report.Directory.
func (l *Ledger) AddProject(ctx context.Context, p report.Project) error {
	return l.do(ctx, func(g *group) error {
		if _, known := l.directory.projects.next[p.ID]; known {
			return metering.Errorf(metering.KindConflict, "project %d exists already", p.ID)
		}
		g.putProject(entryOfProject(&p))
		return nil
	})
}

// PutProject implements report.Directory.
func (l *Ledger) PutProject(ctx context.Context, p report.Project) error {
	return l.do(ctx, func(g *group) error {
		e := entryOfProject(&p)
		e.Seen = l.directory.projects.next[p.ID].Seen
		g.putProject(e)
		return nil
	})
}

// PutRegion implements report.Directory.
func (l *Ledger) PutRegion(ctx context.Context, r report.Region) error {
	return l.do(ctx, func(g *group) error {
		e := regionEntry{ID: r.ID, Name: r.Name, Country: r.Country, CreatedAt: r.CreatedAt}
		e.Seen = l.directory.regions.next[r.ID].Seen
		g.putRegion(e)
		return nil
	})
}

// DeleteProject implements report.Directory.
func (l *Ledger) DeleteProject(ctx context.Context, id metering.ProjectID) error {
	return l.do(ctx, func(g *group) error {
		e, known := l.directory.projects.next[id]
		if err := deletable("project", int64(id), known, e.Seen); err != nil {
			return err
		}
		g.publish = append(g.publish, l.directory.removeProject(id))
		return g.batch.Delete(projectKey(id), nil)
	})
}

// DeleteRegion implements report.Directory.
func (l *Ledger) DeleteRegion(ctx context.Context, id metering.RegionID) error {
	return l.do(ctx, func(g *group) error {
		e, known := l.directory.regions.next[id]
		if err := deletable("region", int64(id), known, e.Seen); err != nil {
			return err
		}
		g.publish = append(g.publish, l.directory.regions.remove(id))
		return g.batch.Delete(regionKey(id), nil)
	})
}

func deletable(what string, id int64, known, seen bool) error {
	switch {
	case !known:
		return metering.Errorf(metering.KindNotFound, "there is no %s %d", what, id)
	case seen:
		return metering.Errorf(metering.KindConflict, "%s %d has observations and cannot be deleted", what, id)
	}
	return nil
}
