// Package server runs the built program as a process of its own, for the tests
// around it.
//
// A process has an address that was free and its own log, and never outlives its
// test. What it does against expectation, such as to end by itself, to start or to
// stop too late, ends the test with the last of its log.
package server

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to start, and to stop.
const patience = 60 * time.Second

// Build makes a program of this module as it is shipped, in dir.
func Build(dir, program string) (binary string, err error) {
	binary = filepath.Join(dir, "meterbook")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "github.com/meterbook/meterbook/"+program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", program, err, out)
	}
	return binary, nil
}

// Process is a server under test.
type Process struct {
	Address string // host and port
	Cmd     *exec.Cmd
	Log     Log

	t     *testing.T
	ended chan struct{} // closed when err is set
	err   error
}

// Prepare returns a server that is yet to Run: a command, to which the address is
// added, and the token of its administrator.
func Prepare(t *testing.T, token string, command ...string) *Process {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	cmd := exec.Command(command[0], append(command[1:len(command):len(command)], "--listen", address)...)
	cmd.Env = append(os.Environ(), "METERBOOK_ADMIN_TOKEN="+token)
	return prepared(t, address, cmd)
}

func prepared(t *testing.T, address string, cmd *exec.Cmd) *Process {
	p := &Process{Address: address, Cmd: cmd, t: t, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.Log, &p.Log
	return p
}

// Again returns the server that has ended, as it was prepared.
func (p *Process) Again() *Process {
	cmd := exec.Command(p.Cmd.Path, p.Cmd.Args[1:]...)
	cmd.Env = p.Cmd.Env
	return prepared(p.t, p.Address, cmd)
}

// URL is that of a path.
func (p *Process) URL(path string) string { return "http://" + p.Address + path }

// Run starts the process. It does not wait until it is ready.
func (p *Process) Run() {
	p.t.Helper()
	if err := p.Cmd.Start(); err != nil {
		p.t.Fatalf("start the server: %v", err)
	}
	go func() {
		p.err = p.Cmd.Wait()
		close(p.ended)
	}()
	p.t.Cleanup(p.Kill)
}

// AwaitReady waits until requests are answered.
func (p *Process) AwaitReady() {
	p.t.Helper()
	client := http.Client{Timeout: patience}
	p.Await(func() bool {
		response, err := client.Get(p.URL("/readyz"))
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
}

// Await asks over and over until the server is ready.
func (p *Process) Await(ready func() bool) {
	p.t.Helper()
	late := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ready() {
		select {
		case <-p.ended:
			p.t.Fatalf("the server ended with %v:\n%s", p.err, &p.Log)
		case <-late:
			p.t.Fatalf("the server was not ready within %s:\n%s", patience, &p.Log)
		case <-again.C:
		}
	}
}

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() {
	if err := p.Cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("kill the server: %v", err)
	}
	<-p.ended
}

// Terminate asks the process to end.
func (p *Process) Terminate() {
	p.t.Helper()
	if err := p.Cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stop the server: %v\n%s", err, &p.Log)
	}
}

// Stop ends the process, which must end in good order.
func (p *Process) Stop() {
	p.t.Helper()
	p.Terminate()
	select {
	case <-p.ended:
		if p.err != nil {
			p.t.Fatalf("the server ended with %v:\n%s", p.err, &p.Log)
		}
	case <-time.After(patience):
		p.t.Fatalf("the server did not stop within %s:\n%s", patience, &p.Log)
	}
}

// Log keeps what a process writes.
type Log struct {
	mu struct {
		sync.Mutex
		text bytes.Buffer
	}
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.text.Write(p)
}

// String returns the last of what was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.mu.text.Bytes()
	return string(text[max(0, len(text)-1<<16):])
}

// Count tells how often a text was written.
func (l *Log) Count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.mu.text.Bytes(), []byte(text))
}
