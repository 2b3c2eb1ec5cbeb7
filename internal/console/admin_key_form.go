package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// keyForm is the page of a key, or of a new one.
type keyForm struct {
	adminFrame
	Key    *keyRow // nil: a new one
	Names  []formField
	Limits []formField
	Roles  []option
	Types  []option
	mistakes
	RoleErrors, TypeErrors []string
}

// showKeyForm shows what was typed, with what is wrong with it.
func (v *visit) showKeyForm(k *keyRow, typed typedKey, wrong mistakes) error {
	body := keyForm{adminFrame: v.adminFrame(), Key: k, mistakes: wrong, RoleErrors: wrong.fields["roles"], TypeErrors: wrong.fields["types"]}
	body.Names = []formField{{Name: "name", Label: "Name", Type: "text", Value: typed.Name, Hint: "Who uses it, and for what."}}
	title := "New key"
	if k != nil {
		title = "Key " + k.ID
	} else {
		ids, err := v.tenantIDs()
		if err != nil {
			return err
		}
		body.Names = append(body.Names, formField{Name: "client", Label: "Client", Type: "text", Value: typed.Client, Suggestions: ids, Hint: clientHint(v.key)})
	}
	body.Limits = []formField{
		{Name: "projects", Label: "Only projects", Type: "text", Value: typed.Projects, Hint: "Ids, with commas between them. Empty: all."},
		{Name: "regions", Label: "Only regions", Type: "text", Value: typed.Regions, Hint: "Ids, with commas between them. Empty: all."},
		{Name: "rate_limit", Label: "Requests a second", Type: "text", Value: typed.RateLimit, Hint: "Empty: the server's default."},
		{Name: "expires_at", Label: "Expires (UTC)", Type: "datetime-local", Value: typed.ExpiresAt, Hint: "Empty: never."},
	}
	for _, fields := range [][]formField{body.Names, body.Limits} {
		for i := range fields {
			fields[i].Errors = wrong.fields[fields[i].Name]
		}
	}
	for _, r := range roleChoices {
		r.Chosen = slices.Contains(typed.Roles, r.Name)
		body.Roles = append(body.Roles, r)
	}
	body.Types = typeChoices(typed.Types)
	v.show(page{"admin-key", title, wrong.status, body})
	return nil
}

// clientHint says what an empty client stands for.
func clientHint(own *client.Key) string {
	if aboveClients(own) {
		return "What it may see and do is this client's. Empty: a key above all clients, as yours is."
	}
	return "Keys that you make are of your client, " + own.Client + "."
}

var roleChoices = []option{
	{Name: client.RoleReader, Label: "reader: looks at usage"},
	{Name: client.RoleWriter, Label: "writer: sends events, and nothing else"},
	{Name: client.RoleAdmin, Label: "admin: both, and manages keys, clients, projects and regions"},
}

// typeChoices lists all types of resources.
func typeChoices(chosen []string) []option {
	var choices []option
	for _, t := range metering.ResourceTypes() {
		name := t.String()
		choices = append(choices, option{name, name, slices.Contains(chosen, name)})
	}
	return choices
}

// typedKey is what was typed into the form of a key.
type typedKey struct {
	Name, Client, Projects, Regions, RateLimit, ExpiresAt string
	Roles, Types                                          []string

	// What the texts stand for.
	projects, regions []int64 // nil: all
	rateLimit         int     // 0: the server's default
	expiresAt         time.Time
}

// typedOf is what the form of a key shows before anything is typed.
func typedOf(k *client.Key) typedKey {
	t := typedKey{Name: k.Name, Client: k.Client, Projects: idsText(k.Projects), Regions: idsText(k.Regions), Roles: k.Roles, Types: k.Types}
	if k.RateLimit != 0 {
		t.RateLimit = strconv.Itoa(k.RateLimit)
	}
	if k.ExpiresAt != nil {
		t.ExpiresAt = k.ExpiresAt.UTC().Format(expiryLayouts[1])
	}
	return t
}

// typedKey reads the form. What is wrong with it comes by field; an error is one
// of reading the form.
func (v *visit) typedKey() (typedKey, mistakes, error) {
	if err := v.r.ParseForm(); err != nil {
		return typedKey{}, mistakes{}, &client.Error{Status: http.StatusBadRequest, Message: "The form cannot be read: " + err.Error()}
	}
	form := v.r.PostForm
	t := typedKey{
		Name: form.Get("name"), Client: strings.TrimSpace(form.Get("client")), Projects: form.Get("projects"), Regions: form.Get("regions"),
		RateLimit: strings.TrimSpace(form.Get("rate_limit")), ExpiresAt: form.Get("expires_at"), Roles: form["roles"], Types: form["types"],
	}
	wrong := mistakes{fields: map[string][]string{}, status: http.StatusBadRequest}
	check := func(field string, ok bool, message string) {
		if !ok {
			wrong.fields[field] = []string{message}
		}
	}
	var ok bool
	t.projects, ok = parseIDs(t.Projects)
	check("projects", ok, "Ids are whole numbers, with commas between them: 101, 102")
	t.regions, ok = parseIDs(t.Regions)
	check("regions", ok, "Ids are whole numbers, with commas between them: 76, 80")
	if t.RateLimit != "" {
		n, err := strconv.Atoi(t.RateLimit)
		check("rate_limit", err == nil && n > 0, "A whole number of requests, at least 1")
		t.rateLimit = n
	}
	if t.ExpiresAt != "" {
		t.expiresAt, ok = parseExpiry(t.ExpiresAt)
		check("expires_at", ok, "A date and a time of UTC, such as 2030-01-31T00:00")
	}
	return t, wrong, nil
}

// newKey is the key that was asked for.
func (t *typedKey) newKey() client.NewKey {
	k := client.NewKey{Name: t.Name, Client: t.Client, Roles: t.Roles, Projects: t.projects, Regions: t.regions, Types: t.Types, RateLimit: t.rateLimit}
	if k.Roles == nil {
		k.Roles = []string{} // the API says that there must be one
	}
	if !t.expiresAt.IsZero() {
		k.ExpiresAt = &t.expiresAt
	}
	return k
}

// changeOf is what to change of a key. Only what was typed anew is sent, so that
// what the visitor may not set stays as it is.
func (t *typedKey) changeOf(k *client.Key) client.KeyChange {
	before, c := typedOf(k), client.KeyChange{}
	if t.Name != before.Name {
		c.Name = &t.Name
	}
	if !slices.Equal(t.Roles, before.Roles) {
		c.Roles = append([]string{}, t.Roles...)
	}
	if !slices.Equal(t.projects, k.Projects) {
		c.Projects = &t.projects
	}
	if !slices.Equal(t.regions, k.Regions) {
		c.Regions = &t.regions
	}
	if !slices.Equal(t.Types, k.Types) {
		c.Types = &t.Types
	}
	if t.rateLimit != k.RateLimit {
		c.RateLimit = &t.rateLimit
	}
	if was, ok := parseExpiry(before.ExpiresAt); ok != (t.ExpiresAt != "") || !was.Equal(t.expiresAt) {
		c.ExpiresAt = &t.expiresAt
	}
	return c
}

func idsText(ids []int64) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(texts, ", ")
}

// parseIDs reads ids that commas or space separate; none at all are all.
func parseIDs(text string) (ids []int64, ok bool) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == ';' || r == '\n' || r == '\r' || r == '\t' }) {
		id, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return nil, false
		}
		ids = append(ids, id)
	}
	return ids, true
}

// expiryLayouts are how browsers send a local date and time.
var expiryLayouts = []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05.999999999"}

// parseExpiry reads a date and time of UTC.
func parseExpiry(text string) (time.Time, bool) {
	for _, layout := range expiryLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
