package console

import (
	"crypto/rand"
	"html/template"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/meterbook/meterbook/internal/console/reference"
	"github.com/meterbook/meterbook/internal/metering"
)

// Options are the console's surroundings. API, Logger and Clock are required.
type Options struct {
	API    http.Handler // asked for every figure, and for all paths that are not the console's
	Logger *slog.Logger
	// OpenAPI is the document of all that the API answers, which /docs shows; nil:
	// it shows nothing.
	OpenAPI []byte
	// Clock is the now of sessions and of periods such as "this month".
	Clock func() metering.Instant
	// Wall is the machine's clock, against which sockets time out; nil: Clock.
	Wall    func() time.Time
	Random  io.Reader // of session ids; nil: crypto/rand
	Version string    // of the program
	// SlowClientTimeout is how long a browser may take to send a form or to
	// accept the next piece of an answer; 0: DefaultSlowClientTimeout.
	SlowClientTimeout time.Duration
}

// DefaultSlowClientTimeout is that of the API.
const DefaultSlowClientTimeout = 30 * time.Second

// Console answers browsers. It is safe for concurrent use.
type Console struct {
	options  Options
	assets   map[string]asset // by the name in the address, with its hash
	pages    map[string]*template.Template
	sessions *sessions
	attempts *attempts
	mux      *http.ServeMux
	// unknownPage is what people get who open a path that nobody has.
	unknownPage http.Handler
	// reference is what the OpenAPI document says, for people.
	reference *reference.Reference
}

// New makes a console.
func New(o Options) *Console {
	if o.Wall == nil {
		o.Wall = func() time.Time { return o.Clock().Time() }
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.SlowClientTimeout == 0 {
		o.SlowClientTimeout = DefaultSlowClientTimeout
	}
	c := &Console{options: o, assets: embeddedAssets(), sessions: newSessions(o.Clock, o.Random), attempts: newAttempts(o.Clock), reference: readReference(o.OpenAPI)}
	functions := c.functions()
	maps.Copy(functions, resourceFunctions())
	c.pages = parsePages(functions)
	c.mux, c.unknownPage = c.handlers(), c.guard(http.HandlerFunc(c.showUnknown))
	return c
}

// Handler answers the console's own paths, and passes all others on to the API.
func (c *Console) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The mux would redirect paths with "//", "/./" or "/../", of which the
		// API says that they are unknown; also where these are escaped, since no id
		// is like that.
		if p := r.URL.EscapedPath(); p == "" || p != path.Clean(p) || r.URL.Path != path.Clean(r.URL.Path) {
			c.unknown(w, r)
			return
		}
		c.mux.ServeHTTP(w, r)
	})
}

// route is a page for those who have signed in.
type route struct {
	pattern string // of http.ServeMux, with its method
	label   string // in the bar of pages; "": it is not there
	// roles lists who may: any of them suffices. Without any, every key may.
	roles []string
	do    func(*visit) error
}

// handlers routes the console's paths. What only signed-in visitors reach is in
// routes.
func (c *Console) handlers() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range append(c.routes(), resourceRoute()) {
		mux.Handle(r.pattern, c.guard(c.signedIn(r)))
	}
	for pattern, do := range map[string]http.HandlerFunc{
		"GET /{$}":           c.home,
		"GET /signin":        c.showSignIn,
		"POST /signin":       c.signIn,
		"POST /signout":      c.signOut,
		"POST /theme":        c.setTheme,
		"GET /assets/{name}": c.serveAsset,
		"GET " + docsAddress: c.showDocs,
		"GET /admin":         func(w http.ResponseWriter, r *http.Request) { redirect(w, r, "/admin/keys") },
	} {
		mux.Handle(pattern, c.guard(do))
	}
	mux.HandleFunc("/", c.unknown)
	return mux
}

// unknown answers what is not the console's: people get a page, all others the
// API's answer.
func (c *Console) unknown(w http.ResponseWriter, r *http.Request) {
	if isForPeople(r) {
		c.unknownPage.ServeHTTP(w, r)
		return
	}
	c.options.API.ServeHTTP(w, r)
}

// isForPeople reports whether a person opened a path in a browser that is neither
// the console's nor the API's.
func isForPeople(r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz", "/readyz", "/metrics", "/openapi.json":
		return false
	}
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") &&
		!strings.HasPrefix(r.URL.Path, "/v1/") && !strings.HasPrefix(r.URL.Path, "/cloud/")
}

// showUnknown answers a path that nobody has.
func (c *Console) showUnknown(w http.ResponseWriter, r *http.Request) {
	c.showNotice(w, r, http.StatusNotFound, notice{
		Title: "There is nothing here",
		Text:  "No page has this address. It may have been cut off or mistyped.",
		Links: []link{{"Go to the first page", "/"}, {"The API's reference", docsAddress}},
	})
}

// home leads to the first page that the key may see.
func (c *Console) home(w http.ResponseWriter, r *http.Request) {
	redirect(w, r, "/usage")
}

// redirect leads to another page of the console, which is asked for with GET.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	http.Redirect(w, r, to, http.StatusSeeOther)
}
