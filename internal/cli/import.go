package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

type importCommand struct {
	env          *Env
	connection   *connection
	files        []string
	rejectedFile string
	connections  int
}

func newImport(env *Env) *cobra.Command {
	c := &importCommand{env: env}
	cmd := &cobra.Command{
		Use:   "import FILE... [-]",
		Short: "Send files of events to a server",
		Long: `Sends events in structured CloudEvents form, one a line (NDJSON), plain or
compressed with gzip or zstd. "-" is standard input.

Importing the same file again is safe: the server knows each event by its
project, source and id, and counts it once. Rejected events do not hold up the
others; --rejected keeps them with the reasons, and the exit code is then 3.`,
		Example: `  meterbook import events.ndjson
  meterbook import --rejected rejected.ndjson 2024-*.ndjson.zst
  zcat old.gz | meterbook import -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &usageError{cmd.CommandPath(), "missing argument: FILE, or - for standard input"}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&c.rejectedFile, "rejected", "", "file to write rejected events to, as NDJSON with file, line, code, field and message")
	cmd.Flags().IntVar(&c.connections, "connections", 4, "how many requests are under way at once")
	c.connection = connectionFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c.files = args
		return c.run(cmd)
	}
	return cmd
}

func (c *importCommand) run(cmd *cobra.Command) (err error) {
	if c.connections < 1 || c.connections > 64 {
		return &usageError{cmd.CommandPath(), fmt.Sprintf("--connections must be from 1 to 64, got %d", c.connections)}
	}
	api, err := c.connection.connect(cmd, c.env)
	if err != nil {
		return err
	}
	defer api.Close()
	total, err := fileSizes(c.files)
	if err != nil {
		return err
	}
	results, err := c.openResults()
	if err != nil {
		return err
	}
	bar := newProgress(c.env, "import", total, true)
	err = c.send(cmd.Context(), api, results, bar)
	err = errors.Join(err, bar.end(err == nil), results.close())
	if err := errors.Join(err, results.summary(cmd.OutOrStdout(), c.env.Stderr)); err != nil {
		return err
	}
	if results.rejected() > 0 {
		return &exitError{ExitInput}
	}
	return nil
}

// openResults creates the file of rejected events, unless it is one of the
// files to be read.
func (c *importCommand) openResults() (*importResults, error) {
	if c.rejectedFile == "" {
		return newImportResults(nil), nil
	}
	if there, err := os.Stat(c.rejectedFile); err == nil {
		for _, file := range c.files {
			if info, err := os.Stat(file); err == nil && os.SameFile(there, info) {
				return nil, metering.Errorf(metering.KindInvalid, "--rejected %s is one of the files to import; name another one", c.rejectedFile)
			}
		}
	}
	f, err := os.Create(c.rejectedFile)
	if err != nil {
		return nil, metering.Errorf(metering.KindInvalid, "write rejected events: %v", err)
	}
	return newImportResults(f), nil
}

// send reads the files in order and sends their chunks.
func (c *importCommand) send(ctx context.Context, api *client.Client, results *importResults, bar *progress) error {
	return sendChunks(ctx, api, c.connections, results, func(yield func(chunk) error) error {
		for _, file := range c.files {
			told := int64(0)
			err := readChunks(c.env, file, func(next chunk) error {
				if err := yield(next); err != nil {
					return err
				}
				advance := next.read - told
				told = next.read
				return bar.add(advance)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// sendChunks sends what produce yields over several connections at once. Chunks
// begin in the order in which they are yielded, and at most as many are under
// way as there are connections.
func sendChunks(ctx context.Context, api *client.Client, connections int, results *importResults, produce func(yield func(chunk) error) error) error {
	group, ctx := errgroup.WithContext(ctx)
	chunks := make(chan chunk)
	group.Go(func() error {
		defer close(chunks)
		return produce(func(next chunk) error {
			if next.lines == 0 {
				return nil
			}
			select {
			case chunks <- next:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	for range connections {
		group.Go(func() error {
			for next := range chunks {
				receipt, err := api.SendNDJSON(ctx, bytes.NewReader(next.text))
				if err != nil {
					return fmt.Errorf("send %s from line %d on: %w", next.file, next.firstLine, err)
				}
				if err := results.add(&next, receipt); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
