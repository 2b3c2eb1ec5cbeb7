package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/meterbook/meterbook/e2e/server"
)

const adminToken = "crash-admin$0123456789abcdef0123456789abcdef"

// build makes the program and returns its path.
func build(t *testing.T) string {
	t.Helper()
	binary, err := server.Build(t.TempDir(), "e2e/crash/server")
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// process is a running server.
type process struct{ *server.Process }

// start runs a server on dir. It does not wait until it is ready.
func start(t *testing.T, binary, dir string) process {
	t.Helper()
	p := server.Prepare(t, adminToken, binary, "serve", "--data", dir)
	p.Run()
	return process{p}
}

// post sends a body as the admin and returns the answer.
func (p process) post(path, media string, body []byte) (status int, text []byte, err error) {
	r, err := http.NewRequest(http.MethodPost, p.URL(path), bytes.NewReader(body))
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
