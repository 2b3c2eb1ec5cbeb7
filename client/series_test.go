package client_test

import (
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

const seriesBody = `{"from":"2024-07-01","to":"2024-07-03","step":"day","by":"project","top":1,"as_of":"2024-07-02T00:00:00Z","steps":["2024-07-01","2024-07-02"],
	"units":[{"unit":"gbminutes","in_totals":false,"count":4,"total":1168553.2270592,"values":[1168553.2270592,0],
		"groups":[{"key":"10","count":3,"total":1168553.2270591,"values":[1168553.2270591,0]}],
		"others":{"groups":2,"count":1,"total":0.0000001,"values":[0.0000001,0]}}]}`

func TestSeriesAreReadDigitByDigit(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, seriesBody))
	from := time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)
	got, err := c.UsageSeries(t.Context(), client.SeriesRequest{
		TimeFrom: from, TimeTo: from.AddDate(0, 0, 2), Step: client.StepDay, By: client.ByProject, Top: 1, Types: []string{"backup"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if s.first().Method != "POST" || s.first().URL.String() != "/v1/usage/series" {
		t.Errorf("asked %s %s", s.first().Method, s.first().URL)
	}
	const want = `{"time_from":"2024-07-01T00:00:00Z","time_to":"2024-07-03T00:00:00Z","step":"day","by":"project","top":1,"types":["backup"]}`
	if sent := s.bodies()[0]; sent != want {
		t.Errorf("sent %s, want %s", sent, want)
	}
	u := got.Units[0]
	if u.InTotals || u.Count != 4 || u.Total != "1168553.2270592" || u.Groups[0].Key != "10" || u.Groups[0].Values[1] != "0" || u.Others.Groups != 2 || u.Others.Values[0] != "0.0000001" {
		t.Errorf("got %+v", u)
	}
	if got.Steps[1] != "2024-07-02" || !got.AsOf.Equal(from.AddDate(0, 0, 1)) {
		t.Errorf("got %+v", got)
	}
}
