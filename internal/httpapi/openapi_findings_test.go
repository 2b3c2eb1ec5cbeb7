package httpapi_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

func TestFindingsAreAsDocumented(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	var batch []any
	for _, r := range metering.ResourceTypes() {
		eventType, data := d.measured(r)
		other := maps.Clone(data)
		other["project_id"] = 11
		batch = append(batch, event(r.String(), eventType, data), event(r.String(), eventType, other))
		if r.Measure() == metering.Counted {
			late := maps.Clone(data)
			late["to"] = strings.Replace(data["to"].(string), ":00Z", ":01Z", 1)
			batch = append(batch, event(r.String()+"-late", eventType, late))
		}
	}
	d.call(request{method: "POST", path: "/v1/events", media: "application/cloudevents-batch+json", body: encode(t, batch)}, 200)
	a := d.call(request{method: "GET", path: "/v1/findings", query: "?from=2024-07-01&to=2024-08-01"}, 200)
	if both := []string{`"kind":"id_in_two_projects"`, `"kind":"overlapping_windows"`}; strings.Count(string(a.body), both[0]) != metering.TypeCount ||
		strings.Count(string(a.body), both[1]) != strings.Count(encode(t, batch), "-late") {
		t.Errorf("got %s", a.body)
	}
	d.call(request{method: "GET", path: "/v1/findings", query: "?from=2024-07-01&to=2024-08-01&limit=1"}, 200)
	d.call(request{method: "GET", path: "/v1/findings", query: "?to=x"}, 400)
}
