package cli

import (
	"compress/gzip"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/storetest"
)

// leakChecked runs the tests, then looks for goroutines that they left.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"meterbook": func() {
			os.Exit(int(Run(context.Background(), Env{
				Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
				LookupEnv: os.LookupEnv, Now: time.Now,
			})))
		},
	})
}

const (
	adminToken = "root$0123456789abcdef0123456789abcdef"
	testNow    = metering.Instant(1723723200) * metering.Second // 2024-08-15T12:00:00Z
)

var update = flag.Bool("update", false, "rewrite the output that the scripts expect")

// TestScripts runs the commands as a user would, each script against a server
// of its own, whose clock stands at 2024-08-15T12:00:00Z.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup:               startForScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"compress": compress,
			"long":     long,
		},
	})
}

func startForScript(e *testscript.Env) error {
	ctx, cancel := context.WithCancel(context.Background())
	s, err := listenServer(testServer(openModel))
	if err != nil {
		cancel()
		return err
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.run(ctx, func(string) error { close(ready); return nil })
	}()
	e.Defer(func() {
		cancel()
		if err := <-ended; err != nil {
			panic(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		return errors.Join(errors.New("the server ended"), err)
	}
	e.Setenv("METERBOOK_URL", s.url())
	e.Setenv("METERBOOK_TOKEN", adminToken)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.Setenv("NOBODY", "http://"+free.Addr().String())
	e.Setenv("TAKEN", s.listener.Addr().String())
	return free.Close()
}

func testServer(open openStore) serverOptions {
	return serverOptions{
		open: open, dataDir: "unused", listen: "127.0.0.1:0", adminToken: adminToken,
		maxBodyBytes: 1 << 20, shutdownTimeout: 10 * time.Second,
		logger: slog.New(slog.DiscardHandler), wall: time.Now, clock: func() metering.Instant { return testNow },
	}
}

// openModel is a store that forgets everything when it is closed.
func openModel(_ context.Context, o storeOptions) (*store, error) {
	return &store{Store: storetest.NewModel(o.clock), records: new(access.MemoryRecords)}, nil
}

// exits runs a command that must end with the given code: exits 2 meterbook ...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("ended with %d, want %d", got, want)
	}
}

// compress compresses a file: compress gzip|zstd from to.
func compress(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: compress gzip|zstd from to")
	}
	out, err := os.Create(ts.MkAbs(args[2]))
	ts.Check(err)
	var w io.WriteCloser = gzip.NewWriter(out)
	if args[0] == "zstd" {
		w, err = zstd.NewWriter(out)
		ts.Check(err)
	}
	_, err = io.WriteString(w, ts.ReadFile(args[1]))
	ts.Check(errors.Join(err, w.Close(), out.Close()))
}

// long writes a line of so many bytes into a file: long bytes file.
func long(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: long bytes file")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Repeat("x", n)+"\n"), 0o666))
}
