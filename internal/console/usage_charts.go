package console

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
)

// usageCharts shows one unit of a series: over time, and its largest groups.
type usageCharts struct {
	Tabs      []chartTab
	Groupings []navLink
	By        string // what is told apart, in words
	Step      string // "day" or "month"
	Unit      string // in words
	Untotaled bool   // the report has no totals of it
	Total     amount
	Groups    []chartGroup // the largest first; the rest is the last one
	Steps     []chartStep
	Axis      chartAxis
}

// chartAxis is what the numbers at the side of the chart count, each worth so many
// of the API's unit.
type chartAxis struct {
	Name  string
	Worth int64
}

// chartTab is a unit to choose.
type chartTab struct {
	navLink
	Total amount
}

// chartGroup is what is counted under one name.
type chartGroup struct {
	Label   string
	Note    string // the API's own name, where the label is another one
	Colour  int    // from 0; -1: the rest
	Total   amount
	Share   string // of the total, such as "12.3 %"
	Bar     string // length in percent of the longest
	Address string // that shows only it; "": there is none
	values  []json.Number
}

// chartStep is a day or a month.
type chartStep struct {
	Label  string
	Values []amount // of each group
	Total  amount
}

// chartsOf shows the unit that the query wants, or else the first one; nil when
// nothing was used.
func chartsOf(q usageQuery, s *client.Series, d *directory) *usageCharts {
	if len(s.Units) == 0 {
		return nil
	}
	slices.SortStableFunc(s.Units, func(a, b client.UnitSeries) int { return cmp.Compare(unitRank(a.Unit), unitRank(b.Unit)) })
	chosen := &s.Units[0]
	for i := range s.Units {
		if tabOf(&s.Units[i]) == q.unit {
			chosen = &s.Units[i]
		}
	}
	c := &usageCharts{Step: s.Step, Unit: unitWord(chosen.Unit), Untotaled: !chosen.InTotals, Total: readable(chosen.Total, chosen.Unit)}
	for i := range s.Units {
		u := &s.Units[i]
		label := sentence(unitWord(u.Unit))
		if !u.InTotals {
			label += " of backups"
		}
		to := q
		to.unit = tabOf(u)
		c.Tabs = append(c.Tabs, chartTab{navLink{label, to.address(), u == chosen}, readable(u.Total, u.Unit)})
	}
	for _, g := range groupings() {
		to := q
		to.by = g.Name
		c.Groupings = append(c.Groupings, navLink{g.Label, to.address(), q.by == g.Name})
		if q.by == g.Name {
			c.By = strings.ToLower(g.Label)
		}
	}
	c.addGroups(q, chosen, d)
	c.addSteps(s, chosen)
	return c
}

func tabOf(u *client.UnitSeries) unitTab {
	if u.InTotals {
		return unitTab(u.Unit)
	}
	return unitTab(u.Unit + "!")
}

func (c *usageCharts) addGroups(q usageQuery, u *client.UnitSeries, d *directory) {
	add := func(g chartGroup, total json.Number) {
		g.Total, g.Share = readable(total, u.Unit), tenths(shareOf(total, u.Total))+" %"
		c.Groups = append(c.Groups, g)
	}
	for i := range u.Groups {
		g := &u.Groups[i]
		shown := groupOf(q, g.Key, d)
		shown.Colour, shown.values = i, g.Values
		add(shown, g.Total)
	}
	if o := u.Others; o != nil {
		add(chartGroup{Label: othersLabel(o.Groups), Colour: -1, values: o.Values}, o.Total)
	}
	// The rest may be more than the largest group.
	longest := slices.MaxFunc(c.Groups, func(a, b chartGroup) int { return compareExact(a.Total.Exact, b.Total.Exact) })
	for i := range c.Groups {
		c.Groups[i].Bar = tenths(shareOf(c.Groups[i].Total.Exact, longest.Total.Exact))
	}
}

func othersLabel(groups int64) string {
	if groups == 1 {
		return "1 other"
	}
	return fmt.Sprintf("%d others", groups)
}

// groupOf names a group, and leads to what shows only it.
func groupOf(q usageQuery, key string, d *directory) chartGroup {
	id, err := strconv.ParseInt(key, 10, 64)
	numbered := err == nil
	switch {
	case q.by == client.ByType:
		return chartGroup{Label: typeLabel(key), Note: key, Address: q.with(func(q *usageQuery) { q.types = []string{key} }).address()}
	case q.by == client.ByProject && numbered:
		return chartGroup{Label: d.project(id).String(), Note: key, Address: q.with(func(q *usageQuery) { q.projects = []int64{id} }).address()}
	case q.by == client.ByRegion && numbered:
		return chartGroup{Label: d.region(id).String(), Note: key, Address: q.with(func(q *usageQuery) { q.regions = []int64{id} }).address()}
	}
	return chartGroup{Label: key}
}

func (c *usageCharts) addSteps(s *client.Series, u *client.UnitSeries) {
	for i, first := range s.Steps {
		step := chartStep{Label: stepLabel(first, s.Step), Total: readable(u.Values[i], u.Unit)}
		for _, g := range c.Groups {
			step.Values = append(step.Values, readable(g.values[i], u.Unit))
		}
		c.Steps = append(c.Steps, step)
	}
	c.Axis = axisOf(u)
}

// axisOf takes the readable unit of the largest step.
func axisOf(u *client.UnitSeries) chartAxis {
	largest, ok := new(big.Rat).SetString(string(slices.MaxFunc(u.Values, compareExact)))
	if !ok {
		return chartAxis{unitWord(u.Unit), 1}
	}
	unit := readableUnitOf(largest, u.Unit)
	return chartAxis{unit.name, unit.worth}
}

// stepLabel writes a step: "2024-07-01", or "2024-07" for a month.
func stepLabel(first, step string) string {
	if step != client.StepMonth {
		return first
	}
	month, _, _ := strings.Cut(first[len("2006-"):], "-")
	return first[:len("2006-")] + month
}

// tenths writes tenths of a percent.
func tenths(n int64) string { return fmt.Sprintf("%d.%d", n/10, n%10) }

// downloadName is that of the file: "meterbook-usage-2024-07-01-to-2024-07-31".
func downloadName(q usageQuery) string {
	return "meterbook-usage-" + q.days.From.String() + "-to-" + dayTime(q.days.To-1).Format(time.DateOnly)
}
