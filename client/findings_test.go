package client_test

import (
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

const findingsBody = `{"count":7,"results":[
	{"kind":"id_in_two_projects","type":"instance","resource_id":"i","resources":[{"project_id":1,"region_id":76},{"project_id":2,"region_id":77}],
	 "from":"2024-07-01T00:00:00Z","to":"2024-07-02T00:00:00Z","minutes":1440,"billing_metric_name":null,"billing_value_unit":null,"observations":null},
	{"kind":"overlapping_windows","type":"egress_traffic","resource_id":"p","resources":[{"project_id":2,"region_id":76}],
	 "from":"2024-07-01T02:00:00Z","to":"2024-07-01T03:00:00Z","minutes":null,"billing_metric_name":"m","billing_value_unit":"bytes",
	 "observations":[{"source":"/s","id":"a","from":"2024-07-01T01:00:00Z","to":"2024-07-01T03:00:00Z","quantity":0.000001},
	                 {"source":"/s","id":"b","from":"2024-07-01T02:00:00Z","to":"2024-07-01T04:00:00Z","quantity":9223372036854775807}]}]}`

func TestFindingsAreReadDigitByDigit(t *testing.T) {
	t.Parallel()
	c, s, _ := start(t, answer(200, findingsBody), answer(200, findingsBody))
	from := time.Date(2024, 7, 1, 1, 0, 0, 0, time.FixedZone("", 2*60*60)) // still June in UTC
	found, err := c.Findings(t.Context(), from, from.AddDate(0, 1, 1), 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.first().URL.String(); got != "/v1/findings?from=2024-06-30&to=2024-08-01" {
		t.Errorf("asked for %s", got)
	}
	if found.Count != 7 || len(found.Results) != 2 {
		t.Fatalf("found %+v", found)
	}
	shared, overlap := found.Results[0], found.Results[1]
	if shared.Kind != client.IDInTwoProjects || shared.Minutes != 1440 || shared.Resources[1] != (client.FoundResource{ProjectID: 2, RegionID: 77}) || shared.Observations != nil {
		t.Errorf("got %+v", shared)
	}
	if overlap.Kind != client.OverlappingWindows || overlap.Minutes != 0 || overlap.Observations[0].Quantity != "0.000001" || overlap.Observations[1].Quantity != "9223372036854775807" {
		t.Errorf("got %+v", overlap)
	}
}
