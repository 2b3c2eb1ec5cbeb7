package httpapi

import (
	"time"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// timestamp is an instant as JSON: RFC 3339, UTC.
type timestamp metering.Instant

// MarshalText implements encoding.TextMarshaler.
func (t timestamp) MarshalText() ([]byte, error) { return []byte(metering.Instant(t).String()), nil }

// known returns nil for an instant that is not set.
func known(i metering.Instant) *timestamp {
	if i == 0 {
		return nil
	}
	t := timestamp(i)
	return &t
}

// keyBody is a key as administrators see it. Lists are null when the key is not
// narrowed.
type keyBody struct {
	ID        access.KeyID              `json:"id"`
	Name      string                    `json:"name"`
	Client    *report.ClientID          `json:"client"` // null: above all clients
	Roles     []string                  `json:"roles"`
	Projects  *[]metering.ProjectID     `json:"projects"`
	Regions   *[]metering.RegionID      `json:"regions"`
	Types     *[]string                 `json:"types"`
	RateLimit *access.RequestsPerSecond `json:"rate_limit"` // null: the server's default
	CreatedAt timestamp                 `json:"created_at"`
	CreatedBy *access.KeyID             `json:"created_by"` // null: made when the server started
	ExpiresAt *timestamp                `json:"expires_at"`
	RevokedAt *timestamp                `json:"revoked_at"`
}

// newKeyBody is the answer to a key's creation, the only one with its token.
type newKeyBody struct {
	keyBody
	Token string `json:"token"`
}

func bodyOfKey(k *access.Key) keyBody {
	b := keyBody{
		ID: k.ID, Name: k.Name, Client: given(k.Client), Roles: k.Roles.Names(),
		Projects: narrowedTo(k.Narrowing.Projects), Regions: narrowedTo(k.Narrowing.Regions),
		RateLimit: given(k.RateLimit), CreatedBy: given(k.CreatedBy),
		CreatedAt: timestamp(k.CreatedAt), ExpiresAt: known(k.ExpiresAt), RevokedAt: known(k.RevokedAt),
	}
	if names, narrowed := access.TypeNames(k.Narrowing.Types); narrowed {
		b.Types = &names
	}
	return b
}

func narrowedTo[T ~int64](s report.Selection[T]) *[]T {
	if s.All {
		return nil
	}
	return &s.Items
}

// given returns nil for the zero value.
func given[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

type clientBody struct {
	ID        report.ClientID     `json:"id"`
	Name      string              `json:"name"`
	Number    access.ClientNumber `json:"number"` // client_id of /cloud/v1/projects
	CreatedAt timestamp           `json:"created_at"`
}

func bodyOfClient(c *access.Client) clientBody {
	return clientBody{ID: c.ID, Name: c.Name, Number: c.Number, CreatedAt: timestamp(c.CreatedAt)}
}

type projectBody struct {
	ID          metering.ProjectID `json:"id"`
	Client      report.ClientID    `json:"client"`
	Name        string             `json:"name"`
	Description string             `json:"description"`
	CreatedAt   timestamp          `json:"created_at"`
}

func bodyOfProject(p *report.Project) projectBody {
	return projectBody{ID: p.ID, Client: p.Client, Name: p.Name, Description: p.Description, CreatedAt: timestamp(p.CreatedAt)}
}

type regionBody struct {
	ID        metering.RegionID `json:"id"`
	Name      string            `json:"name"`
	Country   string            `json:"country"`
	CreatedAt timestamp         `json:"created_at"`
}

func bodyOfRegion(r *report.Region) regionBody {
	return regionBody{ID: r.ID, Name: r.Name, Country: r.Country, CreatedAt: timestamp(r.CreatedAt)}
}

// wholeSecond cuts an instant for contracts that know seconds.
func wholeSecond(i metering.Instant) string {
	return i.Time().Truncate(time.Second).Format(time.RFC3339)
}
