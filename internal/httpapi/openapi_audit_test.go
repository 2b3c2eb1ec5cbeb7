package httpapi_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

func TestAccountsAreAsDocumented(t *testing.T) {
	t.Parallel()
	const template = "/v1/resources/{project}/{region}/{type}/{id}"
	d := newDocumented(t)
	var batch []any
	var paths []string
	for _, r := range metering.ResourceTypes() {
		eventType, data := d.measured(r)
		batch = append(batch, event(r.String(), eventType, data), event(r.String()+"-again", eventType, data), event(r.String()+"-wrong", eventType, data),
			event(r.String()+"-retraction", "meterbook.retraction.v1", map[string]any{"project_id": data["project_id"], "source": "/test", "id": r.String() + "-wrong", "reason": "wrong"}))
		if r.Measure() != metering.Counted {
			gone := maps.Clone(data)
			gone["status"] = "deleted"
			batch = append(batch, event(r.String()+"-gone", eventType, gone))
		}
		paths = append(paths, fmt.Sprintf("/v1/resources/%v/%v/%s/%v?from=2024-01-01&to=2025-01-01", data["project_id"], data["region_id"], r, data["resource_id"]))
	}
	d.call(request{method: "POST", path: "/v1/events", media: "application/cloudevents-batch+json", body: encode(t, batch)}, 200)
	for _, path := range paths {
		for _, query := range []string{"", "&limit=1&offset=1", "&line=0&term=0&status=counted", "&as_of=2024-08-02T00:00:00Z"} {
			a := d.send(request{method: "GET", path: path + query})
			if err := d.check("GET", template, a); err != nil || a.status != 200 || !strings.Contains(string(a.body), `"count":`) {
				t.Errorf("%s answers %d %s\n%v", path+query, a.status, a.body, err)
			}
		}
	}
	for path, status := range map[string]int{strings.Replace(paths[0], "from=", "x=", 1): 400, strings.Replace(paths[0], "/76/", "/77/", 1): 404} {
		a := d.send(request{method: "GET", path: path})
		if err := d.check("GET", template, a); err != nil || a.status != status {
			t.Errorf("%s answers %d %s\n%v", path, a.status, a.body, err)
		}
	}
}
