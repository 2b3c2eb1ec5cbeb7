package client_test

import (
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

const accountBody = `{"resource":{"project_id":10,"region_id":76,"resource_type":"volume","resource_id":"v"},"from":"2024-07-01","to":"2024-08-01","as_of":"2024-08-02T00:00:00Z",
 "lines":[{"line":{"type":"volume","billing_value":1080.5,"tags":[{"a":"b"}]},"windows":null,
   "segments":[{"from":"2024-07-01T12:00:00Z","to":"2024-07-02T00:00:00Z","first_seen":"2024-07-01T12:00:30Z","last_seen":"2024-07-01T23:59:30Z","minutes":720,"multiplier":1500000000,"product":1080.50,"attributes":{"volume_type":"ssd"}}]}],
 "statuses":{"retracted":1,"counted":6},"count":7,"observations":[{"number":9007199254740993,"source":"/s","id":"a","time":"2024-07-01T12:00:05Z","sequence":0,"received_at":"2024-07-01T12:00:06Z",
   "data":{"status":"active","size_bytes":1152921504606846975,"tags":{"a":"b"}},"status":"retracted","by":{"source":"/ops","id":"r","received_at":"2024-07-02T00:00:00Z","reason":"wrong"},"line":null,"term":null}]}`

func TestAccountIsReadDigitByDigit(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, accountBody), answer(200, accountBody))
	asOf := time.Date(2024, 8, 2, 2, 0, 0, 1, time.FixedZone("", 2*60*60))
	request := client.AccountRequest{
		Resource: client.Resource{ProjectID: 10, RegionID: 76, Type: "volume", ID: "v"},
		From:     time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2024, 8, 1, 0, 0, 0, 0, time.UTC), AsOf: asOf, Limit: 1, Offset: 2,
		Behind: &client.Term{Line: 0, Index: 3}, Status: client.StatusRetracted,
	}
	a, err := c.Account(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.first().URL.String(), "/v1/resources/10/76/volume/v?as_of=2024-08-02T00%3A00%3A00.000000001Z&from=2024-07-01&limit=1&line=0&offset=2&status=retracted&term=3&to=2024-08-01"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	if a.Resource != request.Resource || a.Count != 7 || a.Statuses[client.StatusCounted] != 6 || a.Lines[0].Line.BillingValue != "1080.5" || a.Lines[0].Segments[0].Product != "1080.50" || a.Lines[0].Windows != nil {
		t.Errorf("got %+v", a)
	}
	o := a.Observations[0]
	if o.Number != 9007199254740993 || o.Data["size_bytes"] != json.Number("1152921504606846975") || o.Status != client.StatusRetracted || o.By.Reason != "wrong" || o.Line != nil {
		t.Errorf("got %+v", o)
	}
	body, err := c.AccountJSON(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(body)
	if err != nil || string(text) != accountBody || body.Close() != nil {
		t.Errorf("got %s, %v", text, err)
	}
}

func TestAccountOfWhatIsNoResourceIsNotAskedFor(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, accountBody))
	for _, r := range []client.Resource{{Type: "..", ID: "v"}, {Type: "volume"}, {ID: "v"}} {
		if a, err := c.Account(t.Context(), client.AccountRequest{Resource: r}); err == nil {
			t.Errorf("%+v: got %+v", r, a)
		}
		if _, err := c.AccountJSON(t.Context(), client.AccountRequest{Resource: r}); err == nil {
			t.Errorf("%+v: no error", r)
		}
	}
	if n := len(s.bodies()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
