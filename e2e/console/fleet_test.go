package console

import (
	"fmt"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

// Whom the fleet belongs to.
const (
	acme, globex       = "acme", "globex"
	shop, lab, rival   = 101, 102, 201 // acme has the first two
	luxembourg, sydney = 76, 80
)

// july is the period of the fleet. It lies in the past, so that its figures never
// change.
func july() client.Request {
	return client.Request{TimeFrom: time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC), TimeTo: time.Date(2024, 8, 1, 0, 0, 0, 0, time.UTC)}
}

// instances is how many machines acme's shop has: more than two pages.
const instances = 120

// machine is the id of the nth resource of the fleet.
func machine(n int) string { return fmt.Sprintf("3c90c3cc-0d44-4b50-8888-%012x", n) }

// furnish registers clients, projects and regions, and sends a fleet whose
// figures can be told by heart: the nth machine of the shop is there for n days.
func furnish(t *testing.T, p *process) {
	t.Helper()
	ctx, api := t.Context(), p.api(rootToken)
	for _, id := range []string{acme, globex} {
		must(api.CreateTenant(ctx, id, "The company "+id))(t)
	}
	owners := map[int64]string{shop: acme, lab: acme, rival: globex}
	names := map[int64]string{shop: "Shop", lab: "Laboratory", rival: "Rival"}
	for id, owner := range owners {
		name := names[id]
		must(api.CreateProject(ctx, client.NewProject{ID: id, ProjectChange: client.ProjectChange{Client: &owner, Name: &name}}))(t)
	}
	for id, name := range map[int64]string{luxembourg: "Luxembourg", sydney: "Sydney"} {
		must(api.CreateRegion(ctx, client.NewRegion{ID: id, RegionChange: client.RegionChange{Name: &name}}))(t)
	}
	send(t, api, fleet())
}

// send sends events, none of which may be refused.
func send(t *testing.T, api *client.Client, events []client.Event) {
	t.Helper()
	receipt := must(api.SendEvents(t.Context(), events))(t)
	if receipt.RejectedTotal != 0 || !receipt.Complete {
		t.Fatalf("%d events were refused: %+v", receipt.RejectedTotal, receipt.Rejected)
	}
}

// fact is the data of an event.
type fact map[string]any

func fleet() []client.Event {
	var all []client.Event
	note := func(day int, data fact) {
		n := len(all)
		all = append(all, client.Event{ID: fmt.Sprintf("fleet-%d", n), Source: "/fleet/east", Type: client.TypeState,
			Time: time.Date(2024, 7, day, 0, 0, 5, 0, time.UTC), Data: data})
	}
	for n := 1; n <= instances; n++ {
		flavor, tags := "g1-standard-1-2", map[string]string{"env": "prod", "team": fmt.Sprintf("team-%d", n%3)}
		if n%2 == 0 {
			flavor, tags["env"] = "g1-standard-2-4", "test"
		}
		about := fact{"resource_type": "instance", "resource_id": machine(n), "project_id": shop, "region_id": luxembourg}
		born, gone := fact{"status": "active", "name": fmt.Sprintf("web-%03d", n), "flavor": flavor, "tags": tags}, fact{"status": "deleted"}
		for key, value := range about {
			born[key], gone[key] = value, value
		}
		note(1, born)
		note(1+(n-1)%25+1, gone)
	}
	volume := fact{"resource_type": "volume", "resource_id": machine(1001), "project_id": lab, "region_id": sydney, "status": "active",
		"name": "archive", "volume_type": "ssd_hiiops", "size_bytes": 10 << 30, "tags": map[string]string{"env": "lab"}}
	note(1, volume)
	larger := fact{}
	for key, value := range volume {
		larger[key] = value
	}
	larger["size_bytes"], larger["name"] = 20<<30, "archive-large"
	note(11, larger)
	note(1, fact{"resource_type": "floatingip", "resource_id": machine(1002), "project_id": lab, "region_id": luxembourg, "status": "active", "ip_address": "192.0.2.7", "name": "door"})
	note(1, fact{"resource_type": "load_balancer", "resource_id": machine(1003), "project_id": rival, "region_id": sydney, "status": "active", "flavor": "lb1-1-2", "name": "rivals-door"})
	note(1, fact{"resource_type": "dbaas_postgresql_cpu", "resource_id": machine(1004), "project_id": lab, "region_id": sydney, "status": "active", "name": "books"})
	return append(all, calls(machine(1005))...)
}

// calls are quantities: half a million calls on each of ten days.
func calls(id string) []client.Event {
	var all []client.Event
	for day := 1; day <= 10; day++ {
		from := time.Date(2024, 7, day, 0, 0, 0, 0, time.UTC)
		all = append(all, client.Event{ID: fmt.Sprintf("calls-%d", day), Source: "/fleet/west", Type: client.TypeQuantity, Time: from.AddDate(0, 0, 1), Data: fact{
			"resource_type": "functions_calls", "resource_id": id, "project_id": lab, "region_id": sydney, "name": "resize-picture",
			"from": from, "to": from.AddDate(0, 0, 1), "quantity": "0.5",
		}})
	}
	return all
}
