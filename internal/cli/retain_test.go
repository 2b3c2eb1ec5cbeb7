package cli

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/client"
)

// closable are events of July 2024: a floating IP that was replaced a few times.
func closable() string {
	var b strings.Builder
	for i := range 9 {
		fmt.Fprintf(&b, oneEvent+"\n", i)
	}
	return b.String()
}

func TestObservationsOfClosedMonthsAreDropped(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	s := serveStore(t, data)
	if _, err := s.api.SendNDJSON(t.Context(), strings.NewReader(closable())); err != nil {
		t.Fatal(err)
	}
	want := s.report(t)
	dry, log := command(t, s.variables, ExitOK, "retain", "--before", "2024-08", "--dry-run")
	if !strings.HasPrefix(dry, "would drop 0 observations of 0 resources before 2024-08, 0 bytes before compression; 9 that bear") || log != "" {
		t.Errorf("a dry run printed %q, %q", dry, log)
	}
	if _, err := s.api.SendNDJSON(t.Context(), strings.NewReader(strings.NewReplacer(`"active"`, `"deleted"`, `"id":"`, `"id":"end-`, "T00:", "T01:").Replace(closable()))); err != nil {
		t.Fatal(err)
	}
	if s.report(t) == want {
		t.Fatal("the deletions changed nothing")
	}
	want = s.report(t)
	var r client.Retention
	out, _ := command(t, s.variables, ExitOK, "retain", "--before", "2024-08", "-o", "json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Observations != 18 || r.Resources != 9 || r.Before != "2024-08" || r.Bytes == 0 || r.DryRun || r.AlreadyClosed {
		t.Errorf("retain printed %s: %v", out, err)
	}
	if got := s.report(t); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	explained, _ := command(t, s.variables, ExitOK, "explain", "10/76/instance/3c90c3cc-0d44-4b50-8888-000000000001", "--from", "2024-07-01", "--to", "2024-08-01")
	for _, text := range []string{"g1_min = 60 minutes", "The months before 2024-08 are closed: their observations were dropped, what they came to was kept.", "No observation bears"} {
		if !strings.Contains(explained, text) {
			t.Errorf("explain does not say %q:\n%s", text, explained)
		}
	}
	receipt, err := s.api.SendNDJSON(t.Context(), strings.NewReader(closable()))
	if err != nil || receipt.RejectedTotal != 9 || receipt.Rejected[0].Code != "period_closed" {
		t.Errorf("sent again: %+v, %v", receipt, err)
	}
	const verified = "verified 0 observations (0 retracted), 18 ids, 9 timelines, 0 days of quantities: the months before 2024-08 are closed and 18 observations dropped; all is as it should be\n"
	if out, _ := command(t, s.variables, ExitOK, "verify"); out != verified {
		t.Errorf("verify printed %q", out)
	}
	command(t, nil, ExitUnavailable, "retain", "--before", "2024-09", "--data", data)
	s.quit(t)
	if out, _ := command(t, nil, ExitOK, "verify", "--data", data); out != verified {
		t.Errorf("verify printed %q", out)
	}
	again := serveStore(t, data)
	if got := again.report(t); got != want {
		t.Errorf("after a restart: want %s, got %s", want, got)
	}
	again.quit(t)
}

func TestAStoreAtRestIsRetained(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	s := serveStore(t, data)
	if _, err := s.api.SendNDJSON(t.Context(), strings.NewReader(closable()+strings.NewReplacer(`"active"`, `"deleted"`, `"id":"`, `"id":"end-`, "T00:", "T01:").Replace(closable()))); err != nil {
		t.Fatal(err)
	}
	want := s.report(t)
	s.quit(t)
	dry, _ := command(t, nil, ExitOK, "retain", "--before", "2024-08", "--data", data, "--dry-run")
	done, _ := command(t, nil, ExitOK, "retain", "--before", "2024-08", "--data", data)
	if strings.Replace(dry, "would drop", "dropped", 1) != done || !strings.HasPrefix(done, "dropped 18 observations of 9 resources before 2024-08") {
		t.Errorf("a dry run printed %q, the retention %q", dry, done)
	}
	if out, _ := command(t, nil, ExitOK, "retain", "--before", "2024-08", "--data", data); out != "the months before 2024-08 are closed already, and nothing is left to be dropped\n" {
		t.Errorf("once more printed %q", out)
	}
	if _, log := command(t, nil, ExitInput, "retain", "--before", "2024-07", "--data", data); !strings.Contains(log, "closed months stay closed") {
		t.Error(log)
	}
	if _, log := command(t, nil, ExitInput, "retain", "--before", "2999-01", "--data", data); !strings.Contains(log, "has not begun") {
		t.Error(log)
	}
	if _, log := command(t, nil, ExitUsage, "retain", "--before", "July"); !strings.Contains(log, `--before "July" must be a month such as 2025-01`) {
		t.Error(log)
	}
	command(t, nil, ExitUsage, "retain")
	command(t, nil, ExitInput, "retain", "--before", "2024-08", "--data", data+"-missing")
	again := serveStore(t, data)
	if got := again.report(t); got != want {
		t.Errorf("want %s, got %s", want, got)
	}
	again.quit(t)
}
