package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

type retainCommand struct {
	env        *Env
	dataDir    string
	beforeText string
	before     metering.Month
	dryRun     bool
	form       choice
	connection *connection
}

func newRetain(env *Env) *cobra.Command {
	c := &retainCommand{env: env, form: newChoice("text", formJSON)}
	cmd := &cobra.Command{
		Use:   "retain --before MONTH",
		Short: "Drop the observations of closed months, keep their usage",
		Long: `Closes all months (UTC) before one, for ever: from then on an event that would
change them is rejected as period_closed, and the observations that led to their
usage are dropped. The usage stays: no report changes, of whatever period. What
goes is the audit trail of those months, so look first with --dry-run, and keep a
backup if you may need it.

What is kept of them: states in effect when the first open month begins,
quantities that reach into it, retractions, and the names of all observations,
so that one that is sent again is still not counted twice.

When it is interrupted, figures are right all the same; the same command goes on.

Without --data it asks a running server, which goes on answering and taking
events meanwhile; that takes the token of an admin key above all clients that is
not narrowed. With --data it works on the store of a server that does not run.`,
		Example: `  meterbook retain --before 2025-01 --dry-run
  meterbook retain --before 2025-01
  meterbook retain --before 2025-01 --data /var/lib/meterbook`,
		Args: dataOrServer,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&c.beforeText, "before", "", "first month that stays open, such as 2025-01")
	f.BoolVar(&c.dryRun, "dry-run", false, "only tell what would be dropped")
	f.StringVar(&c.dataDir, "data", "", "directory of a store that no server uses, instead of asking a server")
	f.VarP(&c.form, "output", "o", "form of the result")
	c.connection = connectionFlags(cmd)
	return cmd
}

func (c *retainCommand) run(cmd *cobra.Command) error {
	var ok bool
	if c.before, ok = metering.ParseMonth(c.beforeText); !ok {
		return &usageError{cmd.CommandPath(), fmt.Sprintf("--before %q must be a month such as 2025-01", c.beforeText)}
	}
	retain := c.atRest
	if c.dataDir == "" {
		api, err := c.connection.connect(cmd, c.env)
		if err != nil {
			return err
		}
		defer api.Close()
		retain = func(ctx context.Context, progress func(client.Progress)) (*client.Retention, error) {
			return api.Retain(ctx, c.before.String(), c.dryRun, progress)
		}
	}
	bar := newLongTask(c.env, "retain", false)
	r, err := retain(cmd.Context(), func(p client.Progress) { bar.at(p.Done, p.Total) })
	bar.end(err == nil)
	if err != nil {
		return err
	}
	return c.print(cmd.OutOrStdout(), r)
}

// atRest works on a store without a server. A dry run does not change it.
func (c *retainCommand) atRest(ctx context.Context, tell func(client.Progress)) (*client.Retention, error) {
	o := ledger.Options{Dir: c.dataDir, Clock: c.env.clock, OnFatal: c.env.onFatal(), Logger: slog.New(slog.NewTextHandler(c.env.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	progress := func(p report.Progress) { tell(client.Progress(p)) }
	r, err := ledger.ExamineRetention(ctx, o, c.before, progress)
	if err == nil && !c.dryRun {
		r, err = c.drop(ctx, o, progress)
	}
	if err != nil {
		return nil, err
	}
	return &client.Retention{
		Before: c.before.String(), DryRun: c.dryRun, Observations: r.Observations, Bytes: r.Bytes, Resources: r.Resources, Kept: r.Kept, AlreadyClosed: r.Closed,
	}, nil
}

func (c *retainCommand) drop(ctx context.Context, o ledger.Options, progress func(report.Progress)) (r *report.Retained, err error) {
	l, err := ledger.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return l.Retain(ctx, report.Retention{Before: c.before}, progress)
}

func (c *retainCommand) print(out io.Writer, r *client.Retention) error {
	if c.form.value == formJSON {
		return printJSON(out, r)
	}
	text := "dropped"
	switch {
	case r.AlreadyClosed:
		_, err := fmt.Fprintf(out, "the months before %s are closed already, and nothing is left to be dropped\n", r.Before)
		return err
	case r.DryRun:
		text = "would drop"
	}
	_, err := fmt.Fprintf(out, "%s %d observations of %d resources before %s, %d bytes before compression; %d that bear on later months stay\n",
		text, r.Observations, r.Resources, r.Before, r.Bytes, r.Kept)
	return err
}
