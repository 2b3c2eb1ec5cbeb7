package access

import (
	"cmp"
	"context"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// ClientNumber is the client as a number, for contracts that have no texts for
// clients. The default client is 1.
type ClientNumber int64

// Client is a tenant.
type Client struct {
	ID        report.ClientID // 1 to MaxIDLength of the characters A-Z, a-z, 0-9 and "-"
	Name      string
	Number    ClientNumber
	CreatedAt metering.Instant
}

// CheckClientID notes what is wrong with the id of a new client.
func CheckClientID(id report.ClientID, field string, fields metering.FieldErrors) {
	if !validID(string(id)) {
		fields.Add(field, "String should have 1 to %d characters of A-Z, a-z, 0-9 and -", MaxIDLength)
	}
}

// Clients lists the clients that exist for the caller, by id: its own, or all
// of those that own a project within its narrowing.
func (r *Registry) Clients(by *Caller, dir report.Directory) ([]Client, error) {
	if err := by.Require(Admin); err != nil {
		return nil, err
	}
	clients := []Client{}
	for id, c := range r.current.Load().clients {
		if by.seesClient(id, dir) {
			clients = append(clients, c)
		}
	}
	slices.SortFunc(clients, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
	return clients, nil
}

func (by *Caller) seesClient(id report.ClientID, dir report.Directory) bool {
	if !by.AboveClients() {
		return id == by.key.Client
	}
	return by.key.Narrowing.Projects.All || slices.ContainsFunc(dir.ProjectIDs(id), by.key.Narrowing.Projects.Contains)
}

// Client returns one client; KindNotFound when it does not exist for the
// caller.
func (r *Registry) Client(by *Caller, id report.ClientID, dir report.Directory) (Client, error) {
	if err := by.Require(Admin); err != nil {
		return Client{}, err
	}
	if c, exists := r.current.Load().clients[id]; exists && by.seesClient(id, dir) {
		return c, nil
	}
	if !validID(string(id)) { // it might be a token
		return Client{}, metering.Errorf(metering.KindNotFound, "There is no such client")
	}
	return Client{}, metering.Errorf(metering.KindNotFound, "There is no client %s", id)
}

// ClientNumber returns the client's number, 0 for a client that is gone.
func (r *Registry) ClientNumber(id report.ClientID) ClientNumber {
	return r.current.Load().clients[id].Number
}

func (by *Caller) requireClientManager() error {
	if err := by.RequireAboveClients("create, change or delete clients"); err != nil {
		return err
	}
	if !by.key.Narrowing.Projects.All {
		return metering.Errorf(metering.KindForbidden, "Key %s is narrowed to projects; clients are managed with a key that is not", by.key.ID)
	}
	return nil
}

// CreateClient makes a client; KindConflict when there is one of that id.
func (r *Registry) CreateClient(ctx context.Context, by *Caller, id report.ClientID, name string) (Client, error) {
	if err := by.requireClientManager(); err != nil {
		return Client{}, err
	}
	fields := metering.FieldErrors{}
	CheckClientID(id, "id", fields)
	CheckName(name, "name", fields)
	if err := invalid(fields); err != nil {
		return Client{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	clients := r.current.Load().clients
	if _, exists := clients[id]; exists {
		return Client{}, metering.Errorf(metering.KindConflict, "There is a client %s already", id)
	}
	c := Client{ID: id, Name: name, Number: 1, CreatedAt: r.clock()}
	for _, other := range clients {
		c.Number = max(c.Number, other.Number+1)
	}
	return c, r.putClientLocked(ctx, c)
}

// RenameClient changes a client's name.
func (r *Registry) RenameClient(ctx context.Context, by *Caller, id report.ClientID, name string, dir report.Directory) (Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, err := r.managedClient(by, id, dir)
	if err != nil {
		return Client{}, err
	}
	fields := metering.FieldErrors{}
	CheckName(name, "name", fields)
	if err := invalid(fields); err != nil {
		return Client{}, err
	}
	c.Name = name
	return c, r.putClientLocked(ctx, c)
}

// managedClient returns a client that the caller may change: what it cannot see
// is not found, what it can see but not change is forbidden.
func (r *Registry) managedClient(by *Caller, id report.ClientID, dir report.Directory) (Client, error) {
	c, err := r.Client(by, id, dir)
	if err != nil {
		return Client{}, err
	}
	return c, by.requireClientManager()
}

// DeleteClient deletes a client; KindConflict while it has projects or keys
// that were not revoked, and always for the default client.
func (r *Registry) DeleteClient(ctx context.Context, by *Caller, id report.ClientID, dir report.Directory) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.managedClient(by, id, dir); err != nil {
		return err
	}
	if id == report.DefaultClient {
		return metering.Errorf(metering.KindConflict, "Client %s cannot be deleted: it owns the projects that nobody else does", id)
	}
	if n := len(dir.ProjectIDs(id)); n > 0 {
		return metering.Errorf(metering.KindConflict, "Client %s has projects (%d); move them to another client first", id, n)
	}
	for _, c := range r.current.Load().callers {
		if c.key.Client == id && c.key.RevokedAt == 0 {
			return metering.Errorf(metering.KindConflict, "Client %s has keys, such as %s; revoke them first", id, c.key.ID)
		}
	}
	return r.deleteClientLocked(ctx, id)
}
