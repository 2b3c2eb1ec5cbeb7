package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestDemoShowsAReportAndServesOn(t *testing.T) {
	t.Parallel()
	p := launch(t, nil, nil, "demo", "--resources", "200", "--listen", "127.0.0.1:0")
	var messages []string
	for line := range p.lines {
		if messages = append(messages, line); strings.HasPrefix(line, "Loaded ") {
			break
		}
	}
	if log := strings.Join(messages, "\n"); !strings.Contains(log, "events: 100 %\nLoaded ") {
		t.Errorf("messages %s", log)
	}
	out := p.awaitOutput(t, "Ctrl-C stops it.")
	for _, want := range []string{"greatest values first", "│ egress_traffic │", "Totals of all", "Authorization: apikey "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
	environment := regexp.MustCompile(`METERBOOK_URL=(\S+) METERBOOK_TOKEN='(\S+)'`).FindStringSubmatch(out)
	dir := regexp.MustCompile(`its store in (\S+)\. Ask`).FindStringSubmatch(out)
	period := regexp.MustCompile(`--from (\S+) --to (\S+)`).FindStringSubmatch(out)
	if environment == nil || dir == nil || period == nil {
		t.Fatalf("nothing to go on with in %s", out)
	}

	// The command that it offers works.
	variables := map[string]string{"METERBOOK_URL": environment[1], "METERBOOK_TOKEN": environment[2]}
	asked := launch(t, nil, variables, "report", "--from", period[1], "--to", period[2], "-o", "ndjson")
	asked.end(t, ExitOK)
	if n := strings.Count(asked.stdout.String(), "\n"); n < 200 {
		t.Errorf("%d lines, want at least one for each resource", n)
	}
	if _, err := os.Stat(dir[1]); err != nil {
		t.Error(err)
	}
	p.stop()
	p.end(t, ExitOK)
	if _, err := os.Stat(dir[1]); !os.IsNotExist(err) {
		t.Errorf("the temporary store is still there: %v", err)
	}
}

func TestDemoKeepsItsStoreAndServesItAgain(t *testing.T) {
	t.Parallel()
	args := []string{"demo", "--exit", "--resources", "50", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "store")}
	first := launch(t, nil, nil, args...)
	if log := first.end(t, ExitOK); !strings.Contains(log, "Loaded ") {
		t.Errorf("log %s", log)
	}
	second := launch(t, nil, nil, args...)
	if log := second.end(t, ExitOK); !strings.Contains(log, "has data already; nothing is loaded") {
		t.Errorf("log %s", log)
	}
	if one, two := first.stdout.String(), second.stdout.String(); one != two || !strings.Contains(one, "Totals of all") {
		t.Errorf("first it printed %s, then %s", one, two)
	}
}

func TestDemoLeavesNoKeyBehind(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	for range 2 {
		demo := launch(t, nil, nil, "demo", "--exit", "--resources", "25", "--listen", "127.0.0.1:0", "--data", dir)
		demo.end(t, ExitOK)
	}
	// To serve, the store is one that was never started.
	p := launch(t, nil, nil, "serve", "--listen", "127.0.0.1:0", "--data", dir)
	url := p.await(t, "listening")["url"].(string)
	p.await(t, "ready")
	token := regexp.MustCompile(`(?m)^  (\S+\$\S+)$`).FindStringSubmatch(p.awaitOutput(t, "To use it:"))
	if token == nil {
		t.Fatalf("no token in %s", p.stdout.String())
	}
	keys, err := connectTo(t, url, token[1]).Keys(t.Context())
	if err != nil || len(keys) != 1 || keys[0].ID != strings.Split(token[1], "$")[0] {
		t.Errorf("keys %+v, %v; want the first admin's alone", keys, err)
	}
	p.stop()
	p.end(t, ExitOK)
}

func TestDemoTakesTheNextFreePort(t *testing.T) {
	t.Parallel()
	// Whoever comes first takes the default address; the second one must find
	// another. It may be taken by somebody else already: then both do.
	first := launch(t, nil, nil, "demo", "--resources", "25")
	one := first.awaitOutput(t, "Ctrl-C stops it.")
	second := launch(t, nil, nil, "demo", "--resources", "25", "--exit")
	second.end(t, ExitOK)
	if !strings.Contains(one, "The server is at http://127.0.0.1:80") || !strings.Contains(second.stdout.String(), "Totals of all") {
		t.Errorf("first %s, then %s", one, second.stdout.String())
	}
	first.stop()
	first.end(t, ExitOK)
}
