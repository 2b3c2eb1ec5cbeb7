package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// serve measures the reports over HTTP on a server that has just started.
func (f *fleetRun) serve(ctx context.Context) error {
	fmt.Fprintln(os.Stderr, "reports over HTTP")
	s, err := f.startServer(ctx)
	if err != nil {
		return err
	}
	defer s.kill()
	f.attach(s)
	for _, measure := range []func(context.Context, *server) error{f.firstMonths, f.months, f.project, f.httpFilters, f.dump} {
		if err := measure(ctx, s); err != nil {
			return err
		}
	}
	f.goal(goalMemory, atMost("", float64(s.status("RssAnon"))/1e6, 800, " MB").with("the server that ingested: at rest %s MB, right after it %s MB", number(float64(f.Rested)/1e6), number(float64(f.Ingest)/1e6)))
	f.add("server memory after the reports, anonymous / mapped", "%d / %d MiB", s.status("RssAnon")>>20, s.status("RssFile")>>20)
	_, err = s.stop(syscall.SIGTERM)
	return err
}

// firstMonths asks for months that nobody has asked for since the start.
func (f *fleetRun) firstMonths(ctx context.Context, s *server) error {
	var first timings
	for month := min(f.Months, 9); month > 1; month-- {
		start := time.Now()
		if _, err := s.ask(ctx, f.question(month, month-1)); err != nil {
			return err
		}
		first = append(first, time.Since(start))
	}
	f.goal(goalFirst, atMost("", millis(first.percentile(100)), 150, " ms").with("slowest of %d months", len(first)))
	f.add("HTTP: first report of a month, each month once", "%v, slowest %s", first, ms(first.percentile(100)))
	return nil
}

// orders are all orders that a report can have by one field.
func orders() []string {
	var all []string
	for field := range strings.FieldsSeq("project region type billing_value first_seen last_seen last_name") {
		all = append(all, field+".asc", field+".desc")
	}
	return all
}

// months asks for the whole fleet's last month in every order, and for the year.
func (f *fleetRun) months(ctx context.Context, s *server) error {
	var slowest timings
	var slowestOrder string
	var p99 time.Duration
	for _, order := range orders() {
		t, err := f.timed(ctx, s, f.times(100), f.question(1, 0, "order_by", []string{order}))
		if err != nil {
			return err
		}
		f.add("HTTP: month, whole fleet, by "+order, "%v", t)
		if slowest == nil || t.p50() > slowest.p50() {
			slowest, slowestOrder = t, order
		}
		p99 = max(p99, t.p99())
	}
	f.goal(goalHTTP, atMost("p50", millis(slowest.p50()), 25, " ms").with("slowest order: %s", slowestOrder), atMost("p99", millis(p99), 60, " ms").with("of any order"))
	t, err := f.timed(ctx, s, f.times(30), f.question(min(f.Months, 12), 0))
	if err != nil {
		return err
	}
	f.add("HTTP: whole history (a year at most), whole fleet", "%v", t)
	return nil
}

func (f *fleetRun) timed(ctx context.Context, s *server, times int, body []byte) (timings, error) {
	return repeat(times, func() error {
		_, err := s.ask(ctx, body)
		return err
	})
}

// project asks for the month of projects of about 500 resources, from one
// connection and then from 16 at once.
func (f *fleetRun) project(ctx context.Context, s *server) error {
	bodies, err := f.typicalProjects(ctx, s, 1)
	if err != nil {
		return err
	}
	asked := 0
	t, err := repeat(f.times(2000), func() error {
		asked++
		_, err := s.ask(ctx, bodies[asked%len(bodies)])
		return err
	})
	if err != nil {
		return err
	}
	f.add("HTTP: month of a project of about 500 resources, page of 10", "%v", t)
	const connections = 16
	var answered atomic.Int64
	start := time.Now()
	end := start.Add(f.lasting(5 * time.Second))
	if err := together(connections, func() error {
		for i := int(answered.Load()); time.Now().Before(end); i++ {
			if _, err := s.ask(ctx, bodies[i%len(bodies)]); err != nil {
				return err
			}
			answered.Add(1)
		}
		return nil
	}); err != nil {
		return err
	}
	f.goal(goalProject,
		atMost("p50", millis(t.p50()), 1, " ms"), atMost("p99", millis(t.p99()), 5, " ms"),
		atLeast("16 connections", float64(answered.Load())/time.Since(start).Seconds(), 5000, " reports/s"))
	whole := bytes.Replace(bodies[0], []byte("{"), []byte(`{"limit":1000,`), 1)
	if t, err = f.timed(ctx, s, f.times(300), whole); err != nil {
		return err
	}
	f.add("HTTP: the same, all its lines on one page", "%v", t)
	return nil
}

// httpFilters asks for the month with the filters that the engine is measured
// with.
func (f *fleetRun) httpFilters(ctx context.Context, s *server) error {
	for _, filter := range filters() {
		t, err := f.timed(ctx, s, f.times(30), f.question(1, 0, filter.member, filter.value))
		if err != nil {
			return err
		}
		f.add("HTTP: month, whole fleet, "+filter.name, "%v", t)
	}
	return nil
}

// dump asks for all lines of the month, which the client counts and drops, and
// watches the server's memory meanwhile.
func (f *fleetRun) dump(ctx context.Context, s *server) error {
	body := f.question(1, 0, "limit", 1<<40)
	var rates, growth []float64
	var lines int
	for range 3 {
		before := s.status("RssAnon")
		peak := s.watch("RssAnon")
		start := time.Now()
		var answer tail
		err := s.postTo(ctx, "/cloud/v1/usage_report", "application/json", bytes.NewReader(body), &answer)
		took := time.Since(start)
		grown := peak() - before
		if err != nil {
			return err
		}
		if lines, err = answer.count(); err != nil {
			return err
		}
		rates = append(rates, float64(answer.bytes)/1e6/took.Seconds())
		growth = append(growth, float64(max(grown, 0))/float64(lines))
		f.add("HTTP: all lines of the month", "%s lines, %.0f MB in %s, memory grew by up to %.1f B a line", thousands(int64(lines)), float64(answer.bytes)/1e6, ms(took), growth[len(growth)-1])
	}
	slices.Sort(rates)
	slices.Sort(growth)
	f.goal(goalDump, atLeast("", rates[1], 150, " MB/s").with("%s lines", thousands(int64(lines))), atMost("memory", growth[1], 16, " B a line"))
	return nil
}

// watch samples a figure of the process's status until the returned function is
// called, which returns the greatest one.
func (s *server) watch(name string) (peak func() int64) {
	ctx, cancel := context.WithCancel(context.Background())
	greatest := make(chan int64)
	go func() {
		most := s.status(name)
		for ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
			most = max(most, s.status(name))
		}
		greatest <- most
	}()
	return func() int64 {
		cancel()
		return <-greatest
	}
}

// tail counts the bytes and lines of an answer and keeps its beginning, which
// tells how many lines there must be.
type tail struct {
	head  []byte
	bytes int64
	lines int
}

func (t *tail) Write(p []byte) (int, error) {
	if len(t.head) < 64 {
		t.head = append(t.head, p[:min(len(p), 64)]...)
	}
	t.bytes += int64(len(p))
	t.lines += bytes.Count(p, []byte(`"first_seen"`))
	return len(p), nil
}

// count returns the number of lines; a name that is cut by two writes makes the
// count of names fall short by a little.
func (t *tail) count() (int, error) {
	start := json.NewDecoder(io.MultiReader(bytes.NewReader(t.head)))
	for {
		token, err := start.Token()
		if err != nil {
			return 0, errors.Join(errors.New("the answer does not begin with its count"), err)
		}
		if token != "count" {
			continue
		}
		var n int
		if err := start.Decode(&n); err != nil {
			return 0, err
		}
		if t.lines > n || t.lines < n-int(t.bytes>>12) {
			return 0, fmt.Errorf("the answer has %d lines and says %d", t.lines, n)
		}
		return n, nil
	}
}
