package httpapi

import (
	"net/http"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

const findingsPath = "/v1/findings"

// findingBody is what smells of a wrong bill. Members that the kind does not have
// are null.
type findingBody struct {
	Kind         string               `json:"kind"`
	Type         string               `json:"type"`
	ResourceID   string               `json:"resource_id"`
	Resources    []foundResourceBody  `json:"resources"`
	From         timestamp            `json:"from"`
	To           timestamp            `json:"to"`
	Minutes      *int64               `json:"minutes"`
	Metric       *string              `json:"billing_metric_name"`
	Unit         *string              `json:"billing_value_unit"`
	Observations *[]foundQuantityBody `json:"observations"`
	Source       *string              `json:"source"`
	ID           *string              `json:"id"`
	Times        *int64               `json:"times"`
}

// Limits of how long a resource must not have been heard of to be silent.
const (
	DefaultSilentDays = 7
	MaxSilentDays     = 3650
)

type foundResourceBody struct {
	Project metering.ProjectID `json:"project_id"`
	Region  metering.RegionID  `json:"region_id"`
}

type foundQuantityBody struct {
	Source   string         `json:"source"`
	ID       string         `json:"id"`
	From     timestamp      `json:"from"`
	To       timestamp      `json:"to"`
	Quantity jsontext.Value `json:"quantity"`
}

// listFindings answers with the first findings of the period and the number of
// all.
func listFindings(x *exchange) error {
	q := x.query()
	q.only("from", "to", "kind", "silent_days", "limit")
	of := report.FindingQuery{Period: q.period(), Kinds: q.findingKinds()}
	of.SilentFor = metering.Instant(q.integer("silent_days", DefaultSilentDays, 1, MaxSilentDays)) * 86400 * metering.Second
	limit := q.integer("limit", DefaultPageSize, 1, MaxPageSize)
	if err := (&members{fields: q.fields}).err(); err != nil {
		return err
	}
	store, body := x.backend.Store, listBody[findingBody]{Results: []findingBody{}}
	of.Scope = x.caller.Scope(store)
	err := store.Findings(x.r.Context(), of, func(f *report.Finding) error {
		if body.Count++; body.Count <= limit {
			body.Results = append(body.Results, bodyOfFinding(f))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, &body)
}

func bodyOfFinding(f *report.Finding) findingBody {
	b := findingBody{
		Kind: f.Kind.String(), Type: f.Resources[0].Type.String(), ResourceID: f.Resources[0].ID.String(),
		From: timestamp(f.From), To: timestamp(f.To), Minutes: given(f.Minutes),
		Source: given(f.Name.Source), ID: given(f.Name.ID), Times: given(int64(f.Times)),
	}
	for _, k := range f.Resources {
		b.Resources = append(b.Resources, foundResourceBody{k.Project, k.Region})
	}
	if f.Kind != report.OverlappingWindows {
		return b
	}
	quantities := make([]foundQuantityBody, len(f.Windows))
	for i := range f.Windows {
		w := &f.Windows[i]
		quantities[i] = foundQuantityBody{w.Source, w.ID, timestamp(w.From), timestamp(w.To), w.Quantity.AppendDecimal(nil, metering.QuantityScale)}
	}
	b.Observations, b.Metric, b.Unit = &quantities, &f.Windows[0].Meter.Metric, &f.Windows[0].Meter.Unit
	return b
}

// findingKinds reads the kind that is asked for; otherwise it is all but silent
// resources, which depend on how long one waits for news.
func (q *query) findingKinds() report.KindSet {
	var names []string
	for _, k := range report.FindingKinds() {
		names = append(names, k.String())
	}
	name := q.choice("kind", names...)
	if i := slices.Index(names, name); i >= 0 {
		return report.KindsOf(report.FindingKinds()[i])
	}
	return report.KindsOf(report.IDInTwoProjects, report.OverlappingWindows, report.ReusedIDs)
}

// period reads the days of a half-open period.
func (q *query) period() metering.Period {
	in := metering.Period{From: q.date("from"), To: q.date("to")}
	if q.fields["from"] == nil && q.fields["to"] == nil && in.From > in.To {
		q.fields.Add("to", "Input should not be before from, %s", in.From)
	}
	return in
}

// date reads a UTC day that must be given.
func (q *query) date(name string) metering.Day {
	text, given := q.text(name)
	day, ok := metering.ParseDate(text)
	switch {
	case !given:
		q.fields.Add(name, "Field required")
	case !ok:
		q.fields.Add(name, "Input should be a valid date such as '2024-07-01'")
	}
	return day
}
