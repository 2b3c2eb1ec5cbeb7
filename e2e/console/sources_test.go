package console

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/client"
)

func TestSourcesTellWhoSendsAndWhatWasRefused(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	api := p.api(rootToken)
	bad := client.Event{ID: "without-flavor", Source: "/fleet/north", Type: client.TypeState, Time: july().TimeFrom,
		Data: fact{"resource_type": "instance", "resource_id": machine(7), "project_id": shop, "region_id": luxembourg, "status": "active"}}
	if receipt := must(api.SendEvents(t.Context(), []client.Event{bad}))(t); receipt.RejectedTotal != 1 {
		t.Fatalf("receipt %+v", receipt)
	}
	// A machine of the shop turns up in the rival's project too, in days that the page looks at.
	twice := client.Event{ID: "twice", Source: "/fleet/east", Type: client.TypeState, Time: july().TimeFrom,
		Data: fact{"resource_type": "floatingip", "resource_id": machine(1002), "project_id": rival, "region_id": luxembourg, "status": "active"}}
	send(t, api, []client.Event{twice})
	b := p.signedIn(t, rootToken)
	b.follow("link", "Sources")
	accepted := map[string]int{"/fleet/east": len(fleet()) - 10 + 1, "/fleet/west": 10, "/fleet/north": 0}
	rows := evaluate[map[string]string](b, `Object.fromEntries([...document.querySelectorAll('table.sources > tbody > tr:first-child')].map(r => [r.cells[0].querySelector('bdi').innerText, r.cells[4].innerText]))`)
	for source, n := range accepted {
		got, _, _ := strings.Cut(rows[source], "\n")
		if strings.ReplaceAll(got, ",", "") != strconv.Itoa(n) {
			t.Errorf("of %s the page shows %q accepted, not %d", source, rows[source], n)
		}
	}
	b.click("button", "1 refused in 30 days")
	for _, want := range []string{"missing_field", "without-flavor", "flavor"} {
		b.shows(want)
	}
	b.follow("link", "In two projects")
	b.shows(machine(1002))
	b.shows("project 201, region 76")
	b.checkLayout("findings")
	b.checkAxe("findings")
	b.picture("sources-findings-desktop-light")
}

func TestAnObservationIsRetractedFromItsResource(t *testing.T) {
	t.Parallel()
	p := start(t)
	furnish(t, p)
	b := p.signedIn(t, rootToken)
	only := inJuly + "&in=instance.last_name&q=web-007"
	b.open(only)
	b.follow("link", b.lines()[0].Name)
	story := b.at()
	b.follow("link", "retract…")
	if project, source := b.query().Get("project"), b.query().Get("source"); project != "101" || source != "/fleet/east" {
		t.Errorf("the form is for %s", b.at())
	}
	b.fill("Reason", "It was a drill")
	if status := b.follow("button", "Retract it"); status != http.StatusOK {
		t.Errorf("status %d: %s", status, b.text("main"))
	}
	b.shows("The retraction is stored")
	b.open(story)
	b.shows("It was a drill")
	b.open(only)
	b.checkLines(rootToken, client.Request{TimeFrom: july().TimeFrom, TimeTo: july().TimeTo,
		SchemaFilter: &client.SchemaFilter{Type: "instance", Field: "last_name", Values: []string{"web-007"}}})
	b.shows("Nothing matches these filters")
}
