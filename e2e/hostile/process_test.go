package hostile

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meterbook/meterbook/e2e/server"
)

const rootToken = "hostile-root$0123456789abcdef0123456789abcdef"

// process is a running server.
type process struct {
	*server.Process
	t *testing.T
}

// TestMain builds the program as it is shipped, once for all tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "meterbook-hostile-")
	if err != nil {
		panic(err)
	}
	code := 1
	if binary, err := server.Build(dir, "cmd/meterbook"); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else if err := os.Setenv(binaryVariable, binary); err != nil {
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

// start runs a server on a new store with the given flags. When the test ends the
// server must stop in good order, and must not have had a bug meanwhile.
func start(t *testing.T, flags ...string) *process {
	t.Helper()
	command := []string{os.Getenv(binaryVariable), "serve", "--data", filepath.Join(t.TempDir(), "data"), "--log-level", "warn"}
	p := &process{server.Prepare(t, rootToken, append(command, flags...)...), t}
	p.Run()
	t.Cleanup(func() {
		p.Stop()
		if p.Log.Count(`"level":"ERROR"`)+p.Log.Count("panic") > 0 {
			t.Errorf("the log tells of a bug:\n%s", &p.Log)
		}
	})
	p.AwaitReady()
	return p
}

// must fails when closing something fails.
func must(t *testing.T, do func() error) {
	t.Helper()
	if err := do(); err != nil {
		t.Error(err)
	}
}

// awaitLog waits until the log has a text so many times.
func (p *process) awaitLog(text string, times int) {
	p.t.Helper()
	patience := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for p.Log.Count(text) < times {
		select {
		case <-patience:
			p.t.Fatalf("the log has %d times %s, want %d:\n%s", p.Log.Count(text), text, times, &p.Log)
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
	a, err := ask(http.DefaultClient, method, p.URL(path), token, strings.NewReader(body), headers...)
	if err != nil {
		p.t.Fatalf("%s %s: %v\n%s", method, path, err, &p.Log)
	}
	return a
}

// rssAnon is the memory of the process that is no file's, in bytes.
func (p *process) rssAnon() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Cmd.Process.Pid))
	if err != nil {
		p.t.Error(err)
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "RssAnon:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		p.t.Errorf("/proc/%d/status has no RssAnon", p.Cmd.Process.Pid)
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
