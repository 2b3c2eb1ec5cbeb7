package console

import (
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/meterbook/meterbook/client"
)

func TestPagesAreProtected(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.load()
	b := s.signedIn(s.root)
	inline := regexp.MustCompile(`(?i)<script(?:>|[^>]*[^c]>[^<]+)|<style|\sstyle=|\son[a-z]+=|javascript:`)
	elsewhere := regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//`)
	for _, path := range []string{"/signin", january, "/usage?project=x", "/assets/nothing", "/docs"} {
		got := b.get(path)
		if path == "/signin" {
			got = s.browser().get(path)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": contentSecurityPolicy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, got.header.Get(name))
			}
		}
		if found := inline.FindString(got.body); found != "" {
			t.Errorf("%s has %s", path, found)
		}
		if found := elsewhere.FindString(got.body); found != "" {
			t.Errorf("%s leads to another host: %s", path, found)
		}
	}
	if strings.Contains(contentSecurityPolicy, "unsafe") {
		t.Error(contentSecurityPolicy)
	}
}

func TestAPIIsReachedThroughTheConsole(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	b.get("/v1/key").want(401).shows("not_authenticated")
	b.get("/v1/key", "Authorization: apikey "+s.root).want(200)
	b.get("/healthz").want(200)
	for _, path := range []string{"/nothing", "/v1//key", "/usage/", "/assets/", "/assets/../usage", "/signin/x", "/usage//download"} {
		b.get(path).want(404).shows("NotFoundError")
	}
	b.post("/usage", nil).want(404).shows("NotFoundError")
	// A cookie is no credential of the API.
	s.signedIn(s.root).get("/v1/key").want(401)
}

func TestUnknownPathsAreToldToPeopleAsPagesAndToProgramsAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	const browser, program = "Accept: text/html,application/xhtml+xml;q=0.9", "Accept: application/json"
	for _, path := range []string{"/usage/", "/docs/", "/nothing"} {
		a := b.get(path, browser).want(404).shows("<h1>There is nothing here</h1>")
		if a.header.Get("Content-Security-Policy") == "" {
			t.Errorf("%s has no policy", path)
		}
		b.get(path, program).want(404).shows("NotFoundError")
	}
	b.get("/v1/nothing", browser).want(404).shows("NotFoundError")
	b.get("/healthz", browser).want(200).shows(`"status":"ok"`)
	b.get("/admin").leads("/admin/keys")
}

func TestAssetsAreKeptForEver(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	page := b.get("/usage", "Accept-Encoding: identity").want(200)
	if packed := b.get("/usage", "Accept-Encoding: gzip").want(200); packed.header.Get("Content-Encoding") != "gzip" || len(packed.body) > len(page.body)/3 {
		t.Errorf("the page has %d bytes, packed %d", len(page.body), len(packed.body))
	}
	assets := regexp.MustCompile(`"(/assets/[^"]+)"`).FindAllStringSubmatch(page.body, -1)
	if len(assets) < 4 {
		t.Fatalf("assets %v", assets)
	}
	total := len(page.body)
	for _, match := range assets {
		plain := b.get(match[1], "Accept-Encoding: identity").want(200)
		packed := b.get(match[1], "Accept-Encoding: gzip").want(200)
		reader, err := gzip.NewReader(strings.NewReader(packed.body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil || string(text) != plain.body || len(plain.body) == 0 {
			t.Errorf("%s: %v, unpacked it is another one", match[1], err)
		}
		if cache := plain.header.Get("Cache-Control"); cache != "public, max-age=31536000, immutable" || plain.header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %s", match[1], cache)
		}
		total += len(plain.body)
	}
	if total > 400<<10 {
		t.Errorf("the page weighs %d bytes", total)
	}
	b.get("/assets/console.css").want(404)
	b.get("/assets/chart.LICENSE.md").want(404)
}

func TestThemeIsKept(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	b.get("/usage").shows(`data-theme="auto"`, `name="theme" value="light"`, `name="next" value="/usage"`)
	b.post("/theme", url.Values{"theme": {"dark"}, "next": {"/usage?sort=type.asc"}}).leads("/usage?sort=type.asc")
	b.get("/usage").shows(`data-theme="dark"`, `name="theme" value="auto"`)
	b.post("/theme", url.Values{"theme": {`"><script>`}}).leads("/")
	b.get("/usage").shows(`data-theme="auto"`)
	b.post("/theme", url.Values{"theme": {"dark"}}).leads("/")
	b.get("/usage", "Cookie: "+themeCookie+"=purple").shows(`data-theme="auto"`)
}

func TestSecretsAreNeitherShownNorLogged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.key(client.NewKey{Roles: []string{client.RoleAdmin}})
	secret := strings.Split(token, "$")[1]
	b := s.signedIn(token)
	for _, path := range []string{"/usage", "/usage?project=x", "/signin"} {
		b.get(path).hides(secret)
	}
	if log := s.log.String(); strings.Contains(log, secret) || !strings.Contains(log, idOf(token)) {
		t.Errorf("log %s", log)
	}
}

// pipes is a listener of connections in memory.
type pipes chan net.Conn

// Accept implements net.Listener.
func (p pipes) Accept() (net.Conn, error) {
	if conn, open := <-p; open {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (p pipes) Close() error { close(p); return nil }

// Addr implements net.Listener.
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// TestFormThatOnlyDripsIsCutOff has a clock that goes on when nobody has anything
// to do, so that a busy machine does not cut off the answer, too.
func TestFormThatOnlyDripsIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := &handClock{}
		c := New(Options{API: http.NotFoundHandler(), Logger: slog.New(slog.DiscardHandler), Clock: clock.now, Wall: time.Now})
		server, listener, served := http.Server{Handler: c.Handler()}, make(pipes), make(chan error)
		go func() { served <- server.Serve(listener) }()
		browser, conn := net.Pipe()
		listener <- conn
		if _, err := io.WriteString(browser, "POST /signin HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ntoken="); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(browser) // ends when the server closes the connection
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.Contains(string(answer), "The form cannot be read") {
			t.Errorf("answer %s, error %v", answer, err)
		}
		if err := errors.Join(browser.Close(), server.Close()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
}
