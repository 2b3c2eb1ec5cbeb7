package console

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/meterbook/meterbook/client"
)

// aboveClients reports whether the key is one of the operator, who manages what
// all clients share.
func aboveClients(k *client.Key) bool { return k.Client == "" }

func everyAdmin(*client.Key) bool { return true }

func since(t time.Time) string { return utcText(t) }

// things makes the rows of a list.
func things[T any](all []T, err error, row func(*T) thing) ([]thing, error) {
	rows := make([]thing, len(all))
	for i := range all {
		rows[i] = row(&all[i])
	}
	return rows, err
}

// numbered finds a thing by the number in its address.
func numbered[T any](id string, row func(*T) thing, find func(int64) (*T, error)) (*thing, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, &client.Error{Status: http.StatusNotFound}
	}
	found, err := find(n)
	if err != nil {
		return nil, err
	}
	t := row(found)
	return &t, nil
}

func projectKind() kind {
	row := func(p *client.Project) thing {
		return thing{strconv.FormatInt(p.ID, 10), []string{p.Name, p.Client, p.Description}, since(p.CreatedAt),
			formValues{"name": p.Name, "client": p.Client, "description": p.Description}}
	}
	changeOf := func(f formValues) client.ProjectChange {
		return client.ProjectChange{Client: f.pointer("client"), Name: f.pointer("name"), Description: f.pointer("description")}
	}
	return kind{
		One: "project", Many: "projects", Columns: []string{"Name", "Client", "Description"}, keeps: everyAdmin,
		Intro: "A project belongs to a client. One that nobody registered is made when its first event arrives, and belongs to the client of the key that sent it.",
		fields: []formField{
			{Name: "id", Label: "Id", Type: "text", Hint: "A number, as the events have it in project_id.", Required: true},
			{Name: "name", Label: "Name", Type: "text"},
			{Name: "description", Label: "Description", Type: "text"},
			{Name: "client", Label: "Client", Type: "text", Hint: "Who owns it. Empty: the client of your key."},
		},
		list: func(ctx context.Context, api *client.Client) ([]thing, error) {
			all, err := api.Projects(ctx)
			return things(all, err, row)
		},
		find: func(ctx context.Context, api *client.Client, id string) (*thing, error) {
			return numbered(id, row, func(n int64) (*client.Project, error) { return api.Project(ctx, n) })
		},
		make: func(ctx context.Context, api *client.Client, f formValues) error {
			_, err := api.CreateProject(ctx, client.NewProject{ID: f.number("id"), ProjectChange: changeOf(f)})
			return err
		},
		alter: func(ctx context.Context, api *client.Client, id string, f formValues) error {
			_, err := api.UpdateProject(ctx, formValues{"id": id}.number("id"), changeOf(f))
			return err
		},
		discard: func(ctx context.Context, api *client.Client, id string) error {
			return api.DeleteProject(ctx, formValues{"id": id}.number("id"))
		},
	}
}

func regionKind() kind {
	row := func(r *client.Region) thing {
		return thing{strconv.FormatInt(r.ID, 10), []string{r.Name, r.Country}, since(r.CreatedAt), formValues{"name": r.Name, "country": r.Country}}
	}
	changeOf := func(f formValues) client.RegionChange {
		return client.RegionChange{Name: f.pointer("name"), Country: f.pointer("country")}
	}
	return kind{
		One: "region", Many: "regions", Columns: []string{"Name", "Country"}, keeps: aboveClients,
		Intro:   "All clients share the regions. One that nobody registered is made when its first event arrives.",
		Keepers: "Only an admin key above all clients creates, changes or deletes regions.",
		fields: []formField{
			{Name: "id", Label: "Id", Type: "text", Hint: "A number, as the events have it in region_id.", Required: true},
			{Name: "name", Label: "Name", Type: "text"},
			{Name: "country", Label: "Country", Type: "text", Hint: "Two letters of ISO 3166-1, such as LU. Empty: unknown."},
		},
		list: func(ctx context.Context, api *client.Client) ([]thing, error) {
			all, err := api.Regions(ctx)
			return things(all, err, row)
		},
		find: func(ctx context.Context, api *client.Client, id string) (*thing, error) {
			return numbered(id, row, func(n int64) (*client.Region, error) { return api.Region(ctx, n) })
		},
		make: func(ctx context.Context, api *client.Client, f formValues) error {
			_, err := api.CreateRegion(ctx, client.NewRegion{ID: f.number("id"), RegionChange: changeOf(f)})
			return err
		},
		alter: func(ctx context.Context, api *client.Client, id string, f formValues) error {
			_, err := api.UpdateRegion(ctx, formValues{"id": id}.number("id"), changeOf(f))
			return err
		},
		discard: func(ctx context.Context, api *client.Client, id string) error {
			return api.DeleteRegion(ctx, formValues{"id": id}.number("id"))
		},
	}
}

func tenantKind() kind {
	row := func(t *client.Tenant) thing {
		return thing{t.ID, []string{t.Name, strconv.FormatInt(t.Number, 10)}, since(t.CreatedAt), formValues{"name": t.Name}}
	}
	return kind{
		One: "client", Many: "clients", Columns: []string{"Name", "Number"}, keeps: aboveClients,
		Intro:   "A client owns projects and keys, and sees nothing of the others. Its number is client_id in Gcore's lists.",
		Keepers: "Only an admin key above all clients creates, changes or deletes clients.",
		fields: []formField{
			{Name: "id", Label: "Id", Type: "text", Hint: "Letters A-Z and a-z, digits and hyphens, up to 64. It cannot be changed later.", Required: true},
			{Name: "name", Label: "Name", Type: "text"},
		},
		list: func(ctx context.Context, api *client.Client) ([]thing, error) {
			all, err := api.Tenants(ctx)
			return things(all, err, row)
		},
		find: func(ctx context.Context, api *client.Client, id string) (*thing, error) {
			found, err := api.Tenant(ctx, id)
			if err != nil {
				return nil, err
			}
			t := row(found)
			return &t, nil
		},
		make: func(ctx context.Context, api *client.Client, f formValues) error {
			_, err := api.CreateTenant(ctx, f["id"], f["name"])
			return err
		},
		alter: func(ctx context.Context, api *client.Client, id string, f formValues) error {
			_, err := api.RenameTenant(ctx, id, f["name"])
			return err
		},
		discard: func(ctx context.Context, api *client.Client, id string) error { return api.DeleteTenant(ctx, id) },
	}
}
