package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/fleet"
)

const (
	demoSeed        = 1
	demoMonths      = 2 // last month and the one before are whole
	demoConnections = 4
)

// load puts the fleet into a server that has no projects yet.
func (c *demoCommand) load(ctx context.Context, api *client.Client) error {
	projects, err := api.Projects(ctx)
	if err != nil {
		return err
	}
	if len(projects) > 0 {
		_, err := fmt.Fprintf(c.env.Stderr, "The store in %s has data already; nothing is loaded.\n", c.dataDir)
		return err
	}
	f := fleet.New(fleet.Config{Seed: demoSeed, Resources: c.resources, Months: demoMonths, End: c.env.clock()})
	if err := register(ctx, api, f); err != nil {
		return err
	}
	results := newImportResults(nil)
	begun, sent := c.env.Now(), int64(0) // sent: besides those in results
	bar := newProgress(c.env, "events", int64(f.EstimatedEvents()), false)
	defer c.clock.goOn()
	err = sendChunks(ctx, api, demoConnections, results, func(yield func(chunk) error) error {
		told := func(next chunk) error { return bar.add(next.lines) }
		stream := &demoStream{api: api, clock: c.clock, end: c.env.clock(), sent: func(next chunk) error {
			sent += int64(next.lines)
			return told(next)
		}, send: func(next chunk) error { return errors.Join(yield(next), told(next)) }, next: chunk{file: "fleet", firstLine: 1}}
		return stream.run(ctx, f)
	})
	if err := errors.Join(err, bar.end(err == nil)); err != nil {
		return err
	}
	if n := results.rejected(); n > 0 {
		return errors.Join(fmt.Errorf("%d events of the fleet were rejected", n), results.summary(c.env.Stderr, c.env.Stderr))
	}
	took := c.env.Now().Sub(begun).Round(time.Millisecond)
	_, err = fmt.Fprintf(c.env.Stderr, "Loaded %d events of %d resources in %v.\n", results.accepted()+sent, c.resources, took)
	return err
}

// register names the fleet's clients, regions and projects.
func register(ctx context.Context, api *client.Client, f *fleet.Fleet) error {
	for _, r := range f.Regions() {
		_, err := api.CreateRegion(ctx, client.NewRegion{ID: int64(r.ID), RegionChange: client.RegionChange{Name: &r.Name, Country: &r.Country}})
		if err := unlessThere(err); err != nil {
			return fmt.Errorf("register region %d: %w", r.ID, err)
		}
	}
	for _, p := range f.Projects() {
		owner := string(p.Client)
		_, err := api.CreateTenant(ctx, owner, owner)
		if err := unlessThere(err); err != nil {
			return fmt.Errorf("register client %s: %w", owner, err)
		}
		_, err = api.CreateProject(ctx, client.NewProject{ID: int64(p.ID), ProjectChange: client.ProjectChange{Client: &owner, Name: &p.Name}})
		if err := unlessThere(err); err != nil {
			return fmt.Errorf("register project %d: %w", p.ID, err)
		}
	}
	return nil
}

// unlessThere forgives that something exists already.
func unlessThere(err error) error {
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusConflict {
		return nil
	}
	return err
}
