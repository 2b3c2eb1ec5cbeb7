package httpapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/report"
)

type seriesAnswer struct {
	Units []struct {
		Total  int   `json:"total"`
		Values []int `json:"values"`
		Groups []struct {
			Key string `json:"key"`
		} `json:"groups"`
	} `json:"units"`
}

func julySeries(members string) string {
	return `{"time_from":"2024-07-01","time_to":"2024-07-03",` + members + `}`
}

// TestSeriesShowOnlyWhatExistsForTheKey: what a key does not see is not in the
// groups, nor in the others, nor in the sums.
func TestSeriesShowOnlyWhatExistsForTheKey(t *testing.T) {
	t.Parallel()
	s, acme, other := tenants(t)
	above := s.key(s.root, `{"roles":["reader"]}`)
	narrow := s.key(s.root, `{"roles":["reader"],"projects":[2,3]}`)
	volumes := s.key(s.root, `{"roles":["reader"],"types":["volume"]}`)
	for token, want := range map[string][]string{above: {"1", "2"}, acme: {"1"}, other: {"2"}, narrow: {"2"}, volumes: nil} {
		a := decode[seriesAnswer](s.ask("POST", seriesPath, token, julySeries(`"step":"day","by":"project"`)).want(200))
		var got []string
		for _, u := range a.Units {
			for _, g := range u.Groups {
				got = append(got, g.Key)
			}
			if u.Total != 2880*len(u.Groups) || u.Values[0]+u.Values[1] != u.Total {
				t.Errorf("key %s: %+v", idOf(token), u)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("key %s: projects %v, want %v", idOf(token), got, want)
		}
	}
}

func TestSeriesAtTheirLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ask("POST", seriesPath, s.root, julySeries(fmt.Sprintf(`"step":"day","by":"type","top":%d`, report.MaxSeriesTop))).want(200)
	r := s.ask("POST", seriesPath, s.root, julySeries(fmt.Sprintf(`"step":"day","by":"type","top":%d`, report.MaxSeriesTop+1)))
	if r.status != 400 || !strings.Contains(string(r.body), `"top":["Input should be less than or equal to 10000"]`) {
		t.Errorf("got %d %.300s", r.status, r.body)
	}
	r = s.ask("POST", seriesPath, s.root, `{"time_from":"2000-01-01","time_to":"2010-01-09","step":"day","by":"type"}`)
	if r.status != 400 || !strings.Contains(string(r.body), `"step":["Input should give at most 3660 steps`) {
		t.Errorf("got %d %.300s", r.status, r.body)
	}
	s.ask("POST", seriesPath, s.root, `{"time_from":"2000-01-01","time_to":"2010-01-08","step":"day","by":"type"}`).want(200)
}
