package access

import (
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Caller is whoever showed a valid token: a key, as it was at that moment.
type Caller struct{ key Key }

// Permission is what a caller may write; ingest asks for it.
type Permission struct {
	Client    report.ClientID // owner of the projects that it is first to name
	AnyClient bool            // it may write to projects of all clients
	Narrowing report.Scope
}

// Key returns the caller's key.
func (c *Caller) Key() Key { return c.key }

// AboveClients reports whether the key belongs to no client, so sees all.
func (c *Caller) AboveClients() bool { return c.key.Client == "" }

// Require gives KindForbidden unless the key has the role.
func (c *Caller) Require(r Role) error {
	if c.key.Roles.Allow(r) {
		return nil
	}
	return metering.Errorf(metering.KindForbidden, "Role %s is required; key %s has only: %s", r, c.key.ID, c.key.Roles)
}

// RequireAboveClients gives KindForbidden unless the key is an admin's that
// belongs to no client. what names what only such keys may do.
func (c *Caller) RequireAboveClients(what string) error {
	if err := c.Require(Admin); err != nil {
		return err
	}
	if c.AboveClients() {
		return nil
	}
	return metering.Errorf(metering.KindForbidden, "Only an admin key above all clients may %s; key %s belongs to client %s", what, c.key.ID, c.key.Client)
}

// Scope is what exists for the caller when it reads: the projects of its
// client, as they are now, within its narrowing.
func (c *Caller) Scope(dir report.Directory) report.Scope {
	scope := c.key.Narrowing
	if c.AboveClients() {
		return scope
	}
	own := report.Selection[metering.ProjectID]{Items: dir.ProjectIDs(c.key.Client)}
	scope.Projects = scope.Projects.Intersect(own)
	return scope
}

// Permission is what the caller may write.
func (c *Caller) Permission() Permission {
	p := Permission{Client: c.key.Client, Narrowing: c.key.Narrowing}
	if c.AboveClients() {
		p.Client, p.AnyClient = report.DefaultClient, true
	}
	return p
}

// SeesProject reports whether the project exists for the caller.
func (c *Caller) SeesProject(p report.Project) bool {
	return (c.AboveClients() || p.Client == c.key.Client) && c.key.Narrowing.Projects.Contains(p.ID)
}

// SeesRegion reports whether the region exists for the caller. Regions belong
// to no client.
func (c *Caller) SeesRegion(id metering.RegionID) bool { return c.key.Narrowing.Regions.Contains(id) }

// seesKey reports whether the key exists for the caller: it is of its client,
// and nowhere wider.
func (c *Caller) seesKey(k *Key) bool {
	return (c.AboveClients() || k.Client == c.key.Client) && scopeWithin(k.Narrowing, c.key.Narrowing)
}
