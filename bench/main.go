// Command bench measures Meterbook against peers and bounds, all in one run on
// one machine, and writes what it found as a Markdown document with charts.
//
// It builds the program, runs it as a process of its own, loads a generated
// fleet over HTTP, asks for reports over HTTP, kills and restarts it, and then
// opens the store in its own process to time the engine beside DuckDB, which
// holds the same folded fleet. JSON decoding with Pebble commits alone is the
// bound that ingest is compared with.
//
// No figure of time fails a run; machines are noisy. A wrong answer does: a
// refused event, a report that differs after a restart, or one that differs
// from DuckDB's ends it with status 1.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if slices.Equal(os.Args[1:], []string{readersCommand}) {
		if err := read(ctx, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "readers:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are what the command line says.
type settings struct {
	sizes       []int // live resources; the last is measured in full
	months      int
	history     int // live resources of the fleet with a long history
	connections int
	program     string // meterbook binary
	out         string // document to write, or "" for standard output
	dir         string // where stores lie
	keep        bool   // the store of a full run is kept and used again
	profile     string // CPU profile of the engine
	pause       bool   // wait while a profile is taken from outside
}

func parseFlags(args []string) (*settings, error) {
	s := &settings{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := flags.String("resources", "10000,100000,1000000", "fleet sizes (live resources), separated by commas; the last is measured in full, the others are points in a chart")
	flags.IntVar(&s.months, "months", 12, "months of history, at least 2")
	flags.IntVar(&s.history, "history", 0, "live resources of the fleet with ten years of history; 0 is a twentieth of the last size")
	flags.IntVar(&s.connections, "connections", 16, "connections that send events")
	flags.StringVar(&s.program, "program", "", "meterbook binary; default: build it from the source")
	flags.StringVar(&s.out, "out", "", "Markdown file whose generated part is replaced, charts go into the folder of that name beside it; default: standard output, no charts")
	flags.StringVar(&s.dir, "data", "", "folder for stores; default: a temporary one")
	flags.BoolVar(&s.keep, "keep", false, "keep the loaded store in -data, and use it instead of loading again")
	flags.StringVar(&s.profile, "cpuprofile", "", "write a CPU profile of the engine's reports to this file")
	flags.BoolVar(&s.pause, "pause", false, "print the server's process id before each stage, wait for a line on standard input: time to attach a profiler")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("-resources: %q is no number", text)
		}
		s.sizes = append(s.sizes, n)
	}
	if s.months < 2 {
		return nil, fmt.Errorf("-months: at least 2 are needed, got %d", s.months)
	}
	if s.keep && s.dir == "" {
		return nil, fmt.Errorf("-keep needs -data")
	}
	if s.history == 0 {
		s.history = max(100, s.largest()/20)
	}
	return s, nil
}

func (s *settings) largest() int { return s.sizes[len(s.sizes)-1] }

func run(ctx context.Context, args []string) error {
	s, err := parseFlags(args)
	if err != nil {
		return err
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "meterbook-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(s.dir) //nolint:errcheck // a temporary folder
	}
	if s.program == "" {
		s.program = filepath.Join(s.dir, "meterbook")
		if err := buildProgram(ctx, s.program); err != nil {
			return err
		}
	}
	r := &results{Began: time.Now(), Machine: machine(), Args: args}
	if err := measure(ctx, s, r); err != nil {
		return err
	}
	r.Took = time.Since(r.Began)
	return writeDocument(s.out, r)
}

// measure runs everything. The full fleet comes first: its figures are the ones
// that matter most, and its store needs the most room.
func measure(ctx context.Context, s *settings, r *results) error {
	full := newFleetRun(s, scaleOf(s.largest(), s.months), filepath.Join(s.dir, "full"), r)
	if err := full.loadOnce(ctx); err != nil {
		return fmt.Errorf("load: %w", err)
	}
	if err := full.serve(ctx); err != nil {
		return fmt.Errorf("reports over HTTP: %w", err)
	}
	if err := full.compare(ctx); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if !s.keep {
		if err := os.RemoveAll(full.dir); err != nil {
			return err
		}
	}
	for _, size := range s.sizes[:len(s.sizes)-1] {
		if err := sweep(ctx, s, scaleOf(size, s.months), r); err != nil {
			return fmt.Errorf("fleet of %d: %w", size, err)
		}
	}
	return history(ctx, s, r)
}

// profiled runs a function under the CPU profiler, if a file is asked for.
func (s *settings) profiled(f func() error) error {
	if s.profile == "" {
		return f()
	}
	file, err := os.Create(s.profile)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	err = f()
	pprof.StopCPUProfile()
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// onOneCore runs a function while Go code runs on one core only, the garbage
// collector included.
func onOneCore(f func() error) error {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	return f()
}
