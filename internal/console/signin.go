package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
)

const sessionCookie = "meterbook_session"

// signInForm is what the sign-in page shows.
type signInForm struct {
	Message string // what is wrong with the key that was given
	Notice  string // why it is asked for
	Next    string // where to go afterwards
}

// The reasons for which somebody is led to the sign-in page.
const (
	reasonEnded   = "ended"   // the session
	reasonRefused = "refused" // the key, which was accepted before
	reasonLeft    = "left"    // signed out
)

func noticeOf(reason string) string {
	switch reason {
	case reasonEnded:
		return "Your session has ended. Sign in again to go on where you were."
	case reasonRefused:
		return "Your key is not accepted any more: it has expired or was revoked. Sign in with another one."
	case reasonLeft:
		return "You have signed out."
	}
	return ""
}

func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	form := signInForm{Notice: noticeOf(query.Get("reason")), Next: localAddress(query.Get("next"))}
	if _, signedIn := c.sessions.use(cookieOf(r)); signedIn {
		redirect(w, r, form.Next)
		return
	}
	c.renderSignIn(w, r, http.StatusOK, form)
}

func (c *Console) renderSignIn(w http.ResponseWriter, r *http.Request, status int, form signInForm) {
	c.render(w, page{"signin", "Sign in", status, form}, frame{Theme: themeOf(r), Here: "/signin"})
}

// signIn begins a session if the API accepts the key.
func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		c.renderSignIn(w, r, http.StatusBadRequest, signInForm{Message: "The form cannot be read: " + err.Error(), Next: "/"})
		return
	}
	form := signInForm{Next: localAddress(r.PostForm.Get("next"))}
	token := strings.TrimSpace(r.PostForm.Get("token"))
	if token == "" {
		form.Message = "Paste the key's token, <id>$<secret>."
		c.renderSignIn(w, r, http.StatusBadRequest, form)
		return
	}
	if wait := c.attempts.wait(r.RemoteAddr); wait > 0 {
		seconds := int((wait + time.Second - 1) / time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		form.Message = fmt.Sprintf("Too many wrong keys came from your address. Try again in %d s.", seconds)
		c.renderSignIn(w, r, http.StatusTooManyRequests, form)
		return
	}
	key, status, err := c.ownKey(r, token)
	if err != nil {
		if status == http.StatusUnauthorized {
			c.attempts.note(r.RemoteAddr)
		}
		form.Message = signInMessage(err)
		c.renderSignIn(w, r, status, form)
		return
	}
	c.sessions.end(cookieOf(r)) // a new session has a new id
	begun := c.sessions.begin(token, key)
	setSessionCookie(w, r, string(begun.id), int(sessionAgeMax/time.Second))
	redirect(w, r, form.Next)
}

// ownKey asks the API whose token it is. With an error comes the status to
// answer with.
func (c *Console) ownKey(r *http.Request, token string) (*client.Key, int, error) {
	api, err := c.connect(token, r)
	if err != nil {
		return nil, http.StatusUnauthorized, err
	}
	key, err := api.OwnKey(r.Context())
	var refused *client.Error
	if errors.As(err, &refused) {
		return nil, refused.Status, err
	}
	return key, http.StatusInternalServerError, err
}

// signInMessage says why a key was not accepted. What the API says of a token is
// about the header of a program's request.
func signInMessage(err error) string {
	var refused *client.Error
	switch {
	case !errors.As(err, &refused):
		return err.Error()
	case refused.Status == http.StatusUnauthorized:
		return "No key in force has this token: it was not copied wholly, or the key has expired or was revoked. It looks like <id>$<secret>."
	}
	return refused.Message
}

// connect makes a client that asks the API in this process, once for each call:
// a person who waits may repeat it.
func (c *Console) connect(token string, r *http.Request) (*client.Client, error) {
	return client.New("http://"+apiHost, token,
		client.WithHTTPClient(&http.Client{Transport: inProcess{c.options.API, r.RemoteAddr}}),
		client.WithRetry(client.RetryPolicy{Attempts: 1}), client.WithVersion(c.options.Version))
}

// apiHost stands in requests that never leave the process.
const apiHost = "meterbook.invalid"

// signOut ends the session.
func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	c.sessions.end(cookieOf(r))
	setSessionCookie(w, r, "", -1)
	redirect(w, r, signInAddress("/", reasonLeft))
}

func signInAddress(next, reason string) string {
	query := url.Values{}
	if next != "/" {
		query.Set("next", next)
	}
	if reason != "" {
		query.Set("reason", reason)
	}
	if len(query) == 0 {
		return "/signin"
	}
	return "/signin?" + query.Encode()
}

func cookieOf(r *http.Request) sessionID {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return "" // no session has it
	}
	return sessionID(cookie.Value)
}

func setSessionCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: isSecure(r), SameSite: http.SameSiteLaxMode,
	})
}

// isSecure reports whether the browser came over TLS, to this server or to a
// proxy before it. Whoever invents the proxy's header keeps only its own cookie
// from being sent.
func isSecure(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// localAddress returns the address if it is one of this server, "/" otherwise:
// nobody is led elsewhere by a link to the console.
func localAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Opaque != "" ||
		!strings.HasPrefix(address, "/") || strings.HasPrefix(address, "//") || strings.ContainsRune(address, '\\') ||
		strings.HasPrefix(u.Path, "//") || // RequestURI may write an escaped slash as one, and "//" begins a host
		strings.ContainsFunc(address, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "/"
	}
	return u.RequestURI()
}
