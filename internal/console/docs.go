package console

import (
	"compress/gzip"
	"net/http"
	"strings"

	"github.com/meterbook/meterbook/internal/console/reference"
	"github.com/meterbook/meterbook/internal/metering"
)

// readReference reads the document that the API serves.
func readReference(document []byte) *reference.Reference {
	if document == nil {
		return &reference.Reference{}
	}
	r, err := reference.Parse(document)
	if err != nil {
		metering.Bug("the OpenAPI document: %v", err)
	}
	return r
}

// showDocs shows the API's reference to anybody, as the document itself is for
// anybody. Who has signed in keeps the bar of pages.
func (c *Console) showDocs(w http.ResponseWriter, r *http.Request) {
	f := frame{Theme: themeOf(r), Here: docsAddress}
	if held, inForce := c.sessions.use(cookieOf(r)); inForce {
		key := held.key
		f.Key, f.Nav = &key, c.nav(key.Roles, docsAddress)
	}
	scheme := "http://"
	if isSecure(r) {
		scheme = "https://"
	}
	c.pack(w, r, func(w http.ResponseWriter) {
		c.render(w, page{template: "docs", title: "API", body: docsPage{c.reference, scheme + r.Host}}, f)
	})
}

// pack lets a page be written as gzip where the browser takes it. It is for pages
// that are long and repeat themselves, and have no secret that their length could
// tell.
func (c *Console) pack(w http.ResponseWriter, r *http.Request, write func(http.ResponseWriter)) {
	w.Header().Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		write(w)
		return
	}
	packed := &packedAnswer{ResponseWriter: w, pack: gzip.NewWriter(w)}
	write(packed)
	if err := packed.pack.Close(); err != nil {
		c.options.Logger.Debug("write an answer", "error", err)
	}
}

// packedAnswer sends an answer as gzip.
type packedAnswer struct {
	http.ResponseWriter
	pack *gzip.Writer
}

// WriteHeader implements http.ResponseWriter.
func (p *packedAnswer) WriteHeader(status int) {
	p.Header().Del("Content-Length")
	p.Header().Set("Content-Encoding", "gzip")
	p.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (p *packedAnswer) Write(text []byte) (int, error) { return p.pack.Write(text) }

// docsPage is what the reference shows.
type docsPage struct {
	*reference.Reference
	Origin string // of this server, as the browser knows it
}

// memberTable is a table of parameters or members.
type memberTable struct {
	First, Label string // the head of the first column; what assistive technology calls the table
	Members      []reference.Member
}

func membersOf(first, label string, members []reference.Member) memberTable {
	return memberTable{first, label, members}
}

const docsAddress = "/docs"
