package console

import (
	"errors"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/console/timeline"
	"github.com/meterbook/meterbook/internal/metering"
)

// resourcePage is what the page of a resource shows: why its figures are what
// they are.
type resourcePage struct {
	Heading               string
	Type, TypeLabel, ID   string
	Project, Region       named
	Tags                  []string
	Picker                resourcePicker
	AsOf, Closed          string // "": now; nothing is closed
	Lines                 []resourceLine
	Drawing               resourceDrawing
	Changes               []timeline.Change
	Elsewhere             []elsewhere
	Observations          observationTable
	UsageAddress, Nothing string
}

// resourcePicker chooses the period.
type resourcePicker struct {
	Action, From, Last, AsOf string
	Presets                  []navLink
}

// resourceRoute is the page of a resource, to which the lines of others lead.
func resourceRoute() route {
	return route{"GET /resource/{project}/{region}/{type}/{id}", "", []string{client.RoleReader}, showResource}
}

// showResource explains the lines of one resource.
func showResource(v *visit) error {
	q, err := readResource(v.r, v.now().Time())
	if err != nil {
		return err
	}
	of, typeKnown := metering.ResourceTypeNamed(q.resource.Type)
	if _, isID := metering.ParseUUID(q.resource.ID); !typeKnown || !isID {
		return v.resourceRefused(&q, &client.Error{Status: http.StatusNotFound})
	}
	account, err := v.api.Account(v.r.Context(), q.request())
	if err != nil {
		return v.resourceRefused(&q, err)
	}
	q.resource = account.Resource // its id in lower case
	others, err := v.elsewhere(&q, of)
	if err != nil {
		return err
	}
	retracted, err := v.retracted(&q, account)
	if err != nil {
		return err
	}
	p := &resourcePage{Type: q.resource.Type, TypeLabel: typeLabel(q.resource.Type), ID: q.resource.ID, Picker: q.picker(v.now().Time()), Elsewhere: others}
	if err := v.places(p, &q); err != nil {
		return err
	}
	p.fill(&q, of, account, retracted)
	p.Observations = v.observations(&q, of, account)
	v.show(page{template: "resource", title: p.Heading, body: p})
	return nil
}

// fill computes what the page shows of the account.
func (p *resourcePage) fill(q *resourceQuery, of metering.ResourceType, a *client.Account, retracted []client.Observation) {
	plan := &timeline.Plan{Type: of, Scale: timeline.Scale{From: q.from(), To: q.to()}, Size: sizeText}
	runs := timeline.Runs(a)
	p.Heading = p.TypeLabel
	if latest := latestLine(a); latest != nil {
		if name := firstText(latest.LastName, latest.InstanceName, latest.IPAddress); name != "" {
			p.Heading = name
		}
		for _, key := range sortedKeys(latest.Tags) {
			p.Tags = append(p.Tags, key+"="+latest.Tags[key])
		}
	}
	if !q.asOf.IsZero() {
		p.AsOf = exactTime(a.AsOf)
	}
	p.Closed = a.ClosedBefore
	for i := range a.Lines {
		p.Lines = append(p.Lines, q.lineOf(of, a, i))
	}
	others := make([]timeline.Elsewhere, len(p.Elsewhere))
	for i := range others {
		others[i] = p.Elsewhere[i].Elsewhere
	}
	p.Changes = plan.Changes(runs, timeline.CountedUntil(q.to(), a.AsOf), others)
	p.Drawing = drawResource(plan, a, runs, withRetracted(p.Changes, retracted))
	p.UsageAddress = "/usage?from=" + q.days.From.String() + "&last=" + (q.days.To - 1).String() + "&project=" + strconv.FormatInt(q.resource.ProjectID, 10)
	switch {
	case len(a.Lines) > 0:
	case a.Statuses[client.StatusPending] > 0:
		p.Nothing = "What was told of it has not begun to count: its first minute has not come yet."
	default:
		p.Nothing = "The resource is known, but it was not there in this period, or what was told of it was taken back."
	}
}

// latestLine is the one that counted last, nil when nothing counted.
func latestLine(a *client.Account) (latest *client.Line) {
	for i := range a.Lines {
		if l := &a.Lines[i].Line; latest == nil || l.LastSeen.After(latest.LastSeen) {
			latest = l
		}
	}
	return latest
}

func firstText(texts ...*string) string {
	for _, text := range texts {
		if text != nil && *text != "" {
			return *text
		}
	}
	return ""
}

// sizeText writes bytes in the greatest unit, binary or decimal, in which they are
// short and need no rounding, so that different sizes never read alike.
func sizeText(bytes int64) string {
	const short = 10_000
	decimal := []scaled{{"TB", 1e12, 1}, {"GB", 1e9, 1}, {"MB", 1e6, 1}}
	for _, u := range append(readableUnits(metering.UnitBytes), decimal...) {
		shown := big.NewRat(bytes, u.worth)
		text := shown.FloatString(readablePlaces)
		back, ok := new(big.Rat).SetString(text)
		if ok && back.Cmp(shown) == 0 && bytes >= u.worth && bytes/u.worth < short {
			return grouped(text) + " " + u.name
		}
	}
	return grouped(strconv.FormatInt(bytes, 10)) + " bytes"
}

// picker offers the presets of the Usage page.
func (q *resourceQuery) picker(now time.Time) resourcePicker {
	p := resourcePicker{Action: q.path(), From: q.days.From.String(), Last: (q.days.To - 1).String()}
	if !q.asOf.IsZero() {
		p.AsOf = q.asOf.Format(asOfLayout)
	}
	for _, preset := range periods() {
		days := periodOf(preset.Name, now)
		p.Presets = append(p.Presets, navLink{preset.Label, accountAddress(q.resource, days), days == q.days})
	}
	return p
}

// places asks for the names of the project and the region. One that the key does
// not see by name has none.
func (v *visit) places(p *resourcePage, q *resourceQuery) error {
	p.Project.ID, p.Region.ID = q.resource.ProjectID, q.resource.RegionID
	project, err := v.api.Project(v.r.Context(), p.Project.ID)
	if err == nil {
		p.Project.Name = project.Name
	} else if !isStatus(err, http.StatusNotFound) {
		return err
	}
	region, err := v.api.Region(v.r.Context(), p.Region.ID)
	if err == nil {
		p.Region.Name = region.Name
	} else if !isStatus(err, http.StatusNotFound) {
		return err
	}
	return nil
}

func isStatus(err error, status int) bool {
	var refused *client.Error
	return errors.As(err, &refused) && refused.Status == status
}

// resourceRefused says what to do where an account is refused for a reason that
// belongs to this page.
func (v *visit) resourceRefused(q *resourceQuery, err error) error {
	var refused *client.Error
	if !errors.As(err, &refused) {
		return err
	}
	switch {
	case refused.Status == http.StatusNotFound:
		v.show(page{"notice", "No such resource", refused.Status, notice{
			Title: "There is no such resource", RequestID: refused.RequestID,
			Text:  "Nobody has told of it" + asOfText(q) + ", or it lies outside of what your key covers. Check the project, the region, the type and the id in the address.",
			Links: []link{{"Go to usage", "/usage"}},
		}})
	case refused.Status == http.StatusBadRequest && strings.Contains(strings.Join(refused.InvalidFields["to"], ""), "observations bear"):
		v.show(page{"notice", "Too many observations", refused.Status, q.tooMany(refused)})
	default:
		return err
	}
	return nil
}

func asOfText(q *resourceQuery) string {
	if q.asOf.IsZero() {
		return ""
	}
	return " by " + exactTime(q.asOf) + " UTC"
}

// tooMany offers the halves of a period that has too many observations.
func (q *resourceQuery) tooMany(refused *client.Error) notice {
	n := notice{Title: "Too many observations for one page", Text: refused.Message + ".", RequestID: refused.RequestID}
	half := q.days.From + (q.days.To-q.days.From)/2
	if half == q.days.From {
		n.Text += " A day is the shortest period that this page shows; the figures themselves are on the Usage page."
		n.Links = []link{{"Go to usage", "/usage"}}
		return n
	}
	for _, days := range []metering.Period{{From: q.days.From, To: half}, {From: half, To: q.days.To}} {
		n.Links = append(n.Links, link{days.From.String() + " to " + (days.To - 1).String(), accountAddress(q.resource, days)})
	}
	return n
}
