package console

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/console/timeline"
	"github.com/meterbook/meterbook/internal/metering"
)

// elsewhere is the same type and id in another project or region, as far as the
// key sees it.
type elsewhere struct {
	timeline.Elsewhere
	Address string
	Amounts []amount
}

// maxElsewhere bounds the lines that are looked at.
const maxElsewhere = 200

// elsewhere asks where else the id counted in the period.
func (v *visit) elsewhere(q *resourceQuery, of metering.ResourceType) ([]elsewhere, error) {
	report, err := v.api.UsageReport(v.r.Context(), client.Request{
		TimeFrom: q.from(), TimeTo: q.to(), Limit: maxElsewhere,
		SchemaFilter: &client.SchemaFilter{Type: q.resource.Type, Field: of.IDField(), Values: []string{q.resource.ID}},
	})
	if err != nil {
		return nil, err
	}
	var found []elsewhere
	for i := range report.Resources {
		l := &report.Resources[i]
		if l.ProjectID == q.resource.ProjectID && l.RegionID == q.resource.RegionID {
			continue
		}
		at := slices.IndexFunc(found, func(e elsewhere) bool { return e.Project == l.ProjectID && e.Region == l.RegionID })
		if at < 0 {
			at = len(found)
			there := client.Resource{ProjectID: l.ProjectID, RegionID: l.RegionID, Type: l.Type, ID: q.resource.ID}
			found = append(found, elsewhere{Elsewhere: timeline.Elsewhere{Project: l.ProjectID, Region: l.RegionID, FirstSeen: l.FirstSeen, LastSeen: l.LastSeen}, Address: accountAddress(there, q.days)})
		}
		e := &found[at]
		e.FirstSeen, e.LastSeen = earlier(e.FirstSeen, l.FirstSeen), later(e.LastSeen, l.LastSeen)
		e.Amounts = append(e.Amounts, readable(l.BillingValue, l.BillingValueUnit))
	}
	return found, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// maxRetracted bounds the marks of observations that were taken back.
const maxRetracted = 1000

// retracted asks for the observations that were taken back, if there are any.
func (v *visit) retracted(q *resourceQuery, a *client.Account) ([]client.Observation, error) {
	if a.Statuses[client.StatusRetracted] == 0 {
		return nil, nil
	}
	r := q.request()
	r.Behind, r.Status, r.Limit, r.Offset = nil, client.StatusRetracted, maxRetracted, 0
	account, err := v.api.Account(v.r.Context(), r)
	if err != nil {
		return nil, err
	}
	return account.Observations, nil
}

// withRetracted adds what was taken back to the changes, in the order of time.
func withRetracted(changes []timeline.Change, retracted []client.Observation) []timeline.Change {
	all := slices.Clone(changes)
	for i := range retracted {
		o := &retracted[i]
		text := "Observation " + o.ID + " of " + o.Source + " counts as never made."
		if o.By != nil && o.By.Reason != "" {
			text += " Reason: " + o.By.Reason + "."
		}
		all = append(all, timeline.Change{At: o.Time, Kind: timeline.Retracted, Text: text})
	}
	slices.SortStableFunc(all, func(a, b timeline.Change) int { return a.At.Compare(b.At) })
	return all
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

func jsonText(text string) json.Number { return json.Number(text) }

func jsonNumber(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }
