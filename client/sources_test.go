package client_test

import (
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

const sourcesBody = `{"count":2,"statuses":{"fresh":1,"late":0,"silent":1},"now":"2024-07-01T12:30:00Z","results":[
	{"client":null,"source":null,"others":false,"status":"silent","first_heard_at":"2024-07-01T00:00:00Z","last_heard_at":"2024-07-01T00:00:00Z","last_received_at":null,"last_event_at":null,
	 "lag":{"last_ms":null,"half_within_ms":null,"most_within_ms":null,"greatest_ms":null},"present_hour":{"accepted":0,"duplicates":0,"rejected":0},"last_24_hours":{"accepted":0,"duplicates":0,"rejected":9},
	 "hours":{"from":"2024-06-29T13:00:00Z","accepted":[0,1],"duplicates":[0,0],"rejected":[9,0]},"days":{"from":"2024-06-02","accepted":[1],"duplicates":[2],"rejected":[3]},
	 "rejections":[{"code":"malformed","count":9,"samples":[{"at":"2024-07-01T00:00:00Z","id":"","field":"","message":"not JSON"}]}]},
	{"client":"acme","source":"/s","others":false,"status":"fresh","first_heard_at":"2024-07-01T00:00:00Z","last_heard_at":"2024-07-01T12:00:00Z","last_received_at":"2024-07-01T12:00:00Z","last_event_at":"2024-07-01T11:59:00Z",
	 "lag":{"last_ms":60000,"half_within_ms":1000,"most_within_ms":60000,"greatest_ms":9223372036854},"present_hour":{"accepted":5,"duplicates":0,"rejected":0},"last_24_hours":{"accepted":7,"duplicates":1,"rejected":0},
	 "hours":{"from":"2024-06-29T13:00:00Z","accepted":[],"duplicates":[],"rejected":[]},"days":{"from":"2024-06-02","accepted":[],"duplicates":[],"rejected":[]},"rejections":[]}]}`

func TestSourcesAreRead(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, sourcesBody))
	got, err := c.Sources(t.Context(), client.SourcesRequest{Status: client.SourceSilent, BySilence: true, Limit: 5, Offset: 2, LateAfter: time.Hour, SilentAfter: 90 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if asked := s.first().URL.String(); asked != "/v1/sources?late_after_seconds=3600&limit=5&offset=2&order=silence&silent_after_seconds=90&status=silent" {
		t.Errorf("asked for %s", asked)
	}
	if got.Count != 2 || got.Statuses.Silent != 1 || len(got.Results) != 2 {
		t.Fatalf("got %+v", got)
	}
	rubbish, sent := got.Results[0], got.Results[1]
	if rubbish.Source != "" || rubbish.LastReceivedAt != nil || rubbish.Lag.Last != nil || rubbish.Hours.Rejected[0] != 9 || rubbish.Days.Duplicates[0] != 2 || rubbish.Rejections[0].Samples[0].Message != "not JSON" {
		t.Errorf("got %+v", rubbish)
	}
	if sent.Client != "acme" || *sent.Lag.Greatest != 9223372036854 || sent.LastEventAt.Minute() != 59 || sent.Last24Hours.Duplicates != 1 {
		t.Errorf("got %+v", sent)
	}
}

func TestFindingsAreAskedForByKind(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, `{"count":1,"results":[{"kind":"id_reused","type":"volume","resource_id":"v","resources":[],"from":"2024-07-01T00:00:00Z","to":"2024-07-01T00:00:00Z","source":"/s","id":"x","times":3}]}`))
	day := time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)
	found, err := c.FindingsOf(t.Context(), client.FindingsRequest{From: day, To: day, Kind: client.ReusedID, SilentDays: 3})
	if err != nil {
		t.Fatal(err)
	}
	if asked := s.first().URL.String(); asked != "/v1/findings?from=2024-07-01&kind=id_reused&silent_days=3&to=2024-07-01" {
		t.Errorf("asked for %s", asked)
	}
	if f := found.Results[0]; f.Source != "/s" || f.ID != "x" || f.Times != 3 {
		t.Errorf("got %+v", f)
	}
}
