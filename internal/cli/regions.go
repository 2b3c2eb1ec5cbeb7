package cli

import (
	"cmp"
	"context"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
)

func newRegions(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "regions",
		Short: "List, create, change and delete regions",
		Long: `Manages the regions of a server. Most need no care: a region is made by the
first event that names it. It takes the token of an admin key above all clients;
to list, a reader's will do.`,
		Example: `  meterbook regions create 76 --name Luxembourg --country LU
  meterbook regions list
  meterbook regions update 76 --name 'Luxembourg 2'
  meterbook regions delete 76`,
	}
	asGroup(cmd)
	cmd.AddCommand(newRegionsList(env), newRegionsCreate(env), newRegionsUpdate(env), newRegionsDelete(env))
	return cmd
}

func regionThings() things[client.Region] {
	return things[client.Region]{[]any{"id", "name", "country", "created"}, func(r *client.Region) table.Row {
		return table.Row{r.ID, r.Name, r.Country, timeText(&r.CreatedAt)}
	}}
}

func newRegionsList(env *Env) *cobra.Command {
	return regionThings().listing(env, &cobra.Command{
		Short:   "List the regions",
		Example: "  meterbook regions list\n  meterbook regions list -o json",
	}, (*client.Client).Regions)
}

// regionFlags are what can be said of a region.
type regionFlags struct{ name, country textFlag }

func newRegionFlags(cmd *cobra.Command) *regionFlags {
	f := new(regionFlags)
	cmd.Flags().Var(&f.name, "name", "what people call it")
	cmd.Flags().Var(&f.country, "country", "two letters, ISO 3166-1 alpha-2")
	return f
}

func (f *regionFlags) change() client.RegionChange {
	return client.RegionChange{Name: f.name.text, Country: f.country.text}
}

func newRegionsCreate(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create ID",
		Short:   "Register a region",
		Example: "  meterbook regions create 76 --name Luxembourg --country LU\n  meterbook regions create 77 -o json",
		Args:    exactArgs("ID, a number such as 76"),
	}
	flags := newRegionFlags(cmd)
	return regionThings().changing(env, cmd, func(ctx context.Context, api *client.Client, args []string) (*client.Region, error) {
		id, err := number(cmd, args[0])
		if err != nil {
			return nil, err
		}
		return api.CreateRegion(ctx, client.NewRegion{ID: id, RegionChange: flags.change()})
	})
}

func newRegionsUpdate(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "update ID",
		Short:   "Change a region",
		Long:    "Changes a region. What is not given stays.",
		Example: "  meterbook regions update 76 --name 'Luxembourg 2' --country LU",
		Args:    exactArgs("ID, as meterbook regions list prints it"),
	}
	flags := newRegionFlags(cmd)
	return regionThings().changing(env, cmd, func(ctx context.Context, api *client.Client, args []string) (*client.Region, error) {
		id, err := number(cmd, args[0])
		if err := cmp.Or(err, somethingToChange(cmd, "name", "country")); err != nil {
			return nil, err
		}
		return api.UpdateRegion(ctx, id, flags.change())
	})
}

func newRegionsDelete(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a region that no event names",
		Example: "  meterbook regions delete 76",
		Args:    exactArgs("ID, as meterbook regions list prints it"),
	}
	return removing(env, cmd, "Deleted region", func(ctx context.Context, api *client.Client, text string) error {
		id, err := number(cmd, text)
		if err != nil {
			return err
		}
		return api.DeleteRegion(ctx, id)
	})
}
