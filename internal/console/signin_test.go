package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

func TestSignInLeadsToWhereOneWanted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	b.get("/").leads("/usage")
	b.get("/usage?sort=type.asc").leads("/signin?next=%2Fusage%3Fsort%3Dtype.asc")
	b.get("/signin?next=%2Fusage%3Fsort%3Dtype.asc").want(200).shows(`name="next" value="/usage?sort=type.asc"`).hides(`role="status"`)
	in := b.post("/signin", url.Values{"token": {"  " + s.root + "\n"}, "next": {"/usage?sort=type.asc"}}).leads("/usage?sort=type.asc")
	cookie := in.header.Get("Set-Cookie")
	for _, want := range []string{sessionCookie + "=", "Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=43200"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %s lacks %s", cookie, want)
		}
	}
	if strings.Contains(cookie, "Secure") || strings.Contains(cookie, strings.Split(s.root, "$")[1]) {
		t.Errorf("cookie %s", cookie)
	}
	b.get("/usage").want(200).shows("<h1>Usage</h1>").hides(s.root)
	b.get("/signin?next=/usage").leads("/usage")
}

func TestCookieIsSecureOverTLS(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for header, secure := range map[string]bool{"https": true, "HTTPS": true, "http": false, "": false} {
		got := s.browser().post("/signin", url.Values{"token": {s.root}}, "X-Forwarded-Proto: "+header).leads("/").header.Get("Set-Cookie")
		if strings.Contains(got, "; Secure") != secure {
			t.Errorf("%q: %s", header, got)
		}
	}
}

func TestWrongKeyIsToldInTheForm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	revoked := s.key(client.NewKey{Roles: []string{client.RoleReader}})
	if err := s.admin.RevokeKey(t.Context(), idOf(revoked)); err != nil {
		t.Fatal(err)
	}
	b.post("/signin", url.Values{"token": {"nobody$0123456789abcdef"}, "next": {"/usage?a=b"}}).want(401).
		shows(`role="alert">No key in force has this token: `, `aria-invalid="true"`, `value="/usage?a=b"`).hides("0123456789abcdef")
	b.post("/signin", url.Values{"token": {revoked}}).want(401).shows("expired or was revoked")
	b.post("/signin", url.Values{"token": {"secret"}}).want(401).shows("&lt;id&gt;$&lt;secret&gt;").hides("Authorization")
	b.post("/signin", url.Values{"token": {"schlüssel"}}).want(401).shows("character outside ASCII")
	b.post("/signin", url.Values{}).want(400).shows("Paste the key&#39;s token")
	b.get("/usage").leads("/signin?next=%2Fusage")
}

func idOf(token string) string { return strings.Split(token, "$")[0] }

func TestWrongKeysAreSlowedByAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.browser()
	wrong := url.Values{"token": {"nobody$0123456789abcdef"}}
	for range maxWrongKeys {
		b.post("/signin", wrong).want(401)
	}
	refused := b.post("/signin", wrong).want(429).shows("Too many wrong keys came from your address. Try again in 3 s.")
	if refused.header.Get("Retry-After") != "3" {
		t.Errorf("Retry-After %s", refused.header.Get("Retry-After"))
	}
	b.post("/signin", url.Values{"token": {s.root}}).want(429)
	s.clock.advance(wrongKeyInterval - time.Second)
	b.post("/signin", wrong).want(429).shows("in 1 s")
	s.clock.advance(time.Second)
	b.post("/signin", url.Values{"token": {s.root}}).want(303) // a right one costs nothing
	b.post("/signin", wrong).want(401)
	b.post("/signin", wrong).want(429)
}

func TestWrongKeysAreCountedByNetwork(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7:81": "192.0.2.7", "[::ffff:192.0.2.7]:81": "192.0.2.7",
		"[2001:db8:1:2:3::4]:81": "2001:db8:1:2::/64", "[fe80::1%eth0]:81": "fe80::/64", "@": "@", "host:1": "host",
	} {
		if got := network(address); got != want {
			t.Errorf("%s counts as %s, want %s", address, got, want)
		}
	}
	clock := &handClock{}
	a := newAttempts(clock.now)
	for range maxWrongKeys {
		a.note("192.0.2.7:1")
	}
	if a.wait("192.0.2.7:2") == 0 || a.wait("192.0.2.8:1") != 0 {
		t.Error("the wrong address waits")
	}
	for n := range maxWatched - 1 {
		a.note(string(rune(0x4e00 + n)))
	}
	if a.wait("192.0.2.7:2") == 0 {
		t.Error("forgotten at the limit")
	}
	if a.note("one more"); a.wait("192.0.2.7:2") != 0 || len(a.mu.wrong) != 1 {
		t.Error("more is remembered than the limit")
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	s.clock.advance(sessionIdleMax - 1)
	b.get("/usage").want(200)
	s.clock.advance(sessionIdleMax)
	b.get("/usage?sort=x").leads("/signin?next=%2Fusage%3Fsort%3Dx&reason=ended")
	b.get("/signin?next=%2Fusage&reason=ended").shows("Your session has ended.", `value="/usage"`)
	b.get("/usage").leads("/signin?next=%2Fusage") // the cookie is gone

	b = s.signedIn(s.root)
	for range int(sessionAgeMax/time.Hour) - 1 {
		s.clock.advance(time.Hour)
		b.get("/usage").want(200)
	}
	s.clock.advance(time.Hour)
	b.get("/usage").leads("/signin?next=%2Fusage&reason=ended")
}

func TestSigningOutEndsTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b, other := s.signedIn(s.root), s.signedIn(s.root)
	held := b.http.Jar.Cookies(mustParse(t, s.server.URL))
	b.post("/signout", nil).leads("/signin?reason=left")
	b.get("/signin?reason=left").shows("You have signed out.")
	b.get("/usage").leads("/signin?next=%2Fusage")
	b.http.Jar.SetCookies(mustParse(t, s.server.URL), held)
	b.get("/usage").leads("/signin?next=%2Fusage&reason=ended")
	other.get("/usage").want(200)
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestRevokedKeyEndsTheSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.key(client.NewKey{Roles: []string{client.RoleReader}})
	b := s.signedIn(token)
	b.get("/usage").want(200)
	if err := s.admin.RevokeKey(t.Context(), idOf(token)); err != nil {
		t.Fatal(err)
	}
	b.get("/usage?sort=x").leads("/signin?next=%2Fusage%3Fsort%3Dx&reason=refused")
	b.get("/signin?reason=refused").shows("expired or was revoked")
}

func TestNobodyIsLedElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, next := range []string{
		"https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "usage", "",
		"/\t/evil.example", "/%0d%0aSet-Cookie:x\n", "http:/usage", "/ü", "///evil.example",
		"/%2Fevil.example/^", "/%2f/evil.example/{", "/%2F%2Fevil.example/\"",
	} {
		if got := localAddress(next); got != "/" {
			t.Errorf("%q leads to %q", next, got)
		}
		s.browser().post("/signin", url.Values{"token": {s.root}, "next": {next}}).leads("/")
		s.signedIn(s.root).post("/theme", url.Values{"theme": {"dark"}, "next": {next}}).leads("/")
	}
	for _, next := range []string{"/usage", "/usage?from=2024-07-01&tag=a%3Db", "/resource/1/2/volume/x", "/usage?u=https://evil.example/"} {
		if got := localAddress(next); got != next {
			t.Errorf("%q leads to %q", next, got)
		}
	}
}

func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	for _, header := range []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site", "Origin: https://evil.example", "Origin: null"} {
		for _, path := range []string{"/signin", "/signout", "/theme"} {
			b.post(path, url.Values{"token": {s.root}}, header).want(403).shows("This form came from another site")
		}
	}
	b.get("/usage", "Sec-Fetch-Site: cross-site").want(200) // a link may come from anywhere
	b.post("/theme", nil, "Sec-Fetch-Site: same-origin").leads("/")
}

func TestLargeFormIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	fits := strings.Repeat("x", maxFormBytes-len("token="))
	s.browser().post("/signin", url.Values{"token": {fits}}).want(401)
	s.browser().post("/signin", url.Values{"token": {fits + "x"}}).want(400).shows("The form cannot be read")
}

func TestWritersLearnWhatTheirKeyIsFor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.key(client.NewKey{Name: "collector", Roles: []string{client.RoleWriter}}))
	b.get("/usage").want(403).shows("it can send events to /v1/events, and nothing else", "collector").hides(`href="/usage"`)
}

func TestRolesThatChangeShowAfterAMinute(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.key(client.NewKey{Roles: []string{client.RoleWriter}})
	b := s.signedIn(token)
	if _, err := s.admin.UpdateKey(t.Context(), idOf(token), client.KeyChange{Roles: []string{client.RoleReader}}); err != nil {
		t.Fatal(err)
	}
	b.get("/usage").want(403)
	s.clock.advance(keyKnownFor)
	b.get("/usage").want(200).shows(`<a href="/usage" aria-current="page">Usage</a>`)
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	clock := &handClock{}
	s := newSessions(clock.now, counting{})
	first := s.begin("a$", &client.Key{ID: "a"})
	for range maxSessionsOfKey - 1 {
		s.begin("a$", &client.Key{ID: "a"})
	}
	if _, inForce := s.use(first.id); !inForce {
		t.Error("ended at the limit of a key")
	}
	// The first was used last now; the second one goes.
	s.begin("a$", &client.Key{ID: "a"})
	if _, inForce := s.use(first.id); !inForce || s.mu.idle.Len() != maxSessionsOfKey {
		t.Errorf("in force %v, %d sessions", inForce, s.mu.idle.Len())
	}
	for n := s.mu.idle.Len(); n < maxSessions; n++ {
		s.mu.byID[sessionID(rune(0x4e00+n))] = s.mu.idle.PushFront(&session{id: sessionID(rune(0x4e00 + n)), key: client.Key{ID: "b"}})
	}
	if s.begin("c$", &client.Key{ID: "c"}); s.mu.idle.Len() != maxSessions || len(s.mu.byID) != maxSessions {
		t.Errorf("%d sessions", s.mu.idle.Len())
	}
	clock.advance(sessionIdleMax)
	if s.begin("c$", &client.Key{ID: "c"}); s.mu.idle.Len() != 1 {
		t.Errorf("%d sessions after all have expired", s.mu.idle.Len())
	}
}

// counting is a source of bytes that differ from read to read.
type counting struct{}

func (counting) Read(p []byte) (int, error) {
	text := time.Now().Format(time.RFC3339Nano)
	return copy(p, strings.Repeat(text, len(p)/len(text)+1)), nil
}

func TestEachSessionHasItsOwnID(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(s.root)
	one := b.http.Jar.Cookies(mustParse(t, s.server.URL))[0].Value
	b.post("/signin", url.Values{"token": {s.root}}).leads("/")
	two := b.http.Jar.Cookies(mustParse(t, s.server.URL))[0].Value
	if one == two || len(one) != 43 || len(two) != 43 {
		t.Errorf("ids %s and %s", one, two)
	}
	old := httptest.NewRequest(http.MethodGet, "/", nil)
	old.AddCookie(&http.Cookie{Name: sessionCookie, Value: one})
	b.get("/usage", "Cookie: "+sessionCookie+"="+one).leads("/signin?next=%2Fusage&reason=ended")
}
