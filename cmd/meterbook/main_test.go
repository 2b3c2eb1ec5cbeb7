package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"meterbook": main})
}

// running is a server in a process of its own.
type running struct {
	*exec.Cmd
	address, token string
	log            *bufio.Scanner // of standard error
}

// serve starts a server and returns when it is ready.
func serve(t *testing.T) *running {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "meterbook", "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "store"))
	out, err1 := cmd.StdoutPipe()
	log, err2 := cmd.StderrPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	invitation := regexp.MustCompile(`METERBOOK_URL=http://(\S+) METERBOOK_TOKEN='(\S+)'`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if found := invitation.FindStringSubmatch(lines.Text()); found != nil {
			return &running{cmd, found[1], found[2], bufio.NewScanner(log)}
		}
	}
	t.Fatalf("the server ended before it was ready: %v", cmd.Wait())
	return nil
}

func (r *running) awaitLog(t *testing.T, text string) {
	t.Helper()
	for r.log.Scan() {
		if strings.Contains(r.log.Text(), text) {
			return
		}
	}
	t.Fatalf("the log ended before %q", text)
}

func TestSignalsStopTheServerGracefully(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		server := serve(t)
		if err := server.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		server.awaitLog(t, "stopped")
		if err := server.Wait(); err != nil {
			t.Errorf("after %v the server ended with: %v", signal, err)
		}
	}
}

func TestASecondSignalEndsTheServerAtOnce(t *testing.T) {
	t.Parallel()
	server := serve(t)
	connection, err := net.Dial("tcp", server.address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	// A request that never ends; the server says when it reads the body.
	_, err = fmt.Fprintf(connection, "POST /v1/events HTTP/1.1\r\nHost: meterbook\r\nAuthorization: apikey %s\r\n"+
		"Content-Type: application/x-ndjson\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n", server.token)
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(connection).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the server answered %q, error %v", line, err)
	}
	if err := server.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	server.awaitLog(t, "stopping")
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	for {
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
				t.Errorf("the server ended with: %v", err)
			}
			return
		default:
			// The log may be ahead of the signals' usual effect: send it until it
			// has one. That the process is gone meanwhile is the aim.
			if err := server.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
	}
}

func TestExitCodeIsThatOfTheCommand(t *testing.T) {
	t.Parallel()
	err := exec.CommandContext(t.Context(), "meterbook", "nothing").Run()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 2 {
		t.Errorf("ended with %v, want 2", err)
	}
}
