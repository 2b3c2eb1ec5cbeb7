package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

const (
	adminToken   = "crash-admin$0123456789abcdef0123456789abcdef"
	startTimeout = 60 * time.Second
	stopTimeout  = 60 * time.Second
)

// build makes the program and returns its path.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "meterbook")
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "github.com/meterbook/meterbook/e2e/crash/server")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	return binary
}

// process is a running server.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	url   string
	log   journal
	ended chan struct{} // closed when err is set
	err   error
}

// journal keeps what a process writes.
type journal struct {
	mu struct {
		sync.Mutex
		text bytes.Buffer
	}
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.text.String()
}

// start runs a server on dir. It does not wait until it is ready.
func start(t *testing.T, binary, dir string) *process {
	t.Helper()
	p := prepare(t, binary, dir)
	p.run()
	return p
}

func (p *process) run() {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("start the server: %v", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	p.t.Cleanup(func() { p.kill() })
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	return l.Addr().String()
}

// kill ends the process with SIGKILL and waits for its end.
func (p *process) kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("kill the server: %v", err)
	}
	<-p.ended
}

// terminate asks the process to end.
func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatalf("stop the server: %v", err)
	}
}

// stop ends the process gracefully.
func (p *process) stop() {
	p.t.Helper()
	p.terminate()
	select {
	case <-p.ended:
		if p.err != nil {
			p.t.Fatalf("the server ended with %v:\n%s", p.err, &p.log)
		}
	case <-time.After(stopTimeout):
		p.t.Fatalf("the server did not stop within %s:\n%s", stopTimeout, &p.log)
	}
}

// awaitReady waits until requests are answered.
func (p *process) awaitReady() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if p.isReady(ctx) {
			return
		}
		select {
		case <-p.ended:
			p.t.Fatalf("the server ended with %v:\n%s", p.err, &p.log)
		case <-ctx.Done():
			p.t.Fatalf("the server was not ready within %s:\n%s", startTimeout, &p.log)
		case <-again.C:
		}
	}
}

func (p *process) isReady(ctx context.Context) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/readyz", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return false // not listening yet
	}
	if err := response.Body.Close(); err != nil {
		p.t.Error(err)
	}
	return response.StatusCode == http.StatusOK
}

// post sends a body as the admin and returns the answer.
func (p *process) post(path, media string, body []byte) (status int, text []byte, err error) {
	r, err := http.NewRequest(http.MethodPost, p.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.GetBody = nil // so that net/http does not send it a second time on its own
	r.Header.Set("Authorization", "apikey "+adminToken)
	r.Header.Set("Content-Type", media)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	text, err = io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return 0, nil, fmt.Errorf("read the answer to %s: %w", path, err)
	}
	return response.StatusCode, text, nil
}
