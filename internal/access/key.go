package access

import (
	"unicode"
	"unicode/utf8"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Limits of what a key may say.
const (
	MaxNameLength        = 255 // characters, of keys and clients
	MaxNarrowedIDs       = 10_000
	MaxRequestsPerSecond = 1_000_000
)

// RequestsPerSecond is a rate limit; 0 means that the server's default holds.
type RequestsPerSecond int

// Key is what is known of a key, but for its secret.
type Key struct {
	ID        KeyID
	Name      string
	Client    report.ClientID // "" stands above all clients
	Roles     Roles
	Narrowing report.Scope // full when not narrowed
	RateLimit RequestsPerSecond
	CreatedAt metering.Instant
	CreatedBy KeyID            // "" for the key that a first start made
	ExpiresAt metering.Instant // from then on it is refused; 0: never
	RevokedAt metering.Instant // 0: not revoked

	secret    secretHash
	temporary bool // never stored: it ends with the program
}

// live reports whether the key is accepted at now.
func (k *Key) live(now metering.Instant) bool {
	return k.RevokedAt == 0 && (k.ExpiresAt == 0 || now < k.ExpiresAt)
}

// root reports whether the key can manage everything: admin, above all clients,
// not narrowed.
func (k *Key) root() bool {
	return k.Client == "" && k.Roles.Allow(Admin) && scopeWithin(report.FullScope(), k.Narrowing)
}

// KeyChange is what a change sets; nil leaves as it is. Selections of
// everything, and TypeSet AllTypes, mean: as wide as the key of whoever asks.
type KeyChange struct {
	Name      *string
	Roles     *Roles
	Projects  *report.Selection[metering.ProjectID]
	Regions   *report.Selection[metering.RegionID]
	Types     *report.TypeSet
	RateLimit *RequestsPerSecond
	ExpiresAt *metering.Instant // 0: as late as the key of whoever asks
}

// NewKey describes a key to be made. What it leaves open is as wide as the key
// of whoever asks: client, projects, regions, types, expiry.
type NewKey struct {
	Client *report.ClientID
	KeyChange
}

// Check notes everything that is wrong with the members' values.
func (c *KeyChange) Check(now metering.Instant, fields metering.FieldErrors) {
	if c.Name != nil {
		CheckName(*c.Name, "name", fields)
	}
	if c.Roles != nil && *c.Roles == 0 {
		fields.Add("roles", "List should have at least 1 item: reader, writer or admin")
	}
	if c.Projects != nil {
		checkIDs(*c.Projects, metering.MaxProjectID, "projects", fields)
	}
	if c.Regions != nil {
		checkIDs(*c.Regions, metering.MaxRegionID, "regions", fields)
	}
	if c.Types != nil && *c.Types == 0 {
		fields.Add("types", "List should have at least 1 item; leave it out for all types")
	}
	if c.RateLimit != nil && (*c.RateLimit < 0 || *c.RateLimit > MaxRequestsPerSecond) {
		fields.Add("rate_limit", "Input should be from 1 to %d requests a second", MaxRequestsPerSecond)
	}
	if c.ExpiresAt != nil && *c.ExpiresAt != 0 && *c.ExpiresAt <= now {
		fields.Add("expires_at", "Input should be in the future, now is %s", now)
	}
}

func checkIDs[T ~int64](s report.Selection[T], greatest T, field string, fields metering.FieldErrors) {
	switch n := len(s.Items); {
	case s.All:
	case n == 0:
		fields.Add(field, "List should have at least 1 item; leave it out for all")
	case n > MaxNarrowedIDs:
		fields.Add(field, "List should have at most %d items, got %d", MaxNarrowedIDs, n)
	case s.Items[0] < 1 || s.Items[n-1] > greatest:
		fields.Add(field, "Ids should be from 1 to %d", greatest)
	}
}

// CheckName notes what is wrong with a name; an empty one is allowed.
func CheckName(name, field string, fields metering.FieldErrors) {
	switch {
	case !utf8.ValidString(name):
		fields.Add(field, "String should be valid UTF-8")
	case utf8.RuneCountInString(name) > MaxNameLength:
		fields.Add(field, "String should have at most %d characters", MaxNameLength)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			fields.Add(field, "String should have no control characters")
			return
		}
	}
}

// scopeWithin reports whether inner is nowhere wider than outer.
func scopeWithin(inner, outer report.Scope) bool {
	return selectionWithin(inner.Projects, outer.Projects) &&
		selectionWithin(inner.Regions, outer.Regions) && inner.Types&^outer.Types == 0
}

func selectionWithin[T ~int64](inner, outer report.Selection[T]) bool {
	if outer.All || inner.All {
		return outer.All
	}
	for _, id := range inner.Items {
		if !outer.Contains(id) {
			return false
		}
	}
	return true
}
