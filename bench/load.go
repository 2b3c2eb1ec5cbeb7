package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/meterbook/meterbook/internal/fleet"
)

// fleetRun measures one fleet in full.
type fleetRun struct {
	*settings
	scale
	*results
	dir  string
	plan *fleet.Fleet
}

func (f *fleetRun) store() string { return filepath.Join(f.dir, "data") }

// keptPath is where the figures of the load lie, beside the store.
func (f *fleetRun) keptPath() string { return filepath.Join(f.dir, "load.json") }

// loadOnce loads the fleet, unless the store of an earlier run is there.
func (f *fleetRun) loadOnce(ctx context.Context) error {
	text, err := os.ReadFile(f.keptPath())
	if errors.Is(err, os.ErrNotExist) {
		return f.load(ctx)
	}
	if err != nil {
		return err
	}
	var kept results
	if err := json.Unmarshal(text, &kept); err != nil {
		return fmt.Errorf("read %s: %w", f.keptPath(), err)
	}
	if kept.Scale != f.scale {
		return fmt.Errorf("%s holds a fleet of %+v, not of %+v: give another -data", f.dir, kept.Scale, f.scale)
	}
	fmt.Fprintf(os.Stderr, "using the fleet that was loaded at %s\n", kept.Loaded.Format(time.RFC3339))
	r := f.results
	r.Loaded, r.Scale, r.Ingest, r.Rested, r.Goals, r.Figures = kept.Loaded, kept.Scale, kept.Ingest, kept.Rested, kept.Goals, kept.Figures
	return nil
}

// load records the fleet's events, sends them, kills and stops the server, and
// measures the bound.
func (f *fleetRun) load(ctx context.Context) error {
	if err := os.RemoveAll(f.dir); err != nil {
		return err
	}
	f.Loaded, f.Scale = time.Now(), f.scale
	fmt.Fprintf(os.Stderr, "recording the events of %+v\n", f.scale)
	tapes, err := record(f.plan, filepath.Join(f.dir, "tapes"))
	if err != nil {
		return err
	}
	s, err := f.startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { s.kill() }()
	l := &loading{fleetRun: f, server: s, rates: map[phase]*rate{}}
	f.attach(s)
	for _, t := range tapes {
		if err := l.send(ctx, t); err != nil {
			return err
		}
	}
	if err := l.report(); err != nil {
		return err
	}
	if s, err = f.restart(ctx, s); err != nil {
		return err
	}
	if err := l.reportDisk(); err != nil {
		return err
	}
	if err := l.bound(ctx, tapes); err != nil {
		return fmt.Errorf("bound of ingest: %w", err)
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "tapes")); err != nil {
		return err
	}
	text, err := json.Marshal(f.results)
	if err != nil {
		return err
	}
	return os.WriteFile(f.keptPath(), text, 0o644)
}

// attach waits for someone who wants to profile the server.
func (f *fleetRun) attach(s *server) {
	if !f.pause {
		return
	}
	fmt.Fprintf(os.Stderr, "the server is process %d; go on with a line\n", s.command.Process.Pid)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

// rate is what was sent in the parts of one phase.
type rate struct {
	events       int
	bytes        int64
	payload      int64
	took         time.Duration
	server, self time.Duration // processor time
}

func (r *rate) perSecond() float64 { return float64(r.events) / r.took.Seconds() }

// cpuPerEvent is the server's processor time per event, in microseconds.
func (r *rate) cpuPerEvent() float64 { return float64(r.server.Microseconds()) / float64(r.events) }

// loading is a load that goes on.
type loading struct {
	*fleetRun
	*server
	rates    map[phase]*rate
	asked    *asked // by the readers, alone and beside ingest
	besides  asked
	projects [][]byte
	written  int64
	payload  int64
	events   int
}

// send sends one tape and adds to the rate of its phase.
func (l *loading) send(ctx context.Context, t *tape) error {
	if err := l.prepare(ctx, t); err != nil {
		return err
	}
	p, err := t.play(false)
	if err != nil {
		return err
	}
	stopReaders := func() error { return nil }
	if t.phase == beside {
		if stopReaders, err = l.startReaders(ctx, &l.besides); err != nil {
			return errors.Join(err, p.close())
		}
	}
	r := l.rates[t.phase]
	if r == nil {
		r = &rate{}
		l.rates[t.phase] = r
	}
	start, cpu, self := time.Now(), l.cpu(), ownCPU()
	if t.phase == streamed {
		err = l.sendStreams(ctx, p, t)
	} else {
		err = l.sendBatches(ctx, p)
	}
	r.took += time.Since(start)
	r.server, r.self = r.server+l.cpu()-cpu, r.self+ownCPU()-self
	r.events, r.bytes, r.payload = r.events+t.events, r.bytes+t.bytes, r.payload+t.payload
	l.events, l.payload = l.events+t.events, l.payload+t.payload
	l.written = l.server.written()
	fmt.Fprintf(os.Stderr, "  sent %d events, %s events/s\n", t.events, number(float64(t.events)/time.Since(start).Seconds()))
	return errors.Join(err, stopReaders(), p.close())
}

// prepare lets the server end what earlier parts have left to do, before one that
// is compared with another: else that would be measured with it. Readers alone are
// measured before the last month.
func (l *loading) prepare(ctx context.Context, t *tape) error {
	if t.phase < alone {
		return nil
	}
	if err := l.settle(ctx); err != nil {
		return err
	}
	switch {
	case t.phase == alone && l.asked == nil:
		return l.readAlone(ctx)
	case t.phase == late:
		l.Rested = l.status("RssAnon")
	}
	return nil
}

const (
	settleFor  = 4 * time.Second
	settleMost = 3 * time.Minute
)

// settle waits until the server has nearly nothing to do for a while.
func (l *loading) settle(ctx context.Context) error {
	const step = settleFor / 8
	last, quiet := l.cpu(), time.Duration(0)
	for waited := time.Duration(0); quiet < l.lasting(settleFor) && waited < settleMost; waited += step {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(step):
		}
		now := l.cpu()
		if quiet += step; now-last > step/10 {
			quiet = 0
		}
		last = now
	}
	return nil
}

// sendBatches sends each body as a request, over several connections.
func (l *loading) sendBatches(ctx context.Context, p *player) error {
	return together(l.connections, func() error {
		var c chunk
		for {
			more, err := p.next(&c)
			if err != nil || !more {
				return err
			}
			answer, err := l.post(ctx, "/v1/events", "application/cloudevents-batch+json", bytes.NewReader(c.body))
			if err == nil {
				err = checkReceipt(answer, c.events)
			}
			if err != nil {
				p.fail(err)
				return err
			}
		}
	})
}

// sendStreams sends the bodies as NDJSON, one request a connection.
func (l *loading) sendStreams(ctx context.Context, p *player, t *tape) error {
	sent := make(chan int, l.connections)
	err := together(l.connections, func() error {
		body := &streamBody{player: p}
		answer, err := l.post(ctx, "/v1/events", "application/x-ndjson", body)
		if err == nil {
			err = checkReceipt(answer, body.events)
		}
		if err != nil {
			p.fail(err)
		}
		sent <- body.events
		return err
	})
	total := 0
	for range l.connections {
		total += <-sent
	}
	if err == nil && total != t.events {
		return fmt.Errorf("%d events of %d were streamed", total, t.events)
	}
	return err
}

// streamBody is what one connection streams: bodies of a tape until its end.
type streamBody struct {
	*player
	chunk
	rest   []byte
	events int
}

func (b *streamBody) Read(dst []byte) (int, error) {
	if len(b.rest) == 0 {
		more, err := b.next(&b.chunk)
		if err != nil {
			return 0, err
		}
		if !more {
			return 0, io.EOF
		}
		b.rest, b.events = b.body, b.events+b.chunk.events
	}
	n := copy(dst, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// checkReceipt fails unless all events were accepted.
func checkReceipt(answer []byte, events int) error {
	var receipt struct {
		Accepted, Duplicates int
		RejectedTotal        int `json:"rejected_total"`
		Complete             bool
		Rejected             json.RawMessage
	}
	if err := json.Unmarshal(answer, &receipt); err != nil {
		return fmt.Errorf("receipt %.200s: %w", answer, err)
	}
	if receipt.Accepted != events || receipt.RejectedTotal > 0 || receipt.Duplicates > 0 || !receipt.Complete {
		return fmt.Errorf("of %d events %d accepted, %d rejected, %d duplicates, complete: %t: %.500s",
			events, receipt.Accepted, receipt.RejectedTotal, receipt.Duplicates, receipt.Complete, receipt.Rejected)
	}
	return nil
}

// report records the rates.
func (l *loading) report() error {
	for _, p := range []phase{inBatches, streamed, alone, beside, late} {
		if l.rates[p] == nil {
			return fmt.Errorf("the fleet is too small: nothing was sent in phase %d", p)
		}
	}
	batches, streams := l.rates[inBatches], l.rates[streamed]
	l.goal(goalIngest,
		atLeast("batches of 1000", batches.perSecond(), 100_000, " events/s"),
		atLeast("NDJSON streams", streams.perSecond(), 100_000, " events/s"))
	l.goal(goalLate, atLeast("", 100*l.rates[late].perSecond()/l.rates[alone].perSecond(), 50, " % of in-order").with("the last month on the same store, both begun at rest; by server CPU %.0f %%", 100*l.rates[alone].cpuPerEvent()/l.rates[late].cpuPerEvent()))
	projects, fleets := ratio(l.besides.Projects.p99(), l.asked.Projects.p99()), ratio(l.besides.Fleets.p99(), l.asked.Fleets.p99())
	l.goal(goalBeside,
		atLeast("events/s", 100*l.rates[beside].perSecond()/l.rates[alone].perSecond(), 60, " % of alone"),
		atMost("readers' p99", max(projects, fleets), 3, " × alone").with("project months %s, fleet months %s", number(projects), number(fleets)))
	l.add("events of the fleet, late ones among them", "%s", thousands(int64(l.events)))
	for _, row := range []struct {
		phase
		name string
	}{
		{inBatches, "history, batches of 1000"},
		{streamed, "history, NDJSON streams"},
		{alone, "last month, batches"},
		{beside, "last month, batches, beside readers"},
		{late, "late states (half), corrections, retractions (a tenth)"},
	} {
		r := l.rates[row.phase]
		micros := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(r.events) }
		l.add("ingest: "+row.name, "%s events/s (%s events, %.0f MB/s of JSON, %d connections; CPU per event: server %.1f µs, client %.1f µs)",
			number(r.perSecond()), thousands(int64(r.events)), float64(r.bytes)/1e6/r.took.Seconds(), l.connections, micros(r.server), micros(r.self))
	}
	l.add("readers alone: project months", "%v", l.asked.Projects)
	l.add("readers alone: fleet months", "%v", l.asked.Fleets)
	l.add("readers beside ingest: project months", "%v", l.besides.Projects)
	l.add("readers beside ingest: fleet months", "%v", l.besides.Fleets)
	l.Ingest = l.status("RssAnon")
	l.add("server memory at rest, before the late events, anonymous", "%d MiB", l.Rested>>20)
	l.add("server memory right after ingest, anonymous / mapped", "%d / %d MiB", l.Ingest>>20, l.status("RssFile")>>20)
	return nil
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// restart kills the server in the middle of its work, starts it, stops it well,
// and checks that its answers stay.
func (f *fleetRun) restart(ctx context.Context, s *server) (*server, error) {
	body := f.question(1, 0)
	before, err := s.ask(ctx, body)
	if err != nil {
		return s, err
	}
	var ready []time.Duration
	for _, end := range []struct {
		name   string
		signal syscall.Signal
	}{{"kill -9 right after ingest", syscall.SIGKILL}, {"clean stop", syscall.SIGTERM}} {
		took, err := s.stop(end.signal)
		if err != nil {
			return s, err
		}
		if s, err = f.startServer(ctx); err != nil {
			return s, err
		}
		ready = append(ready, s.ready)
		start := time.Now()
		after, err := s.ask(ctx, body)
		if err != nil {
			return s, err
		}
		f.add("after a "+end.name, "ended within %s, ready after %s, first report within %s", ms(took), ms(s.ready), ms(time.Since(start)))
		if !bytes.Equal(before, after) {
			return s, fmt.Errorf("the report after a %s differs", end.name)
		}
	}
	f.goal(goalStart, atMost("after a clean stop", ready[1].Seconds(), 3, " s"), atMost("after kill -9 right after ingest", ready[0].Seconds(), 3, " s"))
	_, err = s.stop(syscall.SIGTERM)
	return s, err
}

// reportDisk records the size of the store.
func (l *loading) reportDisk() error {
	size, err := diskUsage(l.store())
	if err != nil {
		return err
	}
	l.goal(goalDisk, atMost("", float64(size)/float64(l.events), 150, " B an observation"))
	l.add("disk", "%s MB for %s observations; keys and values as committed are %.0f B an observation",
		number(float64(size)/1e6), thousands(int64(l.events)), float64(l.payload)/float64(l.events))
	l.add("write amplification of the load", "%.1f (bytes that the server caused to be written to the disk, of /proc/<pid>/io: log, tables, compactions, bases; by the bytes of keys and values committed)",
		float64(l.written)/float64(l.payload))
	return nil
}
