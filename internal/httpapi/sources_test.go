package httpapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// toldSources is the answer as a client reads it.
type toldSources struct {
	Count    int              `json:"count"`
	Statuses sourceStatusBody `json:"statuses"`
	Results  []struct {
		Client     *string    `json:"client"`
		Source     *string    `json:"source"`
		Status     string     `json:"status"`
		Received   *string    `json:"last_received_at"`
		Lag        lagBody    `json:"lag"`
		Hour       countsBody `json:"present_hour"`
		Day        countsBody `json:"last_24_hours"`
		Hours      seriesBody `json:"hours"`
		Days       seriesBody `json:"days"`
		Rejections []struct {
			Code    string              `json:"code"`
			Count   int                 `json:"count"`
			Samples []map[string]string `json:"samples"`
		} `json:"rejections"`
	} `json:"results"`
}

func TestSourcesTellWhatBecameOfTheirEvents(t *testing.T) {
	t.Parallel()
	s, acme, other := tenants(t)
	s.send(acme, machine("1", "1")).want(200) // known
	s.send(acme, strings.Replace(machine("3", "1"), `"flavor":"f"`, `"colour":"red"`, 1)+"rubbish\n").want(422)
	s.clock.advance(3 * 3600 * metering.Second)
	s.send(other, machine("7", "2")).want(200)
	body := decode[toldSources](s.ask("GET", sourcesPath, acme, "").want(200))
	if body.Count != 2 || body.Statuses != (sourceStatusBody{Late: 1, Silent: 1}) {
		t.Fatalf("got %+v", body)
	}
	rubbish, sent := body.Results[0], body.Results[1]
	if rubbish.Source != nil || rubbish.Received != nil || rubbish.Status != "silent" || rubbish.Rejections[0].Code != "malformed" || rubbish.Lag != (lagBody{}) {
		t.Errorf("of rubbish %+v", rubbish)
	}
	if *sent.Source != "/s" || *sent.Client != "acme" || sent.Status != "late" || sent.Day != (countsBody{1, 1, 1}) || sent.Hour != (countsBody{}) {
		t.Errorf("of acme %+v", sent)
	}
	if n := len(sent.Hours.Accepted); n != 48 || sent.Hours.Accepted[n-4] != 1 || sent.Hours.Duplicates[n-4] != 1 || sent.Hours.Rejected[n-4] != 1 || sent.Hours.Accepted[n-1] != 0 {
		t.Errorf("by hour %+v", sent.Hours)
	}
	if n := len(sent.Days.Accepted); n != 30 || slices.Max(sent.Days.Accepted) != 1 {
		t.Errorf("by day %+v", sent.Days)
	}
	r := sent.Rejections
	if len(r) != 1 || r[0].Code != "missing_field" || r[0].Count != 1 || r[0].Samples[0]["id"] != "3" || r[0].Samples[0]["field"] != "data.flavor" {
		t.Errorf("rejections %+v", r)
	}
	if l := sent.Lag; *l.Last != *l.Greatest || l.Half != nil && *l.Half < *l.Last {
		t.Errorf("lag %d %d", *l.Last, *l.Greatest)
	}
}

func TestSourcesEndWhereTheClientEnds(t *testing.T) {
	t.Parallel()
	s, acme, other := tenants(t)
	told := func(token, query string) (texts []string) {
		for _, r := range decode[toldSources](s.ask("GET", sourcesPath+query, token, "").want(200)).Results {
			client := "above"
			if r.Client != nil {
				client = *r.Client
			}
			texts = append(texts, fmt.Sprint(client, " ", *r.Source, " ", r.Status))
		}
		return texts
	}
	s.clock.advance(90 * 60 * metering.Second)
	s.send(s.root, strings.Replace(machine("8", "9"), `"/s"`, `"/operator"`, 1)).want(200)
	for _, c := range []struct {
		token, query string
		want         []string
	}{
		{acme, "", []string{"acme /s fresh"}},
		{other, "", []string{"other /s fresh"}},
		{s.root, "", []string{"above /operator fresh", "acme /s fresh", "other /s fresh"}},
		{s.root, "?order=silence", []string{"acme /s fresh", "other /s fresh", "above /operator fresh"}},
		{s.root, "?late_after_seconds=3600&status=late", []string{"acme /s late", "other /s late"}},
		{s.root, "?silent_after_seconds=3600&limit=1&offset=1&status=silent", []string{"other /s silent"}},
		{s.root, "?limit=1&offset=3", nil},
	} {
		if got := told(c.token, c.query); !slices.Equal(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.query, got, c.want)
		}
	}
	for _, narrowing := range []string{`"projects":[1]`, `"regions":[76]`, `"types":["volume"]`} {
		message := s.ask("GET", sourcesPath, s.key(acme, `{"roles":["admin"],`+narrowing+`}`), "").wantError(403, "ForbiddenError")
		if !strings.Contains(message, "not narrowed") {
			t.Errorf("%s: %s", narrowing, message)
		}
	}
	s.ask("GET", sourcesPath, s.key(acme, `{"roles":["reader","writer"]}`), "").wantError(403, "ForbiddenError")
}

func TestWrongQuestionsForSourcesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var got []string
	for field := range s.ask("GET", sourcesPath+"?status=dead&order=x&late_after_seconds=0&silent_after_seconds=31536001&limit=0&offset=-1&from=1", s.root, "").invalid() {
		got = append(got, field)
	}
	slices.Sort(got)
	if want := []string{"from", "late_after_seconds", "limit", "offset", "order", "silent_after_seconds", "status"}; !slices.Equal(got, want) {
		t.Errorf("invalid %q, want %q", got, want)
	}
	s.ask("GET", sourcesPath+"?late_after_seconds=1&silent_after_seconds=31536000&limit=1000", s.root, "").want(200)
}
