package cli

import (
	"context"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
)

func newClients(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clients",
		Short: "List, create, rename and delete clients (tenants)",
		Long: `Manages the clients of a server: who owns projects and keys. It takes the token
of an admin key above all clients; to list, any admin key.`,
		Example: `  meterbook clients create acme --name 'Acme Ltd'
  meterbook clients list
  meterbook clients rename acme 'Acme Limited'
  meterbook clients delete acme`,
	}
	asGroup(cmd)
	cmd.AddCommand(newClientsList(env), newClientsCreate(env), newClientsRename(env), newClientsDelete(env))
	return cmd
}

func clientThings() things[client.Tenant] {
	return things[client.Tenant]{[]any{"id", "name", "number", "created"}, func(t *client.Tenant) table.Row {
		return table.Row{t.ID, t.Name, t.Number, timeText(&t.CreatedAt)}
	}}
}

func newClientsList(env *Env) *cobra.Command {
	return clientThings().listing(env, &cobra.Command{
		Short:   "List the clients",
		Example: "  meterbook clients list\n  meterbook clients list -o json",
	}, (*client.Client).Tenants)
}

func newClientsCreate(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create ID",
		Short:   "Make a client",
		Long:    "Makes a client. ID has 1 to 64 characters A-Z a-z 0-9 and -, and does not change.",
		Example: "  meterbook clients create acme\n  meterbook clients create acme --name 'Acme Ltd' -o json",
		Args:    exactArgs("ID, such as acme"),
	}
	name := cmd.Flags().String("name", "", "what people call it")
	return clientThings().changing(env, cmd, func(ctx context.Context, api *client.Client, args []string) (*client.Tenant, error) {
		return api.CreateTenant(ctx, args[0], *name)
	})
}

func newClientsRename(env *Env) *cobra.Command {
	return clientThings().changing(env, &cobra.Command{
		Use:     "rename ID NAME",
		Short:   "Name a client anew",
		Example: "  meterbook clients rename acme 'Acme Limited'",
		Args:    exactArgs("ID, as meterbook clients list prints it", "NAME"),
	}, func(ctx context.Context, api *client.Client, args []string) (*client.Tenant, error) {
		return api.RenameTenant(ctx, args[0], args[1])
	})
}

func newClientsDelete(env *Env) *cobra.Command {
	return removing(env, &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a client that has neither projects nor keys in force",
		Example: "  meterbook clients delete acme",
		Args:    exactArgs("ID, as meterbook clients list prints it"),
	}, "Deleted client", func(ctx context.Context, api *client.Client, id string) error { return api.DeleteTenant(ctx, id) })
}
