package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// question is a report request with a name.
type question struct {
	name  string
	body  map[string]any
	times int
}

// questions are asked over HTTP and in the engine. The month is the last whole
// one of the fleet, the year all of it.
func questions(l *load) []question {
	end := l.end.Time()
	month := map[string]any{"time_from": end.AddDate(0, -1, 0), "time_to": end}
	with := func(members ...any) map[string]any {
		body := map[string]any{}
		for k, v := range month {
			body[k] = v
		}
		for i := 0; i < len(members); i += 2 {
			body[members[i].(string)] = members[i+1]
		}
		return body
	}
	return []question{
		{"month, whole fleet", month, 50},
		{"month, by billing value descending", with("order_by", []string{"billing_value.desc"}), 50},
		{"month, by name", with("order_by", []string{"last_name.asc"}), 50},
		{"month, by last seen, then name descending", with("order_by", []string{"last_seen.desc", "last_name.desc"}), 50},
		{"month, by value, offset in the middle of the fleet", with("order_by", []string{"billing_value.desc"}, "offset", l.events/20), 20},
		{"month, tag filter", with("tags", map[string]any{"conditions": []any{map[string]any{"key": "env", "value": "prod"}}}), 50},
		{"month, volumes of one volume type", with("schema_filter", map[string]any{"type": "volume", "field": "volume_type", "values": []string{"standard"}}), 50},
		{"month, one project", with("projects", []metering.ProjectID{l.project}), 300},
		{"whole year, whole fleet", map[string]any{"time_from": end.AddDate(-1, 0, 0), "time_to": end}, 20},
	}
}

// askAll asks every question over HTTP.
func askAll(ctx context.Context, s *server, l *load, r *results) error {
	for _, q := range questions(l) {
		body, err := json.Marshal(q.body)
		if err != nil {
			return err
		}
		start := time.Now()
		if _, err := s.ask(ctx, body); err != nil {
			return err
		}
		first := time.Since(start)
		t, err := repeat(q.times, func() error { _, err := s.ask(ctx, body); return err })
		if err != nil {
			return err
		}
		r.add("HTTP: "+q.name, "%v (first %v)", t, first.Round(100*time.Microsecond))
	}
	return dump(ctx, s, l, r)
}

func (s *server) ask(ctx context.Context, body []byte) ([]byte, error) {
	return s.post(ctx, "/cloud/v1/usage_report", "application/json", body)
}

// dump asks for every line of the month.
func dump(ctx context.Context, s *server, l *load, r *results) error {
	body, err := json.Marshal(map[string]any{"time_from": l.end.Time().AddDate(0, -1, 0), "time_to": l.end.Time(), "limit": 1 << 40})
	if err != nil {
		return err
	}
	before, _ := s.memory()
	start := time.Now()
	answer, err := s.ask(ctx, body)
	if err != nil {
		return err
	}
	took := time.Since(start)
	after, _ := s.memory()
	lines := bytes.Count(answer, []byte(`"project_id"`))
	r.add("HTTP: all lines of the month", "%d lines, %.0f MB/s, memory grows by %.0f B a line", lines,
		float64(len(answer))/1e6/took.Seconds(), float64(max(after-before, 0))/float64(lines))
	return nil
}

// restarts stops the server well and badly, and checks that its answers stay.
func restarts(ctx context.Context, binary, dir string, s *server, l *load, r *results) error {
	body, err := json.Marshal(questions(l)[0].body)
	if err != nil {
		return err
	}
	before, err := s.ask(ctx, body)
	if err != nil {
		return err
	}
	for _, end := range []struct {
		name   string
		signal syscall.Signal
	}{{"clean stop", syscall.SIGTERM}, {"kill -9", syscall.SIGKILL}} {
		if _, err := s.stop(end.signal); err != nil {
			return err
		}
		if s, err = startServer(ctx, binary, dir); err != nil {
			return err
		}
		r.add("ready after a "+end.name, "%v", s.ready.Round(time.Millisecond))
		start := time.Now()
		after, err := s.ask(ctx, body)
		if err != nil {
			return err
		}
		r.add("first report after a "+end.name, "%v", time.Since(start).Round(time.Millisecond))
		if !bytes.Equal(before, after) {
			return fmt.Errorf("the report after a %s differs", end.name)
		}
	}
	_, err = s.stop(syscall.SIGTERM)
	return err
}

// engine asks every question of the store itself, without HTTP and JSON.
func engine(ctx context.Context, dir string, l *load, r *results) error {
	store, err := ledger.Open(ctx, ledger.Options{
		Dir:   filepath.Join(dir, "data"),
		Clock: func() metering.Instant { return metering.InstantOf(time.Now()) },
	})
	if err != nil {
		return err
	}
	for _, q := range questions(l) {
		body, err := json.Marshal(q.body)
		if err != nil {
			return err
		}
		query, err := report.Parse(body, l.end, report.FullScope())
		if err != nil {
			return err
		}
		var count int
		t, err := repeat(q.times, func() error {
			answer, err := store.Report(ctx, query)
			if err != nil {
				return err
			}
			for range answer.Lines {
			}
			count = answer.Count
			answer.Close()
			return nil
		})
		if err != nil {
			return errors.Join(err, store.Close())
		}
		r.add("engine: "+q.name, "%v (%d lines)", t, count)
	}
	s := store.Stats()
	r.add("resources, segments, day sums in columns", "%d, %d, %d", s.Resources, s.Segments, s.DaySums)
	r.add("columns", "%.1f MiB", float64(s.ColumnBytes)/(1<<20))
	return store.Close()
}
