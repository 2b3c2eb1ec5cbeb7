package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/e2e/server"
)

// faulty is a page that does what the console's must not.
const faulty = `<!doctype html><html lang="en"><title>Faulty</title><body><main><h1>Faulty</h1>
<img src="https://elsewhere.invalid/x.png"><img src="x" onerror="alert('run')"><p style="width: 3000px">Wide</p>
<div><a href="#a">Over</a></div><div class="up"><a href="#b">Under</a></div>
<p class="grey">Hardly seen</p><table><tr><td class="cut">A very long text that is cut</td></tr></table>
<style>.up { margin-top: -18px } .grey { color: #ccc } .cut { display: block; width: 20px; overflow: hidden; white-space: nowrap }</style>
<script>console.error('said'); notThere()</script></main>`

// TestTheWatchSeesWhatPagesMustNotDo shows each check failing.
func TestTheWatchSeesWhatPagesMustNotDo(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/strict" {
			w.Header().Set("Content-Security-Policy", "default-src 'none'")
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, faulty)
	}))
	t.Cleanup(site.Close)
	b := (&process{t: t, Process: &server.Process{Address: site.Listener.Addr().String()}}).visitor(t)
	b.open("/loose")
	found := strings.Join(b.seen.faults(), "\n")
	found += strings.Join(evaluate[[]string](b, overflows), "\n") + strings.Join(evaluate[[]string](b, overlaps), "\n")
	found += strings.Join(b.violations(), "\n")
	b.open("/strict")
	found += strings.Join(b.seen.faults(), "\n")
	for _, want := range []string{
		"request to another host: https://elsewhere.invalid/x.png", executedBinding + ": run", "console error: \"said\"", "script failed: Uncaught",
		"the page is 3008 wide", "is cut: <td", "lies over <a href=\"#b\"", "color-contrast", "image-alt", blockedBinding + ": img-src",
	} {
		if !strings.Contains(found, want) {
			t.Errorf("nobody saw %q in:\n%s", want, found)
		}
	}
}
