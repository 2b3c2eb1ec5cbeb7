package console

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/httpapi"
	"github.com/meterbook/meterbook/internal/metering"
)

// documented is a console that shows the server's own document.
func documented(t *testing.T) (*Console, []byte) {
	t.Helper()
	document, err := httpapi.OpenAPI("v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{
		API: http.NotFoundHandler(), OpenAPI: document, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Clock: func() metering.Instant { return start }, Version: "v1.2.3",
	}), document
}

func docsOf(t *testing.T, c *Console, cookie string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "http://meter.example:8080/docs", nil)
	r.Header.Set("Cookie", sessionCookie+"="+cookie)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	c.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w
}

func TestReferenceShowsEveryOperationAndSchemaToAnybody(t *testing.T) {
	t.Parallel()
	c, text := documented(t)
	var document struct {
		Paths      map[string]map[string]json.RawMessage `json:"paths"`
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	page := docsOf(t, c, "").Body.String()
	operations := 0
	for path, methods := range document.Paths {
		for method, raw := range methods {
			if method == "parameters" {
				continue
			}
			var operation struct {
				ID string `json:"operationId"`
			}
			if err := json.Unmarshal(raw, &operation); err != nil {
				t.Fatal(err)
			}
			head := `<article class="card operation" id="operation-` + operation.ID + `">` + "\n" + `<h3><a class="method ` + strings.ToUpper(method)
			if operations++; strings.Count(page, head) != 1 || !strings.Contains(page, "<code>"+path+"</code>") {
				t.Errorf("%s %s is not there once", method, path)
			}
		}
	}
	for name := range document.Components.Schemas {
		if strings.Count(page, `id="schema-`+name+`"`) != 1 {
			t.Errorf("schema %s is not there once", name)
		}
	}
	if operations < 30 || len(document.Components.Schemas) < 100 {
		t.Errorf("only %d operations and %d schemas", operations, len(document.Components.Schemas))
	}
	for _, want := range []string{"v1.2.3", "METERBOOK_URL=http://meter.example:8080", `<th scope="row">401</th><td><code>not_authenticated</code>, <code>token_not_valid</code></td>`, `<a href="/openapi.json">`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// element is an opening tag.
type element struct {
	name       string
	attributes map[string]string
}

// elements reads a page strictly: tags that are not closed, or closed in the
// wrong order, are errors.
func elements(t *testing.T, page string) (all []element) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(page))
	decoder.Entity = xml.HTMLEntity
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if tag, ok := token.(xml.StartElement); ok {
			e := element{tag.Name.Local, map[string]string{}}
			for _, a := range tag.Attr {
				if _, twice := e.attributes[a.Name.Local]; twice {
					t.Errorf("<%s> has %s twice", e.name, a.Name.Local)
				}
				e.attributes[a.Name.Local] = a.Value
			}
			all = append(all, e)
		}
	}
}

// checkPage fails unless the page's tags match, its anchors are unique and what
// leads to one finds it, and nothing is inline that the policy forbids.
func checkPage(t *testing.T, page string) {
	t.Helper()
	_, main, found := strings.Cut(page, `<main id="main" tabindex="-1">`)
	main, _, closed := strings.Cut(main, "</main>")
	if !found || !closed {
		t.Fatal("the page has no main part")
	}
	ids := map[string]bool{}
	all := elements(t, "<main>"+main+"</main>")
	for _, e := range all {
		if id := e.attributes["id"]; id != "" {
			if ids[id] {
				t.Errorf("anchor %s is there twice", id)
			}
			ids[id] = true
		}
		if e.attributes["style"] != "" || e.name == "script" && e.attributes["type"] != "application/json" || e.name == "style" {
			t.Errorf("<%s %v> is inline", e.name, e.attributes)
		}
	}
	for _, e := range all {
		if anchor, local := strings.CutPrefix(e.attributes["href"], "#"); local && !ids[anchor] {
			t.Errorf("#%s leads nowhere", anchor)
		}
		for _, name := range []string{"aria-labelledby", "aria-describedby"} {
			for id := range strings.FieldsSeq(e.attributes[name]) {
				if !ids[id] {
					t.Errorf("%s of <%s> names %s, which is not there", name, e.name, id)
				}
			}
		}
	}
}

func TestReferenceIsWellFormed(t *testing.T) {
	t.Parallel()
	c, _ := documented(t)
	checkPage(t, docsOf(t, c, "").Body.String())
}

func TestReferenceIsLightOnTheWire(t *testing.T) {
	t.Parallel()
	c, _ := documented(t)
	w := docsOf(t, c, "", "Accept-Encoding", "gzip, br")
	const most = 100_000
	if h := w.Header(); h.Get("Content-Encoding") != "gzip" || h.Get("Content-Length") != "" || h.Get("Vary") != "Accept-Encoding" || w.Body.Len() > most {
		t.Errorf("%d bytes, %v", w.Body.Len(), h)
	}
}

func TestReferenceKeepsTheBarOfWhoHasSignedIn(t *testing.T) {
	t.Parallel()
	c, _ := documented(t)
	held := c.sessions.begin("token", &client.Key{ID: "abc", Name: "Ada's key", Roles: []string{client.RoleReader}})
	if page := docsOf(t, c, string(held.id)).Body.String(); !strings.Contains(page, "Ada&#39;s key") || !strings.Contains(page, `href="/usage"`) {
		t.Errorf("the bar is not there")
	}
	if page := docsOf(t, c, "").Body.String(); strings.Contains(page, `href="/usage"`) {
		t.Errorf("the bar is there for anybody")
	}
}
