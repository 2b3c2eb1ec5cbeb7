package httpapi_test

import (
	"maps"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

func TestSourcesAreAsDocumented(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	d.call(request{method: "GET", path: "/v1/sources"}, 200)
	eventType, data := d.measured(metering.ResourceTypes()[0])
	wrong := maps.Clone(data)
	wrong["colour"] = "red"
	batch := []any{event("1", eventType, data), event("1", eventType, data), event("2", eventType, wrong), 7}
	d.call(request{method: "POST", path: "/v1/events", media: "application/cloudevents-batch+json", body: encode(t, batch)}, 422)
	d.call(request{method: "GET", path: "/v1/sources", query: "?status=silent&order=silence&limit=1"}, 200)
	d.call(request{method: "GET", path: "/v1/sources"}, 200)
	d.call(request{method: "GET", path: "/v1/sources", query: "?limit=x"}, 400)
	d.call(request{method: "GET", path: "/v1/sources", token: d.newKey(`{"roles":["admin"],"projects":[10]}`)}, 403)
	for _, kind := range []string{"id_reused", "silent_resources"} {
		d.call(request{method: "GET", path: "/v1/findings", query: "?from=2024-07-01&to=2024-08-01&silent_days=1&kind=" + kind}, 200)
	}
}
