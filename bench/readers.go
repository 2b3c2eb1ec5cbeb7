package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
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
type asked struct{ Projects, Fleets timings }

// readAlone measures the readers while nothing is written. They ask for the
// last month but one, which stays as it is while the last one comes in.
func (l *loading) readAlone(ctx context.Context) error {
	var err error
	if l.projects, err = l.typicalProjects(ctx, l.server, 2); err != nil {
		return err
	}
	l.asked = &asked{}
	stop, err := l.startReaders(ctx, l.asked)
	if err != nil {
		return err
	}
	timer := time.NewTimer(l.lasting(10 * time.Second))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return stop()
}

// readersCommand lets the program be the readers, who have a process of their own:
// a Go process that sends events as fast as it can is late to look at its timers
// and at the answers that have come, which is no fault of who answers.
const readersCommand = "readers"

// questions are what readers ask, at the rates above.
type questions struct {
	URL      string
	Projects [][]byte // months of projects, in turn
	Fleet    []byte   // a month of the whole fleet
}

// startReaders lets another process ask, from before it returns until stop is
// called, which appends the waiting times to a.
func (l *loading) startReaders(ctx context.Context, a *asked) (stop func() error, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ask, err := json.Marshal(questions{URL: l.url, Projects: l.projects, Fleet: l.question(2, 1)})
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program, readersCommand)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	told := json.NewDecoder(out)
	_, err = in.Write(ask)
	if err := errors.Join(err, told.Decode(&asked{})); err != nil {
		return nil, fmt.Errorf("readers: %w", errors.Join(err, in.Close(), command.Wait()))
	}
	return func() error {
		var waited asked
		if err := errors.Join(in.Close(), told.Decode(&waited), command.Wait()); err != nil {
			return fmt.Errorf("readers: %w", err)
		}
		a.Projects, a.Fleets = append(a.Projects, waited.Projects...), append(a.Fleets, waited.Fleets...)
		return nil
	}, nil
}

// read is the program as readers: it asks what in tells until in ends, each
// question once at least. It writes how long it waited: for the first answers as
// soon as they are there, for all at the end.
func read(ctx context.Context, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told := json.NewDecoder(in)
	var q questions
	if err := told.Decode(&q); err != nil {
		return err
	}
	r := &readers{questions: q, server: newClient(q.URL)}
	r.first.Add(2)
	r.all.Go(func() {
		r.every(ctx, time.Second/projectMonthsPerSecond, &r.mu.Projects, func(i int) []byte { return q.Projects[i%len(q.Projects)] })
	})
	r.all.Go(func() {
		r.every(ctx, time.Second/fleetMonthsPerSecond, &r.mu.Fleets, func(int) []byte { return q.Fleet })
	})
	answers := json.NewEncoder(out)
	r.first.Wait()
	r.mu.Lock()
	err := answers.Encode(r.mu.asked)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = told.Token() // nothing comes but the end
	cancel()
	r.all.Wait()
	if !errors.Is(err, io.EOF) || r.mu.err != nil {
		return errors.Join(err, r.mu.err)
	}
	return answers.Encode(r.mu.asked)
}

// readers ask at fixed times, whether earlier answers have come or not.
type readers struct {
	questions
	*server
	all   sync.WaitGroup
	first sync.WaitGroup // until each question was answered once
	mu    struct {
		sync.Mutex
		asked
		err error
	}
}

// every asks one question each interval until the context ends.
func (r *readers) every(ctx context.Context, interval time.Duration, into *timings, body func(i int) []byte) {
	due := time.Now()
	for i := 0; i == 0 || ctx.Err() == nil; i++ {
		asking := due
		r.all.Go(func() {
			if i == 0 {
				defer r.first.Done()
			}
			_, err := r.ask(context.WithoutCancel(ctx), body(i))
			took := time.Since(asking)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.mu.err = errors.Join(r.mu.err, err)
			*into = append(*into, took)
		})
		due = due.Add(interval)
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(due)):
		}
	}
}
