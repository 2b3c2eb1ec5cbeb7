package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/meterbook/meterbook/client"
)

// keyList is the page that lists keys.
type keyList struct {
	adminFrame
	rowPage[keyRow]
	State  string // of the keys that are shown
	States []option
}

// option is what one can choose.
type option struct {
	Name, Label string
	Chosen      bool
}

// The states of a key, "" being all of them.
const (
	keyInForce = "in force"
	keyExpired = "expired"
	keyRevoked = "revoked"
)

// keyRow is a key as the list shows it.
type keyRow struct {
	client.Key
	State   string
	Covers  string
	Expires string
	Own     bool // the one that the visitor signed in with
}

func (v *visit) row(k client.Key) keyRow {
	row := keyRow{Key: k, State: keyInForce, Covers: covers(&k), Expires: "never", Own: k.ID == v.key.ID}
	if k.ExpiresAt != nil {
		row.Expires = utcText(*k.ExpiresAt)
		if !k.ExpiresAt.After(v.now().Time()) {
			row.State = keyExpired
		}
	}
	if k.RevokedAt != nil {
		row.State = keyRevoked
	}
	return row
}

// covers says in a few words what a key is narrowed to.
func covers(k *client.Key) string {
	var parts []string
	count := func(n int, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, strconv.Itoa(n)+" "+many)
		}
	}
	count(len(k.Projects), "project", "projects")
	count(len(k.Regions), "region", "regions")
	count(len(k.Types), "type", "types")
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case k.Client == "":
		return "everything"
	}
	return "all of its client"
}

func listKeys(v *visit) error {
	keys, err := v.api.Keys(v.r.Context())
	if err != nil {
		return err
	}
	rows := make([]keyRow, len(keys))
	for i, k := range keys {
		rows[len(keys)-1-i] = v.row(k) // the newest first
	}
	body := keyList{adminFrame: v.adminFrame(), State: v.r.URL.Query().Get("state")}
	for _, s := range []option{{Name: "", Label: "All keys"}, {Name: keyInForce, Label: "In force"}, {Name: keyExpired, Label: "Expired"}, {Name: keyRevoked, Label: "Revoked"}} {
		s.Chosen = s.Name == body.State
		body.States = append(body.States, s)
	}
	body.rowPage = pageOf(v, rows, func(k *keyRow, search string) bool {
		return (body.State == "" || body.State == k.State) && (search == "" || contains(search, k.ID, k.Name, k.Client))
	})
	v.show(page{template: "admin-keys", title: "Keys", body: body})
	return nil
}

// keyOf finds the key of the address.
func (v *visit) keyOf() (*keyRow, error) {
	k, err := v.api.Key(v.r.Context(), v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	row := v.row(*k)
	return &row, nil
}

// madeKey is the page that shows a token, the only time that anybody can.
type madeKey struct {
	adminFrame
	Key *client.CreatedKey // nil: it was shown already
}

func createKey(v *visit) error {
	typed, wrong, err := v.typedKey()
	if err != nil {
		return err
	}
	if len(wrong.fields) > 0 {
		return v.showKeyForm(nil, typed, wrong)
	}
	made, err := v.api.CreateKey(v.r.Context(), typed.newKey())
	if err != nil {
		if wrong, ok := mistakesOf(err); ok {
			return v.showKeyForm(nil, typed, wrong)
		}
		return err
	}
	v.c.sessions.keep(v.session.id, made)
	redirect(v.w, v.r, "/admin/keys/made")
	return nil
}

// showToken shows the token that was made last by whoever has signed in here. To
// load the page again shows it no more.
func showToken(v *visit) error {
	if v.r.Method == http.MethodHead {
		return nil // nobody would read it
	}
	body := madeKey{v.adminFrame(), v.c.sessions.takeMade(v.session.id)}
	title := "Key made"
	if body.Key == nil {
		title = "Token not shown again"
	}
	v.show(page{template: "admin-made", title: title, body: body})
	return nil
}

// revocation is the page that asks whether a key shall be revoked.
type revocation struct {
	adminFrame
	Key *keyRow
	mistakes
}

func confirmRevocation(v *visit) error {
	k, err := v.keyOf()
	if err != nil {
		return err
	}
	return v.askRevocation(k, mistakes{})
}

func (v *visit) askRevocation(k *keyRow, wrong mistakes) error {
	v.show(page{"admin-revoke", "Revoke key " + k.ID, wrong.status, revocation{v.adminFrame(), k, wrong}})
	return nil
}

func revokeKey(v *visit) error {
	k, err := v.keyOf()
	if err != nil {
		return err
	}
	if err := v.api.RevokeKey(v.r.Context(), k.ID); err != nil {
		if wrong, ok := mistakesOf(err); ok {
			return v.askRevocation(k, wrong)
		}
		return err
	}
	return v.done("/admin/keys/"+k.ID, "revoked")
}

func newKey(v *visit) error {
	return v.showKeyForm(nil, typedKey{Roles: []string{client.RoleReader}}, mistakes{})
}

func editKey(v *visit) error {
	k, err := v.keyOf()
	if err != nil {
		return err
	}
	return v.showKeyForm(k, typedOf(&k.Key), mistakes{})
}

func changeKey(v *visit) error {
	k, err := v.keyOf()
	if err != nil {
		return err
	}
	typed, wrong, err := v.typedKey()
	if err != nil {
		return err
	}
	if len(wrong.fields) > 0 {
		return v.showKeyForm(k, typed, wrong)
	}
	if _, err := v.api.UpdateKey(v.r.Context(), k.ID, typed.changeOf(&k.Key)); err != nil {
		if wrong, ok := mistakesOf(err); ok {
			return v.showKeyForm(k, typed, wrong)
		}
		return err
	}
	return v.done("/admin/keys/"+k.ID, "saved")
}
