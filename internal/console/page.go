package console

import (
	"bytes"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// page is what a handler shows: a template by the name of its file, and what
// that gets as .Body.
type page struct {
	template string // such as "usage"
	title    string
	status   int // 0: 200
	body     any
}

// frame is what the layout gets.
type frame struct {
	Title   string
	Theme   theme
	Here    string // address of this page, to come back to
	Nav     []navLink
	Key     *client.Key // nil: nobody has signed in
	Version string
	Body    any
}

// navLink is an entry of the bar of pages.
type navLink struct {
	Label, Address string
	Current        bool
}

// link leads somewhere.
type link struct{ Label, Address string }

const templatesDir = "templates"

// parsePages parses each page together with what all share: the layout, and the
// parts of pages.
func parsePages(functions template.FuncMap) map[string]*template.Template {
	names, err := fs.Glob(files, templatesDir+"/*.html")
	if err != nil {
		metering.Bug("list the templates: %v", err)
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		set := template.New("page").Funcs(functions).Option("missingkey=error")
		parsed, err := set.ParseFS(files, templatesDir+"/shared/*.html", name)
		if err != nil {
			metering.Bug("template %s: %v", name, err)
		}
		pages[strings.TrimSuffix(path.Base(name), ".html")] = parsed
	}
	return pages
}

// render writes a page. One that cannot be rendered is a bug, and is answered as
// one.
func (c *Console) render(w http.ResponseWriter, p page, f frame) {
	f.Title, f.Body, f.Version = p.title, p.body, c.options.Version
	var out bytes.Buffer
	if err := c.pages[p.template].ExecuteTemplate(&out, "layout.html", f); err != nil {
		c.options.Logger.Error("render a page", "template", p.template, "error", err)
		http.Error(w, "This page cannot be shown: a bug in Meterbook. Its log says more.", http.StatusInternalServerError)
		return
	}
	if p.status == 0 {
		p.status = http.StatusOK
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.send(w, p.status, out.Bytes())
}

// send writes a whole answer. That the browser has gone is for the log only.
func (c *Console) send(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if _, err := w.Write(text); err != nil {
		c.options.Logger.Debug("write an answer", "error", err)
	}
}

// nav lists the pages that a key with these roles may see.
func (c *Console) nav(roles []string, here string) []navLink {
	var links []navLink
	for _, r := range c.routes() {
		if r.label == "" || !r.allows(roles) {
			continue
		}
		_, address, _ := strings.Cut(r.pattern, " ")
		links = append(links, navLink{r.label, address, section(here) == section(address)})
	}
	return links
}

// section is the first part of a path.
func section(path string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first
}

// notice is a page that says what has happened and what to do next.
type notice struct {
	Title, Text string
	Fields      []string // what is wrong with each member of a request
	RequestID   string   // of the API, for the log
	Links       []link
}

// showNotice shows a notice to whoever has not signed in.
func (c *Console) showNotice(w http.ResponseWriter, r *http.Request, status int, n notice) {
	c.render(w, page{"notice", n.Title, status, n}, frame{Theme: themeOf(r), Here: "/"})
}
