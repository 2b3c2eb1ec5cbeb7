package cli

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/meterbook/meterbook/internal/metering"
)

// Env is the world as a command sees it.
type Env struct {
	Args   []string // without the program's name
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Program is how a shell calls this program, see [Invocation]; "" is meterbook.
	Program string
	// LookupEnv finds an environment variable.
	LookupEnv func(name string) (value string, found bool)
	// Now reads the clock.
	Now func() time.Time
	// Sleep waits before a request is repeated; nil waits in real time.
	Sleep func(ctx context.Context, d time.Duration) error
	// SetMemory sets what only the whole process has: the garbage collector's
	// target in percent, and the soft limit of memory in bytes, each negative
	// when it is to stay as it is. Nil leaves both alone.
	SetMemory func(gcPercent int, limitBytes int64)
	// FreeMemory returns what the process does not need to the system, which takes a
	// while. Nil leaves that to Go, which takes minutes.
	FreeMemory func()
	// Exit ends the process at once; nil panics instead.
	Exit func(code ExitCode)
	// MergeUnits is after how many changes a store merges them; 0: its default.
	MergeUnits int

	terminal  bool      // Stderr is one
	openStore openStore // nil: the ledger; tests replace it
}

// clock reads the as inner packages take it.
func (e *Env) clock() metering.Instant { return metering.InstantOf(e.Now()) }

// Run runs one command and returns its exit code. When ctx ends, a server stops
// gracefully and any other command gives up.
func Run(ctx context.Context, env Env) ExitCode {
	env.terminal = isTerminal(env.Stderr)
	env.Stderr = &lockedWriter{w: env.Stderr}
	if env.Program == "" {
		env.Program = "meterbook"
	}
	if env.openStore == nil {
		env.openStore = func(ctx context.Context, o storeOptions) (*store, error) {
			o.onFatal, o.onRest, o.mergeUnits = env.onFatal(), env.onRest(), env.MergeUnits
			return openLedger(ctx, o)
		}
	}
	root := newRoot(&env)
	root.SetArgs(env.Args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	code, message := explain(ctx, err)
	if message != "" {
		// Nothing is left to do when even standard error cannot be written.
		_, _ = io.WriteString(env.Stderr, message)
	}
	return code
}

// onFatal is for a store that cannot go on, which is in the log by then. Whoever
// supervises the process can start it again; nothing else would help, and what
// was acknowledged is on the disk. Nil when the process cannot be ended.
func (e *Env) onFatal() func() {
	if e.Exit == nil {
		return nil
	}
	return func() { e.Exit(ExitInternal) }
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// lockedWriter lets goroutines write their messages one after the other.
type lockedWriter struct {
	mu struct{ sync.Mutex }
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
