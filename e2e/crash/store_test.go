package crash

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// verify examines the store that a server left, which nobody uses.
func (o *ordeal) verify() {
	o.Helper()
	if _, err := os.Stat(filepath.Join(o.dir, "FORMAT")); errors.Is(err, fs.ErrNotExist) {
		o.tally.unverified.Add(1)
		return // it was killed before it had made one
	}
	cmd := exec.Command(o.binary, "verify", "--data", o.dir, "-o", "json")
	var errs strings.Builder
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		o.Fatalf("verify after a kill: %v\n%s\n%s", err, text, &errs)
	}
	var found struct {
		Observations *int64 `json:"observations"`
		Differences  *int64 `json:"differences_total"`
	}
	if err := json.Unmarshal(text, &found); err != nil || found.Observations == nil || found.Differences == nil || *found.Differences != 0 {
		o.Fatalf("verify after a kill: %v\n%s\n%s", err, text, &errs)
	}
	o.tally.verified.Add(*found.Observations)
}

// meanwhile begins a backup or a retention, and returns once its first bytes are
// there. ended waits for its end and counts it if it broke off.
func (o *ordeal) meanwhile(path, body string) (ended func()) {
	o.Helper()
	r, err := http.NewRequest(http.MethodPost, o.server.URL(path), strings.NewReader(body))
	if err != nil {
		o.Fatal(err)
	}
	r.Header.Set("Authorization", "apikey "+adminToken)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil || response.StatusCode != http.StatusOK {
		o.Fatalf("POST %s: %v, %v", path, response, err)
	}
	return func() {
		o.Helper()
		_, err := io.Copy(io.Discard, response.Body)
		if err != nil {
			o.tally.broken.Add(1)
		}
		// What broke off cannot be closed in good order.
		if err := response.Body.Close(); err != nil {
			o.Log(err)
		}
	}
}
