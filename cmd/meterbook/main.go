// Command meterbook meters cloud resources and answers usage reports.
//
// It only hands the process over to package cli: the arguments, the streams,
// the environment, the clock and the signals. SIGINT and SIGTERM end the
// command gracefully; a second one ends the process at once. The exit code says
// how it went, see "meterbook help exit-codes".
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/meterbook/meterbook/internal/cli"
)

func main() {
	addProcessors()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on a signal has its usual effect
	code := cli.Run(ctx, cli.Env{
		Args:      os.Args[1:],
		Stdin:     os.Stdin,
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		Program:   cli.Invocation(os.Args[0]),
		LookupEnv: os.LookupEnv,
		Now:       time.Now,
		SetMemory: setMemory,
		Exit:      func(code cli.ExitCode) { os.Exit(int(code)) },
	})
	os.Exit(int(code))
}

// spareProcessors of Go's scheduler are more than the machine has. A processor
// looks for what came over the network only when it has nothing else to run, or
// every 10 ms; while events come in, all are busy. With two more, one is mostly
// free to look, and the system shares the machine fairly among the threads, so a
// report is answered at once.
const spareProcessors = 2

// addProcessors adds them unless $GOMAXPROCS says how many there are to be.
func addProcessors() {
	if _, given := os.LookupEnv("GOMAXPROCS"); !given {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcessors)
	}
}

func setMemory(gcPercent int, limitBytes int64) {
	if gcPercent >= 0 {
		debug.SetGCPercent(gcPercent)
	}
	debug.SetMemoryLimit(limitBytes) // negative: as it is
}
