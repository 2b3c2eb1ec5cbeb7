package httpapi

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func listKeys(x *exchange) error {
	keys, err := x.backend.Access.Keys(x.caller)
	if err != nil {
		return err
	}
	return plainList(x, keys, bodyOfKey)
}

// showOwnKey answers with the key that asks, so that its holder learns what it
// may do.
func showOwnKey(x *exchange) error {
	k := x.caller.Key()
	return x.json(http.StatusOK, bodyOfKey(&k))
}

func getKey(x *exchange) error {
	k, err := x.backend.Access.Key(x.caller, x.keyID())
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfKey(&k))
}

func createKey(x *exchange) error {
	m, err := x.members("name", "client", "roles", "projects", "regions", "types", "rate_limit", "expires_at")
	if err != nil {
		return err
	}
	m.require("roles")
	n := access.NewKey{KeyChange: m.keyChange(x.s.options.Clock())}
	switch {
	case m.null("client"):
		n.Client = new(report.ClientID)
	default:
		n.Client = (*report.ClientID)(m.text("client"))
	}
	if n.Client != nil && !m.null("client") {
		access.CheckClientID(*n.Client, "client", m.fields)
	}
	if err := m.err(); err != nil {
		return err
	}
	k, token, err := x.backend.Access.CreateKey(x.r.Context(), x.caller, n)
	if err != nil {
		return err
	}
	return x.json(http.StatusCreated, newKeyBody{bodyOfKey(&k), token.Reveal()})
}

func updateKey(x *exchange) error {
	if _, err := x.backend.Access.Key(x.caller, x.keyID()); err != nil {
		return err
	}
	m, err := x.members("name", "roles", "projects", "regions", "types", "rate_limit", "expires_at")
	if err != nil {
		return err
	}
	change := m.keyChange(x.s.options.Clock())
	if err := m.err(); err != nil {
		return err
	}
	k, err := x.backend.Access.UpdateKey(x.r.Context(), x.caller, x.keyID(), change)
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfKey(&k))
}

func revokeKey(x *exchange) error {
	if _, err := x.backend.Access.RevokeKey(x.r.Context(), x.caller, x.keyID()); err != nil {
		return err
	}
	x.WriteHeader(http.StatusNoContent)
	return nil
}

func (x *exchange) keyID() access.KeyID { return access.KeyID(x.r.PathValue("id")) }

// keyChange reads the members that say what a key is like. null in a list means
// not narrowed, in rate_limit the server's default, in expires_at never.
func (m *members) keyChange(now metering.Instant) access.KeyChange {
	c := access.KeyChange{
		Name:     m.text("name"),
		Roles:    m.roles(),
		Projects: selection[metering.ProjectID](m, "projects"),
		Regions:  selection[metering.RegionID](m, "regions"),
		Types:    m.types(),
	}
	if m.null("rate_limit") {
		c.RateLimit = new(access.RequestsPerSecond)
	} else if n := m.integer("rate_limit", 1, access.MaxRequestsPerSecond); n != nil {
		limit := access.RequestsPerSecond(*n)
		c.RateLimit = &limit
	}
	c.ExpiresAt = m.expiry()
	c.Check(now, m.fields)
	return c
}

func (m *members) expiry() *metering.Instant {
	if m.null("expires_at") {
		return new(metering.Instant)
	}
	text := m.text("expires_at")
	if text == nil {
		return nil
	}
	t, zoned, ok := metering.ParseTimestamp(*text)
	at, within := t.Instant()
	if !ok || !zoned || !within {
		m.fields.Add("expires_at", "Input should be a date-time with Z or an offset, such as '2030-01-31T00:00:00Z', before the year 2261")
		return nil
	}
	return &at
}

func (m *members) roles() *access.Roles {
	var roles access.Roles
	ok := m.list("roles", oneOf(access.RoleNames()), func(v jsontext.Value) bool {
		name, _ := textOf(v)
		r, known := access.RoleNamed(name)
		roles |= access.Roles(r)
		return known
	})
	if !ok || m.badItem("roles") {
		return nil
	}
	return &roles
}

func (m *members) types() *report.TypeSet {
	if m.null("types") {
		all := report.AllTypes
		return &all
	}
	var set report.TypeSet
	ok := m.list("types", "Input should be the name of a resource type", func(v jsontext.Value) bool {
		name, _ := textOf(v)
		t, known := metering.ResourceTypeNamed(name)
		if known {
			set |= report.TypesOf(t)
		}
		return known
	})
	if !ok || m.badItem("types") {
		return nil
	}
	return &set
}

func selection[T ~int64](m *members, name string) *report.Selection[T] {
	if m.null(name) {
		all := report.Everything[T]()
		return &all
	}
	var ids []T
	ok := m.list(name, "Input should be a valid integer", func(v jsontext.Value) bool {
		n, ok := integerOf(v)
		ids = append(ids, T(n))
		return ok
	})
	if !ok || m.badItem(name) {
		return nil
	}
	// The limit is one of the list as it was sent, repeated ids too.
	if len(ids) > access.MaxNarrowedIDs {
		m.fields.Add(name, "List should have at most %d items, got %d", access.MaxNarrowedIDs, len(ids))
		return nil
	}
	only := report.Only(ids...)
	return &only
}
