// Command bench measures Meterbook on generated fleets: it builds the program,
// runs it as a process of its own, loads a fleet over HTTP, asks for reports
// over HTTP and in the engine, restarts it, and prints one table with a column
// a fleet size, so that growth can be seen.
//
// It asserts nothing about time; machines are noisy. A failure (a request that
// is refused, a figure that differs after the restart) ends it with status 1.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	sizes := flags.String("resources", "10000,100000", "fleet sizes, each a column: live resources, separated by commas")
	months := flags.Int("months", 12, "months of history")
	ports := flags.Int("ports-per-1000", 1, "ports with hourly traffic per 1000 resources")
	program := flags.String("program", "", "meterbook binary; default: build it from the source")
	if err := flags.Parse(args); err != nil {
		return err
	}
	binary, cleanUp, err := buildProgram(ctx, *program)
	if err != nil {
		return err
	}
	defer cleanUp()
	var columns []*results
	for text := range strings.SplitSeq(*sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("-resources: %q is no number", text)
		}
		r, err := measure(ctx, binary, scale{resources: n, months: *months, ports: max(1, n/1000**ports)})
		if err != nil {
			return fmt.Errorf("fleet of %d: %w", n, err)
		}
		columns = append(columns, r)
	}
	fmt.Printf("%s, %s/%s, %d CPUs, %s\n\n", machine(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	printTable(os.Stdout, columns)
	return nil
}

// machine names the processor, as far as the system tells.
func machine() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(info)) {
		if name, found := strings.CutPrefix(line, "model name"); found {
			return strings.TrimLeft(strings.TrimSpace(name), ": \t")
		}
	}
	return "unknown processor"
}
