package console

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// contentSecurityPolicy lets a page use what this server serves, and nothing
// inline.
const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// maxFormBytes bounds the body of a form.
const maxFormBytes = 64 << 10

// guard goes before each of the console's own paths: it sets what protects the
// page in the browser, refuses forms that another site sent, and bounds how long
// a browser may take.
func (c *Console) guard(next http.Handler) http.Handler {
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(c.refuseForeignForm))
	protected := crossOrigin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentSecurityPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store") // a shared computer must not show it after signing out
		paced := &pacedAnswer{ResponseWriter: w, control: http.NewResponseController(w), wall: c.options.Wall, timeout: c.options.SlowClientTimeout}
		paced.extend()
		if r.Body != nil && r.Body != http.NoBody {
			ignoreUnsupported(paced.control.SetReadDeadline(c.options.Wall().Add(c.options.SlowClientTimeout)))
			r.Body = http.MaxBytesReader(w, readForm{r.Body, paced.control}, maxFormBytes)
		}
		protected.ServeHTTP(paced, r)
	})
}

// readForm is the body of a form, which must arrive within the timeout. Once it
// is there the deadline is taken back: net/http goes on reading to notice when
// the browser leaves.
type readForm struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (f readForm) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		ignoreUnsupported(f.control.SetReadDeadline(time.Time{}))
	}
	return n, err
}

// pacedAnswer gives the browser the whole timeout again for each piece that is
// written, so that a long download goes on and one that nobody reads ends.
type pacedAnswer struct {
	http.ResponseWriter
	control *http.ResponseController
	wall    func() time.Time
	timeout time.Duration
}

// Write implements http.ResponseWriter.
func (p *pacedAnswer) Write(b []byte) (int, error) {
	p.extend()
	return p.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what is behind it.
func (p *pacedAnswer) Unwrap() http.ResponseWriter { return p.ResponseWriter }

func (p *pacedAnswer) extend() {
	ignoreUnsupported(p.control.SetWriteDeadline(p.wall().Add(p.timeout)))
}

// ignoreUnsupported ends the way of an error of a deadline: recorders in tests
// have none, and a connection that is closed tells so by itself when it is
// written.
func ignoreUnsupported(error) {}

// refuseForeignForm answers a form that another site made the browser send.
func (c *Console) refuseForeignForm(w http.ResponseWriter, r *http.Request) {
	c.showNotice(w, r, http.StatusForbidden, notice{
		Title: "This form came from another site",
		Text:  "The console takes forms of its own pages only. If you followed a link, sign in here and do it from the page.",
		Links: []link{{"Go to the console", "/"}},
	})
}
