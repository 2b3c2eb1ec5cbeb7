package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
)

type explainCommand struct {
	env        *Env
	connection *connection
	form       choice
	from, to   dayFlag
	asOf       string
	request    client.AccountRequest
}

func newExplain(env *Env) *cobra.Command {
	c := &explainCommand{env: env, form: newChoice(formTable, formJSON)}
	cmd := &cobra.Command{
		Use:   "explain PROJECT/REGION/TYPE/ID --from DATE --to DATE",
		Short: "Show the arithmetic behind the lines of a resource",
		Long: `Shows what the lines of a resource in a report sum up, and every observation that
bears on the period, with what became of it:

  counted     the figures rest on it; a deletion ends what was
  pending     its first minute has not come yet
  repeated    it says what held already, and changes nothing
  superseded  another state of the same minute comes after it
  corrected   another quantity of the same window comes after it
  retracted   it counts as never observed

The period begins with the day of --from and ends just before the day of --to, in
UTC. --as-of shows the figures as they stood at an earlier instant: without what
was received after it.`,
		Example: `  meterbook explain 10/76/instance/3c90c3cc-0d44-4b50-8888-8dd25736052a --from 2024-07-01 --to 2024-08-01
  meterbook explain 10/76/volume/5b0dc3cc-0d44-4b50-8888-8dd25736052a --from 2024-07-01 --to 2024-08-01 --as-of 2024-08-03T09:00:00Z
  meterbook explain 10/76/egress_traffic/5b0dc3cc-0d44-4b50-8888-8dd25736052a --from 2024-07-01 --to 2024-07-02 -o json`,
		Args: exactArgs("PROJECT/REGION/TYPE/ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.complete(args[0]); err != nil {
				return &usageError{cmd.CommandPath(), err.Error()}
			}
			api, err := c.connection.connect(cmd, env)
			if err != nil {
				return err
			}
			defer api.Close()
			return c.print(cmd.Context(), api, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.VarP(&c.form, "output", "o", "form of the account")
	f.Var(&c.from, "from", "first day of the period")
	f.Var(&c.to, "to", "day before which the period ends")
	f.StringVar(&c.asOf, "as-of", "", "instant at which the figures stood, such as 2024-08-03T09:00:00Z (default now)")
	f.IntVar(&c.request.Limit, "limit", 1000, "greatest number of observations to list, up to 10000")
	f.IntVar(&c.request.Offset, "offset", 0, "number of observations to skip")
	c.connection = connectionFlags(cmd)
	return cmd
}

// complete turns argument and flags into the request; what it finds wrong is a
// wrong command line.
func (c *explainCommand) complete(resource string) (err error) {
	if c.request.Resource, err = parseResource(resource); err != nil {
		return err
	}
	if c.from.given == "" || c.to.given == "" {
		return errors.New("--from and --to are required, such as --from 2024-07-01 --to 2024-08-01")
	}
	if c.request.Limit < 1 || c.request.Offset < 0 {
		return fmt.Errorf("--limit must be at least 1 and --offset at least 0, got %d and %d", c.request.Limit, c.request.Offset)
	}
	c.request.From, c.request.To = c.from.time, c.to.time
	if c.asOf != "" {
		if c.request.AsOf, err = time.Parse(time.RFC3339, c.asOf); err != nil {
			return fmt.Errorf("--as-of %q must be a date-time such as 2024-08-03T09:00:00Z", c.asOf)
		}
	}
	return nil
}

func parseResource(text string) (r client.Resource, err error) {
	parts := strings.Split(text, "/")
	if len(parts) == 4 && parts[3] != "" {
		project, err1 := strconv.ParseInt(parts[0], 10, 64)
		region, err2 := strconv.ParseInt(parts[1], 10, 64)
		if err1 == nil && err2 == nil {
			r = client.Resource{ProjectID: project, RegionID: region, Type: parts[2], ID: parts[3]}
			return r, checkType(r.Type)
		}
	}
	return r, fmt.Errorf("%q must look like PROJECT/REGION/TYPE/ID, such as 10/76/instance/3c90c3cc-0d44-4b50-8888-8dd25736052a", text)
}

func (c *explainCommand) print(ctx context.Context, api *client.Client, out io.Writer) error {
	if c.form.value == formJSON {
		body, err := api.AccountJSON(ctx, c.request)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, io.MultiReader(body, strings.NewReader("\n")))
		return errors.Join(err, body.Close())
	}
	a, err := api.Account(ctx, c.request)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, accountText(a, c.request.Offset))
	return err
}

func accountText(a *client.Account, offset int) string {
	var parts []string
	for i := range a.Lines {
		parts = append(parts, arithmeticText(&a.Lines[i]))
	}
	if len(a.Lines) == 0 {
		parts = append(parts, "Nothing counts in this period.")
	}
	if a.ClosedBefore != "" {
		parts = append(parts, "The months before "+a.ClosedBefore+" are closed: their observations were dropped, what they came to was kept.")
	}
	if a.Count == 0 {
		parts = append(parts, "No observation bears on this period.")
		return strings.Join(parts, "\n\n")
	}
	w := newTable("number", "time", "received", "source", "id", "says", "status", "by")
	for i := range a.Observations {
		o := &a.Observations[i]
		w.AppendRow(table.Row{o.Number, exactTime(o.Time), exactTime(o.ReceivedAt), o.Source, o.ID, saysText(o.Data), o.Status, byText(o.By)})
	}
	shown := fmt.Sprintf("%d observations bear on this period.", a.Count)
	switch {
	case len(a.Observations) < a.Count:
		shown = fmt.Sprintf("%d of the %d observations that bear on this period, after the first %d. For more: --limit and --offset.", len(a.Observations), a.Count, offset)
	case a.Count == 1:
		shown = "1 observation bears on this period."
	}
	parts = append(parts, w.Render()+"\n"+shown+" Times are UTC.")
	return strings.Join(parts, "\n\n")
}

// arithmeticText shows the terms of a line, and under them its value.
func arithmeticText(l *client.AccountLine) string {
	w := newTable("from", "to", "value")
	if l.Segments != nil {
		w = newTable("from", "to", "minutes", "times", "value")
	}
	for _, s := range l.Segments {
		w.AppendRow(table.Row{exactTime(s.From), exactTime(s.To), s.Minutes, s.Multiplier, s.Product})
	}
	for _, d := range l.Days {
		w.AppendRow(table.Row{exactTime(d.FirstSeen), exactTime(d.LastSeen), d.Quantity})
	}
	for _, q := range l.Windows {
		w.AppendRow(table.Row{exactTime(q.From), exactTime(q.To), q.Quantity})
	}
	return fmt.Sprintf("%s = %s %s\n%s", l.Line.BillingMetricName, l.Line.BillingValue, l.Line.BillingValueUnit, w.Render())
}

// exactTime shows as many digits of a second as it has.
func exactTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999999") }

// saysText is what an observation says, as far as it counts.
func saysText(d client.Told) string {
	switch {
	case d["status"] == "deleted":
		return "deleted"
	case d["quantity"] != nil:
		return fmt.Sprintf("%v %v", d["quantity"], d["billing_value_unit"])
	case d["size_bytes"] != nil:
		return fmt.Sprintf("%v bytes of %v", d["size_bytes"], d["billing_metric_name"])
	}
	return fmt.Sprintf("%v of %v", d["count"], d["billing_metric_name"])
}

func byText(by *client.OtherObservation) string {
	switch {
	case by == nil:
		return ""
	case by.Reason != "":
		return fmt.Sprintf("%s of %s: %s", by.ID, by.Source, by.Reason)
	}
	return fmt.Sprintf("%s of %s", by.ID, by.Source)
}
