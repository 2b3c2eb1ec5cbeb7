package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The kinds of a Finding.
const (
	// IDInTwoProjects: resources of one type and id count in two or more projects
	// at once, and each of them is counted.
	IDInTwoProjects = "id_in_two_projects"
	// OverlappingWindows: two windows of one meter of a resource overlap without
	// being equal, and are added up.
	OverlappingWindows = "overlapping_windows"
	// ReusedID: an id of a source was sent again with other content, and refused;
	// what was stored first counts.
	ReusedID = "id_reused"
	// SilentResource: a resource still counts, but nothing was heard of it for
	// long. It is found only when it is asked for.
	SilentResource = "silent_resources"
)

// Finding is something that is counted as it was told, but smells of a mistake of
// whoever told it.
type Finding struct {
	Kind       string          `json:"kind"`
	Type       string          `json:"type"`
	ResourceID string          `json:"resource_id"`
	Resources  []FoundResource `json:"resources"` // those of that type and id that take part
	// It happens in [From, To). Of a ReusedID they are when it was refused first
	// and last; a SilentResource was last heard of at From.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Minutes is how many of [From, To) two or more projects count; of counted
	// types whole UTC days count. Of IDInTwoProjects only.
	Minutes int64 `json:"minutes,omitempty"`
	// What the windows count, and the two of them, by From and To. Of
	// OverlappingWindows only.
	BillingMetricName string          `json:"billing_metric_name,omitempty"`
	BillingValueUnit  string          `json:"billing_value_unit,omitempty"`
	Observations      []FoundQuantity `json:"observations,omitempty"`
	// The name that was reused, and how often it was refused. Of ReusedID only.
	Source string `json:"source,omitempty"`
	ID     string `json:"id,omitempty"`
	Times  int64  `json:"times,omitempty"`
}

// FoundResource is where a resource of a finding is.
type FoundResource struct {
	ProjectID int64 `json:"project_id"`
	RegionID  int64 `json:"region_id"`
}

// FoundQuantity is an observation of a finding: in [From, To) that much was
// consumed.
type FoundQuantity struct {
	Source   string      `json:"source"`
	ID       string      `json:"id"`
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	Quantity json.Number `json:"quantity"`
}

// Findings is what was found. Count is of all, Results are the first.
type Findings struct {
	Count   int       `json:"count"`
	Results []Finding `json:"results"`
}

// Findings asks what smells of a wrong bill in the period from the UTC day of
// from to before the UTC day of to. It shows at most limit, from 1 to 1000; 0 is
// the server's default, 100. It takes the token of an admin key.
func (c *Client) Findings(ctx context.Context, from, to time.Time, limit int) (*Findings, error) {
	return c.FindingsOf(ctx, FindingsRequest{From: from, To: to, Limit: limit})
}

// FindingsRequest says what to look for. From and To are those of Findings.
type FindingsRequest struct {
	From, To   time.Time
	Kind       string // one of the kinds; "": all but SilentResource
	SilentDays int    // after which a resource is silent; 0: the server's default, 7
	Limit      int    // from 1 to 1000; 0: the server's default, 100
}

// FindingsOf is Findings of one kind.
func (c *Client) FindingsOf(ctx context.Context, r FindingsRequest) (*Findings, error) {
	query := url.Values{"from": {r.From.UTC().Format(time.DateOnly)}, "to": {r.To.UTC().Format(time.DateOnly)}}
	if r.Limit != 0 {
		query.Set("limit", strconv.Itoa(r.Limit))
	}
	if r.SilentDays != 0 {
		query.Set("silent_days", strconv.Itoa(r.SilentDays))
	}
	if r.Kind != "" {
		query.Set("kind", r.Kind)
	}
	return exchanged[Findings](ctx, c, call{method: http.MethodGet, path: "/v1/findings", query: query, safe: true}, nil)
}
