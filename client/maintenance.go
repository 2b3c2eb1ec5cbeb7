package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Progress tells how far a long task of the server is.
type Progress struct {
	Stage string `json:"stage"` // what is being done, for people
	Done  int64  `json:"done"`
	Total int64  `json:"total"` // of the same unit as Done; may be an estimate
}

// Verification is what a server found when it computed everything anew from the
// observations and compared it with what it stores and shows.
type Verification struct {
	Observations int64 `json:"observations"` // that were read
	Retracted    int64 `json:"retracted"`    // of them
	IDs          int64 `json:"ids"`          // entries of the id index
	Timelines    int64 `json:"timelines"`    // of resources with states, computed anew
	Days         int64 `json:"days"`         // of counted resources, computed anew
	// ClosedBefore is the first month that is open, such as 2026-01; "": none was
	// ever closed.
	ClosedBefore string `json:"closed_before"`
	Dropped      int64  `json:"dropped"` // observations of closed months that are gone
	// DifferencesTotal counts all; Differences lists the first 100.
	DifferencesTotal int64        `json:"differences_total"`
	Differences      []Difference `json:"differences"`
}

// Difference is something that is stored otherwise than it should be.
type Difference struct {
	Check  string `json:"check"` // what was being checked: "ids", "usage", ...
	Of     string `json:"of"`    // what differs: a resource, an observation, a file
	Stored string `json:"stored"`
	Want   string `json:"want"`
}

// Retention is what the dropping of observations of closed months came to, or
// would come to.
type Retention struct {
	Before       string `json:"before"` // the first month that is open, such as 2026-01
	DryRun       bool   `json:"dry_run"`
	Observations int64  `json:"observations"` // that were dropped, or would be
	Bytes        int64  `json:"bytes"`        // of their keys and values, before compression
	Resources    int64  `json:"resources"`    // of which some were dropped; of counted types, their months
	Kept         int64  `json:"kept"`         // of closed months, since they bear on open ones
	// AlreadyClosed is true when the months were closed already, and nothing was
	// left to be dropped.
	AlreadyClosed bool `json:"already_closed"`
}

const (
	verifyPath = "/v1/verify"
	backupPath = "/v1/backup"
	retainPath = "/v1/retain"
)

// Verify makes the server verify its store, which takes as long as reading all
// of it. The server goes on answering and taking events meanwhile. It takes the
// token of an admin key above all clients that is not narrowed. progress, if not
// nil, is told now and then how far it is. When ctx ends, the server stops too.
// Differences are no error.
func (c *Client) Verify(ctx context.Context, progress func(Progress)) (*Verification, error) {
	k := call{method: http.MethodPost, path: verifyPath, safe: true, stream: true}
	return longTask[Verification](ctx, c, k, "verification", progress)
}

// Retain makes the server close all months before one, such as 2026-01, for
// ever: events that would change them are rejected as period_closed from then
// on, and the observations that led to their usage are dropped. The usage stays,
// and no report changes. With dryRun the server only tells what it would drop.
// It takes the token of an admin key above all clients that is not narrowed.
// progress, if not nil, is told now and then how far it is. When ctx ends, the
// server stops too, and the next call for that month goes on.
func (c *Client) Retain(ctx context.Context, before string, dryRun bool, progress func(Progress)) (*Retention, error) {
	body, err := json.Marshal(map[string]any{"before": before, "dry_run": dryRun})
	if err != nil {
		return nil, err
	}
	k := call{method: http.MethodPost, path: retainPath, contentType: "application/json", body: bytesBody(body), safe: true, stream: true}
	return longTask[Retention](ctx, c, k, "retention", progress)
}

// longTask reads lines of progress up to the result.
func longTask[T any](ctx context.Context, c *Client, k call, what string, progress func(Progress)) (result *T, err error) {
	response, err := c.send(ctx, k)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	decoder := json.NewDecoder(response.Body)
	for {
		var line struct {
			Progress *Progress `json:"progress"`
			Result   *T        `json:"result"`
		}
		if err := decoder.Decode(&line); err != nil {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%s: %w", what, context.Cause(ctx))
			}
			return nil, fmt.Errorf("the %s broke off: %w", what, truncated(err))
		}
		if line.Progress != nil && progress != nil {
			progress(*line.Progress)
		}
		if line.Result != nil {
			return line.Result, nil
		}
	}
}

// Backup asks for a copy of the server's store that holds everything that was
// acknowledged before the call: a tar archive compressed with zstd, which
// meterbook restore reads. The server goes on meanwhile. It takes the token of
// an admin key above all clients that is not narrowed. The caller closes it. A
// copy that is cut off has no end that restore would accept.
func (c *Client) Backup(ctx context.Context) (io.ReadCloser, error) {
	response, err := c.send(ctx, call{method: http.MethodPost, path: backupPath, safe: true, stream: true})
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}
