package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
)

// The forms in which a report is printed.
const (
	formTable  = "table"
	formJSON   = "json"
	formCSV    = "csv"
	formNDJSON = "ndjson"
)

type reportCommand struct {
	env        *Env
	connection *connection
	form       choice
	from, to   dayFlag
	filters    []string
	tags       []string
	allTags    bool
	wide       bool
	request    client.Request
}

func newReport(env *Env) *cobra.Command {
	c := &reportCommand{env: env, form: newChoice(formTable, formJSON, formCSV, formNDJSON)}
	cmd := &cobra.Command{
		Use:   "report --from DATE --to DATE",
		Short: "Print a usage report",
		Long: `Asks a server for a usage report. The period begins with the day of --from and
ends just before the day of --to, in UTC; --include-last-day adds that day.

  table   the page and the totals, for reading
  json    what the server answers, byte by byte
  csv     the page, one column for each member that any type has. A text that a
          spreadsheet would take for a formula gets a ' in front
  ndjson  the page, one line of the report a line, as the server wrote it

Table and json print 10 lines unless --limit says otherwise; csv and ndjson
print all of them.`,
		Example: `  meterbook report --from 2024-07-01 --to 2024-08-01
  meterbook report --from 2024-07-01 --to 2024-08-01 --order billing_value.desc --limit 20
  meterbook report --from 2024-07-01 --to 2024-08-01 --projects 10,11 -o csv > july.csv
  meterbook report --from 2024-07-01 --to 2024-07-31 --include-last-day --filter volume:volume_type=ssd_hiiops
  meterbook report --from 2024-07-01 --to 2024-08-01 --tag env=prod --tag team --all-tags -o ndjson`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	c.flags(cmd)
	c.connection = connectionFlags(cmd)
	return cmd
}

func (c *reportCommand) flags(cmd *cobra.Command) {
	f, r := cmd.Flags(), &c.request
	f.VarP(&c.form, "output", "o", "form of the report")
	f.BoolVar(&c.wide, "wide", false, "table: resource ids and billing metric names too")
	f.Var(&c.from, "from", "first day of the period")
	f.Var(&c.to, "to", "day before which the period ends")
	f.BoolVar(&r.EnableLastDay, "include-last-day", false, "include the day of --to")
	f.Int64SliceVar(&r.Projects, "projects", nil, "only these projects")
	f.Int64SliceVar(&r.Regions, "regions", nil, "only these regions")
	f.Var((*typesFlag)(&r.Types), "types", "only these resource types")
	f.StringArrayVar(&c.filters, "filter", nil, "type:field=value, only lines of this type with this value; repeated for further values of the same field")
	f.StringArrayVar(&c.tags, "tag", nil, "key=value, key (any value), =value (any key) or key~=part (contained, ignoring case); repeated, any of them suffices")
	f.BoolVar(&c.allTags, "all-tags", false, "all of the --tag conditions must be met")
	f.StringSliceVar(&r.OrderBy, "order", nil, "field.asc or field.desc of billing_value, first_seen, last_name, last_seen, project, region, type")
	f.Int64Var(&r.Limit, "limit", 0, "greatest number of lines; 0 is all (default 10 for table and json, all for csv and ndjson)")
	f.Int64Var(&r.Offset, "offset", 0, "lines to skip")
}

func (c *reportCommand) run(cmd *cobra.Command) (err error) {
	if err := c.complete(cmd); err != nil {
		return &usageError{cmd.CommandPath(), err.Error()}
	}
	api, err := c.connection.connect(cmd, c.env)
	if err != nil {
		return err
	}
	defer api.Close()
	out := bufio.NewWriterSize(cmd.OutOrStdout(), 64<<10)
	if err := c.print(cmd.Context(), api, out); err != nil {
		return errors.Join(err, out.Flush())
	}
	return out.Flush()
}

func (c *reportCommand) print(ctx context.Context, api *client.Client, out *bufio.Writer) error {
	if c.form.value == formJSON {
		body, err := api.UsageReportJSON(ctx, c.request)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, body); err != nil {
			return errors.Join(fmt.Errorf("the report broke off: %w", err), body.Close())
		}
		return errors.Join(out.WriteByte('\n'), body.Close())
	}
	stream, err := api.StreamUsageReport(ctx, c.request)
	if err != nil {
		return err
	}
	switch c.form.value {
	case formCSV:
		err = stream.WriteCSV(out)
	case formNDJSON:
		err = stream.WriteNDJSON(out)
	default:
		err = writeTable(out, stream, tableOptions{wide: c.wide, offset: c.request.Offset, totalsMax: math.MaxInt})
	}
	return errors.Join(err, stream.Close())
}

// complete turns the flags into the request; what it finds wrong is a wrong
// command line.
func (c *reportCommand) complete(cmd *cobra.Command) error {
	r := &c.request
	for name, day := range map[string]*dayFlag{"from": &c.from, "to": &c.to} {
		if day.given == "" {
			return fmt.Errorf("--from and --to are required; missing --%s, such as --%s 2024-07-01", name, name)
		}
	}
	r.TimeFrom, r.TimeTo = c.from.time, c.to.time
	if r.Limit < 0 || r.Offset < 0 {
		return fmt.Errorf("--limit and --offset must not be negative, got %d and %d", r.Limit, r.Offset)
	}
	everything := c.form.value == formCSV || c.form.value == formNDJSON
	if r.Limit == 0 && (everything || cmd.Flags().Changed("limit")) {
		r.Limit = math.MaxInt64
	}
	var err error
	if r.SchemaFilter, err = schemaFilter(c.filters); err != nil {
		return err
	}
	r.Tags, err = tagFilter(c.tags, c.allTags)
	return err
}

// schemaFilter reads the --filter flags; nil without any.
func schemaFilter(flags []string) (*client.SchemaFilter, error) {
	var filter *client.SchemaFilter
	for _, flag := range flags {
		resourceType, condition, ok1 := strings.Cut(flag, ":")
		field, value, ok2 := strings.Cut(condition, "=")
		if !ok1 || !ok2 || resourceType == "" || field == "" {
			return nil, fmt.Errorf("--filter %q must look like type:field=value, such as volume:volume_type=standard", flag)
		}
		if err := checkType(resourceType); err != nil {
			return nil, fmt.Errorf("--filter %q: %w", flag, err)
		}
		if filter == nil {
			filter = &client.SchemaFilter{Type: resourceType, Field: field}
		}
		if filter.Type != resourceType || filter.Field != field {
			return nil, fmt.Errorf("--filter %q: a report has one filter, and --filter %s:%s=... stands already; repeat it only for further values", flag, filter.Type, filter.Field)
		}
		filter.Values = append(filter.Values, value)
	}
	return filter, nil
}

// tagFilter reads the --tag flags; nil without any.
func tagFilter(flags []string, all bool) (*client.TagFilter, error) {
	if len(flags) == 0 {
		if all {
			return nil, errors.New("--all-tags needs --tag")
		}
		return nil, nil
	}
	filter := &client.TagFilter{ConditionType: "OR"}
	if all {
		filter.ConditionType = "AND"
	}
	for _, flag := range flags {
		key, value, valued := strings.Cut(flag, "=")
		condition := client.TagCondition{Key: key, Value: value}
		if key, contained := strings.CutSuffix(key, "~"); valued && contained {
			condition.Key, condition.Strict = key, new(bool)
		}
		if condition.Key == "" && condition.Value == "" {
			return nil, fmt.Errorf("--tag %q must look like key=value, key, =value or key~=part", flag)
		}
		filter.Conditions = append(filter.Conditions, condition)
	}
	return filter, nil
}
