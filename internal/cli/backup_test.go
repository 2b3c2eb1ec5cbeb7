package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

// command runs a command to its end and returns what it printed.
func command(t *testing.T, variables map[string]string, want ExitCode, args ...string) (stdout, stderr string) {
	t.Helper()
	p := launch(t, nil, variables, args...)
	stderr = p.end(t, want)
	return p.stdout.String(), stderr
}

// served is a server on a store on the disk.
type served struct {
	*process
	api       *client.Client
	variables map[string]string // of commands that speak to it
}

func serveStore(t *testing.T, dir string) *served {
	t.Helper()
	s := &served{process: launch(t, nil, map[string]string{adminTokenVariable: adminToken}, "serve", "--listen", "127.0.0.1:0", "--data", dir)}
	url := s.await(t, "listening")["url"].(string)
	s.await(t, "ready")
	s.api = connectTo(t, url, adminToken)
	s.variables = map[string]string{"METERBOOK_URL": url, "METERBOOK_TOKEN": adminToken}
	return s
}

// report returns the bytes of a report.
func (s *served) report(t *testing.T) string {
	t.Helper()
	body, err := s.api.UsageReportJSON(t.Context(), client.Request{
		TimeFrom: time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC), TimeTo: time.Date(2024, 8, 1, 0, 0, 0, 0, time.UTC), Limit: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (s *served) quit(t *testing.T) {
	t.Helper()
	s.stop()
	s.end(t, ExitOK)
}

func TestAStoreIsVerifiedBackedUpAndRestored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, file, again := filepath.Join(dir, "data"), filepath.Join(dir, "backup.tar.zst"), filepath.Join(dir, "again")
	first := serveStore(t, data)
	for i := range 9 {
		if _, err := first.api.SendNDJSON(t.Context(), strings.NewReader(fmt.Sprintf(oneEvent, i))); err != nil {
			t.Fatal(err)
		}
	}
	want := first.report(t)
	const clean = "verified 9 observations (0 retracted), 9 ids, 9 timelines, 0 days of quantities: all is as it should be\n"
	if out, log := command(t, first.variables, ExitOK, "verify"); out != clean || log != "" {
		t.Errorf("verify printed %q, %q", out, log)
	}
	if out, _ := command(t, first.variables, ExitOK, "backup", "--to", file); !strings.HasPrefix(out, "wrote "+file) {
		t.Errorf("backup printed %q", out)
	}
	if _, log := command(t, nil, ExitUnavailable, "verify", "--data", data); !strings.Contains(log, "meterbook verify --server URL") {
		t.Errorf("verify of a store in use: %s", log)
	}
	if _, log := command(t, nil, ExitUnavailable, "backup", "--data", data, "--to", file+"2"); !strings.Contains(log, "meterbook backup --server URL") {
		t.Errorf("backup of a store in use: %s", log)
	}
	first.quit(t)
	command(t, nil, ExitOK, "verify", "--data", data)
	command(t, nil, ExitOK, "backup", "--data", data, "--to", file+"3")
	for _, from := range []string{file, file + "3"} {
		to := again + filepath.Base(from)
		command(t, nil, ExitOK, "restore", "--from", from, "--data", to)
		if out, _ := command(t, nil, ExitOK, "verify", "--data", to); out != clean {
			t.Errorf("verify printed %q", out)
		}
		second := serveStore(t, to)
		if got := second.report(t); got != want {
			t.Errorf("%s: want %s, got %s", from, want, got)
		}
		second.quit(t)
	}
}

func TestABackupIsPrivateAndNeverReplacesAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := serveStore(t, filepath.Join(dir, "data"))
	file := filepath.Join(dir, "backup")
	command(t, s.variables, ExitOK, "backup", "--to", file)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if _, log := command(t, s.variables, ExitConflict, "backup", "--to", file); !strings.Contains(log, "exists already") {
		t.Error(log)
	}
	command(t, s.variables, ExitInput, "backup", "--to", filepath.Join(dir, "missing", "backup"))
	command(t, s.variables, ExitUsage, "backup")
	reader, err := s.api.CreateKey(t.Context(), client.NewKey{Roles: []string{"reader"}})
	if err != nil {
		t.Fatal(err)
	}
	s.variables["METERBOOK_TOKEN"] = reader.Token
	command(t, s.variables, ExitAuth, "backup", "--to", file+"2")
	command(t, s.variables, ExitAuth, "verify")
	s.quit(t)
	wantNames(t, dir, "backup", "data")
}

// wantNames wants a folder to hold just these.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the folder holds %v, want %v", got, want)
	}
}

func TestABackupThatIsCutOffIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, file, cut := filepath.Join(dir, "data"), filepath.Join(dir, "backup"), filepath.Join(dir, "cut")
	s := serveStore(t, data)
	s.quit(t)
	command(t, nil, ExitOK, "backup", "--data", data, "--to", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, text[:len(text)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	again := filepath.Join(dir, "again")
	if _, log := command(t, nil, ExitInput, "restore", "--from", cut, "--data", again); !strings.Contains(log, "it is cut off") {
		t.Error(log)
	}
	if _, err := os.Stat(again); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("restore left the folder: %v", err)
	}
	command(t, nil, ExitInput, "restore", "--from", file+"2", "--data", again)
	command(t, nil, ExitConflict, "restore", "--from", file, "--data", data)
	command(t, nil, ExitUsage, "restore", "--data", again)
	command(t, nil, ExitUsage, "restore", "--from", file)
}
