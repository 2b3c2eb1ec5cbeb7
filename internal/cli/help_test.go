package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestEveryCommandHasExamplesThatItTakes(t *testing.T) {
	t.Parallel()
	root := newRoot(&Env{})
	var check func(*cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd.Runnable() && (cmd.Short == "" || !strings.Contains(cmd.Example, cmd.CommandPath())) {
			t.Errorf("%s: short %q, examples %q", cmd.CommandPath(), cmd.Short, cmd.Example)
		}
		for line := range strings.Lines(cmd.Example) {
			checkExample(t, root, line)
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	check(root)
}

// checkExample sees to it that the command of an example exists, and its flags.
func checkExample(t *testing.T, root *cobra.Command, line string) {
	_, args, _ := strings.Cut(line, "meterbook ")
	words := strings.Fields(strings.TrimPrefix(args, "help "))
	cmd, _, err := root.Find(words)
	if err != nil || cmd == root {
		t.Errorf("the example %q names no command: %v", line, err)
		return
	}
	for _, word := range words {
		name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if strings.HasPrefix(word, "--") && cmd.Flags().Lookup(name) == nil {
			t.Errorf("the example %q has a flag that does not exist: %s", line, word)
		}
	}
}

func TestEveryFlagOfTheServerIsAVariable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	newServe(&Env{}).Flags().VisitAll(func(f *pflag.Flag) {
		variable := "METERBOOK_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		if !strings.HasSuffix(f.Usage, "[$"+variable+"]") {
			t.Errorf("--%s does not name %s", f.Name, variable)
		}
		seen[f.Name] = true
	})
	for _, name := range []string{"data", "listen", "tls-cert", "tls-key", "rate-limit", "strict-projects", "max-body",
		"slow-client-timeout", "shutdown-timeout", "log-format", "log-level", "gc-percent", "memory-limit"} {
		if !seen[name] {
			t.Errorf("no flag --%s", name)
		}
	}
}
