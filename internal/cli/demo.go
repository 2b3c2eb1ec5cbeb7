package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
)

type demoCommand struct {
	env       *Env
	resources int
	dataDir   string
	listen    string
	exit      bool
	clock     *demoClock
}

const demoResourcesMax = 10_000_000

func newDemo(env *Env) *cobra.Command {
	c := &demoCommand{env: env, clock: &demoClock{now: env.clock}}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Load an invented fleet into a new server and show its report",
		Long: `Starts a server with a new store, loads an invented fleet of cloud resources
into it through the same HTTP interface that everybody uses, prints last month's
report, and leaves the server running until Ctrl-C.

The store is in a temporary directory, which is removed in the end, unless --data
names one. A directory that has data already is served as it is. The token that
it prints ends with the demo, and no key stays in the store.`,
		Example: `  meterbook demo
  meterbook demo --resources 100000 --data ./demo-data
  meterbook demo --exit`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	f := cmd.Flags()
	f.IntVar(&c.resources, "resources", 3000, "how many resources live at any time")
	f.StringVar(&c.dataDir, "data", "", "directory of the store, kept; without it a temporary one is used")
	f.StringVar(&c.listen, "listen", defaultListen, "address to listen on; when it is not given and in use, the next free port is taken")
	f.BoolVar(&c.exit, "exit", false, "stop once the report is printed")
	return cmd
}

func (c *demoCommand) run(cmd *cobra.Command) (err error) {
	if c.resources < 1 || c.resources > demoResourcesMax {
		return &usageError{cmd.CommandPath(), fmt.Sprintf("--resources must be from 1 to %d, got %d", demoResourcesMax, c.resources)}
	}
	if c.dataDir == "" {
		c.dataDir, err = os.MkdirTemp("", "meterbook-demo-")
		if err != nil {
			return fmt.Errorf("make a temporary directory: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(c.dataDir)) }()
	}
	s, err := c.start(cmd)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	return s.run(ctx, func(adminToken string) error {
		if err := c.show(cmd, s.url(), adminToken); err != nil {
			if errors.Is(err, context.Canceled) && ctx.Err() != nil {
				return nil // Ctrl-C while loading
			}
			return err
		}
		if c.exit {
			stop()
		}
		return nil
	})
}

// portsTried is how many ports are tried from the default on.
const portsTried = 20

func (c *demoCommand) start(cmd *cobra.Command) (*server, error) {
	o := serverOptions{
		open: c.env.openStore, dataDir: c.dataDir, listen: c.listen, temporaryAdmin: "The demo's, until it stops",
		maxBodyBytes: ingest.DefaultMaxBodyBytes, shutdownTimeout: 5 * time.Second,
		logger: newLogger(c.env.Stderr, "text", slog.LevelWarn), clock: c.clock.read, wall: c.env.Now,
	}
	s, err := listenServer(o)
	if cmd.Flags().Changed("listen") {
		return s, err
	}
	host, first, splitErr := net.SplitHostPort(defaultListen)
	port, portErr := strconv.Atoi(first)
	if err := errors.Join(splitErr, portErr); err != nil {
		metering.Bug("default address %s: %v", defaultListen, err)
	}
	for next := port + 1; err != nil && next < port+portsTried; next++ {
		o.listen = net.JoinHostPort(host, strconv.Itoa(next))
		s, err = listenServer(o)
	}
	return s, err
}

// show loads the fleet and prints what there is to see.
func (c *demoCommand) show(cmd *cobra.Command, url, token string) error {
	ctx := cmd.Context()
	api, err := client.New(url, token, client.WithVersion(readBuild().version))
	if err != nil {
		return err
	}
	defer api.Close()
	if err := c.load(ctx, api); err != nil {
		return err
	}
	request := lastMonth(c.env.Now())
	stream, err := api.StreamUsageReport(ctx, request)
	if err != nil {
		return err
	}
	from, to := request.TimeFrom.Format(time.DateOnly), request.TimeTo.Format(time.DateOnly)
	out := cmd.OutOrStdout()
	_, headErr := fmt.Fprintf(out, "Usage from %s up to %s, greatest values first:\n", from, to)
	if err := errors.Join(headErr, writeTable(out, stream, tableOptions{totalsMax: demoTotals}), stream.Close()); err != nil || c.exit {
		return err
	}
	return c.invite(cmd, url, token, from, to)
}

const (
	demoLines  = 12
	demoTotals = 12
)

// lastMonth asks for the calendar month before now's, in UTC.
func lastMonth(now time.Time) client.Request {
	year, month, _ := now.UTC().Date()
	return client.Request{
		TimeFrom: time.Date(year, month-1, 1, 0, 0, 0, 0, time.UTC),
		TimeTo:   time.Date(year, month, 1, 0, 0, 0, 0, time.UTC),
		OrderBy:  []string{"billing_value.desc"},
		Limit:    demoLines,
	}
}

// invite prints what to do next.
func (c *demoCommand) invite(cmd *cobra.Command, url, token, from, to string) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), `
The server is at %[1]s, its store in %[2]s. Ask it yourself, in a browser:

  %[1]s
  sign in with %[3]s

or by hand:

  curl -s %[1]s/cloud/v1/usage_report \
    -H 'Authorization: apikey %[3]s' -H 'Content-Type: application/json' \
    -d '{"time_from":"%[4]s","time_to":"%[5]s","limit":3}'

  export METERBOOK_URL=%[1]s METERBOOK_TOKEN='%[3]s'
  %[6]s report --from %[4]s --to %[5]s --types volume,snapshot

Ctrl-C stops it.
`, url, c.dataDir, token, from, to, c.env.Program)
	return err
}
