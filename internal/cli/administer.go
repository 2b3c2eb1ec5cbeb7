package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
)

// things are of one sort that a server's administrators manage.
type things[T any] struct {
	columns []any
	row     func(*T) table.Row
}

// print shows one thing as an object or a table, several as a list or a table.
func (t things[T]) print(out io.Writer, form string, asJSON any, items []T) error {
	if form == formJSON {
		return printJSON(out, asJSON)
	}
	w := newTable(t.columns...)
	for i := range items {
		w.AppendRow(t.row(&items[i]))
	}
	_, err := fmt.Fprintln(out, w.Render())
	return err
}

// listing completes a command that lists all things of the sort.
func (t things[T]) listing(env *Env, cmd *cobra.Command, ask func(*client.Client, context.Context) ([]T, error)) *cobra.Command {
	cmd.Use, cmd.Args = "list", exactArgs()
	form := formFlag(cmd)
	asking(env, cmd, func(ctx context.Context, api *client.Client, _ []string) error {
		items, err := ask(api, ctx)
		if err != nil {
			return err
		}
		return t.print(cmd.OutOrStdout(), form.value, items, items)
	})
	return cmd
}

// changing completes a command that makes or changes one thing, which it prints.
func (t things[T]) changing(env *Env, cmd *cobra.Command, ask func(ctx context.Context, api *client.Client, args []string) (*T, error)) *cobra.Command {
	form := formFlag(cmd)
	asking(env, cmd, func(ctx context.Context, api *client.Client, args []string) error {
		item, err := ask(ctx, api, args)
		if err != nil {
			return err
		}
		return t.print(cmd.OutOrStdout(), form.value, item, []T{*item})
	})
	return cmd
}

// formFlag adds --output; changing and listing know the same forms.
func formFlag(cmd *cobra.Command) *choice {
	form := newChoice(formTable, formJSON)
	cmd.Flags().VarP(&form, "output", "o", "form of the answer")
	return &form
}

// asking completes a command that asks a server.
func asking(env *Env, cmd *cobra.Command, ask func(ctx context.Context, api *client.Client, args []string) error) {
	c := connectionFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		api, err := c.connect(cmd, env)
		if err != nil {
			return err
		}
		defer api.Close()
		return ask(cmd.Context(), api, args)
	}
}

// removing completes a command that ends something and says so: done is how, and
// what, such as "Deleted client".
func removing(env *Env, cmd *cobra.Command, done string, ask func(ctx context.Context, api *client.Client, id string) error) *cobra.Command {
	asking(env, cmd, func(ctx context.Context, api *client.Client, args []string) error {
		if err := ask(ctx, api, args[0]); err != nil {
			return err
		}
		_, err := fmt.Fprintf(env.Stderr, "%s %s.\n", done, args[0])
		return err
	})
	return cmd
}

// somethingToChange refuses a change without any of the flags that say what.
func somethingToChange(cmd *cobra.Command, flags ...string) error {
	if slices.ContainsFunc(flags, cmd.Flags().Changed) {
		return nil
	}
	return &usageError{cmd.CommandPath(), "nothing to change: give --" + strings.Join(flags, ", --")}
}

// number reads the id of a project or a region.
func number(cmd *cobra.Command, id string) (int64, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, &usageError{cmd.CommandPath(), fmt.Sprintf("ID must be a number such as 10, got %q", id)}
	}
	return n, nil
}

// textFlag is a flag whose text is left out unless it is given, if only empty.
type textFlag struct{ text *string }

// String implements pflag.Value.
func (f *textFlag) String() string { return textOf(f.text) }

// Type implements pflag.Value.
func (f *textFlag) Type() string { return "string" }

// Set implements pflag.Value.
func (f *textFlag) Set(s string) error {
	f.text = &s
	return nil
}

func timeText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.DateTime)
}
