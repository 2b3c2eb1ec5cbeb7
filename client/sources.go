package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The statuses of a Source, by the time since its last accepted event.
const (
	SourceFresh  = "fresh"
	SourceLate   = "late"
	SourceSilent = "silent"
)

// Source is how one event source has been sending.
type Source struct {
	Client string `json:"client"` // of the keys that sent; "": keys above all clients
	Source string `json:"source"` // "": it could not be read, or Others
	// Others is all of the client's sources together beyond those that are told
	// apart.
	Others         bool         `json:"others"`
	Status         string       `json:"status"`
	FirstHeardAt   time.Time    `json:"first_heard_at"`
	LastHeardAt    time.Time    `json:"last_heard_at"`    // of an event of whatever fate
	LastReceivedAt *time.Time   `json:"last_received_at"` // of an accepted event; nil: there was none
	LastEventAt    *time.Time   `json:"last_event_at"`    // the latest time of all accepted events
	Lag            SourceLag    `json:"lag"`
	PresentHour    SourceCounts `json:"present_hour"`  // of UTC; it is not over
	Last24Hours    SourceCounts `json:"last_24_hours"` // the present hour and the 23 before it
	Hours          HourCounts   `json:"hours"`
	Days           DayCounts    `json:"days"`
	Rejections     []Refusals   `json:"rejections"` // in the days, by code
}

// SourceLag is the time from an accepted event to its receipt, in milliseconds.
// All but Last are of the last 24 hours. nil: there was no event, or of HalfWithin
// and MostWithin, it is more than a day.
type SourceLag struct {
	Last       *int64 `json:"last_ms"`
	HalfWithin *int64 `json:"half_within_ms"` // a bound that at least half of them are within
	MostWithin *int64 `json:"most_within_ms"` // and one for 95 of 100
	Greatest   *int64 `json:"greatest_ms"`
}

// SourceCounts says what became of events.
type SourceCounts struct {
	Accepted   int64 `json:"accepted"`
	Duplicates int64 `json:"duplicates"`
	Rejected   int64 `json:"rejected"`
}

// HourCounts has one number for each UTC hour, the last one of the present.
type HourCounts struct {
	From time.Time `json:"from"`
	CountSeries
}

// DayCounts has one number for each UTC day, the last one of the present.
type DayCounts struct {
	From string `json:"from"` // 2024-07-01
	CountSeries
}

// CountSeries has one number a step.
type CountSeries struct {
	Accepted   []int64 `json:"accepted"`
	Duplicates []int64 `json:"duplicates"`
	Rejected   []int64 `json:"rejected"`
}

// Refusals are the events that were refused for one reason, and the last of them.
type Refusals struct {
	Code    string          `json:"code"`
	Count   int64           `json:"count"`
	Samples []RefusedSample `json:"samples"`
}

// RefusedSample is an event that was refused. Its texts may be cut.
type RefusedSample struct {
	At      time.Time `json:"at"`
	ID      string    `json:"id"`
	Field   string    `json:"field"`
	Message string    `json:"message"`
}

// Sources is a page of the event sources.
type Sources struct {
	Count    int `json:"count"` // of the status that was asked for
	Statuses struct {
		Fresh  int `json:"fresh"`
		Late   int `json:"late"`
		Silent int `json:"silent"`
	} `json:"statuses"`
	Now     time.Time `json:"now"`
	Results []Source  `json:"results"`
}

// SourcesRequest says which sources to list. The zero value asks for the first
// page with the server's defaults.
type SourcesRequest struct {
	Status        string // SourceFresh, SourceLate or SourceSilent; "": all
	BySilence     bool   // the longest silent first, instead of by client and source
	Limit, Offset int    // Limit 0: the server's default, 100
	// LateAfter and SilentAfter are cut to seconds; 0: the server's default, 2 hours
	// and 24.
	LateAfter, SilentAfter time.Duration
}

// Sources lists the event sources and how they have been sending. It takes the
// token of an admin key that is not narrowed.
func (c *Client) Sources(ctx context.Context, r SourcesRequest) (*Sources, error) {
	query := url.Values{}
	number := func(name string, n int64) {
		if n != 0 {
			query.Set(name, strconv.FormatInt(n, 10))
		}
	}
	number("limit", int64(r.Limit))
	number("offset", int64(r.Offset))
	number("late_after_seconds", int64(r.LateAfter/time.Second))
	number("silent_after_seconds", int64(r.SilentAfter/time.Second))
	if r.Status != "" {
		query.Set("status", r.Status)
	}
	if r.BySilence {
		query.Set("order", "silence")
	}
	return exchanged[Sources](ctx, c, call{method: http.MethodGet, path: "/v1/sources", query: query, safe: true}, nil)
}
