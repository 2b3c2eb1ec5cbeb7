package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/meterbook/meterbook/client"
)

// anyFinding asks for what is wrong with what counts, of whatever kind.
const anyFinding = "any"

func newFindings(env *Env) *cobra.Command {
	form := newChoice(formTable, formJSON)
	q := findingsQuestion{kind: newChoice(anyFinding, client.IDInTwoProjects, client.OverlappingWindows, client.ReusedID, client.SilentResource)}
	cmd := &cobra.Command{
		Use:   "findings --from DATE --to DATE",
		Short: "List what smells of wrong bills",
		Long: `Lists what is counted as it was told, but looks like a mistake of whoever told
it: an id in two projects at once (both are counted), and quantities of one meter
whose windows overlap without being equal (they are added up), and ids that were
sent again with other content (the first one stands). With --kind silent_resources
it lists what still counts but was not heard of for --silent-days.

The period begins with the day of --from and ends just before the day of --to, in
UTC. It takes the token of an admin key, and shows what exists for that key.`,
		Example: `  meterbook findings --from 2024-07-01 --to 2024-08-01
  meterbook findings --from 2024-07-01 --to 2024-08-01 --limit 1000 -o json
  meterbook findings --from 2024-07-01 --to 2024-08-01 --kind silent_resources --silent-days 3`,
		Args: exactArgs(),
	}
	cmd.Flags().VarP(&form, "output", "o", "form of the list")
	q.flags(cmd.Flags())
	c := connectionFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		request, err := q.request(cmd.CommandPath())
		if err != nil {
			return err
		}
		api, err := c.connect(cmd, env)
		if err != nil {
			return err
		}
		defer api.Close()
		found, err := api.FindingsOf(cmd.Context(), request)
		if err != nil {
			return err
		}
		return printFindings(cmd.OutOrStdout(), found, form.value)
	}
	return cmd
}

// findingsQuestion is what the flags ask for.
type findingsQuestion struct {
	from, to          dayFlag
	kind              choice
	limit, silentDays int
}

func (q *findingsQuestion) flags(f *pflag.FlagSet) {
	f.Var(&q.from, "from", "first day of the period")
	f.Var(&q.to, "to", "day before which the period ends")
	f.Var(&q.kind, "kind", "which kind to list; "+anyFinding+" are all but silent_resources")
	f.IntVar(&q.silentDays, "silent-days", 7, "after how many days without news a resource is silent, up to 3650")
	f.IntVar(&q.limit, "limit", 100, "greatest number of findings, up to 1000")
}

func (q *findingsQuestion) request(command string) (r client.FindingsRequest, err error) {
	switch {
	case q.from.given == "" || q.to.given == "":
		return r, &usageError{command, "--from and --to are required, such as --from 2024-07-01 --to 2024-08-01"}
	case q.limit < 1:
		return r, &usageError{command, fmt.Sprintf("--limit must be at least 1, got %d", q.limit)}
	case q.silentDays < 1:
		return r, &usageError{command, fmt.Sprintf("--silent-days must be at least 1, got %d", q.silentDays)}
	}
	r = client.FindingsRequest{From: q.from.time, To: q.to.time, SilentDays: q.silentDays, Limit: q.limit}
	if q.kind.value != anyFinding {
		r.Kind = q.kind.value
	}
	return r, nil
}

func printFindings(out io.Writer, found *client.Findings, form string) error {
	if form == formJSON {
		return printJSON(out, found)
	}
	_, err := fmt.Fprintln(out, findingsText(found))
	return err
}

func findingsText(found *client.Findings) string {
	if found.Count == 0 {
		return "Nothing was found in this period, as far as this key reaches."
	}
	w := newTable("type", "id", "project/region", "from", "to", "finding")
	for i := range found.Results {
		f := &found.Results[i]
		w.AppendRow(table.Row{f.Type, f.ResourceID, placesText(f.Resources), f.From.Format(time.DateTime), f.To.Format(time.DateTime), findingText(f)})
	}
	if shown := len(found.Results); shown < found.Count {
		return fmt.Sprintf("%s\n%d of %d findings. Times are UTC. For more: --limit.", w.Render(), shown, found.Count)
	}
	if found.Count == 1 {
		return w.Render() + "\n1 finding. Times are UTC."
	}
	return fmt.Sprintf("%s\n%d findings. Times are UTC.", w.Render(), found.Count)
}

func placesText(places []client.FoundResource) string {
	texts := make([]string, len(places))
	for i, p := range places {
		texts[i] = fmt.Sprintf("%d/%d", p.ProjectID, p.RegionID)
	}
	return strings.Join(texts, " ")
}

// findingText tells what was found in the words of an operator.
func findingText(f *client.Finding) string {
	switch f.Kind {
	case client.IDInTwoProjects:
		return fmt.Sprintf("in several projects at once for %d minutes", f.Minutes)
	case client.OverlappingWindows:
		texts := make([]string, len(f.Observations))
		for i, o := range f.Observations {
			texts[i] = fmt.Sprintf("%s of %s (%s)", o.ID, o.Source, o.Quantity)
		}
		return "windows overlap: " + strings.Join(texts, ", ")
	case client.ReusedID:
		return fmt.Sprintf("id %s of %s was sent again with other content, %d times", f.ID, f.Source, f.Times)
	case client.SilentResource:
		return "still counts, but not heard of since"
	}
	return f.Kind // of a newer server
}
