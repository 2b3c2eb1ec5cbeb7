package httpapi

import (
	"net/http"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func listProjects(x *exchange) error { return plainList(x, x.visibleProjects(), bodyOfProject) }

// visibleProjects are those that exist for the caller, by id.
func (x *exchange) visibleProjects() []report.Project {
	all := slices.Clone(x.backend.Store.Projects(x.caller.Key().Client)) // "" lists all
	return slices.DeleteFunc(all, func(p report.Project) bool { return !x.caller.SeesProject(p) })
}

func getProject(x *exchange) error {
	p, err := x.project()
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfProject(&p))
}

// project returns the project of the path, if it exists for the caller.
func (x *exchange) project() (report.Project, error) {
	if id, ok := x.numericID(); ok {
		if p, exists := x.backend.Store.Project(metering.ProjectID(id)); exists && x.caller.SeesProject(p) {
			return p, nil
		}
	}
	return report.Project{}, metering.Errorf(metering.KindNotFound, "There is no such project")
}

// numericID reads the id in the path.
func (x *exchange) numericID() (int64, bool) {
	return canonicalInteger(x.r.PathValue("id"))
}

func createProject(x *exchange) error {
	m, err := x.members("id", "client", "name", "description")
	if err != nil {
		return err
	}
	m.require("id")
	p := report.Project{Client: x.caller.Permission().Client, CreatedAt: x.s.options.Clock()}
	if id := m.integer("id", 1, metering.MaxProjectID); id != nil {
		p.ID = metering.ProjectID(*id)
	}
	m.setProject(&p)
	if err := m.err(); err != nil {
		return err
	}
	x.s.registering.Lock()
	defer x.s.registering.Unlock()
	if err := x.checkOwner(&p, m); err != nil {
		return err
	}
	if !x.caller.Key().Narrowing.Projects.Contains(p.ID) {
		return metering.Errorf(metering.KindForbidden, "Key %s is narrowed to other projects than %d", x.caller.Key().ID, p.ID)
	}
	if err := x.backend.Store.AddProject(x.r.Context(), p); err != nil {
		return err
	}
	return x.json(http.StatusCreated, bodyOfProject(&p))
}

func (m *members) setProject(p *report.Project) {
	for name, value := range map[string]*string{"name": &p.Name, "description": &p.Description} {
		if text := m.text(name); text != nil {
			m.checkName(text, name)
			*value = *text
		}
	}
	if client := m.text("client"); client != nil {
		p.Client = report.ClientID(*client)
	}
}

// checkOwner sees to it that the project's client is one that the caller may
// give projects to.
func (x *exchange) checkOwner(p *report.Project, m *members) error {
	if own := x.caller.Key().Client; own != "" && p.Client != own {
		return x.caller.RequireAboveClients("give projects to other clients")
	}
	if _, err := x.backend.Access.Client(x.caller, p.Client, x.backend.Store); err != nil && m.values["client"] != nil {
		m.fields.Add("client", "There is no such client; create it first")
	}
	return m.err()
}

func updateProject(x *exchange) error {
	if _, err := x.project(); err != nil {
		return err
	}
	m, err := x.members("client", "name", "description")
	if err != nil {
		return err
	}
	x.s.registering.Lock()
	defer x.s.registering.Unlock()
	p, err := x.project()
	if err != nil {
		return err
	}
	m.setProject(&p)
	if err := m.err(); err != nil {
		return err
	}
	if err := x.checkOwner(&p, m); err != nil {
		return err
	}
	if err := x.backend.Store.PutProject(x.r.Context(), p); err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfProject(&p))
}

func deleteProject(x *exchange) error {
	x.s.registering.Lock()
	defer x.s.registering.Unlock()
	p, err := x.project()
	if err != nil {
		return err
	}
	if err := x.backend.Store.DeleteProject(x.r.Context(), p.ID); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}
