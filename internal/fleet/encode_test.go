package fleet

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

func TestEventsSayWhatTheObservationSays(t *testing.T) {
	t.Parallel()
	resource := metering.ResourceKey{Project: 10, Region: 76, Type: typeNamed("volume"), ID: metering.UUID{15: 1}}
	at := metering.DayOf(2024, time.July, 1).Start() + 5*metering.Second
	volume := metering.Observation{
		Kind: metering.StateObserved, Name: metering.ObservationName{Project: 10, Source: "/a", ID: "1"}, Time: at + 5e6, Sequence: 7,
		Resource: resource, Multiplier: 1 << 30, Attributes: metering.Attributes{Tags: metering.Tags{{Key: "a\"b", Value: "c\\\n"}, {Key: "ü", Value: ""}}},
	}
	volume.Attributes.Texts[metering.Name] = "data"
	volume.Attributes.Texts[metering.VolumeType] = "cold"
	volume.Meter = resource.Type.Meter("special", "", &volume.Attributes)
	gone := volume
	gone.Deleted, gone.Sequence = true, 0
	cluster := volume
	cluster.Resource.Type, cluster.Multiplier, cluster.Sequence, cluster.Attributes = typeNamed("ai_cluster"), 4, 0, metering.Attributes{}
	cluster.Attributes.Texts[metering.Flavor] = "f"
	cluster.Meter = cluster.Resource.Type.Meter("", "", &cluster.Attributes)
	llm := cluster
	llm.Kind, llm.Resource.Type, llm.Multiplier = metering.QuantityObserved, typeNamed("inference"), 0
	llm.From, llm.To, llm.Quantity = at, at+hour, metering.AmountOf(12_000_001)
	llm.Meter = llm.Resource.Type.Meter("llm_h", "tokens", &llm.Attributes)
	retraction := metering.Observation{
		Kind: metering.RetractionMade, Name: volume.Name, Time: at, TargetSource: "/b", TargetID: "2", Reason: "double probe",
	}
	const head = `{"specversion":"1.0","id":"1","source":"/a","type":"meterbook.`
	const about = `"data":{"project_id":10,"region_id":76,"resource_type":"`
	const id = `","resource_id":"00000000-0000-0000-0000-000000000001",`
	for _, c := range []struct {
		o    metering.Observation
		want string
	}{
		{volume, head + `resource.state.v1","time":"2024-07-01T00:00:05.005Z","sequence":"7",` + about + `volume` + id +
			`"status":"active","size_bytes":1073741824,"billing_metric_name":"special","name":"data","volume_type":"cold","tags":{"a\"b":"c\\\u000a","ü":""}}}`},
		{gone, head + `resource.state.v1","time":"2024-07-01T00:00:05.005Z",` + about + `volume` + id + `"status":"deleted"}}`},
		{cluster, head + `resource.state.v1","time":"2024-07-01T00:00:05.005Z",` + about + `ai_cluster` + id + `"status":"active","count":4,"flavor":"f"}}`},
		{llm, head + `resource.quantity.v1","time":"2024-07-01T00:00:05.005Z",` + about + `inference` + id +
			`"from":"2024-07-01T00:00:05Z","to":"2024-07-01T01:00:05Z","quantity":"12.000001","billing_metric_name":"llm_h","billing_value_unit":"tokens","flavor":"f"}}`},
		{retraction, head + `retraction.v1","time":"2024-07-01T00:00:05Z","data":{"project_id":10,"source":"/b","id":"2","reason":"double probe"}}`},
	} {
		if got := string(AppendEvent(nil, &c.o)); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestEveryEventIsJSONOnOneLine(t *testing.T) {
	t.Parallel()
	members := map[string]bool{}
	for o := range New(small(9)).Events() {
		line := AppendEvent(nil, o)
		var event struct {
			SpecVersion string         `json:"specversion"`
			Data        map[string]any `json:"data"`
		}
		if err := json.Unmarshal(line, &event); err != nil || event.SpecVersion != "1.0" {
			t.Fatalf("%s: %v", line, err)
		}
		for name := range event.Data {
			members[name] = true
		}
		for _, c := range line {
			if c == '\n' {
				t.Fatalf("%q has several lines", line)
			}
		}
	}
	for _, name := range []string{"name", "flavor", "volume_type", "file_share_type", "instance_name", "instance_type", "vm_id", "attached_to_vm", "ip_address",
		"network_id", "subnet_id", "schedule_id", "source_volume_uuid", "tags", "count", "size_bytes", "quantity", "from", "to", "status", "billing_metric_name"} {
		if !members[name] {
			t.Errorf("no event has %s", name)
		}
	}
}

// BenchmarkEvents tells how fast observations are made: about three in five are
// traffic, as in the fleet of the project's benchmarks.
func BenchmarkEvents(b *testing.B) {
	b.ReportAllocs()
	f := New(Config{Seed: 1, Resources: 100_000})
	for told := 0; told < b.N; {
		for range f.Events() {
			if told++; told == b.N {
				break
			}
		}
	}
}

// BenchmarkAppendEvent tells how fast observations are encoded.
func BenchmarkAppendEvent(b *testing.B) {
	var observations []*metering.Observation
	for o := range New(small(1)).Events() {
		observations = append(observations, o)
	}
	b.ReportAllocs()
	var line []byte
	i := 0
	for b.Loop() {
		line = AppendEvent(line[:0], observations[i%len(observations)])
		i++
	}
}
