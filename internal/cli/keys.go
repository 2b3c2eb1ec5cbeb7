package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
)

func newKeys(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Create, list and revoke keys",
		Long: `Manages the keys of a server. It takes the token of an admin key, and makes no
key that is wider than that one.`,
		Example: `  meterbook keys create --name billing --roles reader
  meterbook keys list
  meterbook keys revoke 3f0c9a1e`,
	}
	asGroup(cmd)
	cmd.AddCommand(newKeysCreate(env), newKeysList(env), newKeysRevoke(env))
	return cmd
}

func newKeysCreate(env *Env) *cobra.Command {
	k := client.NewKey{}
	expires := dayFlag{}
	form := newChoice(formTable, formJSON)
	cmd := &cobra.Command{
		Use:   "create --roles ROLES",
		Short: "Make a key and print its token, once",
		Long: `Makes a key. Its token is printed to standard output and cannot be shown again;
all else goes to standard error, so that the token can be kept in a variable.
What is left out is as wide as the key that asks.`,
		Example: `  meterbook keys create --name billing --roles reader
  TOKEN=$(meterbook keys create --name collector --client acme --roles writer)
  meterbook keys create --roles reader --projects 10,11 --types volume,snapshot --expires 2030-01-01 -o json`,
		Args: exactArgs(),
	}
	f := cmd.Flags()
	f.StringVar(&k.Name, "name", "", "what the key is for")
	f.StringVar(&k.Client, "client", "", "client (tenant) that the key belongs to")
	f.StringSliceVar(&k.Roles, "roles", nil, "any of reader, writer, admin")
	f.Int64SliceVar(&k.Projects, "projects", nil, "only these projects")
	f.Int64SliceVar(&k.Regions, "regions", nil, "only these regions")
	f.Var((*typesFlag)(&k.Types), "types", "only these resource types")
	f.IntVar(&k.RateLimit, "rate-limit", 0, "requests a second; 0 is the server's default")
	f.Var(&expires, "expires", "date, or date-time, from which on the key is refused")
	f.VarP(&form, "output", "o", "form of the answer; table is the token alone")
	c := connectionFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if len(k.Roles) == 0 {
			return &usageError{cmd.CommandPath(), "missing --roles: any of reader, writer, admin"}
		}
		if expires.given != "" {
			k.ExpiresAt = &expires.time
		}
		return createKey(cmd, env, c, k, form.value)
	}
	return cmd
}

func createKey(cmd *cobra.Command, env *Env, c *connection, k client.NewKey, form string) error {
	api, err := c.connect(cmd, env)
	if err != nil {
		return err
	}
	defer api.Close()
	key, err := api.CreateKey(cmd.Context(), k)
	if err != nil {
		return err
	}
	if form == formJSON {
		return printJSON(cmd.OutOrStdout(), key)
	}
	if _, err := fmt.Fprintf(env.Stderr, "Made key %s (%s). Its token is shown only this once:\n", key.ID, strings.Join(key.Roles, ", ")); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), key.Token)
	return err
}

func keyThings() things[client.Key] {
	columns := []any{"id", "name", "client", "roles", "projects", "regions", "types", "rate limit", "created", "expires", "revoked"}
	return things[client.Key]{columns, func(k *client.Key) table.Row {
		return table.Row{
			k.ID, k.Name, cmp.Or(k.Client, "(above all)"), strings.Join(k.Roles, " "), narrowing(k.Projects), narrowing(k.Regions), narrowing(k.Types),
			rateText(k.RateLimit), timeText(&k.CreatedAt), timeText(k.ExpiresAt), timeText(k.RevokedAt),
		}
	}}
}

func newKeysList(env *Env) *cobra.Command {
	return keyThings().listing(env, &cobra.Command{
		Short:   "List the keys, the revoked ones too",
		Example: "  meterbook keys list\n  meterbook keys list -o json",
	}, (*client.Client).Keys)
}

// narrowing prints what a key is narrowed to.
func narrowing[T any](items []T) string {
	if items == nil {
		return "all"
	}
	return strings.Trim(fmt.Sprint(items), "[]")
}

// rateText prints a key's rate limit in requests a second.
func rateText(limit int) string {
	if limit == 0 {
		return "default"
	}
	return strconv.Itoa(limit) + "/s"
}

func newKeysRevoke(env *Env) *cobra.Command {
	return removing(env, &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a key, at once and for ever",
		Example: "  meterbook keys revoke 3f0c9a1e",
		Args:    exactArgs("ID, as meterbook keys list prints it"),
	}, "Revoked key", func(ctx context.Context, api *client.Client, id string) error { return api.RevokeKey(ctx, id) })
}

func printJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
