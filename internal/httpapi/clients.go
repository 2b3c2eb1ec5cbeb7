package httpapi

import (
	"net/http"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/report"
)

func listClients(x *exchange) error {
	clients, err := x.backend.Access.Clients(x.caller, x.backend.Store)
	if err != nil {
		return err
	}
	return plainList(x, clients, bodyOfClient)
}

func getClient(x *exchange) error {
	c, err := x.backend.Access.Client(x.caller, x.clientID(), x.backend.Store)
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfClient(&c))
}

func createClient(x *exchange) error {
	m, err := x.members("id", "name")
	if err != nil {
		return err
	}
	m.require("id")
	id, name := (*report.ClientID)(m.text("id")), m.text("name")
	if id != nil {
		access.CheckClientID(*id, "id", m.fields)
	}
	m.checkName(name, "name")
	if err := m.err(); err != nil {
		return err
	}
	if name == nil {
		name = new(string)
	}
	c, err := x.backend.Access.CreateClient(x.r.Context(), x.caller, *id, *name)
	if err != nil {
		return err
	}
	return x.json(http.StatusCreated, bodyOfClient(&c))
}

// renameClient changes all that can be changed of a client.
func renameClient(x *exchange) error {
	c, err := x.backend.Access.Client(x.caller, x.clientID(), x.backend.Store)
	if err != nil {
		return err
	}
	m, err := x.members("name")
	if err != nil {
		return err
	}
	name := m.text("name")
	m.checkName(name, "name")
	if err := m.err(); err != nil {
		return err
	}
	if name == nil {
		name = &c.Name
	}
	if c, err = x.backend.Access.RenameClient(x.r.Context(), x.caller, x.clientID(), *name, x.backend.Store); err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfClient(&c))
}

func deleteClient(x *exchange) error {
	// No project may come to the client between the check and the deletion.
	x.s.registering.Lock()
	defer x.s.registering.Unlock()
	if err := x.backend.Access.DeleteClient(x.r.Context(), x.caller, x.clientID(), x.backend.Store); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

func (x *exchange) clientID() report.ClientID { return report.ClientID(x.r.PathValue("id")) }

func (m *members) checkName(name *string, field string) {
	if name != nil {
		access.CheckName(*name, field, m.fields)
	}
}
