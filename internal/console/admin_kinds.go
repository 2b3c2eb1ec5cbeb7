package console

import (
	"context"
	"net/http"
	"strconv"

	"github.com/meterbook/meterbook/client"
)

// kind is a sort of thing that administrators keep and that has little more
// than a name: projects, regions, clients. All kinds share their pages.
type kind struct {
	One, Many string // "project", "projects", the last of the address
	Intro     string
	Columns   []string // of its list, behind the id
	// Keepers says who may create, change and delete them; the pages offer it to
	// others not at all. The API judges.
	keeps   func(*client.Key) bool
	Keepers string
	fields  []formField // of a new one, the id first
	list    func(context.Context, *client.Client) ([]thing, error)
	find    func(context.Context, *client.Client, string) (*thing, error)
	make    func(context.Context, *client.Client, formValues) error
	alter   func(context.Context, *client.Client, string, formValues) error
	discard func(context.Context, *client.Client, string) error
}

// thing is one of a kind.
type thing struct {
	ID     string
	Cells  []string   // texts of the columns
	Since  string     // when it came to be known
	Values formValues // of the fields that can be changed
}

// formValues are the texts of a form, by the name of their field.
type formValues map[string]string

// pointer returns the text of a field, nil when the form has none.
func (f formValues) pointer(name string) *string {
	text, given := f[name]
	if !given {
		return nil
	}
	return &text
}

func (f formValues) number(name string) int64 {
	n, err := strconv.ParseInt(f[name], 10, 64)
	if err != nil {
		return 0 // which is no id; the API says what ids are
	}
	return n
}

func kinds() []kind { return []kind{projectKind(), regionKind(), tenantKind()} }

// kindPage is what the pages of a kind show.
type kindPage struct {
	adminFrame
	Kind  kind
	Keeps bool
	rowPage[thing]
	Thing  *thing // nil: the list, or a new one
	Fields []formField
	mistakes
}

func (k kind) page(v *visit) kindPage {
	return kindPage{adminFrame: v.adminFrame(), Kind: k, Keeps: k.keeps(v.key)}
}

func (k kind) address() string { return "/admin/" + k.Many }

func (k kind) showAll(v *visit) error {
	all, err := k.list(v.r.Context(), v.api)
	if err != nil {
		return err
	}
	body := k.page(v)
	body.rowPage = pageOf(v, all, func(t *thing, search string) bool {
		return search == "" || contains(search, append([]string{t.ID}, t.Cells...)...)
	})
	v.show(page{template: "admin-list", title: k.Title(), body: body})
	return nil
}

func (k kind) showNew(v *visit) error { return k.form(v, nil, nil, mistakes{}) }

func (k kind) showOne(v *visit) error {
	t, err := k.find(v.r.Context(), v.api, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return k.form(v, t, t.Values, mistakes{})
}

// form shows the form of a thing, nil for a new one, as it was typed.
func (k kind) form(v *visit, t *thing, typed formValues, wrong mistakes) error {
	body := k.page(v)
	body.Thing, body.mistakes = t, wrong
	title := "New " + k.One
	for _, f := range k.fields {
		if t != nil && f.Name == "id" {
			continue
		}
		f.Value, f.Errors = typed[f.Name], wrong.fields[f.Name]
		if err := k.suggest(v, &f); err != nil {
			return err
		}
		body.Fields = append(body.Fields, f)
	}
	if t != nil {
		title = k.OneTitle() + " " + t.ID
	}
	v.show(page{"admin-form", title, wrong.status, body})
	return nil
}

// suggest offers the clients that a field may name.
func (k kind) suggest(v *visit, f *formField) (err error) {
	if f.Name == "client" {
		f.Suggestions, err = v.tenantIDs()
	}
	return err
}

// tenantIDs lists the clients that exist for the key.
func (v *visit) tenantIDs() ([]string, error) {
	tenants, err := v.api.Tenants(v.r.Context())
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(tenants))
	for i, t := range tenants {
		ids[i] = t.ID
	}
	return ids, nil
}

// typed reads the form; an empty client of a new thing is the key's own.
func (k kind) typed(v *visit) (formValues, error) {
	if err := v.r.ParseForm(); err != nil {
		return nil, &client.Error{Status: http.StatusBadRequest, Message: "The form cannot be read: " + err.Error()}
	}
	values := formValues{}
	for _, f := range k.fields {
		if text, given := v.r.PostForm[f.Name]; given && (f.Name != "client" || text[0] != "") {
			values[f.Name] = text[0]
		}
	}
	return values, nil
}

func (k kind) create(v *visit) error {
	values, err := k.typed(v)
	if err != nil {
		return err
	}
	if err := k.make(v.r.Context(), v.api, values); err != nil {
		if wrong, ok := mistakesOf(err); ok {
			return k.form(v, nil, values, wrong)
		}
		return err
	}
	return v.done(k.address(), "created")
}

func (k kind) change(v *visit) error {
	values, err := k.typed(v)
	if err != nil {
		return err
	}
	t, err := k.find(v.r.Context(), v.api, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := k.alter(v.r.Context(), v.api, t.ID, values); err != nil {
		if wrong, ok := mistakesOf(err); ok {
			return k.form(v, t, values, wrong)
		}
		return err
	}
	return v.done(k.address()+"/"+t.ID, "saved")
}

func (k kind) confirmDeletion(v *visit) error {
	t, err := k.find(v.r.Context(), v.api, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return k.ask(v, t, mistakes{})
}

// ask asks whether the thing shall be deleted, and says why it could not be.
func (k kind) ask(v *visit, t *thing, wrong mistakes) error {
	body := k.page(v)
	body.Thing, body.mistakes = t, wrong
	v.show(page{"admin-delete", "Delete " + k.One + " " + t.ID, wrong.status, body})
	return nil
}

func (k kind) remove(v *visit) error {
	t, err := k.find(v.r.Context(), v.api, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := k.discard(v.r.Context(), v.api, t.ID); err != nil {
		if wrong, ok := mistakesOf(err); ok {
			return k.ask(v, t, wrong)
		}
		return err
	}
	return v.done(k.address(), "deleted")
}

// Title is the kind's name as a heading.
func (k kind) Title() string { return capital(k.Many) }

// OneTitle is the name of one of the kind as a heading.
func (k kind) OneTitle() string { return capital(k.One) }

// capital writes a word of ASCII as a heading begins.
func capital(word string) string { return string(word[0]-'a'+'A') + word[1:] }
