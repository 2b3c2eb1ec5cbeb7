package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// The rates at which readers ask, and how large the projects are that they ask
// for.
const (
	projectMonthsPerSecond = 100
	fleetMonthsPerSecond   = 2
	projectLines           = 500
)

// together runs a function in several goroutines and joins their errors.
func together(n int, f func() error) error {
	failed := make(chan error, n)
	for range n {
		go func() { failed <- f() }()
	}
	var err error
	for range n {
		err = errors.Join(err, <-failed)
	}
	return err
}

// question is the body of a request for the whole months [from, to), counted
// back from the end of the fleet, with further members in pairs.
func (f *fleetRun) question(from, to int, members ...any) []byte {
	start, end := period(f.plan.End(), from, to)
	body := map[string]any{"time_from": start, "time_to": end}
	for i := 0; i < len(members); i += 2 {
		body[members[i].(string)] = members[i+1]
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // a request made of constants
	}
	return text
}

// typicalProjects returns requests for the month of each of the 16 projects whose
// reports of that month have nearest to 500 lines.
func (f *fleetRun) typicalProjects(ctx context.Context, s *server, month int) ([][]byte, error) {
	type candidate struct {
		id    metering.ProjectID
		apart int
	}
	var all []candidate
	for _, p := range f.plan.Projects() {
		answer, err := s.ask(ctx, f.question(month, month-1, "projects", []metering.ProjectID{p.ID}, "limit", 1))
		if err != nil {
			return nil, err
		}
		var report struct{ Count int }
		if err := json.Unmarshal(answer, &report); err != nil {
			return nil, err
		}
		all = append(all, candidate{p.ID, max(report.Count-projectLines, projectLines-report.Count)})
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.apart - b.apart })
	var bodies [][]byte
	for _, c := range all[:16] {
		bodies = append(bodies, f.question(month, month-1, "projects", []metering.ProjectID{c.id}))
	}
	return bodies, nil
}

// asked is how long readers waited, each from the moment when it was due to ask.
type asked struct{ projects, fleets timings }

// readAlone measures the readers while nothing is written. They ask for the
// last month but one, which stays as it is while the last one comes in.
func (l *loading) readAlone(ctx context.Context) error {
	var err error
	if l.projects, err = l.typicalProjects(ctx, l.server, 2); err != nil {
		return err
	}
	l.asked = &asked{}
	stop := l.startReaders(ctx, l.asked)
	timer := time.NewTimer(l.lasting(10 * time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return stop()
}

// startReaders asks at the given rates, whether earlier answers have come or
// not, until stop is called, and appends the waiting times to a.
func (l *loading) startReaders(ctx context.Context, a *asked) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	fleetMonth := l.question(2, 1)
	var all sync.WaitGroup
	var mu struct {
		sync.Mutex
		err error
	}
	every := func(interval time.Duration, into *timings, body func(i int) []byte) {
		due := time.Now()
		for i := 0; ctx.Err() == nil; i++ {
			asking := due
			all.Go(func() {
				_, err := l.ask(context.WithoutCancel(ctx), body(i))
				took := time.Since(asking)
				mu.Lock()
				defer mu.Unlock()
				mu.err = errors.Join(mu.err, err)
				*into = append(*into, took)
			})
			due = due.Add(interval)
			select {
			case <-ctx.Done():
			case <-time.After(time.Until(due)):
			}
		}
	}
	all.Go(func() {
		every(time.Second/projectMonthsPerSecond, &a.projects, func(i int) []byte { return l.projects[i%len(l.projects)] })
	})
	all.Go(func() { every(time.Second/fleetMonthsPerSecond, &a.fleets, func(int) []byte { return fleetMonth }) })
	return func() error {
		cancel()
		all.Wait()
		if mu.err != nil {
			return fmt.Errorf("readers: %w", mu.err)
		}
		return nil
	}
}
