package cli

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func newRestore(env *Env) *cobra.Command {
	var from, dataDir string
	cmd := &cobra.Command{
		Use:   "restore --from FILE --data DIR",
		Short: "Make a store of a backup",
		Long: `Makes a store of what meterbook backup wrote, in a directory that is empty or does
not exist yet. Every checksum is compared before the directory becomes a store: a
backup that is cut off or damaged leaves nothing behind. Keys are those of the
backup.`,
		Example: `  meterbook restore --from backup.tar.zst --data /var/lib/meterbook
  meterbook verify --data /var/lib/meterbook`,
		Args: exactArgs(),
	}
	cmd.Flags().StringVar(&from, "from", "", "file that meterbook backup wrote")
	cmd.Flags().StringVar(&dataDir, "data", "", "directory of the new store")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case from == "":
			return &usageError{cmd.CommandPath(), "missing --from: the file of the backup"}
		case dataDir == "":
			return &usageError{cmd.CommandPath(), "missing --data: the directory of the new store"}
		}
		return restore(cmd, env, from, dataDir)
	}
	return cmd
}

func restore(cmd *cobra.Command, env *Env, from, dataDir string) (err error) {
	f, err := os.Open(from)
	if err != nil {
		return metering.Errorf(metering.KindInvalid, "read the backup: %v", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	bar := newLongTask(env, "restore", true)
	err = ledger.Restore(cmd.Context(), ledger.Options{Dir: dataDir, Clock: env.clock}, bufio.NewReaderSize(f, 1<<20), func(p report.Progress) { bar.at(p.Done, p.Total) })
	bar.end(err == nil)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "restored %s into %s\n", from, dataDir)
	return err
}
