package ledger

import (
	"slices"
	"sync"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// owned remembers the projects of each client that asked, for as long as none
// comes, goes or moves: every report of a client asks.
type owned struct {
	mu struct {
		sync.Mutex
		ids map[report.ClientID][]metering.ProjectID // ascending
	}
}

// of returns the projects of a client, "" for all, from those that all visits.
func (o *owned) of(client report.ClientID, all func(visit func(projectEntry))) []metering.ProjectID {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ids, known := o.mu.ids[client]; known {
		return ids
	}
	var ids []metering.ProjectID
	all(func(e projectEntry) {
		if client == "" || e.Client == client {
			ids = append(ids, e.ID)
		}
	})
	slices.Sort(ids)
	if o.mu.ids == nil {
		o.mu.ids = map[report.ClientID][]metering.ProjectID{}
	}
	o.mu.ids[client] = ids
	return ids
}

// forget is called after a project came to the clients, or left them.
func (o *owned) forget(clients ...report.ClientID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range append(clients, "") {
		delete(o.mu.ids, c)
	}
}

// putProject decides on a project, and returns what shows it once it is on the
// disk.
func (d *directory) putProject(e projectEntry) (publish func()) {
	show := d.projects.put(e.ID, e)
	return func() {
		before, known := d.projects.get(e.ID)
		show()
		if !known || before.Client != e.Client {
			d.owned.forget(before.Client, e.Client)
		}
	}
}

// removeProject is putProject for a project that is deleted.
func (d *directory) removeProject(id metering.ProjectID) (publish func()) {
	hide := d.projects.remove(id)
	return func() {
		before, _ := d.projects.get(id)
		hide()
		d.owned.forget(before.Client)
	}
}

// ProjectIDs implements report.Directory.
func (l *Ledger) ProjectIDs(client report.ClientID) []metering.ProjectID {
	return l.directory.owned.of(client, l.directory.projects.each)
}
