package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/meterbook/meterbook/client"
)

// hostileTexts become script where a page takes a text for something else. Each
// calls a binding, so that the tab would notice.
var hostileTexts = []string{
	`<script>` + executedBinding + `("tag")</script>`,
	`"><img src=x onerror=` + executedBinding + `("attribute")>`,
	`'><svg onload=` + executedBinding + `("quote")>`,
	`javascript:` + executedBinding + `("address")`,
	`</script></title></textarea><script>` + executedBinding + `("end")</script>`,
	`{{.Token}}${` + executedBinding + `("template")}`,
	`" onfocus=` + executedBinding + `("handler") autofocus x="`,
	`<a href="javascript:` + executedBinding + `('link')">x</a><style>*{display:none}</style>`,
	`-->]]><iframe srcdoc="<script>parent.` + executedBinding + `('frame')</script>">`,
}

// hostile is the nth text, told apart by a place that is seen on the page.
func hostile(n int, place string) string {
	return fmt.Sprintf("%s%d%s", place, n, hostileTexts[n%len(hostileTexts)])
}

// withoutSpace is a text for where spaces are refused.
func withoutSpace(text string) string { return strings.ReplaceAll(text, " ", "/") }

// infest sends hostile texts in every string that a source controls.
func infest(t *testing.T, p *process) {
	t.Helper()
	ctx, api := t.Context(), p.api(rootToken)
	must(api.CreateTenant(ctx, "mallory", hostile(0, "client")))(t)
	owner := "mallory"
	var events []client.Event
	for n := range hostileTexts {
		project, region := int64(301+n), int64(401+n)
		name, description, place := hostile(n, "project"), hostile(n, "description"), hostile(n, "region")
		must(api.CreateProject(ctx, client.NewProject{ID: project, ProjectChange: client.ProjectChange{Client: &owner, Name: &name, Description: &description}}))(t)
		must(api.CreateRegion(ctx, client.NewRegion{ID: region, RegionChange: client.RegionChange{Name: &place}}))(t)
		must(api.CreateKey(ctx, client.NewKey{Name: hostile(n, "key"), Client: owner, Roles: []string{client.RoleReader}}))(t)
		events = append(events, hostileEvents(n, project, region)...)
	}
	send(t, api, events)
	refused := make([]client.Event, len(hostileTexts))
	for n := range refused { // what the page of sources shows of rejections
		refused[n] = client.Event{ID: hostile(n, "badid"), Source: withoutSpace(hostile(n, "bad")), Type: client.TypeState, Time: july().TimeFrom,
			Data: fact{"resource_type": hostile(n, "type"), "resource_id": hostile(n, "resource"), "project_id": 301, "region_id": 401, "status": hostile(n, "status"), hostile(n, "member"): 1}}
	}
	receipt := must(api.SendEvents(ctx, refused))(t)
	if receipt.RejectedTotal != int64(len(refused)) {
		t.Fatalf("receipt %+v", receipt)
	}
}

func hostileEvents(n int, project, region int64) []client.Event {
	source := withoutSpace("/" + hostile(n, "source"))
	about := func(kind string, id int) fact {
		return fact{"resource_type": kind, "resource_id": machine(id*100 + n), "project_id": project, "region_id": region}
	}
	state := func(id string, at time.Time, data fact) client.Event {
		return client.Event{ID: hostile(n, id), Source: source, Type: client.TypeState, Time: at, Data: data}
	}
	from := july().TimeFrom
	instance, volume, share, traffic, inference := about("instance", 1), about("volume", 2), about("file_share", 3), about("egress_traffic", 4), about("inference", 5)
	for key, value := range (fact{"status": "active", "name": hostile(n, "name"), "flavor": hostile(n, "flavor"), "tags": map[string]string{hostile(n, "tagkey"): hostile(n, "tagvalue")}, "billing_metric_name": hostile(n, "metric")}) {
		instance[key] = value
	}
	for key, value := range (fact{"status": "active", "name": hostile(n, "volume"), "volume_type": hostile(n, "kind"), "size_bytes": 1 << 30}) {
		volume[key] = value
	}
	for key, value := range (fact{"status": "active", "name": hostile(n, "share"), "file_share_type": hostile(n, "sharekind"), "size_bytes": 1 << 30}) {
		share[key] = value
	}
	window := fact{"from": from, "to": from.Add(time.Hour), "quantity": "7"}
	for key, value := range window {
		traffic[key], inference[key] = value, value
	}
	traffic["instance_type"], traffic["instance_name"], traffic["vm_id"] = "vm", hostile(n, "machine"), machine(n)
	inference["billing_metric_name"], inference["flavor"], inference["name"], inference["billing_value_unit"] = hostile(n, "model"), hostile(n, "gpu"), hostile(n, "inference"), "H"
	quantity := func(id string, data fact) client.Event {
		return client.Event{ID: hostile(n, id), Source: source, Type: client.TypeQuantity, Time: from.Add(time.Hour), Data: data}
	}
	retracted := about("floatingip", 6)
	retracted["status"], retracted["name"] = "active", hostile(n, "wrong")
	return []client.Event{
		state("instance", from, instance), state("volume", from, volume), state("share", from, share), quantity("traffic", traffic), quantity("inference", inference),
		state("retracted", from, retracted),
		{ID: hostile(n, "retraction"), Source: source, Type: client.TypeRetraction, Time: from, Data: fact{
			"project_id": project, "source": source, "id": hostile(n, "retracted"), "reason": hostile(n, "reason")}},
	}
}

// harmless is script that finds what a hostile text would have made, and links
// that lead anywhere but to pages.
const harmless = `(() => {
  const made = [...document.querySelectorAll('img[src="x"], svg[onload], iframe, [onerror], [onload], [onfocus], [onclick], [style]:not(canvas), main script:not([type="application/json"]):not([src])')].map(e => e.outerHTML.slice(0, 200));
  const astray = [...document.querySelectorAll('[href], [action], [formaction], [src]')].filter(e => !/^(https?:|data:image)/.test(e.href?.baseVal ?? (e.href || e.action || e.formAction || e.src)));
  return made.concat(astray.map(e => e.outerHTML.slice(0, 200)));
})()`

// showsHarmlessly opens a page, which must show the texts and nothing made of them.
func (b *tab) showsHarmlessly(path string, wants ...string) {
	b.t.Helper()
	if status := b.visit(path); status >= http.StatusInternalServerError {
		b.t.Fatalf("%s: status %d", path, status)
	}
	for _, found := range evaluate[[]string](b, harmless) {
		b.t.Errorf("%s has %s", path, found)
	}
	text := evaluate[string](b, "document.body.textContent")
	for _, want := range wants {
		if !strings.Contains(text, want) {
			b.t.Errorf("%s does not show %q:\n%.3000s", path, want, text)
		}
	}
	b.checkFaults()
}

// texts are all hostile texts of the places.
func texts(places ...string) []string {
	var all []string
	for n := range hostileTexts {
		for _, place := range places {
			all = append(all, hostile(n, place))
		}
	}
	return all
}

func TestTextsOfSourcesAreNeverScript(t *testing.T) {
	t.Parallel()
	p := start(t)
	infest(t, p)
	b := p.signedIn(t, p.key(client.NewKey{Name: hostile(1, "own"), Roles: []string{client.RoleAdmin}}).Token)
	check := b.showsHarmlessly
	all := inJuly + "&size=250"
	check(all, texts("name", "flavor", "tagkey", "tagvalue", "project", "region", "volume", "kind", "share", "sharekind", "machine", "model", "inference", "metric")...)
	check(inJuly+"&by=project", texts("project")[0])
	check(inJuly+"&by=region", texts("region")[0])
	check(inJuly+"&by=metric", texts("metric")[0])
	b.point("#usage-plot")
	for n := range hostileTexts {
		text := url.QueryEscape(hostileTexts[n])
		check(inJuly+"&in=instance.last_name&q="+text, hostileTexts[n])
		check("/usage?period=" + text + "&from=" + text + "&last=" + text + "&project=" + text + "&type=" + text + "&tag=" + text + "&in=" + text + "&by=" + text + "&unit=" + text + "&sort=" + text + "&page=" + text + "&size=" + text + "&" + text + "=" + text)
		for kind, places := range map[string][]string{"instance/" + machine(100+n): {"name", "flavor", "source", "instance"}, "egress_traffic/" + machine(400+n): {"machine", "traffic"}, "floatingip/" + machine(600+n): {"wrong", "reason"}} {
			path := fmt.Sprintf("/resource/%d/%d/%s?from=2024-07-01&last=2024-07-31", 301+n, 401+n, kind)
			var wants []string
			for _, place := range places {
				want := hostile(n, place)
				if place == "source" {
					want = withoutSpace(want)
				}
				wants = append(wants, want)
			}
			check(path, wants...)
		}
		check("/resource/301/401/instance/" + url.PathEscape(hostileTexts[n]) + "?from=" + text + "&last=" + text + "&as_of=" + text)
		check("/admin/projects?q="+text+"&done="+text+"&offset="+text, hostileTexts[n])
		check("/admin/keys?q="+text+"&state="+text, "Nothing found")
		check("/admin/keys/" + url.PathEscape(hostileTexts[n]))
		check("/docs?q=" + text)
	}
	var sources []string
	for n := range hostileTexts {
		sources = append(sources, withoutSpace(hostile(n, "source")), withoutSpace(hostile(n, "bad")), hostile(n, "badid"))
	}
	check("/sources", sources...)
	for _, kind := range []string{client.IDInTwoProjects, client.OverlappingWindows, client.ReusedID, client.SilentResource, url.QueryEscape(hostileTexts[0])} {
		check("/sources?find=" + kind)
	}
	check("/admin/keys", texts("key")...)
	check("/admin/projects", texts("project", "description")...)
	check("/admin/regions", texts("region")...)
	check("/admin/clients", hostile(0, "client"))
	check("/admin/projects/303/delete", hostile(2, "project"))
}

func TestAddressesOfTheSignInPageLeadNowhereElse(t *testing.T) {
	t.Parallel()
	p := start(t)
	for _, next := range append([]string{"//elsewhere.invalid/", "https://elsewhere.invalid/", `/\elsewhere.invalid`, "/%2F/elsewhere.invalid", "\t//elsewhere.invalid"}, hostileTexts...) {
		b := p.visitor(t)
		b.open("/signin?next=" + url.QueryEscape(next) + "&reason=" + url.QueryEscape(next))
		for _, found := range evaluate[[]string](b, harmless) {
			t.Errorf("%s: the page has %s", next, found)
		}
		b.fill("Token", rootToken)
		b.follow("button", "Sign in")
		if got := evaluate[string](b, "location.origin"); got != p.URL("") {
			t.Errorf("%s leads to %s", next, got)
		}
	}
}

// point moves the mouse over the middle of an element.
func (b *tab) point(selector string) {
	b.t.Helper()
	at := evaluate[[2]float64](b, `(e => { e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })(document.querySelector(%s))`, selector)
	b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: input.DispatchMouseEventTypeMouseMoved, X: at[0], Y: at[1]})
		return err
	}))
}
