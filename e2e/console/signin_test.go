package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/meterbook/meterbook/client"
)

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.visitor(t)
	b.open("/")
	if b.at() != "/signin?next=%2Fusage" && b.at() != "/signin" {
		t.Fatalf("without a key one is at %s", b.at())
	}
	for _, wrong := range []string{"nobody$0123456789abcdef", rootToken + "x", "nonsense"} {
		b.fill("Token", wrong)
		if status := b.follow("button", "Sign in"); status != http.StatusUnauthorized {
			t.Errorf("%s: status %d", wrong, status)
		}
		b.shows("Sign in")
		b.showsNot(wrong)
		if b.text("[role=alert]") == "" {
			t.Errorf("%s: nothing says what is wrong", wrong)
		}
	}
	b.signIn(rootToken)
	if !strings.HasPrefix(b.at(), "/usage") {
		t.Errorf("sign-in leads to %s", b.at())
	}
	for _, c := range b.cookies() {
		if !c.HTTPOnly || c.SameSite == "" || strings.Contains(c.Value, strings.Split(rootToken, "$")[1]) {
			t.Errorf("cookie %+v", c)
		}
	}
	if got := evaluate[string](b, "document.cookie"); got != "" {
		t.Errorf("scripts read the cookie %s", got)
	}
	b.signOut()
	b.shows("You have signed out")
	b.back()
	b.await("location.pathname === '/signin'")
	b.showsNot("console-root")
}

// signOut uses the menu of the key.
func (b *tab) signOut() {
	b.t.Helper()
	b.do(b.clickAt(`document.querySelector("details.menu > summary")`))
	b.follow("button", "Sign out")
	if !strings.HasPrefix(b.at(), "/signin") {
		b.t.Fatalf("signing out leads to %s", b.at())
	}
}

func TestLinkIsOpenedAfterSigningIn(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	const link = "/admin/projects?q=labor"
	b := p.visitor(t)
	b.open(link)
	b.shows("Sign in")
	b.signIn(rootToken)
	if b.at() != link {
		t.Errorf("one is at %s", b.at())
	}
	b.shows("Laboratory")
	b.showsNot("Rival")
}

func TestEndedSessionAsksForTheKeyAgain(t *testing.T) {
	t.Parallel()
	p := start(t)
	b := p.signedIn(t, rootToken)
	held := b.cookies()
	for _, c := range held {
		b.setCookie(c, "someone-elses-session")
	}
	b.open("/admin/keys")
	if got := b.query().Get("next"); got != "/admin/keys" {
		t.Errorf("one is at %s", b.at())
	}
	b.shows("Your session has ended")
	b.signIn(rootToken)
	p.restart() // sessions are in memory
	b.open("/admin/regions")
	b.shows("Your session has ended")
	b.signIn(rootToken)
	if b.at() != "/admin/regions" {
		t.Errorf("one is at %s", b.at())
	}
}

func TestRevokedKeyIsOutAtOnce(t *testing.T) {
	t.Parallel()
	p := start(t)
	k := p.key(client.NewKey{Name: "Somebody who leaves", Roles: []string{client.RoleAdmin}})
	b := p.signedIn(t, k.Token)
	b.open("/admin/keys")
	b.shows("Somebody who leaves")
	if err := p.api(rootToken).RevokeKey(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	b.follow("link", "Projects")
	if !strings.HasPrefix(b.at(), "/signin") {
		t.Errorf("one is at %s", b.at())
	}
	b.shows("not accepted any more")
}

func TestTwoTabsAreOneSession(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	one := p.signedIn(t, rootToken)
	other := one.another()
	one.open("/admin/projects")
	other.open("/admin/regions")
	one.follow("link", "Clients")
	one.shows("The company acme")
	other.follow("link", "76")
	if one.at() != "/admin/clients" || other.at() != "/admin/regions/76" {
		t.Errorf("the tabs are at %s and %s", one.at(), other.at())
	}
	other.signOut()
	one.follow("link", "Keys")
	if !strings.HasPrefix(one.at(), "/signin") {
		t.Errorf("the first tab is at %s", one.at())
	}
}

func TestThemeIsKept(t *testing.T) {
	t.Parallel()
	p := start(t)
	b := p.visitor(t)
	b.prefer("light")
	b.open("/signin")
	light := evaluate[string](b, "getComputedStyle(document.body).backgroundColor")
	for range 2 { // auto, light, dark
		b.load(b.clickAt(`document.querySelector("form.theme button")`))
	}
	dark := evaluate[string](b, "getComputedStyle(document.body).backgroundColor")
	if light == dark {
		t.Errorf("light and dark are both %s", light)
	}
	b.signIn(rootToken)
	if got := evaluate[string](b, "getComputedStyle(document.body).backgroundColor"); got != dark {
		t.Errorf("after signing in it is %s, not %s", got, dark)
	}
	b.checkAxe("chosen dark")
}

func TestAKeyIsMadeByKeyboardAlone(t *testing.T) {
	t.Parallel()
	p := start(t)
	b := p.visitor(t)
	b.open("/signin")
	b.tabTo("Token")
	b.write(rootToken)
	b.load(chromedp.KeyEvent(kb.Enter))
	b.tabTo("Admin")
	b.load(chromedp.KeyEvent(kb.Enter))
	b.tabTo("New key")
	b.load(chromedp.KeyEvent(kb.Enter))
	b.tabTo("Name")
	b.write("Made without a mouse")
	b.tabTo("writer: sends events, and nothing else")
	b.press(" ")
	b.tabTo("volume")
	b.press(" ")
	b.tabTo("Make the key")
	b.load(chromedp.KeyEvent(kb.Enter))
	b.tabTo("Token") // whose field has the focus already
	b.shows("Made without a mouse")
	token := evaluate[string](b, "document.querySelector('#token').value")
	k := must(p.api(token).OwnKey(t.Context()))(t)
	if k.Name != "Made without a mouse" || len(k.Roles) != 2 || len(k.Types) != 1 || k.Types[0] != "volume" {
		t.Errorf("key %+v", k)
	}
	b.do(chromedp.Reload())
	b.shows("A token is shown only once")
	b.showsNot(token)
	b.back()
	b.showsNot(token)
}

// tabTo presses Tab until what has the focus says so, which must be seen.
func (b *tab) tabTo(name string) {
	b.t.Helper()
	var passed []string
	for range 200 {
		at := evaluate[struct {
			Says []string
			Seen bool
		}](b, `(() => {
  const e = document.activeElement, s = getComputedStyle(e), tidy = t => (t || '').replace(/\s+/g, ' ').trim();
  return {
    Says: [e.innerText, e.getAttribute('aria-label'), ...[...(e.labels || [])].map(l => l.innerText)].map(tidy),
    Seen: e === document.body || e.tagName === 'MAIN' || (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 1),
  };
})()`)
		if !at.Seen {
			b.t.Errorf("the focus on %q is not seen", at.Says)
		}
		for _, says := range at.Says {
			if says == name {
				return
			}
		}
		passed = append(passed, strings.Join(at.Says, "|"))
		b.press(kb.Tab)
	}
	b.t.Fatalf("at %s Tab never leads to %q, but to %q", b.at(), name, passed)
}
