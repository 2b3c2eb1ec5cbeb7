package console

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

const (
	rootToken = "console-root$0123456789abcdef0123456789abcdef"
	patience  = 60 * time.Second // for a server to start or to stop
)

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

// start runs a server on a new store. When the test ends it must stop in good
// order, and must not have had a bug meanwhile.
func start(t *testing.T) *process {
	t.Helper()
	return startOn(t, freeAddress(t), filepath.Join(t.TempDir(), "data"))
}

func startOn(t *testing.T, address, data string) *process {
	t.Helper()
	p := launch(t, address, "serve", "--data", data, "--listen", address, "--log-level", "warn")
	p.await(func() bool {
		response, err := http.Get(p.url + "/readyz")
		return err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
	return p
}

// demoToken finds the token in what the demo prints when it is ready.
var demoToken = regexp.MustCompile(`METERBOOK_TOKEN='([^']+)'`)

// startDemo runs the demo, and returns its admin token.
func startDemo(t *testing.T, flags ...string) (*process, string) {
	t.Helper()
	address := freeAddress(t)
	p := launch(t, address, append([]string{"demo", "--listen", address}, flags...)...)
	var token []string
	p.await(func() bool {
		token = demoToken.FindStringSubmatch(p.log.String())
		return token != nil
	})
	return p, token[1]
}

func launch(t *testing.T, address string, args ...string) *process {
	t.Helper()
	p := &process{t: t, url: "http://" + address, ended: make(chan struct{})}
	p.cmd = exec.Command(os.Getenv(binaryVariable), args...)
	p.cmd.Env = append(os.Environ(), "METERBOOK_ADMIN_TOKEN="+rootToken)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start the server: %v", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.stop)
	return p
}

// await asks over and over until the server is ready.
func (p *process) await(ready func() bool) {
	p.t.Helper()
	late := time.After(patience)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for !ready() {
		select {
		case <-p.ended:
			p.t.Fatalf("the server ended with %v:\n%s", p.err, &p.log)
		case <-late:
			p.t.Fatalf("the server was not ready within %s:\n%s", patience, &p.log)
		case <-again.C:
		}
	}
}

// stop ends the process gracefully; once it has ended, it does nothing.
func (p *process) stop() {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("stop the server: %v", err)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Errorf("the server did not stop within %s", patience)
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			p.t.Errorf("kill the server: %v", err)
		}
		<-p.ended
	}
	if text := p.log.String(); p.err != nil || strings.Contains(text, `"level":"ERROR"`) || strings.Contains(text, "panic") {
		p.t.Errorf("the server ended with %v:\n%s", p.err, text)
	}
}

// api speaks to the server with a key of its own.
func (p *process) api(token string) *client.Client {
	p.t.Helper()
	c, err := client.New(p.url, token)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return c
}

// key makes a key and returns its token.
func (p *process) key(k client.NewKey) *client.CreatedKey {
	p.t.Helper()
	return must(p.api(rootToken).CreateKey(p.t.Context(), k))(p.t)
}

// must returns the value, or ends the test.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}
