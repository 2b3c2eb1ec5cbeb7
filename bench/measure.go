package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// scale is the size of a fleet.
type scale struct{ resources, months, ports int }

// results are the figures of one fleet, in the order of the table.
type results struct {
	scale
	rows []row
}

type row struct{ name, figure string }

func (r *results) add(name, format string, args ...any) {
	r.rows = append(r.rows, row{name, fmt.Sprintf(format, args...)})
	fmt.Fprintf(os.Stderr, "  %s: %s\n", name, r.rows[len(r.rows)-1].figure)
}

// timings are durations of one repeated call.
type timings []time.Duration

func (t timings) percentile(p int) time.Duration {
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)]
}

func (t timings) String() string {
	round := func(d time.Duration) time.Duration { return d.Round(d / 100).Truncate(time.Microsecond) }
	return fmt.Sprintf("p50 %v, p99 %v", round(t.percentile(50)), round(t.percentile(99)))
}

// repeat times n calls, after one that is not counted.
func repeat(n int, call func() error) (timings, error) {
	if err := call(); err != nil {
		return nil, err
	}
	t := make(timings, n)
	for i := range t {
		start := time.Now()
		if err := call(); err != nil {
			return nil, err
		}
		t[i] = time.Since(start)
	}
	return t, nil
}

// measure runs everything on one fleet.
func measure(ctx context.Context, binary string, s scale) (*results, error) {
	dir, err := os.MkdirTemp("", "meterbook-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	fmt.Fprintf(os.Stderr, "fleet of %d resources, %d months, %d ports\n", s.resources, s.months, s.ports)
	load := makeLoad(s)
	r := &results{scale: s}
	r.add("observations", "%d", load.events)
	server, err := startServer(ctx, binary, dir)
	if err != nil {
		return nil, err
	}
	defer server.kill()
	if err := sendAll(ctx, server, load, r); err != nil {
		return nil, err
	}
	if err := askAll(ctx, server, load, r); err != nil {
		return nil, err
	}
	anon, file := server.memory()
	r.add("resident memory after that: anonymous / mapped", "%d / %d MiB", anon>>20, file>>20)
	if err := restarts(ctx, binary, dir, server, load, r); err != nil {
		return nil, err
	}
	r.add("disk per observation", "%.0f B", float64(diskUsage(dir))/float64(load.events))
	return r, engine(ctx, dir, load, r)
}

// printTable writes the results as Markdown.
func printTable(w io.Writer, columns []*results) {
	fmt.Fprint(w, "| figure |")
	for _, c := range columns {
		fmt.Fprintf(w, " %d resources |", c.resources)
	}
	fmt.Fprint(w, "\n|---|")
	for range columns {
		fmt.Fprint(w, "---|")
	}
	fmt.Fprintln(w)
	for i, first := range columns[0].rows {
		fmt.Fprintf(w, "| %s |", first.name)
		for _, c := range columns {
			fmt.Fprintf(w, " %s |", c.rows[i].figure)
		}
		fmt.Fprintln(w)
	}
}
