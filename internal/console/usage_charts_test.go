package console

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/client"
)

func TestBarsAreAsLongAsTheirValues(t *testing.T) {
	t.Parallel()
	q := defaultUsage(start.Time())
	series := &client.Series{Step: client.StepDay, Steps: []string{"2025-01-01", "2025-01-02"}, Units: []client.UnitSeries{
		{Unit: "bytes", InTotals: true, Total: "4", Values: []json.Number{"4", "0"}, Groups: []client.SeriesGroup{{Key: "egress_traffic", Total: "4", Values: []json.Number{"4", "0"}}}},
		{Unit: "gbminutes", Total: "1", Values: []json.Number{"1", "0"}, Groups: []client.SeriesGroup{{Key: "backup", Total: "1", Values: []json.Number{"1", "0"}}}},
		{Unit: "minutes", InTotals: true, Total: "600", Values: []json.Number{"200", "400"},
			Groups: []client.SeriesGroup{{Key: "instance", Total: "150", Values: []json.Number{"150", "0"}}, {Key: "basic_vm", Total: "50.5", Values: []json.Number{"50.5", "0"}}},
			Others: &client.SeriesOthers{Groups: 1, Total: "399.5", Values: []json.Number{"0", "399.5"}}},
	}}
	c := chartsOf(q, series, &directory{})
	var tabs, groups []string
	for _, tab := range c.Tabs {
		tabs = append(tabs, tab.Label+" "+tab.Address)
	}
	for _, g := range c.Groups {
		groups = append(groups, g.Label+" "+g.Bar+" "+g.Share+" "+colourClass(g.Colour)+" "+g.Address)
	}
	if got, want := strings.Join(tabs, "; "), "Minutes /usage?unit=minutes; GB-minutes of backups /usage?unit=gbminutes%21; Bytes /usage?unit=bytes"; got != want {
		t.Errorf("tabs %s, want %s", got, want)
	}
	if got, want := strings.Join(groups, "; "), "Instance 37.5 25.0 % c0 /usage?type=instance; Basic VM 12.6 8.4 % c1 /usage?type=basic_vm; 1 other 100.0 66.6 % c-rest "; got != want {
		t.Errorf("groups %s, want %s", got, want)
	}
	if c.Axis != (chartAxis{"h", 60}) || c.Steps[1].Values[2].Readable != "6.66 h" || c.Steps[1].Values[2].Exact != "399.5" {
		t.Errorf("axis %v, steps %+v", c.Axis, c.Steps)
	}
}
