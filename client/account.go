package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Resource names a resource.
type Resource struct {
	ProjectID int64  `json:"project_id"`
	RegionID  int64  `json:"region_id"`
	Type      string `json:"resource_type"`
	ID        string `json:"resource_id"` // a UUID
}

// AccountRequest asks what stands behind the lines of a resource. AsOf, Limit
// and Offset take the server's default at their zero value.
type AccountRequest struct {
	Resource Resource
	From, To time.Time // the period, from the UTC day of From to before the UTC day of To
	// AsOf asks for the figures as they stood at that instant: what was received
	// after it is unknown. It must not be in the future; zero is now.
	AsOf time.Time
	// Behind asks for only the observations behind one term; nil: all.
	Behind *Term
	Status string // only observations of this status; "": all
	Limit  int    // observations to list, up to 10 000; 0: 1000
	Offset int    // observations to skip
}

// Term names a term of a line by its places, from 0: Index is that in the line's
// segments or windows. Behind it stands what led to it or repeats it, what that
// superseded or corrected, what was retracted in its place, and the state that
// ends it.
type Term struct{ Line, Index int }

// Account is what a resource came to in a period, with the arithmetic and the
// observations behind it.
type Account struct {
	Resource Resource  `json:"resource"`
	AsOf     time.Time `json:"as_of"`
	// ClosedBefore is the month, such as 2026-01, before which the figures rest on
	// what was kept when the months were closed and their observations dropped;
	// "": all rests on observations.
	ClosedBefore string        `json:"closed_before"`
	Lines        []AccountLine `json:"lines"`
	// Statuses has how many of all observations that bear on the period have each
	// status; Count is the number of those that Behind and Status select.
	Statuses map[string]int `json:"statuses"`
	Count    int            `json:"count"`
	// Observations are the page of them: states in their order, quantities by
	// window.
	Observations []Observation `json:"observations"`
}

// AccountLine is a line of a report with its terms, which sum to its
// BillingValue: segments of states, or days of closed months and windows of
// quantities.
type AccountLine struct {
	Line     Line      `json:"line"`
	Segments []Segment `json:"segments"`
	Days     []Day     `json:"days"`
	Windows  []Window  `json:"windows"`
}

// Segment is a run of minutes [From, To) in which the resource was alike.
type Segment struct {
	From       time.Time   `json:"from"`
	To         time.Time   `json:"to"`
	FirstSeen  time.Time   `json:"first_seen"` // of the first counted minute
	LastSeen   time.Time   `json:"last_seen"`  // of the last counted minute
	Minutes    int64       `json:"minutes"`
	Multiplier int64       `json:"multiplier"` // count, or bytes of a sized type
	Product    json.Number `json:"product"`    // in the line's BillingValueUnit
	Attributes Told        `json:"attributes"`
}

// Told is what a source told, under the names of events: texts, numbers as
// [json.Number], and tags as an object. What it did not tell is not there.
type Told map[string]any

// UnmarshalJSON keeps every digit of the numbers.
func (t *Told) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(t))
}

// Day is what the quantities of a UTC day came to, which were dropped.
type Day struct {
	Day       string      `json:"day"`        // such as 2024-07-01
	FirstSeen time.Time   `json:"first_seen"` // their earliest from
	LastSeen  time.Time   `json:"last_seen"`  // their latest to
	Quantity  json.Number `json:"quantity"`
}

// Window is a counted quantity: in [From, To) that much was consumed.
type Window struct {
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	Quantity json.Number `json:"quantity"`
}

// The statuses of an Observation.
const (
	StatusCounted    = "counted"    // the figures rest on it; a deletion ends what was
	StatusPending    = "pending"    // its first minute has not come yet
	StatusRepeated   = "repeated"   // it says what held already
	StatusSuperseded = "superseded" // another state of the same minute comes after it
	StatusCorrected  = "corrected"  // another quantity of the same window comes after it
	StatusRetracted  = "retracted"  // it counts as never observed
)

// Observation is an observation as the store keeps it, and what became of it.
type Observation struct {
	Number     int64     `json:"number"` // in the order in which the store took observations, from 1
	Source     string    `json:"source"`
	ID         string    `json:"id"`
	Time       time.Time `json:"time"`
	Sequence   int64     `json:"sequence"`
	ReceivedAt time.Time `json:"received_at"` // by the server's clock
	Data       Told      `json:"data"`        // what it said of its resource
	Status     string    `json:"status"`
	// By supersedes, corrects or retracted it, or is what it repeats.
	By *OtherObservation `json:"by"`
	// Line and Term are the places, from 0, of the line and of its segment or
	// window that it led to; nil: it led to none.
	Line *int `json:"line"`
	Term *int `json:"term"`
}

// OtherObservation names another observation of the same project.
type OtherObservation struct {
	Source     string    `json:"source"`
	ID         string    `json:"id"`
	ReceivedAt time.Time `json:"received_at"`
	Reason     string    `json:"reason"` // of a retraction, where it gave one
}

// Account asks what stands behind the lines of a resource. One that nobody
// observed, or that does not exist for the key, is an error with status 404.
func (c *Client) Account(ctx context.Context, r AccountRequest) (*Account, error) {
	k, err := r.call()
	if err != nil {
		return nil, err
	}
	return exchanged[Account](ctx, c, k, nil)
}

// AccountJSON is Account that returns the server's own bytes. The caller closes
// them.
func (c *Client) AccountJSON(ctx context.Context, r AccountRequest) (io.ReadCloser, error) {
	k, err := r.call()
	if err != nil {
		return nil, err
	}
	response, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

func (r *AccountRequest) call() (call, error) {
	path := fmt.Sprintf("/v1/resources/%d/%d", r.Resource.ProjectID, r.Resource.RegionID)
	for _, part := range []string{r.Resource.Type, r.Resource.ID} {
		var err error
		if path, err = itemPath(path, part); err != nil {
			return call{}, err
		}
	}
	query := url.Values{"from": {r.From.UTC().Format(time.DateOnly)}, "to": {r.To.UTC().Format(time.DateOnly)}}
	if !r.AsOf.IsZero() {
		query.Set("as_of", r.AsOf.UTC().Format(time.RFC3339Nano))
	}
	if r.Behind != nil {
		query.Set("line", strconv.Itoa(r.Behind.Line))
		query.Set("term", strconv.Itoa(r.Behind.Index))
	}
	if r.Status != "" {
		query.Set("status", r.Status)
	}
	if r.Limit != 0 {
		query.Set("limit", strconv.Itoa(r.Limit))
	}
	if r.Offset != 0 {
		query.Set("offset", strconv.Itoa(r.Offset))
	}
	return call{method: http.MethodGet, path: path, query: query, safe: true}, nil
}
