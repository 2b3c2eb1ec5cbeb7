package console

import (
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/e2e/server"
)

const rootToken = "console-root$0123456789abcdef0123456789abcdef"

// process is a running server.
type process struct {
	*server.Process
	t       *testing.T
	stopped sync.Once
}

// start runs a server on a new store. When the test ends it must stop in good
// order, and must not have had a bug meanwhile.
func start(t *testing.T) *process {
	t.Helper()
	p := launch(t, prepare(t, "serve", "--data", filepath.Join(t.TempDir(), "data"), "--log-level", "warn"))
	p.AwaitReady()
	return p
}

// restart stops the server and runs it again on the same store and address.
func (p *process) restart() {
	p.t.Helper()
	p.stop()
	launch(p.t, p.Again()).AwaitReady()
}

// demoToken finds the token in what the demo prints when it is ready.
var demoToken = regexp.MustCompile(`METERBOOK_TOKEN='([^']+)'`)

// startDemo runs the demo, and returns its admin token.
func startDemo(t *testing.T, flags ...string) (*process, string) {
	t.Helper()
	p := launch(t, prepare(t, append([]string{"demo"}, flags...)...))
	var token []string
	p.Await(func() bool {
		token = demoToken.FindStringSubmatch(p.Log.String())
		return token != nil
	})
	return p, token[1]
}

func prepare(t *testing.T, args ...string) *server.Process {
	t.Helper()
	return server.Prepare(t, rootToken, append([]string{os.Getenv(binaryVariable)}, args...)...)
}

func launch(t *testing.T, s *server.Process) *process {
	t.Helper()
	p := &process{Process: s, t: t}
	p.Run()
	t.Cleanup(p.stop)
	return p
}

// stop ends the server in good order; only the first call does something. It is no
// sync.OnceFunc, since that makes a panic of the test's end in it.
func (p *process) stop() {
	p.stopped.Do(func() {
		p.Stop()
		if p.Log.Count(`"level":"ERROR"`)+p.Log.Count("panic") > 0 {
			p.t.Errorf("the log tells of a bug:\n%s", &p.Log)
		}
	})
}

// api speaks to the server with a key of its own.
func (p *process) api(token string) *client.Client {
	p.t.Helper()
	c, err := client.New(p.URL(""), token)
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
