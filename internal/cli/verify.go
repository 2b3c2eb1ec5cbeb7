package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/report"
)

type verifyCommand struct {
	env        *Env
	dataDir    string
	form       choice
	connection *connection
}

func newVerify(env *Env) *cobra.Command {
	c := &verifyCommand{env: env, form: newChoice("text", formJSON)}
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check a store against its observations",
		Long: `Computes all usage anew from the observations and compares it with what is
stored: the usage that reports show, the id index, retractions, the journal,
checksums and the order of names. It names what differs (the first 100) and ends
with 8 if anything does. It changes nothing.

With --data it reads the store of a server that does not run. Without, it asks a
running server, which goes on answering and taking events meanwhile; that takes
the token of an admin key above all clients that is not narrowed.`,
		Example: `  meterbook verify --data /var/lib/meterbook
  meterbook verify --server http://127.0.0.1:8080
  meterbook verify -o json`,
		Args: dataOrServer,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	cmd.Flags().StringVar(&c.dataDir, "data", "", "directory of a store that no server uses, instead of asking a server")
	cmd.Flags().VarP(&c.form, "output", "o", "form of the result")
	c.connection = connectionFlags(cmd)
	return cmd
}

// dataOrServer refuses arguments, and two places to work on. It looks before the
// environment is applied, so METERBOOK_URL does not get in the way of --data.
func dataOrServer(cmd *cobra.Command, args []string) error {
	if cmd.Flags().Changed("data") && cmd.Flags().Changed("server") {
		return &usageError{cmd.CommandPath(), "--data and --server exclude each other: a store is read either directly or by its server"}
	}
	return exactArgs()(cmd, args)
}

func (c *verifyCommand) run(cmd *cobra.Command) error {
	verify := c.atRest
	if c.dataDir == "" {
		api, err := c.connection.connect(cmd, c.env)
		if err != nil {
			return err
		}
		defer api.Close()
		verify = api.Verify
	}
	bar := newLongTask(c.env, "verify", false)
	found, err := verify(cmd.Context(), func(p client.Progress) { bar.at(p.Done, p.Total) })
	bar.end(err == nil)
	if err != nil {
		return err
	}
	if err := c.print(cmd.OutOrStdout(), found); err != nil {
		return err
	}
	if found.DifferencesTotal > 0 {
		return &exitError{ExitDiffers}
	}
	return nil
}

// atRest verifies a store without a server.
func (c *verifyCommand) atRest(ctx context.Context, progress func(client.Progress)) (*client.Verification, error) {
	v, err := ledger.Verify(ctx, ledger.Options{Dir: c.dataDir, Clock: c.env.clock}, func(p report.Progress) {
		progress(client.Progress(p))
	})
	if err != nil {
		return nil, err
	}
	found := &client.Verification{
		Observations: v.Observations, Retracted: v.Retracted, IDs: v.IDs, Timelines: v.Timelines, Days: v.Days, Dropped: v.Dropped,
		DifferencesTotal: v.Total, Differences: make([]client.Difference, len(v.Differences)),
	}
	if v.Closed != 0 {
		found.ClosedBefore = v.Closed.String()
	}
	for i, d := range v.Differences {
		found.Differences[i] = client.Difference(d)
	}
	return found, nil
}

func (c *verifyCommand) print(out io.Writer, v *client.Verification) error {
	if c.form.value == formJSON {
		return printJSON(out, v)
	}
	var b strings.Builder
	for _, d := range v.Differences {
		fmt.Fprintf(&b, "%s: %s\n  stored:    %s\n  should be: %s\n", d.Check, d.Of, d.Stored, d.Want)
	}
	if more := v.DifferencesTotal - int64(len(v.Differences)); more > 0 {
		fmt.Fprintf(&b, "... and %d more\n", more)
	}
	fmt.Fprintf(&b, "verified %d observations (%d retracted), %d ids, %d timelines, %d days of quantities: ", v.Observations, v.Retracted, v.IDs, v.Timelines, v.Days)
	if v.ClosedBefore != "" {
		fmt.Fprintf(&b, "the months before %s are closed and %d observations dropped; ", v.ClosedBefore, v.Dropped)
	}
	switch v.DifferencesTotal {
	case 0:
		b.WriteString("all is as it should be\n")
	case 1:
		b.WriteString("1 difference\n")
	default:
		fmt.Fprintf(&b, "%d differences\n", v.DifferencesTotal)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
