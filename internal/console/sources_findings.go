package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/meterbook/meterbook/client"
)

// findingsCard shows what smells of wrong bills, one kind at a time: some kinds
// read much of the store, so they are looked for when somebody asks.
type findingsCard struct {
	Tabs       []navLink
	Text       string // what the kind is, and what to do
	Kind       string
	Rows       []findingRow
	Count      int
	From, Last string // the days that were looked at
	Days       int    // of silence
	DayChoices []navLink
}

type findingRow struct {
	Label, Name string // of the resource
	Places      []link
	What        string
	From, To    time.Time
	Retract     string // address; "": nothing can be taken back
}

// findingKind is a kind in words.
type findingKind struct{ kind, label, text string }

func findingKinds() []findingKind {
	return []findingKind{
		{client.ReusedID, "Reused ids", "An id that a source had used was sent again with other content. It was refused, and what was stored first counts. If the later one is right, retract the first and send it under a new id."},
		{client.SilentResource, "Silent resources", "These still count, but nothing was heard of them for long, not even that they are unchanged. If they are gone, nobody has said so: send their deletion."},
		{client.IDInTwoProjects, "In two projects", "The same resource is there in several projects at once, and each of them is billed. When it moved, its deletion in the old project is missing."},
		{client.OverlappingWindows, "Overlapping windows", "Two quantities of one meter cover the same time without being equal, and are added up. If one of them is wrong, retract it."},
	}
}

const (
	findingsShown = 50
	findingDays   = 30
)

// silentChoices are the days of silence to choose from.
var silentChoices = []int{1, 7, 14, 30}

// findings asks for the kind that the address names.
func (v *visit) findings(query url.Values) (findingsCard, error) {
	kinds := findingKinds()
	i := max(0, slices.IndexFunc(kinds, func(k findingKind) bool { return k.kind == query.Get("find") }))
	days, err := strconv.Atoi(query.Get("days"))
	if err != nil || !slices.Contains(silentChoices, days) {
		days = 7
	}
	today := v.now().Time().Truncate(24 * time.Hour)
	card := findingsCard{Kind: kinds[i].kind, Text: kinds[i].text, Days: days, From: today.AddDate(0, 0, -findingDays).Format(time.DateOnly), Last: today.Format(time.DateOnly)}
	for n, k := range kinds {
		card.Tabs = append(card.Tabs, navLink{k.label, sourcesAddress(query, "find", k.kind) + "#findings", n == i})
	}
	for _, d := range silentChoices {
		label := strconv.Itoa(d) + " days"
		if d == 1 {
			label = "1 day"
		}
		card.DayChoices = append(card.DayChoices, navLink{label, sourcesAddress(query, "days", strconv.Itoa(d)) + "#findings", d == days})
	}
	found, err := v.api.FindingsOf(v.r.Context(), client.FindingsRequest{From: today.AddDate(0, 0, -findingDays), To: today.AddDate(0, 0, 1), Kind: card.Kind, SilentDays: days, Limit: findingsShown})
	if err != nil {
		return card, err
	}
	card.Count = found.Count
	for i := range found.Results {
		card.Rows = append(card.Rows, newFindingRow(&found.Results[i]))
	}
	return card, nil
}

func newFindingRow(f *client.Finding) findingRow {
	r := findingRow{Label: typeLabel(f.Type), Name: f.ResourceID, From: f.From, To: f.To}
	// The page of a resource takes whole days, and From may lie years back.
	days := url.Values{"from": {f.From.UTC().Format(time.DateOnly)}, "to": {f.To.UTC().AddDate(0, 0, 1).Format(time.DateOnly)}}
	if f.Kind == client.ReusedID {
		days = nil
	}
	for _, p := range f.Resources {
		at := resourcePath(client.Resource{ProjectID: p.ProjectID, RegionID: p.RegionID, Type: f.Type, ID: f.ResourceID})
		if days != nil {
			at += "?" + days.Encode()
		}
		r.Places = append(r.Places, link{fmt.Sprintf("project %d, region %d", p.ProjectID, p.RegionID), at})
	}
	r.What = findingWords(f)
	if f.Kind == client.ReusedID && len(f.Resources) > 0 {
		r.Retract = retractAddress(f.Resources[0].ProjectID, f.Source, f.ID)
	}
	return r
}

// findingWords tells what was found.
func findingWords(f *client.Finding) string {
	switch f.Kind {
	case client.IDInTwoProjects:
		return fmt.Sprintf("Counted in several projects at once for %s minutes.", grouped(strconv.FormatInt(f.Minutes, 10)))
	case client.OverlappingWindows:
		text := "Overlapping: "
		for i, o := range f.Observations {
			if i > 0 {
				text += ", "
			}
			text += fmt.Sprintf("%s of %s (%s)", o.ID, o.Source, grouped(string(o.Quantity)))
		}
		return text + "."
	case client.ReusedID:
		times := "once"
		if f.Times != 1 {
			times = grouped(strconv.FormatInt(f.Times, 10)) + " times"
		}
		return fmt.Sprintf("Id %s of source %s was refused %s.", f.ID, f.Source, times)
	case client.SilentResource:
		return "Last heard of " + agoText(f.To.Sub(f.From)) + "."
	}
	return f.Kind // of a newer server
}

// retractAddress leads to the form that takes an observation back.
func retractAddress(project int64, source, id string) string {
	return "/sources/retract?" + url.Values{"project": {strconv.FormatInt(project, 10)}, "source": {source}, "id": {id}}.Encode()
}
