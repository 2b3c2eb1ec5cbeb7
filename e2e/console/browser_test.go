// Package console drives the console of a started server with a real Chromium,
// as people do: it signs in, clicks, types, goes back, opens links in other tabs,
// and looks at what it sees. Figures on a page must be those of the API.
//
// Every tab is watched all the time. It fails its test when a script fails, when
// the policy of a page has to keep something from happening, when a text that a
// source told is run as script, and when a request leaves the server's origin.
// Where something is missing, Chromium for instance, the tests fail.
package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const (
	binaryVariable   = "METERBOOK_BINARY"   // the built program
	chromiumVariable = "METERBOOK_CHROMIUM" // the browser, "chromium" unless it is set
)

// TestMain builds the program as it is shipped unless METERBOOK_BINARY names
// one, and ends the browser that all tests share.
func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "meterbook-console-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if os.Getenv(binaryVariable) == "" {
		binary := filepath.Join(dir, "meterbook")
		build := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/meterbook")
		build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build the program: %w\n%s", err, out)
		}
		if err := os.Setenv(binaryVariable, binary); err != nil {
			return 1, err
		}
	}
	if _, err := chromium(); err != nil {
		return 1, err
	}
	code = m.Run()
	browser, err := chromium()
	return code, errors.Join(err, chromedp.Cancel(browser))
}

// chromium starts the browser that all tests share; each has its own cookies.
var chromium = sync.OnceValues(startChromium)

func startChromium() (context.Context, error) {
	name := os.Getenv(chromiumVariable)
	if name == "" {
		name = "chromium"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, fmt.Errorf("find the browser: %w; install Debian's package chromium, or name another one in %s", err, chromiumVariable)
	}
	fonts, err := filepath.Abs("testdata/fonts.conf")
	if err != nil {
		return nil, err
	}
	allocator, _ := chromedp.NewExecAllocator(context.Background(), chromedp.Env("FONTCONFIG_FILE="+fonts),
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true), chromedp.CombinedOutput(io.Discard))
	browser, _ := chromedp.NewContext(allocator)
	if err := chromedp.Do(browser); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return browser, nil
}

// stepTimeout bounds one action of a tab on a busy machine; axe-core looks long at
// the reference of the API.
const stepTimeout = 2 * time.Minute

// tab is one tab of a browser.
type tab struct {
	t    *testing.T
	p    *process
	ctx  context.Context
	seen *watch
}

// visitor opens a tab in a browser without any cookie.
func (p *process) visitor(t *testing.T) *tab {
	t.Helper()
	browser, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	return p.openTab(t, browser, chromedp.WithNewBrowserContext())
}

// signedIn opens a tab in a browser of its own and signs in.
func (p *process) signedIn(t *testing.T, token string) *tab {
	t.Helper()
	b := p.visitor(t)
	b.open("/")
	b.signIn(token)
	return b
}

// another opens a second tab of the same browser, with the same cookies.
func (b *tab) another() *tab {
	b.t.Helper()
	return b.p.openTab(b.t, b.ctx)
}

func (p *process) openTab(t *testing.T, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := &tab{t: t, p: p, seen: &watch{origin: p.URL("")}}
	var end context.CancelFunc
	b.ctx, end = chromedp.NewContext(parent, append(options, chromedp.WithListener(b.seen.see))...)
	t.Cleanup(func() {
		b.checkFaults()
		if t.Failed() {
			b.picture("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		end()
	})
	if err := chromedp.Do(b.ctx); err != nil { // the tab lives as long as the context of its first step
		t.Fatal(err)
	}
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, name := range []string{blockedBinding, executedBinding} {
			if _, err := cdp.Call(ctx, t, runtime.AddBinding, runtime.AddBindingParams{Name: name}); err != nil {
				return err
			}
		}
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watchScript})
		return err
	}))
	b.size(desktop)
	return b
}

func (b *tab) checkFaults() {
	b.t.Helper()
	for _, f := range b.seen.faults() {
		b.t.Errorf("in the browser: %s", f)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// evaluate runs an expression of JavaScript in the page. Texts stand in it as %s.
func evaluate[T any](b *tab, expression string, texts ...string) T {
	b.t.Helper()
	if len(texts) > 0 {
		quoted := make([]any, len(texts))
		for i, text := range texts {
			quoted[i] = quote(text)
		}
		expression = fmt.Sprintf(expression, quoted...)
	}
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%.200s: %v", expression, err)
	}
	return value
}

// load does what leads to another page, waits until that is loaded, and returns
// its status.
func (b *tab) load(steps ...chromedp.Action[chromedp.Void]) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	response, err := chromedp.RunResponse(ctx, steps...)
	if err != nil {
		b.t.Fatalf("at %s: wait for the next page: %v", b.at(), err)
	}
	if response == nil { // from the history
		return http.StatusOK
	}
	return int(response.Status)
}

// open types a path into the address bar; the page must be one of success.
func (b *tab) open(path string) {
	b.t.Helper()
	if status := b.visit(path); status != http.StatusOK {
		b.t.Fatalf("%s: status %d\n%s", path, status, b.text("body"))
	}
}

// visit types a path into the address bar and returns the status.
func (b *tab) visit(path string) int {
	b.t.Helper()
	return b.load(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.Navigate, page.NavigateParams{URL: b.p.URL(path)})
		return err
	}))
}

// at is the path and query of the page.
func (b *tab) at() string {
	b.t.Helper()
	return evaluate[string](b, "location.pathname + location.search")
}

// query is the query of the page's address.
func (b *tab) query() url.Values {
	b.t.Helper()
	return must(url.ParseQuery(evaluate[string](b, "location.search.slice(1)")))(b.t)
}

// text is what people see of an element.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return evaluate[string](b, "(document.querySelector(%s) || {innerText: ''}).innerText.trim()", selector)
}

// texts is what people see of all elements that match.
func (b *tab) texts(selector string) []string {
	b.t.Helper()
	return evaluate[[]string](b, "[...document.querySelectorAll(%s)].map(e => e.innerText.trim())", selector)
}

// shows demands that the page shows a text.
func (b *tab) shows(want string) {
	b.t.Helper()
	if got := b.text("body"); !strings.Contains(got, want) {
		b.t.Errorf("%s does not show %q:\n%s", b.at(), want, got)
	}
}

// showsNot demands that a text is nowhere in the page's source.
func (b *tab) showsNot(unwanted string) {
	b.t.Helper()
	if got := evaluate[string](b, "document.documentElement.outerHTML"); strings.Contains(got, unwanted) {
		b.t.Errorf("%s has %q", b.at(), unwanted)
	}
}

// find is script that finds a control as people do: by what it says. It must be
// visible, and nothing may lie over it.
const find = `((kind, name) => {
  const tidy = s => (s || '').replace(/\s+/g, ' ').trim();
  const shown = e => e.checkVisibility({visibilityProperty: true, opacityProperty: true});
  const said = e => [tidy(e.innerText), tidy(e.getAttribute('aria-label')), tidy(e.title), tidy(e.value)];
  const labels = e => [...(e.labels || [])].map(l => tidy(l.innerText)).concat([tidy(e.getAttribute('aria-label')), tidy(e.placeholder)]);
  const kinds = {
    link: () => [...document.querySelectorAll('a[href]')].filter(e => said(e).slice(0, 3).includes(name)),
    button: () => [...document.querySelectorAll('button, input[type=submit], summary, [role=button], [role=tab]')].filter(e => said(e).includes(name)),
    field: () => [...document.querySelectorAll('input, select, textarea')].filter(e => labels(e).includes(name)),
  };
  const all = kinds[kind]().filter(shown);
  if (all.length === 0) throw new Error('no ' + kind + ' says ' + JSON.stringify(name) + ' at ' + location.href + '\n' + document.body.innerText);
  return all[0];
})(%s, %s)`

// click clicks on a link, button or field by what it says.
func (b *tab) click(kind, name string) {
	b.t.Helper()
	b.do(b.clickOn(kind, name))
}

// follow clicks on what leads to another page, and returns its status.
func (b *tab) follow(kind, name string) int {
	b.t.Helper()
	return b.load(b.clickOn(kind, name))
}

func (b *tab) clickOn(kind, name string) chromedp.Action[chromedp.Void] {
	b.t.Helper()
	return b.clickAt(fmt.Sprintf(find, quote(kind), quote(name)))
}

// clickAt clicks into the middle of the element that the expression gives.
func (b *tab) clickAt(expression string) chromedp.Action[chromedp.Void] {
	b.t.Helper()
	at := evaluate[[2]float64](b, `(e => {
  e.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
  const r = e.getClientRects()[0], x = r.left + r.width / 2, y = r.top + r.height / 2;
  const hit = document.elementFromPoint(x, y);
  if (!e.contains(hit) && !(hit && hit.contains(e)) && ![...(e.labels || [])].some(l => l.contains(hit)))
    throw new Error(e.outerHTML + ' is covered by ' + (hit && hit.outerHTML.slice(0, 200)));
  return [x, y];
})(`+expression+`)`)
	return chromedp.MouseClickXY(at[0], at[1])
}

func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

// fill types a text into a field, instead of what it had.
func (b *tab) fill(name, text string) {
	b.t.Helper()
	field := fmt.Sprintf(find, quote("field"), quote(name))
	if evaluate[bool](b, `((e, text) => {
  e.focus();
  if (e.tagName !== 'SELECT' && !['date', 'datetime-local', 'month', 'number'].includes(e.type)) {
    e.select();
    return false;
  }
  e.value = text;
  if (e.value !== text) throw new Error(e.outerHTML + ' does not take ' + text);
  for (const type of ['input', 'change']) e.dispatchEvent(new Event(type, {bubbles: true}));
  return true;
})(`+field+`, `+quote(text)+`)`) {
		return
	}
	if text == "" {
		b.press(kb.Backspace)
		return
	}
	b.write(text)
}

// write types a text where the focus is.
func (b *tab) write(text string) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.InsertText, input.InsertTextParams{Text: text})
		return err
	}))
}

// press presses a key, such as kb.Tab.
func (b *tab) press(key string, options ...chromedp.KeyOption) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(key, options...))
}

// back presses the button of the browser. A page that the browser kept whole is
// not loaded at once, so there is no event to wait for.
func (b *tab) back() {
	b.t.Helper()
	history := must(chromedp.Run(b.ctx, chromedp.NavigationEntries()))(b.t)
	before := history.CurrentIndex - 1
	if before < 0 {
		b.t.Fatalf("there is nothing before %s", b.at())
	}
	must(chromedp.Call(b.ctx, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: history.Entries[before].ID}))(b.t)
	b.until(func() bool {
		now, err := chromedp.Run(b.ctx, chromedp.NavigationEntries())
		return err == nil && now.CurrentIndex == before
	})
	// One that was kept whole loads itself anew; before, it is still of the type "navigate".
	b.await("document.readyState === 'complete' && performance.getEntriesByType('navigation')[0].type !== 'navigate'")
}

// await waits until an expression is true, on whatever page that is.
func (b *tab) await(expression string) {
	b.t.Helper()
	b.until(func() bool {
		is, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		return err == nil && is // an error: the page changes right now
	})
}

func (b *tab) until(done func() bool) {
	b.t.Helper()
	late := time.After(stepTimeout)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-late:
			b.t.Fatalf("waited in vain for %s, at %s", stepTimeout, b.at())
		case <-again.C:
		}
	}
}

// signIn fills the form of /signin. The page behind it must be there.
func (b *tab) signIn(token string) {
	b.t.Helper()
	b.fill("Token", token)
	if status := b.follow("button", "Sign in"); status != http.StatusOK || strings.HasPrefix(b.at(), "/signin") {
		b.t.Fatalf("sign-in: status %d at %s\n%s", status, b.at(), b.text("body"))
	}
}

// cookies are those that the browser would send to the console.
func (b *tab) cookies() []*network.Cookie {
	b.t.Helper()
	all := must(chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.p.URL("/")}}))(b.t)
	return all.Cookies
}

// setCookie sets a cookie as the server did.
func (b *tab) setCookie(c *network.Cookie, value string) {
	b.t.Helper()
	must(chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{
		Name: c.Name, Value: value, URL: b.p.URL("/"), Path: c.Path, HTTPOnly: &c.HTTPOnly, SameSite: c.SameSite,
	}))(b.t)
}
