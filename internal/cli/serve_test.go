package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/report"
)

// process is a command that runs within the test, like a process of its own.
type process struct {
	stop   context.CancelFunc // as a signal would
	code   chan ExitCode
	stdout syncBuffer
	lines  chan string // of standard error; closed when the command has ended
}

// syncBuffer is a text that one goroutine writes and others wait for.
type syncBuffer struct {
	mu struct {
		sync.Mutex
		text    strings.Builder
		written chan struct{} // closed at the next write; nil when nobody waits
	}
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.written != nil {
		close(b.mu.written)
		b.mu.written = nil
	}
	return b.mu.text.Write(p)
}

// next returns the text so far, and what is closed when there is more.
func (b *syncBuffer) next() (string, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.written == nil {
		b.mu.written = make(chan struct{})
	}
	return b.mu.text.String(), b.mu.written
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.text.String()
}

// launch runs a command.
func launch(t *testing.T, open openStore, variables map[string]string, args ...string) *process {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	const linesMax = 10_000 // more than any test logs, so that logging never blocks
	p := &process{stop: stop, code: make(chan ExitCode, 1), lines: make(chan string, linesMax)}
	env := Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &p.stdout, Stderr: write, openStore: open,
		LookupEnv: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		Now:       time.Now,
		Sleep:     func(context.Context, time.Duration) error { return errors.New("no test waits") },
	}
	go func() {
		code := Run(ctx, env)
		p.code <- code
		if err := write.Close(); err != nil {
			panic(err)
		}
	}()
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(read); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		stop()
		p.drain()
	})
	return p
}

// await reads the log up to the message and returns that line's members.
func (p *process) await(t *testing.T, message string) map[string]any {
	t.Helper()
	for text := range p.lines {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			return line
		}
	}
	t.Fatalf("the log ended before %q; exit code %d", message, <-p.code)
	return nil
}

// awaitOutput waits for a text on standard output and returns all of it so far.
func (p *process) awaitOutput(t *testing.T, text string) string {
	t.Helper()
	for {
		out, more := p.stdout.next()
		if strings.Contains(out, text) {
			return out
		}
		select {
		case <-more:
		case code := <-p.code:
			t.Fatalf("the command ended with %d before it printed %q; log:\n%s", code, text, p.drain())
		}
	}
}

// drain reads the rest of the log and returns it.
func (p *process) drain() string {
	var rest strings.Builder
	for line := range p.lines {
		rest.WriteString(line + "\n")
	}
	return rest.String()
}

// end waits for the exit code.
func (p *process) end(t *testing.T, want ExitCode) (log string) {
	t.Helper()
	log = p.drain()
	if got := <-p.code; got != want {
		t.Fatalf("exit code %d, want %d; log:\n%s", got, want, log)
	}
	return log
}

func get(t *testing.T, url string) (status int, body string, header http.Header) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text), response.Header
}

func connectTo(t *testing.T, url, token string) *client.Client {
	t.Helper()
	api, err := client.New(url, token, client.WithRetry(client.RetryPolicy{Attempts: 1}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(api.Close)
	return api
}

const oneEvent = `{"specversion":"1.0","id":"e%d","source":"/s","type":"meterbook.resource.state.v1","time":"2024-07-01T00:00:00Z",` +
	`"data":{"resource_type":"instance","resource_id":"3c90c3cc-0d44-4b50-8888-00000000000%[1]d","project_id":10,"region_id":76,"status":"active","flavor":"g1"}}` + "\n"

func countLines(t *testing.T, api *client.Client) int64 {
	t.Helper()
	r, err := api.UsageReport(t.Context(), client.Request{
		TimeFrom: time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC), TimeTo: time.Date(2024, 7, 2, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r.Count
}

func TestServeAnswersThatItIsStartingWhileItLoads(t *testing.T) {
	t.Parallel()
	load := make(chan struct{})
	slow := func(ctx context.Context, o storeOptions) (*store, error) {
		<-load
		return openModel(ctx, o)
	}
	p := launch(t, slow, map[string]string{adminTokenVariable: adminToken}, "serve", "--listen", "127.0.0.1:0")
	url := p.await(t, "listening")["url"].(string)
	for path, want := range map[string]int{"/healthz": 200, "/openapi.json": 200, "/metrics": 200, "/readyz": 503, "/cloud/v1/projects": 503} {
		status, _, header := get(t, url+path)
		if status != want || (want == 503) != (header.Get("Retry-After") != "") {
			t.Errorf("%s while loading: %d, Retry-After %q, want %d", path, status, header.Get("Retry-After"), want)
		}
	}
	close(load)
	p.await(t, "ready")
	if status, _, _ := get(t, url+"/readyz"); status != 200 {
		t.Errorf("/readyz: %d", status)
	}
	p.stop()
	p.end(t, ExitOK)
}

// lingering is a store whose Close, once it has closed, does not return before
// it may.
type lingering struct {
	report.Store
	closed, mayReturn chan struct{}
}

func (l *lingering) Close() error {
	err := l.Store.Close()
	close(l.closed)
	<-l.mayReturn
	return err
}

func TestServeAnswersThatItIsStoppingUntilItsStoreIsClosed(t *testing.T) {
	t.Parallel()
	l := &lingering{closed: make(chan struct{}), mayReturn: make(chan struct{})}
	linger := func(ctx context.Context, o storeOptions) (*store, error) {
		s, err := openLedger(ctx, o)
		if err == nil {
			l.Store, s.Store = s.Store, l
		}
		return s, err
	}
	variables := map[string]string{"METERBOOK_DATA": filepath.Join(t.TempDir(), "store"), adminTokenVariable: adminToken}
	p := launch(t, linger, variables, "serve", "--listen", "127.0.0.1:0")
	url := p.await(t, "listening")["url"].(string)
	p.await(t, "ready")
	p.stop()
	<-l.closed
	for path, want := range map[string]int{"/healthz": 200, "/openapi.json": 200, "/metrics": 200, "/readyz": 503, "/cloud/v1/projects": 503} {
		status, _, header := get(t, url+path)
		if status != want || (want == 503) != (header.Get("Retry-After") != "") {
			t.Errorf("%s while stopping: %d, Retry-After %q, want %d", path, status, header.Get("Retry-After"), want)
		}
	}
	close(l.mayReturn)
	p.end(t, ExitOK)
}

func TestServeThatIsStoppedWhileItLoadsEndsWell(t *testing.T) {
	t.Parallel()
	never := func(ctx context.Context, _ storeOptions) (*store, error) {
		<-ctx.Done()
		return nil, fmt.Errorf("load: %w", ctx.Err())
	}
	p := launch(t, never, nil, "serve", "--listen", "127.0.0.1:0")
	p.await(t, "listening")
	p.stop()
	p.end(t, ExitOK)
}

func TestAdminTokenIsPrintedOnceAndLasts(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"METERBOOK_DATA": filepath.Join(t.TempDir(), "store"), "METERBOOK_LISTEN": "127.0.0.1:0"}
	first := launch(t, nil, variables, "serve")
	first.await(t, "ready")
	first.stop()
	log := first.end(t, ExitOK)
	token := regexp.MustCompile(`(?m)^  (\S+\$\S+)$`).FindStringSubmatch(first.stdout.String())
	if token == nil {
		t.Fatalf("no token in %q", first.stdout.String())
	}
	if secret := strings.SplitN(token[1], "$", 2)[1]; strings.Contains(log, secret) {
		t.Error("the secret is in the log")
	}

	second := launch(t, nil, variables, "serve")
	api := connectTo(t, second.await(t, "listening")["url"].(string), token[1])
	second.await(t, "ready")
	if keys, err := api.Keys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%d keys, error %v, want one", len(keys), err)
	}
	second.stop()
	second.end(t, ExitOK)
	if second.stdout.String() != "" {
		t.Errorf("the second start printed %q", second.stdout.String())
	}
}

// noticed tells when a request that writes has begun.
type noticed struct {
	report.Store
	asked func()
}

func (n *noticed) Writable() error {
	n.asked()
	return n.Store.Writable()
}

func TestWhatHasBegunIsFinishedWhenTheServerStops(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	variables := map[string]string{"METERBOOK_DATA": dir, "METERBOOK_LISTEN": "127.0.0.1:0", adminTokenVariable: adminToken}
	begun := make(chan struct{})
	noticing := func(ctx context.Context, o storeOptions) (*store, error) {
		s, err := openLedger(ctx, o)
		if err == nil {
			s.Store = &noticed{Store: s.Store, asked: sync.OnceFunc(func() { close(begun) })}
		}
		return s, err
	}
	p := launch(t, noticing, variables, "serve")
	url := p.await(t, "listening")["url"].(string)
	api := connectTo(t, url, adminToken)
	p.await(t, "ready")
	read, write := io.Pipe()
	type answer struct {
		receipt *client.Receipt
		err     error
	}
	answered := make(chan answer, 1)
	go func() {
		receipt, err := api.SendNDJSON(t.Context(), read)
		answered <- answer{receipt, err}
	}()
	if _, err := fmt.Fprintf(write, oneEvent, 1); err != nil {
		t.Fatal(err)
	}
	<-begun
	p.stop()
	p.await(t, "stopping")
	if status, _, _ := get(t, url+"/cloud/v1/projects"); status != 503 {
		t.Errorf("a request that began later: %d, want 503", status)
	}
	_, err := fmt.Fprintf(write, oneEvent, 2)
	if err := errors.Join(err, write.Close()); err != nil {
		t.Fatal(err)
	}
	if a := <-answered; a.err != nil || a.receipt.Accepted != 2 {
		t.Fatalf("receipt %+v, error %v", a.receipt, a.err)
	}
	p.end(t, ExitOK)

	again := launch(t, nil, variables, "serve")
	api = connectTo(t, again.await(t, "listening")["url"].(string), adminToken)
	again.await(t, "ready")
	if n := countLines(t, api); n != 2 {
		t.Errorf("%d lines after the restart, want 2", n)
	}
	again.stop()
	again.end(t, ExitOK)
}

func TestRequestsThatLastTooLongAreBrokenOffWhenTheServerStops(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	noticing := func(ctx context.Context, o storeOptions) (*store, error) {
		s, err := openModel(ctx, o)
		s.Store = &noticed{Store: s.Store, asked: sync.OnceFunc(func() { close(begun) })}
		return s, err
	}
	p := launch(t, noticing, map[string]string{adminTokenVariable: adminToken}, "serve", "--listen", "127.0.0.1:0", "--shutdown-timeout", "1ms")
	api := connectTo(t, p.await(t, "listening")["url"].(string), adminToken)
	p.await(t, "ready")
	read, write := io.Pipe()
	answered := make(chan error, 1)
	go func() {
		_, err := api.SendNDJSON(t.Context(), read)
		answered <- err
	}()
	<-begun
	p.stop()
	if log := p.end(t, ExitOK); !strings.Contains(log, "broke off the requests") {
		t.Errorf("log %s", log)
	}
	if err := write.Close(); err != nil {
		t.Error(err)
	}
	if err := <-answered; err == nil {
		t.Error("the request was answered")
	}
}

func TestStoreInUseIsUnavailable(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	first := launch(t, nil, nil, "serve", "--listen", "127.0.0.1:0", "--data", dir)
	first.await(t, "ready")
	second := launch(t, nil, nil, "serve", "--listen", "127.0.0.1:0", "--data", dir)
	if log := second.end(t, ExitUnavailable); !strings.Contains(log, "meterbook: cannot open the store: ") || !strings.Contains(log, dir) {
		t.Errorf("log %s", log)
	}
	first.stop()
	first.end(t, ExitOK)
}

func TestMetricsShowStoreAndProcess(t *testing.T) {
	t.Parallel()
	variables := map[string]string{adminTokenVariable: adminToken}
	p := launch(t, nil, variables, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "store"))
	url := p.await(t, "listening")["url"].(string)
	p.await(t, "ready")
	if _, err := connectTo(t, url, adminToken).SendNDJSON(t.Context(), strings.NewReader(fmt.Sprintf(oneEvent, 1))); err != nil {
		t.Fatal(err)
	}
	_, body, _ := get(t, url+"/metrics")
	for _, want := range []string{
		"meterbook_store_observations_total 1\n", "meterbook_ingest_accepted_total 1\n", `meterbook_ingest_rejected_total{code="malformed"} 0`,
		"meterbook_store_fsync_duration_seconds_count 1\n", "meterbook_store_column_bytes ", "meterbook_store_writable 1\n", "meterbook_store_disk_bytes ",
		"meterbook_report_duration_seconds_count 0\n", "go_goroutines ", "process_resident_memory_bytes ",
		`meterbook_build_info{goversion="` + runtime.Version() + `",version="devel"} 1` + "\n",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in the metrics", want)
		}
	}
	p.stop()
	p.end(t, ExitOK)
}
