package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The roles of a key.
const (
	RoleReader = "reader" // reports, lists of projects and regions
	RoleWriter = "writer" // sends events
	RoleAdmin  = "admin"  // both, and manages keys, clients, projects and regions
)

// Key is a key of the server, without its secret.
type Key struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Client string   `json:"client"` // "" stands above all clients
	Roles  []string `json:"roles"`
	// What the key is narrowed to; nil where it is not.
	Projects  []int64    `json:"projects"`
	Regions   []int64    `json:"regions"`
	Types     []string   `json:"types"`
	RateLimit int        `json:"rate_limit"` // requests a second; 0: the server's default
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"` // id of a key; "" when a start of the server made it
	ExpiresAt *time.Time `json:"expires_at"` // nil: never
	RevokedAt *time.Time `json:"revoked_at"` // nil: it is in force
}

// NewKey describes a key to be made. What is left out is as wide as the key of
// whoever asks.
type NewKey struct {
	Name      string     `json:"name,omitempty"`
	Client    string     `json:"client,omitempty"`
	Roles     []string   `json:"roles"` // at least one
	Projects  []int64    `json:"projects,omitempty"`
	Regions   []int64    `json:"regions,omitempty"`
	Types     []string   `json:"types,omitempty"`
	RateLimit int        `json:"rate_limit,omitempty"` // requests a second
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// CreatedKey is a key that was just made, with its token, which nothing can show
// again.
type CreatedKey struct {
	Key
	Token string `json:"token"`
}

// KeyChange says what to change of a key; nil members stay as they are. A
// pointer to a nil list widens, to no narrower than the key of whoever asks.
type KeyChange struct {
	Name      *string
	Roles     []string
	Projects  *[]int64
	Regions   *[]int64
	Types     *[]string
	RateLimit *int       // requests a second; 0: the server's default
	ExpiresAt *time.Time // the zero time: never
}

// MarshalJSON leaves out what stays and writes null for what is taken back.
func (c KeyChange) MarshalJSON() ([]byte, error) {
	members := map[string]any{}
	if c.Name != nil {
		members["name"] = *c.Name
	}
	if c.Roles != nil {
		members["roles"] = c.Roles
	}
	if c.Projects != nil {
		members["projects"] = *c.Projects
	}
	if c.Regions != nil {
		members["regions"] = *c.Regions
	}
	if c.Types != nil {
		members["types"] = *c.Types
	}
	if c.RateLimit != nil {
		members["rate_limit"] = orNull(*c.RateLimit, *c.RateLimit == 0)
	}
	if c.ExpiresAt != nil {
		members["expires_at"] = orNull(*c.ExpiresAt, c.ExpiresAt.IsZero())
	}
	return json.Marshal(members)
}

func orNull(value any, null bool) any {
	if null {
		return nil
	}
	return value
}

// Tenant is a client of the server: who owns projects and keys.
type Tenant struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Number    int64     `json:"number"` // client_id of the Gcore-shaped lists
	CreatedAt time.Time `json:"created_at"`
}

// Project is a project as the server knows it.
type Project struct {
	ID          int64     `json:"id"`
	Client      string    `json:"client"`
	Name        string    `json:"name"` // "" when nobody named it
	Description string    `json:"description"`
	CreatedAt   time.Time `json:"created_at"` // registered, or first seen in an event
}

// NewProject registers a project.
type NewProject struct {
	ID int64 `json:"id"`
	ProjectChange
}

// ProjectChange says what to set of a project; nil members stay.
type ProjectChange struct {
	Client      *string `json:"client,omitempty"`
	Name        *string `json:"name,omitempty"`
	Description *string `json:"description,omitempty"`
}

// Region is a region as the server knows it.
type Region struct {
	ID        int64     `json:"id"`
	Name      string    `json:"name"`    // "" when nobody named it
	Country   string    `json:"country"` // ISO 3166-1 alpha-2, "" when unknown
	CreatedAt time.Time `json:"created_at"`
}

// NewRegion registers a region.
type NewRegion struct {
	ID int64 `json:"id"`
	RegionChange
}

// RegionChange says what to set of a region; nil members stay.
type RegionChange struct {
	Name    *string `json:"name,omitempty"`
	Country *string `json:"country,omitempty"`
}

const (
	ownKeyPath   = "/v1/key"
	keysPath     = "/v1/keys"
	tenantsPath  = "/v1/clients"
	projectsPath = "/v1/projects"
	regionsPath  = "/v1/regions"
)

// OwnKey asks for the key that the client speaks with. Any role may.
func (c *Client) OwnKey(ctx context.Context) (*Key, error) {
	return exchanged[Key](ctx, c, call{method: http.MethodGet, path: ownKeyPath, safe: true}, nil)
}

// Keys lists the keys that exist for the caller, the revoked ones too.
func (c *Client) Keys(ctx context.Context) ([]Key, error) { return list[Key](ctx, c, keysPath) }

// Key asks for one key.
func (c *Client) Key(ctx context.Context, id string) (*Key, error) {
	return get[Key](ctx, c, keysPath, id)
}

// CreateKey makes a key. Its token is in the answer, and nowhere else.
func (c *Client) CreateKey(ctx context.Context, k NewKey) (*CreatedKey, error) {
	return create[CreatedKey](ctx, c, keysPath, k)
}

// UpdateKey changes a key.
func (c *Client) UpdateKey(ctx context.Context, id string, change KeyChange) (*Key, error) {
	return update[Key](ctx, c, keysPath, id, change)
}

// RevokeKey ends a key at once and for ever.
func (c *Client) RevokeKey(ctx context.Context, id string) error { return c.remove(ctx, keysPath, id) }

// Tenants lists the clients of the server that exist for the caller.
func (c *Client) Tenants(ctx context.Context) ([]Tenant, error) {
	return list[Tenant](ctx, c, tenantsPath)
}

// Tenant asks for one client of the server.
func (c *Client) Tenant(ctx context.Context, id string) (*Tenant, error) {
	return get[Tenant](ctx, c, tenantsPath, id)
}

// CreateTenant makes a client of the server.
func (c *Client) CreateTenant(ctx context.Context, id, name string) (*Tenant, error) {
	return create[Tenant](ctx, c, tenantsPath, map[string]string{"id": id, "name": name})
}

// RenameTenant names a client of the server anew.
func (c *Client) RenameTenant(ctx context.Context, id, name string) (*Tenant, error) {
	return update[Tenant](ctx, c, tenantsPath, id, map[string]string{"name": name})
}

// DeleteTenant deletes a client of the server that owns nothing.
func (c *Client) DeleteTenant(ctx context.Context, id string) error {
	return c.remove(ctx, tenantsPath, id)
}

// Projects lists the projects that exist for the caller, by id.
func (c *Client) Projects(ctx context.Context) ([]Project, error) {
	return list[Project](ctx, c, projectsPath)
}

// Project asks for one project.
func (c *Client) Project(ctx context.Context, id int64) (*Project, error) {
	return get[Project](ctx, c, projectsPath, strconv.FormatInt(id, 10))
}

// CreateProject registers a project.
func (c *Client) CreateProject(ctx context.Context, p NewProject) (*Project, error) {
	return create[Project](ctx, c, projectsPath, p)
}

// UpdateProject changes a project.
func (c *Client) UpdateProject(ctx context.Context, id int64, change ProjectChange) (*Project, error) {
	return update[Project](ctx, c, projectsPath, strconv.FormatInt(id, 10), change)
}

// DeleteProject deletes a project of which nothing was metered.
func (c *Client) DeleteProject(ctx context.Context, id int64) error {
	return c.remove(ctx, projectsPath, strconv.FormatInt(id, 10))
}

// Regions lists the regions that exist for the caller, by id.
func (c *Client) Regions(ctx context.Context) ([]Region, error) {
	return list[Region](ctx, c, regionsPath)
}

// Region asks for one region.
func (c *Client) Region(ctx context.Context, id int64) (*Region, error) {
	return get[Region](ctx, c, regionsPath, strconv.FormatInt(id, 10))
}

// CreateRegion registers a region.
func (c *Client) CreateRegion(ctx context.Context, r NewRegion) (*Region, error) {
	return create[Region](ctx, c, regionsPath, r)
}

// UpdateRegion changes a region.
func (c *Client) UpdateRegion(ctx context.Context, id int64, change RegionChange) (*Region, error) {
	return update[Region](ctx, c, regionsPath, strconv.FormatInt(id, 10), change)
}

// DeleteRegion deletes a region in which nothing was metered.
func (c *Client) DeleteRegion(ctx context.Context, id int64) error {
	return c.remove(ctx, regionsPath, strconv.FormatInt(id, 10))
}

// pageSize is the greatest page of a list that the server gives.
const pageSize = 1000

// list reads all pages of a list.
func list[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	all := []T{}
	for {
		var page struct {
			Count   int `json:"count"`
			Results []T `json:"results"`
		}
		query := url.Values{"limit": {strconv.Itoa(pageSize)}, "offset": {strconv.Itoa(len(all))}}
		if err := c.exchange(ctx, call{method: http.MethodGet, path: path, query: query, safe: true}, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Results...)
		if len(all) >= page.Count || len(page.Results) == 0 {
			return all, nil
		}
	}
}

func get[T any](ctx context.Context, c *Client, path, id string) (*T, error) {
	item, err := itemPath(path, id)
	if err != nil {
		return nil, err
	}
	return exchanged[T](ctx, c, call{method: http.MethodGet, path: item, safe: true}, nil)
}

// create is not safe to repeat: the first attempt may have made the thing.
func create[T any](ctx context.Context, c *Client, path string, in any) (*T, error) {
	return exchanged[T](ctx, c, call{method: http.MethodPost, path: path}, in)
}

func update[T any](ctx context.Context, c *Client, path, id string, in any) (*T, error) {
	item, err := itemPath(path, id)
	if err != nil {
		return nil, err
	}
	return exchanged[T](ctx, c, call{method: http.MethodPatch, path: item, safe: true}, in)
}

func exchanged[T any](ctx context.Context, c *Client, k call, in any) (*T, error) {
	out := new(T)
	if err := c.exchange(ctx, k, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (c *Client) remove(ctx context.Context, path, id string) error {
	item, err := itemPath(path, id)
	if err != nil {
		return err
	}
	return c.exchange(ctx, call{method: http.MethodDelete, path: item, safe: true}, nil, nil)
}

// itemPath refuses ids that would lead to another path.
func itemPath(path, id string) (string, error) {
	if id == "" || id == "." || id == ".." {
		return "", fmt.Errorf("%q is no id", id)
	}
	return path + "/" + url.PathEscape(id), nil
}
