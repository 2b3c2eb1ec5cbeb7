package cli

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/meterbook/meterbook/client"
)

// connection says which server a command speaks to.
type connection struct {
	server   string
	token    string
	attempts int
}

// connectionFlags adds the flags of a command that speaks to a server, and
// their variables. Call it after the command's own flags are there.
func connectionFlags(cmd *cobra.Command) *connection {
	c := new(connection)
	own := cmd.Flags()
	own.StringVar(&c.server, "server", "http://127.0.0.1:8080", "address of the server")
	own.StringVar(&c.token, "token", "", "token of a key, <id>$<secret>; the variable keeps it out of the process list")
	own.IntVar(&c.attempts, "attempts", 6, "how often a request is made before giving up")
	withEnvironment(own, map[string]string{"server": "METERBOOK_URL"}, "server", "token", "attempts")
	return c
}

// connect makes the client. It does not speak to the server yet.
func (c *connection) connect(cmd *cobra.Command, env *Env) (*client.Client, error) {
	if c.attempts < 1 {
		return nil, &usageError{cmd.CommandPath(), fmt.Sprintf("--attempts must be at least 1, got %d", c.attempts)}
	}
	notes := &retryNotes{out: env.Stderr, now: env.Now}
	policy := client.RetryPolicy{Attempts: c.attempts, Sleep: env.Sleep, OnRetry: notes.add}
	api, err := client.New(c.server, c.token, client.WithRetry(policy), client.WithVersion(readBuild().version))
	if err != nil {
		return nil, &usageError{cmd.CommandPath(), err.Error()}
	}
	return api, nil
}

// retryNotes tell that requests are going to be repeated: once for all that wait
// at the same time.
type retryNotes struct {
	out io.Writer
	now func() time.Time
	mu  struct {
		sync.Mutex
		until time.Time // the end of the wait that was told last
	}
}

// add is meant for client.RetryPolicy.OnRetry.
func (n *retryNotes) add(_ int, wait time.Duration, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.now()
	if now.Before(n.mu.until) {
		return
	}
	n.mu.until = now.Add(wait)
	// A note that cannot be written is no reason to give up.
	_, _ = fmt.Fprintf(n.out, "meterbook: %v; trying again in %v\n", err, wait.Round(100*time.Millisecond))
}
