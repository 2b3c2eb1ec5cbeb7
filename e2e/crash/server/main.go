// Command server is meterbook as it is shipped, but that its store merges after
// few changes, so that a server that lives for a moment merges all the time.
//
// All else is that of package cli. SIGINT and SIGTERM stop it in good order, and a
// second one ends it at once. What is acknowledged is on the disk in any case. When
// it fails it ends with one of the codes that "meterbook help exit-codes" lists.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/meterbook/meterbook/internal/cli"
)

const mergeUnits = 50

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(int(cli.Run(ctx, cli.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv, Now: time.Now,
		Exit:       func(code cli.ExitCode) { os.Exit(int(code)) },
		MergeUnits: mergeUnits,
	})))
}
