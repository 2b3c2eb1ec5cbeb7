package cli

import (
	"cmp"
	"context"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
)

func newProjects(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "projects",
		Short: "List, create, change and delete projects",
		Long: `Manages the projects of a server. Most need no care: a project is made by the
first event that names it. It takes the token of an admin key; to list, a
reader's will do.`,
		Example: `  meterbook projects create 11 --client acme --name web
  meterbook projects list
  meterbook projects update 11 --name shop
  meterbook projects delete 11`,
	}
	asGroup(cmd)
	cmd.AddCommand(newProjectsList(env), newProjectsCreate(env), newProjectsUpdate(env), newProjectsDelete(env))
	return cmd
}

func projectThings() things[client.Project] {
	return things[client.Project]{[]any{"id", "client", "name", "description", "created"}, func(p *client.Project) table.Row {
		return table.Row{p.ID, p.Client, p.Name, p.Description, timeText(&p.CreatedAt)}
	}}
}

func newProjectsList(env *Env) *cobra.Command {
	return projectThings().listing(env, &cobra.Command{
		Short:   "List the projects",
		Example: "  meterbook projects list\n  meterbook projects list -o json",
	}, (*client.Client).Projects)
}

// projectFlags are what can be said of a project.
type projectFlags struct{ client, name, description textFlag }

func newProjectFlags(cmd *cobra.Command) *projectFlags {
	f := new(projectFlags)
	cmd.Flags().Var(&f.client, "client", "client (tenant) that owns it, with all of its usage")
	cmd.Flags().Var(&f.name, "name", "what people call it")
	cmd.Flags().Var(&f.description, "description", "what it is for")
	return f
}

func (f *projectFlags) change() client.ProjectChange {
	return client.ProjectChange{Client: f.client.text, Name: f.name.text, Description: f.description.text}
}

func newProjectsCreate(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "create ID",
		Short:   "Register a project",
		Example: "  meterbook projects create 11 --client acme --name web\n  meterbook projects create 12 -o json",
		Args:    exactArgs("ID, a number such as 11"),
	}
	flags := newProjectFlags(cmd)
	return projectThings().changing(env, cmd, func(ctx context.Context, api *client.Client, args []string) (*client.Project, error) {
		id, err := number(cmd, args[0])
		if err != nil {
			return nil, err
		}
		return api.CreateProject(ctx, client.NewProject{ID: id, ProjectChange: flags.change()})
	})
}

func newProjectsUpdate(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "update ID",
		Short:   "Change a project",
		Long:    "Changes a project. What is not given stays; --client moves it with all of its past usage.",
		Example: "  meterbook projects update 11 --name shop --description 'Web shop'\n  meterbook projects update 11 --client globex",
		Args:    exactArgs("ID, as meterbook projects list prints it"),
	}
	flags := newProjectFlags(cmd)
	return projectThings().changing(env, cmd, func(ctx context.Context, api *client.Client, args []string) (*client.Project, error) {
		id, err := number(cmd, args[0])
		if err := cmp.Or(err, somethingToChange(cmd, "client", "name", "description")); err != nil {
			return nil, err
		}
		return api.UpdateProject(ctx, id, flags.change())
	})
}

func newProjectsDelete(env *Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a project that no event names",
		Example: "  meterbook projects delete 11",
		Args:    exactArgs("ID, as meterbook projects list prints it"),
	}
	return removing(env, cmd, "Deleted project", func(ctx context.Context, api *client.Client, text string) error {
		id, err := number(cmd, text)
		if err != nil {
			return err
		}
		return api.DeleteProject(ctx, id)
	})
}
