package cli

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/httpapi"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
)

// adminTokenVariable brings the admin key of a server. It is no flag, because
// the process list shows flags.
const adminTokenVariable = "METERBOOK_ADMIN_TOKEN"

// maxRetentionDays is more than there is: events begin in 2000.
const maxRetentionDays = 36_500

type serveCommand struct {
	env              *Env
	dataDir, listen  string
	tlsCert, tlsKey  string
	rateLimit        int
	concurrency      int
	strictProjects   bool
	retentionDays    int
	maxBody          sizeFlag
	slowClient       time.Duration
	shutdownTimeout  time.Duration
	logFormat, level choice
	memory           memoryFlags
}

func newServe(env *Env) *cobra.Command {
	c := &serveCommand{
		env: env, maxBody: ingest.DefaultMaxBodyBytes,
		logFormat: newChoice("json", "text"), level: newChoice("info", "debug", "warn", "error"),
	}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a server",
		Long: `Runs a server until SIGINT or SIGTERM: it then refuses new requests, finishes
those that have begun, closes its store and ends with 0. A second signal ends it
at once; nothing that it acknowledged is lost even then.

The first start with an empty store makes an admin key and prints its token to
standard output, once. $` + adminTokenVariable + ` (<id>$<secret>) brings one instead.

The address answers from the start; until the store is loaded /readyz and all
requests answer 503. Logs go to standard error.

Each flag can be given as the environment variable that stands behind it; the
flag wins.`,
		Example: `  meterbook serve
  meterbook serve --data /var/lib/meterbook --listen :8443 --tls-cert cert.pem --tls-key key.pem
  METERBOOK_DATA=/data METERBOOK_LISTEN=:8080 METERBOOK_ADMIN_TOKEN='root$0123456789abcdef0123456789abcdef' meterbook serve`,
		Args: exactArgs(),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&c.dataDir, "data", "meterbook-data", "directory of the store, made when it is missing")
	f.StringVar(&c.listen, "listen", defaultListen, "address to listen on, host:port; port 0 takes a free one")
	f.StringVar(&c.tlsCert, "tls-cert", "", "file with the certificate and its chain in PEM; serves HTTPS")
	f.StringVar(&c.tlsKey, "tls-key", "", "file with the private key in PEM")
	f.IntVar(&c.rateLimit, "rate-limit", 0, "requests a second for each key that has no limit of its own; 0 is no limit")
	f.IntVar(&c.concurrency, "max-concurrent", httpapi.DefaultConcurrency, "requests of one client (of one key above all clients) that may be under way at once")
	f.BoolVar(&c.strictProjects, "strict-projects", false, "reject events of projects and regions that nobody registered")
	f.IntVar(&c.retentionDays, "retention-days", 0, "reject events of what is longer ago than so many days, as period_closed; 0 takes all since 2000")
	f.Var(&c.maxBody, "max-body", "greatest decompressed body of a request that is not a stream")
	f.DurationVar(&c.slowClient, "slow-client-timeout", httpapi.DefaultSlowClientTimeout, "how long a client may take for the next piece of a body")
	f.DurationVar(&c.shutdownTimeout, "shutdown-timeout", 30*time.Second, "how long requests that have begun may take when stopping")
	f.Var(&c.logFormat, "log-format", "form of the log")
	f.Var(&c.level, "log-level", "least level that is logged")
	c.memory.flags(f)
	withEnvironment(f, nil)
	return cmd
}

// defaultListen is reached from this machine only.
const defaultListen = "127.0.0.1:8080"

func (c *serveCommand) run(cmd *cobra.Command) error {
	o, err := c.options(cmd)
	if err != nil {
		return err
	}
	loaded, err := c.memory.apply(cmd, c.env, o.logger)
	if err != nil {
		return err
	}
	open := o.open
	o.open = func(ctx context.Context, so storeOptions) (*store, error) {
		defer loaded()
		return open(ctx, so)
	}
	s, err := listenServer(o)
	if err != nil {
		return err
	}
	return s.run(cmd.Context(), func(adminToken string) error {
		if adminToken == "" {
			return nil
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "Admin token, shown only this once:\n\n  %[1]s\n\nTo use it:\n\n  export METERBOOK_URL=%[2]s METERBOOK_TOKEN='%[1]s'\n\nor sign in with it at %[2]s in a browser.\n\n", adminToken, s.url())
		return err
	})
}

func (c *serveCommand) options(cmd *cobra.Command) (serverOptions, error) {
	if err := c.check(); err != nil {
		return serverOptions{}, &usageError{cmd.CommandPath(), err.Error()}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.level.value)); err != nil {
		metering.Bug("log level %s: %v", c.level.value, err)
	}
	adminToken, _ := c.env.LookupEnv(adminTokenVariable)
	o := serverOptions{
		open: c.env.openStore, dataDir: c.dataDir, listen: c.listen, adminToken: adminToken,
		strictProjects: c.strictProjects, retention: time.Duration(c.retentionDays) * 24 * time.Hour, maxBodyBytes: int64(c.maxBody),
		rateLimit: access.RequestsPerSecond(c.rateLimit), concurrency: c.concurrency, slowClient: c.slowClient, shutdownTimeout: c.shutdownTimeout,
		logger: newLogger(c.env.Stderr, c.logFormat.value, level), clock: c.env.clock, wall: c.env.Now,
	}
	if c.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(c.tlsCert, c.tlsKey)
		if err != nil {
			return o, metering.Errorf(metering.KindInvalid, "--tls-cert %s, --tls-key %s: %v", c.tlsCert, c.tlsKey, err)
		}
		o.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return o, nil
}

// check finds what is wrong with the flags' values.
func (c *serveCommand) check() error {
	_, err := net.ResolveTCPAddr("tcp", c.listen)
	switch {
	case err != nil:
		return fmt.Errorf("--listen %q must look like host:port or :port: %w", c.listen, err)
	case (c.tlsCert == "") != (c.tlsKey == ""):
		return fmt.Errorf("--tls-cert and --tls-key belong together; give both or none")
	case c.dataDir == "":
		return fmt.Errorf("--data must name a directory")
	case c.rateLimit < 0 || c.rateLimit > access.MaxRequestsPerSecond:
		return fmt.Errorf("--rate-limit must be from 0 (no limit) to %d requests a second, got %d", access.MaxRequestsPerSecond, c.rateLimit)
	case c.concurrency <= 0:
		return fmt.Errorf("--max-concurrent must be greater than 0")
	case c.retentionDays < 0 || c.retentionDays > maxRetentionDays:
		return fmt.Errorf("--retention-days must be from 0 (no end) to %d, got %d", maxRetentionDays, c.retentionDays)
	case c.maxBody <= 0:
		return fmt.Errorf("--max-body must be greater than 0")
	case c.slowClient <= 0 || c.shutdownTimeout <= 0:
		return fmt.Errorf("--slow-client-timeout and --shutdown-timeout must be greater than 0")
	}
	return nil
}
