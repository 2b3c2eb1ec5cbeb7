package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/console/timeline"
	"github.com/meterbook/meterbook/internal/metering"
)

// observationTable lists a page of the observations behind the figures.
type observationTable struct {
	Rows           []observationRow
	Filters        []navLink // by status, with how many there are
	Selected       string    // the term that they are behind; "": all
	All            string    // address without any filter
	Total, Count   int       // of all, and of those selected
	From, To       int       // the rows' places among them, from 1
	Previous, Next string    // addresses; "": there is none
}

type observationRow struct {
	Number            int64
	Status, Kind      string // the word, and how its badge looks
	Source, ID        string
	Time, Received    string
	Lag               string
	Says              string
	Data              string // all of it, as JSON
	By                string // what superseded, corrected or retracted it
	Term, TermAddress string // that it led to
	Retract           string // address of the form; "": the key may not, or it was
}

// statusKinds says how the badge of a status looks.
func statusKinds() map[string]string {
	return map[string]string{
		client.StatusCounted: "good", client.StatusPending: "warn", client.StatusSuperseded: "warn",
		client.StatusCorrected: "warn", client.StatusRetracted: "bad", client.StatusRepeated: "",
	}
}

// statusTexts says what the statuses mean, in the order in which they are shown.
func statusTexts() []choice {
	return []choice{
		{client.StatusCounted, "The figures rest on it."},
		{client.StatusRepeated, "It says what held already, and changes nothing."},
		{client.StatusSuperseded, "Another state of the same minute comes after it."},
		{client.StatusCorrected, "Another quantity of the same window comes after it."},
		{client.StatusRetracted, "It was taken back, and counts as never made."},
		{client.StatusPending, "Its first minute has not come yet."},
	}
}

func (v *visit) observations(q *resourceQuery, of metering.ResourceType, a *client.Account) observationTable {
	t := observationTable{Count: a.Count, From: (q.page-1)*observationsOfPage + 1}
	t.To = t.From + len(a.Observations) - 1
	t.All = q.with(func(o *resourceQuery) { o.behind, o.status, o.page = nil, "", 1 }) + "#observations"
	if q.behind != nil {
		t.Selected = termName(of, a, q.behind.Line, q.behind.Index)
	}
	for _, n := range a.Statuses {
		t.Total += n
	}
	t.Filters = append(t.Filters, navLink{fmt.Sprintf("all %d", t.Total), t.All, q.status == "" && q.behind == nil})
	for _, status := range statusTexts() {
		if n := a.Statuses[status.Name]; n > 0 {
			address := q.with(func(o *resourceQuery) { o.behind, o.status, o.page = nil, status.Name, 1 }) + "#observations"
			t.Filters = append(t.Filters, navLink{fmt.Sprintf("%s %d", status.Name, n), address, q.status == status.Name})
		}
	}
	if q.page > 1 {
		t.Previous = q.with(func(o *resourceQuery) { o.page-- }) + "#observations"
	}
	if t.To < a.Count && len(a.Observations) > 0 {
		t.Next = q.with(func(o *resourceQuery) { o.page++ }) + "#observations"
	}
	mayRetract := slices.Contains(v.key.Roles, client.RoleWriter) || slices.Contains(v.key.Roles, client.RoleAdmin)
	for i := range a.Observations {
		row := q.observationRow(of, a, &a.Observations[i])
		if mayRetract && row.Status != client.StatusRetracted {
			row.Retract = "/sources/retract?" + url.Values{"project": {strconv.FormatInt(q.resource.ProjectID, 10)}, "source": {row.Source}, "id": {row.ID}}.Encode()
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (q *resourceQuery) observationRow(of metering.ResourceType, a *client.Account, o *client.Observation) observationRow {
	row := observationRow{
		Number: o.Number, Status: o.Status, Kind: statusKinds()[o.Status], Source: o.Source, ID: o.ID,
		Time: exactTime(o.Time), Received: exactTime(o.ReceivedAt.Truncate(time.Millisecond)), Lag: delayText(o.ReceivedAt.Sub(o.Time)), Says: saysText(of, o.Data),
	}
	if text, err := json.MarshalIndent(o.Data, "", "  "); err == nil {
		row.Data = string(text)
	}
	if o.By != nil {
		row.By = fmt.Sprintf("%s %s of %s, received %s", byWord(o.Status), o.By.ID, o.By.Source, exactTime(o.By.ReceivedAt.Truncate(time.Second)))
		if o.By.Reason != "" {
			row.By += ": " + o.By.Reason
		}
	}
	if o.Line != nil && o.Term != nil {
		row.Term = termName(of, a, *o.Line, *o.Term)
		row.TermAddress = q.with(func(other *resourceQuery) {
			other.terms = (*o.Term + closedDays(a, *o.Line)) / termsOfPage * termsOfPage
		}) + "#line-" + strconv.Itoa(*o.Line)
	}
	return row
}

// closedDays is how many terms of a line come before its windows.
func closedDays(a *client.Account, line int) int {
	if line >= len(a.Lines) {
		return 0
	}
	return len(a.Lines[line].Days)
}

func byWord(status string) string {
	switch status {
	case client.StatusRetracted:
		return "by"
	case client.StatusRepeated:
		return "repeats"
	}
	return "by"
}

// termName names a term as its table does.
func termName(of metering.ResourceType, a *client.Account, line, term int) string {
	if line >= len(a.Lines) {
		return "a term that there is not"
	}
	word := "segment"
	if of.Measure() == metering.Counted {
		word = "window"
	}
	return fmt.Sprintf("%s %d of %s", word, term+1+closedDays(a, line), a.Lines[line].Line.BillingMetricName)
}

// saysText is what an observation said, as far as it counts.
func saysText(of metering.ResourceType, d client.Told) string {
	if d["status"] == "deleted" {
		return "deleted"
	}
	if quantity, ok := d["quantity"].(json.Number); ok {
		return fmt.Sprintf("%v %s in [%s, %s)", quantity, unitWord(fmt.Sprint(d["billing_value_unit"])), windowEnd(d["from"]), windowEnd(d["to"]))
	}
	s := client.Segment{Attributes: d, Multiplier: 1}
	for _, name := range []string{"size_bytes", "count"} {
		if n, ok := d[name].(json.Number); ok {
			if multiplier, err := n.Int64(); err == nil {
				s.Multiplier = multiplier
			}
		}
	}
	text := (&timeline.Plan{Type: of, Size: sizeText}).State(&s)
	if name, ok := d[metering.Name.String()].(string); ok {
		text = name + " · " + text
	}
	return text
}

func windowEnd(value any) string {
	text, _ := value.(string)
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return exactTime(t)
	}
	return text
}

// delayText is how long after its event time something was received.
func delayText(lag time.Duration) string {
	if lag < 0 {
		return durationText(-lag) + " ahead"
	}
	return durationText(lag) + " later"
}

func durationText(lag time.Duration) string {
	switch {
	case lag < time.Second:
		return fmt.Sprintf("%d ms", lag/time.Millisecond)
	case lag < time.Minute:
		return fmt.Sprintf("%d s", lag/time.Second)
	case lag < time.Hour:
		return fmt.Sprintf("%d min", lag/time.Minute)
	case lag < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", lag/time.Hour, lag%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d days", lag/(24*time.Hour))
}
