package hostile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	rootToken    = "hostile-root$0123456789abcdef0123456789abcdef"
	startTimeout = 60 * time.Second
	stopTimeout  = 60 * time.Second
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

// end returns the last of what was written.
func (j *journal) end() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := j.mu.text.Bytes()
	return string(text[max(0, len(text)-4000):])
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Count(j.mu.text.Bytes(), []byte(text))
}

// TestMain builds the program as it is shipped, once for all tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "meterbook-hostile-")
	if err != nil {
		panic(err)
	}
	code := 1
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "meterbook"), "github.com/meterbook/meterbook/cmd/meterbook")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, out)
	} else if err := os.Setenv(binaryVariable, filepath.Join(dir, "meterbook")); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// binaryVariable tells the tests where the program is, which is built once.
const binaryVariable = "METERBOOK_BINARY"

// start runs a server on a new store with the given flags. When the test ends the server must stop in good order,
// and must not have had a bug meanwhile.
func start(t *testing.T, flags ...string) *process {
	t.Helper()
	p := &process{t: t, url: "http://" + freeAddress(t), ended: make(chan struct{})}
	flags = append([]string{"serve", "--data", filepath.Join(t.TempDir(), "data"), "--listen", p.address(), "--log-level", "warn"}, flags...)
	p.cmd = exec.Command(os.Getenv(binaryVariable), flags...)
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
	p.awaitReady()
	return p
}

func (p *process) address() string { return p.url[len("http://"):] }

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer must(t, l.Close)
	return l.Addr().String()
}

// must fails when closing something fails.
func must(t *testing.T, do func() error) {
	t.Helper()
	if err := do(); err != nil {
		t.Error(err)
	}
}

// stop ends the process gracefully.
func (p *process) stop() {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Errorf("stop the server, which ended with %v: %v\n%s", p.err, err, p.log.end())
		return
	}
	select {
	case <-p.ended:
		if p.err != nil {
			p.t.Errorf("the server ended with %v:\n%s", p.err, p.log.end())
		}
	case <-time.After(stopTimeout):
		p.t.Errorf("the server did not stop within %s:\n%s", stopTimeout, p.log.end())
		if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			p.t.Errorf("kill the server: %v", err)
		}
		<-p.ended
	}
	if text := p.log.end(); strings.Contains(text, `"level":"ERROR"`) || strings.Contains(text, "panic") {
		p.t.Errorf("the log tells of a bug:\n%s", text)
	}
}

// awaitReady waits until requests are answered.
func (p *process) awaitReady() {
	p.t.Helper()
	patience := time.After(startTimeout)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		if response, err := http.Get(p.url + "/readyz"); err == nil {
			must(p.t, response.Body.Close)
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-p.ended:
			p.t.Fatalf("the server ended with %v:\n%s", p.err, p.log.end())
		case <-patience:
			p.t.Fatalf("the server was not ready within %s:\n%s", startTimeout, p.log.end())
		case <-again.C:
		}
	}
}

// awaitLog waits until the log has a text so many times.
func (p *process) awaitLog(text string, times int) {
	p.t.Helper()
	patience := time.After(stopTimeout)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for p.log.count(text) < times {
		select {
		case <-patience:
			p.t.Fatalf("the log has %d times %s, want %d:\n%s", p.log.count(text), text, times, p.log.end())
		case <-again.C:
		}
	}
}

// answer is an answer, read wholly.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request with a client of its own connections; headers are
// "Name: value".
func ask(client *http.Client, method, url, token string, body io.Reader, headers ...string) (answer, error) {
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		return answer{}, err
	}
	r.Header.Set("Authorization", "apikey "+token)
	r.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return answer{}, fmt.Errorf("read the answer %d to %s: %w", response.StatusCode, url, err)
	}
	return answer{response.StatusCode, response.Header, string(text)}, nil
}

// send asks for an answer that must come.
func (p *process) send(method, path, token, body string, headers ...string) answer {
	p.t.Helper()
	a, err := ask(http.DefaultClient, method, p.url+path, token, strings.NewReader(body), headers...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, p.log.end())
	}
	return a
}

// rssAnon is the memory of the process that is no file's, in bytes.
func (p *process) rssAnon() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Error(err)
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		p.t.Errorf("/proc/%d/status has no RssAnon", p.cmd.Process.Pid)
		return 0
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		p.t.Error(err)
	}
	return kib << 10
}

// peak watches the memory of the process until the returned function is called,
// which returns the most that was seen.
func (p *process) peak() (end func() int64) {
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		again := time.NewTicker(10 * time.Millisecond)
		defer again.Stop()
		greatest := p.rssAnon()
		for {
			select {
			case <-again.C:
				greatest = max(greatest, p.rssAnon())
			case <-stop:
				most <- greatest
				return
			}
		}
	}()
	end = sync.OnceValue(func() int64 { close(stop); return <-most })
	p.t.Cleanup(func() { end() }) // a test that gave up must not be watched on
	return end
}
