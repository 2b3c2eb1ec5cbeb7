package cli

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/report"
)

// verified is a store that finds of itself what a test says.
type verified struct {
	report.Maintainer
	found *report.Verification // nil: it breaks off
}

func (v verified) Verify(_ context.Context, progress func(report.Progress)) (*report.Verification, error) {
	progress(report.Progress{Stage: "states", Done: 1, Total: 20})
	if v.found == nil {
		return nil, errors.New("the disk is gone")
	}
	return v.found, nil
}

// serveVerified starts a server whose store finds something of itself.
func serveVerified(t *testing.T, found *report.Verification) (variables map[string]string) {
	t.Helper()
	open := func(ctx context.Context, o storeOptions) (*store, error) {
		s, err := openModel(ctx, o)
		if err == nil {
			s.maintenance = verified{found: found}
		}
		return s, err
	}
	p := launch(t, open, map[string]string{adminTokenVariable: adminToken}, "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"))
	url := p.await(t, "listening")["url"].(string)
	p.await(t, "ready")
	t.Cleanup(func() {
		p.stop()
		p.end(t, ExitOK)
	})
	return map[string]string{"METERBOOK_URL": url, "METERBOOK_TOKEN": adminToken}
}

func TestADifferenceThatAServerFindsHasItsExitCodeAndIsNamed(t *testing.T) {
	t.Parallel()
	variables := serveVerified(t, &report.Verification{Observations: 10, Retracted: 1, IDs: 11, Timelines: 3, Days: 4, Total: 3, Differences: []report.Difference{
		{Check: "usage", Of: "a volume of project 10", Stored: "7 GB-minutes", Want: "8 GB-minutes"},
		{Check: "ids", Of: "id a of source /s", Stored: "nothing", Want: "observation 4"},
	}})
	want := "usage: a volume of project 10\n  stored:    7 GB-minutes\n  should be: 8 GB-minutes\n" +
		"ids: id a of source /s\n  stored:    nothing\n  should be: observation 4\n... and 1 more\n" +
		"verified 10 observations (1 retracted), 11 ids, 3 timelines, 4 days of quantities: 3 differences\n"
	url, token := variables["METERBOOK_URL"], map[string]string{"METERBOOK_TOKEN": adminToken}
	if out, log := command(t, token, ExitDiffers, "verify", "--server", url); out != want || log != "" {
		t.Errorf("verify printed %q, %q, want %q", out, log, want)
	}
	var v client.Verification
	out, log := command(t, variables, ExitDiffers, "verify", "-o", "json")
	if err := json.Unmarshal([]byte(out), &v); err != nil || log != "" || v.DifferencesTotal != 3 || len(v.Differences) != 2 || v.Differences[1].Of != "id a of source /s" {
		t.Errorf("verify printed %s, %q: %v", out, log, err)
	}
}

func TestAServerThatFindsNoDifferenceHasItsStoreVerified(t *testing.T) {
	t.Parallel()
	const want = "verified 10 observations (0 retracted), 0 ids, 0 timelines, 0 days of quantities: all is as it should be\n"
	if out, log := command(t, serveVerified(t, &report.Verification{Observations: 10}), ExitOK, "verify"); out != want || log != "" {
		t.Errorf("verify printed %q, %q", out, log)
	}
}

func TestAVerificationThatBreaksOffSaysNothingOfTheStore(t *testing.T) {
	t.Parallel()
	out, log := command(t, serveVerified(t, nil), ExitUnavailable, "verify", "--attempts", "1")
	if out != "" || !strings.Contains(log, "The server stopped in the middle of its answer") {
		t.Errorf("verify printed %q, %q", out, log)
	}
}
