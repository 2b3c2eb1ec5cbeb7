package console

import (
	"context"
	"strconv"

	"golang.org/x/sync/errgroup"

	"github.com/meterbook/meterbook/client"
)

// directory has the names of the projects and regions that exist for the key.
type directory struct {
	projects []client.Project
	regions  []client.Region
	names    map[string]string // of projects by "p" and their id, of regions by "r"
}

// ask reads the directory in the background of the group.
func (d *directory) ask(ctx context.Context, g *errgroup.Group, api *client.Client) {
	g.Go(func() (err error) {
		d.projects, err = api.Projects(ctx)
		return err
	})
	g.Go(func() (err error) {
		d.regions, err = api.Regions(ctx)
		return err
	})
}

// index makes the names known, once all is read.
func (d *directory) index() {
	d.names = make(map[string]string, len(d.projects)+len(d.regions))
	for _, p := range d.projects {
		d.names["p"+strconv.FormatInt(p.ID, 10)] = p.Name
	}
	for _, r := range d.regions {
		d.names["r"+strconv.FormatInt(r.ID, 10)] = r.Name
	}
}

// named is a project or a region.
type named struct {
	ID   int64
	Name string // "" when nobody named it
}

func (d *directory) project(id int64) named { return named{id, d.names["p"+strconv.FormatInt(id, 10)]} }
func (d *directory) region(id int64) named  { return named{id, d.names["r"+strconv.FormatInt(id, 10)]} }

// String is the name, or the id where there is none.
func (p named) String() string {
	if p.Name == "" {
		return strconv.FormatInt(p.ID, 10)
	}
	return p.Name
}
