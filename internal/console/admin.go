package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/meterbook/meterbook/client"
)

// adminRoutes are the pages of administration. Projects, regions and clients
// are kinds; they share their pages.
func adminRoutes() []route {
	admin := []string{client.RoleAdmin}
	routes := []route{
		{"GET /admin/keys", "Admin", admin, listKeys},
		{"GET /admin/keys/new", "", admin, newKey},
		{"POST /admin/keys/new", "", admin, createKey},
		{"GET /admin/keys/made", "", admin, showToken},
		{"GET /admin/keys/{id}", "", admin, editKey},
		{"POST /admin/keys/{id}", "", admin, changeKey},
		{"GET /admin/keys/{id}/revoke", "", admin, confirmRevocation},
		{"POST /admin/keys/{id}/revoke", "", admin, revokeKey},
	}
	for _, k := range kinds() {
		at := "/admin/" + k.Many
		routes = append(routes,
			route{"GET " + at, "", admin, k.showAll},
			route{"GET " + at + "/new", "", admin, k.showNew},
			route{"POST " + at + "/new", "", admin, k.create},
			route{"GET " + at + "/{id}", "", admin, k.showOne},
			route{"POST " + at + "/{id}", "", admin, k.change},
			route{"GET " + at + "/{id}/delete", "", admin, k.confirmDeletion},
			route{"POST " + at + "/{id}/delete", "", admin, k.remove},
		)
	}
	return routes
}

// adminFrame is what all pages of administration show.
type adminFrame struct {
	Tabs []navLink
	Done string // what has just been done
}

// adminTitles are the pages of administration, in their order.
var adminTitles = []link{{"Keys", "/admin/keys"}, {"Projects", "/admin/projects"}, {"Regions", "/admin/regions"}, {"Clients", "/admin/clients"}}

// doneTexts say what the query done= stands for: a page is asked for anew after
// every change, so that to load it again changes nothing.
var doneTexts = map[string]string{"created": "Created.", "saved": "Saved.", "deleted": "Deleted.", "revoked": "Revoked: no request with this key is accepted any more."}

func (v *visit) adminFrame() adminFrame {
	f := adminFrame{Done: doneTexts[v.r.URL.Query().Get("done")]}
	for _, t := range adminTitles {
		here := v.r.URL.Path == t.Address || strings.HasPrefix(v.r.URL.Path, t.Address+"/")
		f.Tabs = append(f.Tabs, navLink{t.Label, t.Address, here})
	}
	return f
}

// done leads to a page that says what has been done.
func (v *visit) done(address, what string) error {
	redirect(v.w, v.r, address+"?"+url.Values{"done": {what}}.Encode())
	return nil
}

// formField is one field of a form, with what is wrong with it.
type formField struct {
	Name, Label, Hint, Value string
	Type                     string // of the input
	Suggestions              []string
	Errors                   []string
	Required                 bool
}

// mistakes says what is wrong with a form: by field, and with all of it.
type mistakes struct {
	fields  map[string][]string
	Message string
	status  int
}

// fieldsOf reads the paths of the API's invalid fields: "roles.0" is a fault of
// the field roles.
func fieldsOf(e *client.Error) map[string][]string {
	fields := map[string][]string{}
	for path, messages := range e.InvalidFields {
		name, _, _ := strings.Cut(path, ".")
		fields[name] = append(fields[name], messages...)
	}
	return fields
}

// mistakesOf takes an error of the API that the form can mend; others are not ok.
func mistakesOf(err error) (m mistakes, ok bool) {
	var refused *client.Error
	if !errors.As(err, &refused) || !slices.Contains([]int{http.StatusBadRequest, http.StatusForbidden, http.StatusConflict}, refused.Status) {
		return mistakes{}, false
	}
	m = mistakes{fields: fieldsOf(refused), status: refused.Status}
	if len(m.fields) == 0 {
		m.Message = refused.Message
	}
	return m, true
}

// rowsPerPage is how many rows a list of administration has.
const rowsPerPage = 50

// rowPage is one page of a list that was searched.
type rowPage[T any] struct {
	Rows           []T
	Search         string
	Known, Found   int // rows in all, and those that the search has found
	First, Last    int // of this page, counted from 1
	Previous, Next string
}

// pageOf searches all rows for the query q= and takes the page that offset= says.
// A page beyond the end is the last one.
func pageOf[T any](v *visit, all []T, keep func(row *T, search string) bool) rowPage[T] {
	query := v.r.URL.Query()
	p := rowPage[T]{Search: strings.TrimSpace(query.Get("q")), Known: len(all)}
	search := strings.ToLower(p.Search)
	found := make([]T, 0, len(all))
	for i := range all {
		if keep(&all[i], search) {
			found = append(found, all[i])
		}
	}
	offset, err := strconv.Atoi(query.Get("offset"))
	if err != nil || offset < 0 {
		offset = 0 // the first page
	}
	offset = min(offset, max(0, len(found)-1))
	offset -= offset % rowsPerPage
	p.Found, p.Rows = len(found), found[offset:min(offset+rowsPerPage, len(found))]
	p.First, p.Last = min(offset+1, len(found)), offset+len(p.Rows)
	at := func(offset int) string {
		query.Del("done")
		query.Set("offset", strconv.Itoa(offset))
		return v.r.URL.Path + "?" + query.Encode()
	}
	if offset > 0 {
		p.Previous = at(offset - rowsPerPage)
	}
	if p.Last < len(found) {
		p.Next = at(offset + rowsPerPage)
	}
	return p
}

// contains reports whether one of the texts has what is searched for, in lower
// case.
func contains(search string, texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), search) })
}
