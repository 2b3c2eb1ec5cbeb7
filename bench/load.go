package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/metering"
)

const batchSize = 1000

// load is a fleet's observations as request bodies: batches in the CloudEvents
// batch format, in the order of time.
type load struct {
	bodies  [][]byte
	events  int
	bytes   int
	end     metering.Instant
	project metering.ProjectID // one of middling size
}

func makeLoad(s scale) *load {
	f := fleet.New(fleet.Config{
		Seed: 1, Resources: s.resources, TrafficPorts: s.ports, Months: s.months,
		Clients: max(1, s.resources/20_000), Projects: max(5, s.resources/500), Regions: 20,
	})
	projects := f.Projects()
	l := &load{end: f.End(), project: projects[len(projects)/2].ID}
	body, n := []byte{'['}, 0
	flush := func() {
		if n > 0 {
			body = append(body, ']')
			l.bodies, l.bytes = append(l.bodies, bytes.Clone(body)), l.bytes+len(body)
			body, n = body[:1], 0
		}
	}
	for o := range f.Events() {
		if n > 0 {
			body = append(body, ',')
		}
		body = fleet.AppendEvent(body, o)
		l.events++
		if n++; n == batchSize {
			flush()
		}
	}
	flush()
	return l
}

// sendAll sends the load over a few connections, as a collector would.
func sendAll(ctx context.Context, s *server, l *load, r *results) error {
	const connections = 4
	rows := struct {
		sync.Mutex
		next int
		err  error
	}{}
	take := func(err error) []byte {
		rows.Lock()
		defer rows.Unlock()
		rows.err = errors.Join(rows.err, err)
		if rows.err != nil || rows.next == len(l.bodies) {
			return nil
		}
		rows.next++
		return l.bodies[rows.next-1]
	}
	var all sync.WaitGroup
	start, cpu := time.Now(), s.cpu()
	for range connections {
		all.Go(func() {
			body := take(nil)
			for body != nil {
				body = take(s.send(ctx, body))
			}
		})
	}
	all.Wait()
	took := time.Since(start)
	r.add("ingest over HTTP, batches of 1000, fsync before each receipt", "%.0f events/s (%.0f MB/s of JSON)",
		float64(l.events)/took.Seconds(), float64(l.bytes)/1e6/took.Seconds())
	r.add("server CPU per event", "%.1f µs", float64((s.cpu()-cpu).Microseconds())/float64(l.events))
	return rows.err
}

// send posts one batch and checks its receipt.
func (s *server) send(ctx context.Context, body []byte) error {
	answer, err := s.post(ctx, "/v1/events", "application/cloudevents-batch+json", body)
	if err != nil {
		return err
	}
	var receipt struct {
		Accepted, Duplicates int
		RejectedTotal        int `json:"rejected_total"`
		Rejected             json.RawMessage
	}
	if err := json.Unmarshal(answer, &receipt); err != nil {
		return err
	}
	if receipt.RejectedTotal > 0 || receipt.Duplicates > 0 {
		return fmt.Errorf("%d rejected, %d duplicates: %.500s", receipt.RejectedTotal, receipt.Duplicates, receipt.Rejected)
	}
	return nil
}

func (s *server) post(ctx context.Context, path, contentType string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "apikey "+adminToken)
	request.Header.Set("Content-Type", contentType)
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		return nil, fmt.Errorf("POST %s: %s: %.500s", path, response.Status, answer)
	}
	return answer, nil
}
