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
	"runtime/debug"
	"syscall"
	"time"

	"github.com/meterbook/meterbook/internal/cli"
)

func main() {
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
		SetMemory: setMemory, FreeMemory: debug.FreeOSMemory,
		Exit: func(code cli.ExitCode) { os.Exit(int(code)) },
	})
	os.Exit(int(code))
}

func setMemory(gcPercent int, limitBytes int64) {
	if gcPercent >= 0 {
		debug.SetGCPercent(gcPercent)
	}
	debug.SetMemoryLimit(limitBytes) // negative: as it is
}
