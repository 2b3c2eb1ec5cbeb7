package ingest

import (
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// TestEachTypeTakesWhatTheCatalogSays sends, for each type, each attribute that
// exists.
func TestEachTypeTakesWhatTheCatalogSays(t *testing.T) {
	t.Parallel()
	s := newRecorder().service()
	for _, rt := range metering.ResourceTypes() {
		base := eventOf(rt)
		o := accept(t, base.text(t))
		if o.Meter != rt.Meter(o.Meter.Metric, "", &o.Attributes) || o.Meter.Metric == "" || strings.Contains(o.Meter.Metric, "{") {
			t.Errorf("%s: meter %+v", rt, o.Meter)
		}
		for a := range metering.AttributeCount {
			with := base.set("data."+a.String(), sample(a))
			if !rt.Takes(a) {
				expect(t, refusalOf(t, s, anywhere(), with.text(t)), "unknown_field", "data."+a.String())
				continue
			}
			if got := accept(t, with.text(t)).Attributes.Texts[a]; got != sample(a) {
				t.Errorf("%s: %s is %q", rt, a, got)
			}
			if rt.Requires(a) {
				for _, none := range []any{absent{}, nil, ""} {
					expect(t, refusalOf(t, s, anywhere(), base.set("data."+a.String(), none).text(t)), "missing_field", "data."+a.String())
				}
			}
		}
	}
}

func expect(t *testing.T, got Rejected, code, field string) {
	t.Helper()
	if got.Code != code || got.Field != field {
		t.Errorf("got %+v, want %s at %q", got, code, field)
	}
}

func TestMembersFollowTheMeasure(t *testing.T) {
	t.Parallel()
	s := newRecorder().service()
	for _, rt := range metering.ResourceTypes() {
		base := eventOf(rt)
		takes := map[string]bool{
			"count": rt.Measure() == metering.Present, "size_bytes": rt.Measure() == metering.Sized, "tags": rt.HasTags(),
			"billing_metric_name": true, "billing_value_unit": rt.MetricTemplate() == "", "status": rt.Measure() != metering.Counted,
			"from": rt.Measure() == metering.Counted, "to": rt.Measure() == metering.Counted, "quantity": rt.Measure() == metering.Counted,
			"source": false, "id": false, "reason": false, "size_unit": false, "uuid": false, "last_name": false,
		}
		sample := map[string]any{"count": 3, "size_bytes": 7, "tags": object{"k": "v"}, "status": "active",
			"from": "2024-07-01T00:00:00Z", "to": "2024-07-01T01:00:00Z", "quantity": 3}
		for name, taken := range takes {
			value := sample[name]
			if value == nil {
				value = "text"
			}
			if with := base.set("data."+name, value).text(t); taken {
				accept(t, with)
			} else {
				expect(t, refusalOf(t, s, anywhere(), with), "unknown_field", "data."+name)
			}
		}
		core := []string{"project_id", "region_id", "resource_id", "resource_type", "status"}
		if rt.Measure() == metering.Counted {
			core = []string{"project_id", "region_id", "resource_id", "resource_type", "from", "to", "quantity"}
		}
		for _, name := range core {
			expect(t, refusalOf(t, s, anywhere(), base.set("data."+name, absent{}).text(t)), "missing_field", "data."+name)
		}
	}
	for _, name := range []string{"project_id", "source", "id"} {
		expect(t, refusalOf(t, s, anywhere(), retraction().set("data."+name, absent{}).text(t)), "missing_field", "data."+name)
	}
	expect(t, refusalOf(t, s, anywhere(), retraction().set("data.region_id", 1).text(t)), "unknown_field", "data.region_id")
	expect(t, refusalOf(t, s, anywhere(), eventOf(typeNamed(t, "volume")).set("data.size_bytes", absent{}).text(t)), "missing_field", "data.size_bytes")
	expect(t, refusalOf(t, s, anywhere(), eventOf(typeNamed(t, "inference")).set("data.billing_metric_name", absent{}).text(t)), "missing_field", "data.billing_metric_name")
}

func TestMeasureMustFitTheType(t *testing.T) {
	t.Parallel()
	s := newRecorder().service()
	for _, rt := range metering.ResourceTypes() {
		wrong := typeQuantity
		if rt.Measure() == metering.Counted {
			wrong = typeState
		}
		expect(t, refusalOf(t, s, anywhere(), eventOf(rt).set("type", wrong).text(t)), "wrong_measure", "data.resource_type")
	}
}

// TestObservationHoldsTheContent checks the canonical form, member by member.
func TestObservationHoldsTheContent(t *testing.T) {
	t.Parallel()
	e := eventOf(typeNamed(t, "external_ip")).set("sequence", "007").set("data.count", 3).set("time", "2024-07-01T02:00:05.1234567899+02:00").
		set("data.resource_id", strings.ToUpper(someUUID)).set("data.network_id", strings.ToUpper(otherUUID)).
		set("data.ip_address", "2001:DB8:0:0::0001").set("data.subnet_id", "").set("data.attached_to_vm", nil)
	got := accept(t, e.text(t))
	id, _ := metering.ParseUUID(someUUID)
	want := &metering.Observation{
		Kind:     metering.StateObserved,
		Name:     metering.ObservationName{Project: 10, Source: "/test", ID: "e-1"},
		Time:     1719792005123456789,
		Sequence: 7,
		Resource: metering.ResourceKey{Project: 10, Region: 76, Type: typeNamed(t, "external_ip"), ID: id},
		Meter:    metering.Meter{Type: typeNamed(t, "external_ip"), Metric: "externalip_min", Unit: "minutes"}, Multiplier: 3,
	}
	want.Attributes.Texts[metering.IPAddress] = "2001:db8::1"
	want.Attributes.Texts[metering.NetworkID] = otherUUID
	if !got.SameContent(want) || got.Name != want.Name {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestQuantityHoldsItsWindowAndAmount(t *testing.T) {
	t.Parallel()
	e := eventOf(typeNamed(t, "inference")).set("data.quantity", "0012.50").set("data.flavor", "gpu").
		set("data.billing_value_unit", "S").set("data.from", "2024-07-01T02:00:00+02:00")
	got := accept(t, e.text(t))
	if got.From != 1719792000*metering.Second || got.To != got.From+3600*metering.Second || got.Quantity != metering.AmountOf(12_500_000) {
		t.Errorf("got %+v", got)
	}
	if want := (metering.Meter{Type: typeNamed(t, "inference"), Metric: "inference_h", Unit: "S"}); got.Meter != want {
		t.Errorf("meter %+v, want %+v", got.Meter, want)
	}
	if accept(t, e.set("data.quantity", "1").set("data.billing_value_unit", absent{}).text(t)).Meter.Unit != "H" {
		t.Error("the unit of inference is not H by default")
	}
}

func TestDeletionKeepsNothingButThatItIsOne(t *testing.T) {
	t.Parallel()
	volume := eventOf(typeNamed(t, "volume"))
	gone := volume.set("data.status", "deleted")
	bare := gone.set("data.size_bytes", absent{}).set("data.volume_type", absent{})
	want := accept(t, bare.text(t))
	if !want.Deleted || want.Multiplier != 0 || want.Meter != (metering.Meter{Type: typeNamed(t, "volume")}) || want.Attributes.Tags != nil {
		t.Errorf("got %+v", want)
	}
	ignored := gone.set("data.size_bytes", -5).set("data.name", 7).set("data.tags", object{"": 1}).set("data.billing_metric_name", object{})
	if got := accept(t, ignored.text(t)); !got.SameContent(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	expect(t, refusalOf(t, newRecorder().service(), anywhere(), gone.set("data.flavor", "x").text(t)), "unknown_field", "data.flavor")
}

// TestSameContentInOtherNotation sends one content in two notations.
func TestSameContentInOtherNotation(t *testing.T) {
	t.Parallel()
	instance, traffic := eventOf(typeNamed(t, "instance")), eventOf(typeNamed(t, "egress_traffic"))
	cases := map[string][2]string{
		"null is absent":       {instance.text(t), instance.set("data.name", nil).set("data.vm_id", nil).set("sequence", nil).text(t)},
		"empty is absent":      {instance.text(t), instance.set("data.name", "").set("data.tags", object{}).set("sequence", "").text(t)},
		"count is 1":           {instance.text(t), instance.set("data.count", 1).text(t)},
		"sequence is 0":        {instance.text(t), instance.set("sequence", "000").text(t)},
		"letter case of UUIDs": {instance.text(t), instance.set("data.resource_id", strings.ToUpper(someUUID)).text(t)},
		"string or number":     {traffic.set("data.quantity", "12").text(t), traffic.set("data.quantity", raw("12.000")).text(t)},
		"zone":                 {instance.set("time", "2024-07-01T00:00:00Z").text(t), instance.set("time", "2024-07-01T05:30:00.000+05:30").text(t)},
		"extensions":           {instance.text(t), instance.set("traceparent", "00-1").set("Odd_Name", object{"a": 1}).set("subject", "x").text(t)},
		"escapes":              {instance.set("data.name", `é"\`).text(t), strings.Replace(instance.set("data.name", "@").text(t), "@", `\u00e9\"\\`, 1)},
		"metric by default":    {instance.text(t), instance.set("data.billing_metric_name", "some flavor_min").text(t)},
		"order of members":     {`{"specversion":"1.0","id":"a","source":"s","time":"2024-07-01T00:00:00Z","type":"` + typeRetraction + `","data":{"project_id":1,"source":"s","id":"b"}}`, "{ \"data\" : {\"id\":\"b\",\t\"source\":\"s\" , \"project_id\" :1} ,\n\"type\":\"" + typeRetraction + `","time":"2024-07-01T00:00:00Z","source":"s","id":"a","specversion":"1.0"}`},
		"IPv4 within IPv6":     {eventOf(typeNamed(t, "floatingip")).set("data.ip_address", "192.0.2.1").text(t), eventOf(typeNamed(t, "floatingip")).set("data.ip_address", "::ffff:192.0.2.1").text(t)},
	}
	for name, c := range cases {
		a, b := accept(t, c[0]), accept(t, c[1])
		if !a.SameContent(b) || a.Name != b.Name {
			t.Errorf("%s:\n%+v\n%+v", name, a, b)
		}
	}
}

func TestRetractionNamesItsTarget(t *testing.T) {
	t.Parallel()
	got := accept(t, retraction().set("data.reason", "double probe").text(t))
	want := metering.Observation{Kind: metering.RetractionMade, Name: metering.ObservationName{Project: 10, Source: "/ops", ID: "r-1"},
		Time: 1719878405 * metering.Second, TargetSource: "/test", TargetID: "e-1", Reason: "double probe"}
	if !got.SameContent(&want) || got.Name != want.Name {
		t.Errorf("got %+v", got)
	}
}
