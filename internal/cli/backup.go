package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

type backupCommand struct {
	env         *Env
	dataDir, to string
	connection  *connection
}

func newBackup(env *Env) *cobra.Command {
	c := &backupCommand{env: env}
	cmd := &cobra.Command{
		Use:   "backup --to FILE",
		Short: "Copy a store into one file",
		Long: `Writes a copy of a store that holds everything that was acknowledged before the
command began: a tar archive compressed with zstd, with checksums, for meterbook
restore. The file appears under its name once it is whole and was read back; one
that exists is not replaced. It holds all data and the hashes of all keys: only
its owner may read it.

Without --data it asks a running server, which goes on answering and taking
events meanwhile; that takes the token of an admin key above all clients that is
not narrowed. With --data it reads the store of a server that does not run.`,
		Example: `  meterbook backup --to backup.tar.zst
  meterbook backup --data /var/lib/meterbook --to /backups/meterbook-$(date +%F).tar.zst`,
		Args: dataOrServer,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	cmd.Flags().StringVar(&c.dataDir, "data", "", "directory of a store that no server uses, instead of asking a server")
	cmd.Flags().StringVar(&c.to, "to", "", "file to write")
	c.connection = connectionFlags(cmd)
	return cmd
}

func (c *backupCommand) run(cmd *cobra.Command) error {
	if c.to == "" {
		return &usageError{cmd.CommandPath(), "missing --to: the file to write"}
	}
	if _, err := os.Lstat(c.to); err == nil {
		return metering.Errorf(metering.KindConflict, "%s exists already; choose another name", c.to)
	}
	source := c.atRest
	if c.dataDir == "" {
		api, err := c.connection.connect(cmd, c.env)
		if err != nil {
			return err
		}
		defer api.Close()
		source = api.Backup
	}
	size, err := c.write(cmd.Context(), source)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "wrote %s: %d bytes\n", c.to, size)
	return err
}

// atRest reads a store without a server.
func (c *backupCommand) atRest(ctx context.Context) (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() {
		w.CloseWithError(ledger.Backup(ctx, ledger.Options{Dir: c.dataDir, Clock: c.env.clock}, w))
	}()
	return r, nil
}

// write writes the backup under a temporary name while it checks it, and gives
// it its name when it is whole and on the disk.
func (c *backupCommand) write(ctx context.Context, open func(context.Context) (io.ReadCloser, error)) (size int64, err error) {
	dir := filepath.Dir(c.to)
	f, err := os.CreateTemp(dir, filepath.Base(c.to)+".*.tmp") // only the owner may read it
	if err != nil {
		return 0, metering.Errorf(metering.KindInvalid, "write the backup: %v", err)
	}
	defer func() {
		if removed := os.Remove(f.Name()); err != nil && !errors.Is(removed, fs.ErrNotExist) {
			err = errors.Join(err, removed)
		}
	}()
	err = c.receive(ctx, f, open)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	info, err := os.Stat(f.Name())
	if err != nil {
		return 0, err
	}
	if err := os.Rename(f.Name(), c.to); err != nil {
		return 0, err
	}
	return info.Size(), syncFolder(dir)
}

func (c *backupCommand) receive(ctx context.Context, f *os.File, open func(context.Context) (io.ReadCloser, error)) error {
	body, err := open(ctx)
	if err != nil {
		return err
	}
	bar := newLongTask(c.env, "backup", true)
	err = ledger.CheckBackup(ctx, io.TeeReader(body, f), func(p report.Progress) { bar.at(p.Done, p.Total) })
	bar.end(err == nil)
	return errors.Join(err, body.Close())
}

// syncFolder makes the names in a folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
