package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	serverGroup  = "server"
	clientsGroup = "client"
)

func newRoot(env *Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "meterbook",
		Short: "Meter cloud resources and answer usage reports",
		Long: `Meterbook takes events about cloud resources and answers exact usage reports.

Try it out:         meterbook demo
Run a server:       meterbook serve --data ./meterbook-data
Send it events:     meterbook import events.ndjson
Ask for a report:   meterbook report --from 2024-07-01 --to 2024-08-01`,
		Example: `  meterbook demo
  meterbook serve --data /var/lib/meterbook --listen :8080
  meterbook help exit-codes`,
		SilenceErrors: true, // Run prints them, with the remedy
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return applyEnvironment(cmd, env.LookupEnv)
		},
	}
	asGroup(root)
	root.Version = readBuild().version // gives the flag --version
	root.SetVersionTemplate(versionLine())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{cmd.CommandPath(), err.Error()}
	})
	root.AddGroup(&cobra.Group{ID: serverGroup, Title: "Server:"}, &cobra.Group{ID: clientsGroup, Title: "Talk to a server:"})
	for _, cmd := range []*cobra.Command{newServe(env), newDemo(env), newVerify(env), newBackup(env), newRestore(env), newRetain(env)} {
		cmd.GroupID = serverGroup
		root.AddCommand(cmd)
	}
	for _, cmd := range []*cobra.Command{newImport(env), newReport(env), newExplain(env), newFindings(env), newKeys(env), newClients(env), newProjects(env), newRegions(env)} {
		cmd.GroupID = clientsGroup
		root.AddCommand(cmd)
	}
	root.AddCommand(newVersion(), newExitCodes())
	root.SetHelpCommand(newHelp(root))
	return root
}

// newHelp is cobra's own help, but for a topic that does not exist, which is a
// wrong command line.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [command]",
		Short:   "Explain a command or a topic",
		Example: "  meterbook help report\n  meterbook help exit-codes",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return &usageError{root.CommandPath(), fmt.Sprintf("unknown help topic %q", strings.Join(args, " "))}
			}
			cmd.InitDefaultHelpFlag()
			return cmd.Help()
		},
	}
}

// asGroup makes a command that only holds others: alone it prints its help, and
// an unknown name is a wrong command line.
func asGroup(cmd *cobra.Command) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		message := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			message += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return &usageError{cmd.CommandPath(), message}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.SuggestionsMinimumDistance = 2
}

// exactArgs refuses any other number of arguments than those that are named.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return &usageError{cmd.CommandPath(), "missing argument: " + names[len(args)]}
		case len(args) > len(names):
			return &usageError{cmd.CommandPath(), fmt.Sprintf("unexpected argument %q", args[len(names)])}
		}
		return nil
	}
}

// withEnvironment makes an environment variable of each of the named flags, of
// all when none is named: METERBOOK_ and the flag's name, unless variables says
// otherwise.
func withEnvironment(flags *pflag.FlagSet, variables map[string]string, only ...string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if len(only) > 0 && !slices.Contains(only, f.Name) {
			return
		}
		variable, named := variables[f.Name]
		if !named {
			variable = "METERBOOK_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		}
		if f.Annotations == nil {
			f.Annotations = map[string][]string{}
		}
		f.Annotations[environmentKey] = []string{variable}
		f.Usage += " [$" + variable + "]"
	})
}

// environmentKey is the annotation of a flag that names its variable.
const environmentKey = "meterbook_environment"

// applyEnvironment sets the flags that were not given from the environment. An
// empty variable is the same as none.
func applyEnvironment(cmd *cobra.Command, lookup func(string) (string, bool)) error {
	var wrong error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		names := f.Annotations[environmentKey]
		if len(names) == 0 || f.Changed || wrong != nil {
			return
		}
		value, found := lookup(names[0])
		if !found || value == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			wrong = &usageError{cmd.CommandPath(), fmt.Sprintf("environment variable %s: %v", names[0], err)}
		}
	})
	return wrong
}

func newExitCodes() *cobra.Command {
	var b strings.Builder
	b.WriteString("Each command ends with one of these codes:\n\n")
	for _, e := range exitCodes() {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.meaning)
	}
	b.WriteString("\nExample:\n  meterbook import events.ndjson || echo \"ended with $?\"")
	// A command that cannot run is a help topic.
	return &cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: b.String()}
}
