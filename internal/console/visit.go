package console

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// visit is one request of somebody who has signed in.
type visit struct {
	c       *Console
	w       http.ResponseWriter
	r       *http.Request
	session session
	api     *client.Client // asks as the key that signed in
	key     *client.Key
}

// keyKnownFor is how long what a session knows of its key may be old. It decides
// only what the pages offer; the API judges each call by the key as it is.
const keyKnownFor = time.Minute

// signedIn makes a handler of a page. Who has not signed in is led to the
// sign-in page, and back afterwards.
func (c *Console) signedIn(page route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held, inForce := c.sessions.use(cookieOf(r))
		if !inForce {
			reason := ""
			if cookieOf(r) != "" {
				reason = reasonEnded
			}
			c.leave(w, r, reason)
			return
		}
		v := &visit{c: c, w: w, r: r, session: held, key: &held.key}
		if err := v.open(page); err != nil {
			v.fail(err)
		}
	})
}

// open asks what the key may do, and shows the page if it is for such keys.
func (v *visit) open(page route) (err error) {
	if v.api, err = v.c.connect(v.session.token, v.r); err != nil {
		return err
	}
	if v.now()-v.session.asked >= metering.Instant(keyKnownFor) {
		key, err := v.api.OwnKey(v.r.Context())
		if err != nil {
			return err
		}
		v.key = key
		v.c.sessions.renew(v.session.id, key)
	}
	if !page.allows(v.key.Roles) {
		v.show(noAccess(v.key))
		return nil
	}
	return page.do(v)
}

func (v *visit) now() metering.Instant { return v.c.options.Clock() }

// show renders a page with the bar of pages.
func (v *visit) show(p page) {
	v.c.render(v.w, p, frame{Theme: themeOf(v.r), Here: v.here(), Nav: v.c.nav(v.key.Roles, v.r.URL.Path), Key: v.key})
}

// here is where to come back to: this page, if it was only looked at.
func (v *visit) here() string {
	if v.r.Method != http.MethodGet && v.r.Method != http.MethodHead {
		return "/"
	}
	return localAddress(v.r.URL.RequestURI())
}

// anew is this page without anything asked for. A download without a form is none.
func (v *visit) anew() string {
	if v.r.URL.Path == downloadAddress {
		return "/usage"
	}
	return v.r.URL.Path
}

// leave leads to the sign-in page, and after that back to here.
func (c *Console) leave(w http.ResponseWriter, r *http.Request, reason string) {
	setSessionCookie(w, r, "", -1)
	redirect(w, r, signInAddress((&visit{r: r}).here(), reason))
}

// fail answers with what the API refused, in words that say what to do next.
func (v *visit) fail(err error) {
	var refused *client.Error
	switch {
	case v.r.Context().Err() != nil:
		return // nobody waits for the answer
	case !errors.As(err, &refused):
		v.c.options.Logger.Error("show a page", "path", v.r.Pattern, "error", err)
		refused = &client.Error{Status: http.StatusInternalServerError}
	case refused.Status == http.StatusUnauthorized:
		v.c.sessions.end(v.session.id)
		v.c.leave(v.w, v.r, reasonRefused)
		return
	}
	if refused.RetryAfter > 0 {
		v.w.Header().Set("Retry-After", retryAfterText(refused.RetryAfter))
	}
	n := v.noticeOf(refused)
	v.show(page{"notice", n.Title, refused.Status, n})
}

// callsOfPage is how often a page asks the API at most: that of a resource, when
// what the key may do is asked again.
const callsOfPage = 6

// noticeOf says what has happened and what to do next.
func (v *visit) noticeOf(e *client.Error) notice {
	again := []link{{"Try again", v.here()}}
	n := notice{Text: e.Message, RequestID: e.RequestID, Links: again}
	switch e.Status {
	case http.StatusForbidden:
		n.Title, n.Links = "Your key does not allow this", []link{{"Go to the first page", "/"}}
	case http.StatusNotFound:
		n.Title, n.Text = "There is nothing here", "It does not exist, or it lies outside of what your key covers."
		n.Links = []link{{"Go to the first page", "/"}}
	case http.StatusTooManyRequests:
		n.Title = "Too many requests at once"
		if limit := v.key.RateLimit; limit > 0 && limit < callsOfPage {
			n.Text += fmt.Sprintf(". A page asks the API up to %d times, so a key with %d a second cannot open every page, however often it is tried.", callsOfPage, limit)
		}
	case http.StatusServiceUnavailable:
		n.Title = "The server is not ready"
	case http.StatusBadRequest:
		n.Title, n.Links = "This cannot be asked for", []link{{"Start anew", v.anew()}}
		if e.RequestID != "" && len(e.InvalidFields) > 0 { // the API's words are for programs
			n.Text = "The address of this page asks for what there cannot be."
		}
	default:
		n.Title, n.Text = "Something went wrong", "That is a bug in Meterbook, and its log says more. Nothing was changed by looking at a page."
	}
	for field, messages := range e.InvalidFields {
		n.Fields = append(n.Fields, field+": "+strings.Join(messages, ", "))
	}
	slices.Sort(n.Fields)
	return n
}

// noAccess says what a key may do instead.
func noAccess(key *client.Key) page {
	n := notice{Title: "Your key cannot open this page", Text: "It lacks the role that this page takes."}
	if slices.Equal(key.Roles, []string{client.RoleWriter}) {
		n.Text = "Your key has the role writer: it can send events to /v1/events, and nothing else. To look at usage, sign in with a key that has the role reader."
	}
	return page{"notice", n.Title, http.StatusForbidden, n}
}
