package httpapi

import (
	"net/http"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func listRegions(x *exchange) error { return plainList(x, x.visibleRegions(), bodyOfRegion) }

// visibleRegions are those that exist for the caller, by id. Regions belong to
// no client.
func (x *exchange) visibleRegions() []report.Region {
	all := slices.Clone(x.backend.Store.Regions())
	return slices.DeleteFunc(all, func(r report.Region) bool { return !x.caller.SeesRegion(r.ID) })
}

func getRegion(x *exchange) error {
	r, err := x.region()
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfRegion(&r))
}

// region returns the region of the path, if it exists for the caller.
func (x *exchange) region() (report.Region, error) {
	if id, ok := x.numericID(); ok && x.caller.SeesRegion(metering.RegionID(id)) {
		if r, exists := x.backend.Store.Region(metering.RegionID(id)); exists {
			return r, nil
		}
	}
	return report.Region{}, metering.Errorf(metering.KindNotFound, "There is no such region")
}

// requireRegionManager lets only those keys change regions, which all clients
// share, that stand above all clients.
func (x *exchange) requireRegionManager() error {
	return x.caller.RequireAboveClients("create, change or delete regions")
}

func createRegion(x *exchange) error {
	if err := x.requireRegionManager(); err != nil {
		return err
	}
	m, err := x.members("id", "name", "country")
	if err != nil {
		return err
	}
	m.require("id")
	r := report.Region{CreatedAt: x.s.options.Clock()}
	if id := m.integer("id", 1, metering.MaxRegionID); id != nil {
		r.ID = metering.RegionID(*id)
	}
	m.setRegion(&r)
	if err := m.err(); err != nil {
		return err
	}
	if !x.caller.SeesRegion(r.ID) {
		return metering.Errorf(metering.KindForbidden, "Key %s is narrowed to other regions than %d", x.caller.Key().ID, r.ID)
	}
	x.s.registering.Lock()
	defer x.s.registering.Unlock()
	if _, exists := x.backend.Store.Region(r.ID); exists {
		return metering.Errorf(metering.KindConflict, "Region %d exists already", r.ID)
	}
	if err := x.backend.Store.PutRegion(x.r.Context(), r); err != nil {
		return err
	}
	return x.json(http.StatusCreated, bodyOfRegion(&r))
}

func (m *members) setRegion(r *report.Region) {
	if name := m.text("name"); name != nil {
		m.checkName(name, "name")
		r.Name = *name
	}
	if country := m.text("country"); country != nil {
		if *country != "" && !isCountry(*country) {
			m.fields.Add("country", "String should be two letters A-Z (ISO 3166-1 alpha-2)")
		}
		r.Country = *country
	}
}

func isCountry(s string) bool {
	return len(s) == 2 && 'A' <= s[0] && s[0] <= 'Z' && 'A' <= s[1] && s[1] <= 'Z'
}

func updateRegion(x *exchange) error {
	if err := x.mayChangeRegion(); err != nil {
		return err
	}
	m, err := x.members("name", "country")
	if err != nil {
		return err
	}
	x.s.registering.Lock()
	defer x.s.registering.Unlock()
	r, err := x.region()
	if err != nil {
		return err
	}
	m.setRegion(&r)
	if err := m.err(); err != nil {
		return err
	}
	if err := x.backend.Store.PutRegion(x.r.Context(), r); err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfRegion(&r))
}

// mayChangeRegion: what the caller cannot see is not found, what it can see but
// not change is forbidden.
func (x *exchange) mayChangeRegion() error {
	if _, err := x.region(); err != nil {
		return err
	}
	return x.requireRegionManager()
}

func deleteRegion(x *exchange) error {
	x.s.registering.Lock()
	defer x.s.registering.Unlock()
	if err := x.mayChangeRegion(); err != nil {
		return err
	}
	r, err := x.region()
	if err != nil {
		return err
	}
	if err := x.backend.Store.DeleteRegion(x.r.Context(), r.ID); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}
