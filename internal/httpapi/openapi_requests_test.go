package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// agree fails when the document and the server judge a report request
// differently.
func agree(t *testing.T, c *contract, body string) (valid bool) {
	t.Helper()
	_, err := report.Parse([]byte(body), metering.DayOf(2024, 8, 2).Start(), report.FullScope())
	documented := c.validateNamed(decode(t, []byte(body)), "UsageReportRequest")
	if (err == nil) != (documented == nil) {
		t.Errorf("%s\nthe server says %v\nthe document says %v", body, err, documented)
	}
	return err == nil
}

const times = `"time_from":"2024-07-01","time_to":"2024-08-01"`

func TestDocumentAndServerAgreeOnReportRequests(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	texts := map[int]string{255: strings.Repeat("é", 255), 256: strings.Repeat("é", 256), 257: strings.Repeat("é", 257)}
	for body, want := range map[string]bool{
		`{` + times + `}`:                             true,
		`{"time_from":"2024-07-01"}`:                  false,
		`{"time_from":null,"time_to":null}`:           false,
		`{` + times + `,"next":1}`:                    false,
		`{` + times + `,"enable_last_day":true}`:      true,
		`{` + times + `,"enable_last_day":1}`:         false,
		`{` + times + `,"limit":1,"offset":0}`:        true,
		`{` + times + `,"limit":0}`:                   false,
		`{` + times + `,"limit":"1"}`:                 false,
		`{` + times + `,"limit":1.5}`:                 false,
		`{` + times + `,"limit":9223372036854775807}`: true,
		`{` + times + `,"limit":9223372036854775808}`: false,
		`{` + times + `,"offset":-1}`:                 false,
		`{` + times + `,"projects":null}`:             true,
		`{` + times + `,"regions":null}`:              false,
		`{` + times + `,"projects":[],"regions":[],"types":[],"order_by":[],"sorting":[]}`: true,
		`{` + times + `,"projects":[-1,0,10]}`:                                             true,
		`{` + times + `,"projects":["10"]}`:                                                false,
		`{` + times + `,"types":["Volume"]}`:                                               false,
		`{` + times + `,"tags":null}`:                                                      false,
		`{` + times + `,"tags":{"conditions":[]}}`:                                         false,
		`{` + times + `,"tags":{}}`:                                                        false,
		`{` + times + `,"tags":{"conditions":[{"key":"a","value":"b","strict":false}],"condition_type":"AND"}}`: true,
		`{` + times + `,"tags":{"conditions":[{"strict":false}]}}`:                                              false,
		`{` + times + `,"tags":{"conditions":[{"key":""}]}}`:                                                    false,
		`{` + times + `,"tags":{"conditions":[{"key":"a","x":1}]}}`:                                             false,
		`{` + times + `,"tags":{"conditions":[{"key":"a"}],"condition_type":"or"}}`:                             false,
		`{` + times + `,"tags":{"conditions":[{"key":"` + texts[255] + `","value":"` + texts[256] + `"}]}}`:     true,
		`{` + times + `,"tags":{"conditions":[{"key":"` + texts[256] + `"}]}}`:                                  false,
		`{` + times + `,"tags":{"conditions":[{"value":"` + texts[257] + `"}]}}`:                                false,
		`{` + times + `,"tags":{"conditions":[` + strings.Repeat(`{"key":"a"},`, 9) + `{"key":"a"}]}}`:          true,
		`{` + times + `,"tags":{"conditions":[` + strings.Repeat(`{"key":"a"},`, 10) + `{"key":"a"}]}}`:         false,
		`{` + times + `,"sorting":[{"project":"asc","type":"desc"},{}]}`:                                        true,
		`{` + times + `,"sorting":[{"name":"asc"}]}`:                                                            false,
		`{` + times + `,"sorting":[{"type":"ASC"}]}`:                                                            false,
		`{` + times + `,"sorting":{"type":"asc"}}`:                                                              false,
		`{` + times + `,"order_by":"type.asc"}`:                                                                 false,
	} {
		if agree(t, c, body) != want {
			t.Errorf("%s: valid should be %v", body, want)
		}
	}
}

func TestDocumentAndServerAgreeOnTimes(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	for text, want := range map[string]bool{
		"2024-07-01": true, "2024-07-01T00:00:00Z": true, "2024-07-01t00:00:00z": true, "2024-07-01T00:00:00": true,
		"2024-07-01T00:00:00.123456789012Z": true, "2024-07-01T23:59:59+02:00": true, "0001-01-01": true, "9999-12-31": true,
		"2024-07-01T00:00:60Z": false, "2024-07-01 00:00:00Z": false, "2024-07-01T00:00Z": false, "20240701": false,
		"2024-7-1": false, "": false, "now": false, "2024-07-01T00:00:00.Z": false, "2024-07-01T00:00:00+0200": false, " 2024-07-01": false,
	} {
		if agree(t, c, `{"time_from":"`+text+`","time_to":"9999-12-31T00:00:00Z"}`) != want {
			t.Errorf("%q: valid should be %v", text, want)
		}
	}
}

func TestDocumentAndServerAgreeOnOrders(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	valid := 0
	for _, field := range []string{"billing_value", "first_seen", "last_name", "last_seen", "project", "region", "type", "uuid", "name", "project_id"} {
		for _, direction := range []string{".asc", ".desc", "", ".up", ".asc.desc"} {
			if agree(t, c, `{`+times+`,"order_by":["`+field+direction+`"]}`) {
				valid++
			}
		}
		agree(t, c, `{`+times+`,"sorting":[{"`+field+`":"asc"}]}`)
	}
	if valid != 14 {
		t.Errorf("%d orders are valid, want 14", valid)
	}
}

func TestDocumentAndServerAgreeOnSchemaFilters(t *testing.T) {
	t.Parallel()
	c := newContract(t)
	fields := map[string]bool{"size_unit": true, "project_id": true, "tags": true, "name": true}
	for _, r := range metering.ResourceTypes() {
		for _, f := range r.FilterFields() {
			fields[f] = true
		}
	}
	for _, r := range metering.ResourceTypes() {
		for field := range fields {
			body := fmt.Sprintf(`{%s,"schema_filter":{"field":%q,"values":["a"],"type":%q}}`, times, field, r)
			if agree(t, c, body) != slices.Contains(r.FilterFields(), field) {
				t.Errorf("%s: valid should be the contrary", body)
			}
		}
	}
	for _, filter := range []string{`{}`, `null`, `{"type":"volume","field":"type"}`, `{"type":"volume","field":"type","values":[]}`,
		`{"type":"volume","field":"type","values":[1]}`, `{"type":"vm","field":"type","values":["a"]}`, `{"type":"volume","field":"type","values":["a"],"x":1}`} {
		if agree(t, c, `{`+times+`,"schema_filter":`+filter+`}`) {
			t.Errorf("%s is valid", filter)
		}
	}
}

// agreeOnEvent fails when the document and ingest judge an event differently.
func (d *documented) agreeOnEvent(why string, e map[string]any) (valid bool) {
	d.t.Helper()
	body := encode(d.t, e)
	documented := d.validateNamed(decode(d.t, []byte(body)), "Event")
	a := d.send(request{method: "POST", path: "/v1/events", media: "application/cloudevents+json", body: body})
	if err := d.check("POST", "/v1/events", a); err != nil {
		d.t.Errorf("%s: %s\n%v", why, a.body, err)
	}
	valid = a.status == http.StatusOK
	if valid != (documented == nil) {
		d.t.Errorf("%s: %s\nthe server says %s\nthe document says %v", why, body, a.body, documented)
	}
	return valid
}

func TestDocumentAndServerAgreeOnEvents(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	for _, r := range metering.ResourceTypes() {
		eventType, full := d.measured(r)
		id := 0
		judge := func(why string, want bool, data map[string]any) {
			t.Helper()
			id++
			if d.agreeOnEvent(r.String()+", "+why, event(fmt.Sprintf("%s-%d", r, id), eventType, data)) != want {
				t.Errorf("%s, %s: valid should be %v", r, why, want)
			}
		}
		changed := func(name string, value any) map[string]any {
			data := maps.Clone(full)
			data[name] = value
			return data
		}
		judge("complete", true, full)
		bare := withoutOptional(r, full)
		judge("bare", true, bare)
		judge("a member that no type has", false, changed("colour", "red"))
		judge("capital letters", true, changed("resource_id", strings.ToUpper(full["resource_id"].(string))))
		judge("no id", false, changed("resource_id", "x"))
		judge("project 0", false, changed("project_id", 0))
		judge("greatest project", true, changed("project_id", metering.MaxProjectID))
		judge("beyond the greatest project", false, changed("project_id", metering.MaxProjectID+1))
		for name := range full {
			without := maps.Clone(full)
			delete(without, name)
			_, isRequired := bare[name]
			judge("without "+name, !isRequired, without)
			judge(name+" null", !isRequired, changed(name, nil))
		}
		if r.Measure() != metering.Counted {
			deletion := map[string]any{"resource_type": r.String(), "resource_id": full["resource_id"], "project_id": 10, "region_id": 76, "status": "deleted"}
			judge("deletion", true, deletion)
			judge("another status", false, changed("status", "stopped"))
		}
		if r.Measure() == metering.Present {
			judge("count at its limit", true, changed("count", metering.MaxCount))
			judge("count beyond its limit", false, changed("count", metering.MaxCount+1))
		}
		if r.Measure() == metering.Sized {
			judge("size at its limit", true, changed("size_bytes", metering.MaxSizeBytes))
			judge("size beyond its limit", false, changed("size_bytes", metering.MaxSizeBytes+1))
		}
	}
}

func TestDocumentAndServerAgreeOnEnvelopes(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	instance, _ := metering.ResourceTypeNamed("instance")
	_, data := d.measured(instance)
	for i, c := range []struct {
		name  string
		value any
		want  bool
	}{
		{"specversion", "1.0", true}, {"specversion", "0.3", false}, {"specversion", nil, false},
		{"id", "", false}, {"id", strings.Repeat("a", 255), true}, {"id", strings.Repeat("a", 256), false}, {"id", 1, false},
		{"source", nil, false}, {"type", "meterbook.resource.state.v2", false}, {"type", "meterbook.resource.quantity.v1", false},
		{"time", "2024-07-01T00:00:05+02:00", true}, {"time", "2024-07-01T00:00:05", false}, {"time", "2024-07-01", false}, {"time", nil, false},
		{"sequence", "12", true}, {"sequence", 12, false}, {"sequence", "-1", false}, {"sequence", nil, true},
		{"data", []int{}, false}, {"data", nil, false}, {"traceparent", "00-0", true}, {"subject", "s", true},
	} {
		e := event(fmt.Sprint("e", i), "meterbook.resource.state.v1", data)
		e[c.name] = c.value
		if d.agreeOnEvent(c.name, e) != c.want {
			t.Errorf("%s = %v: valid should be %v", c.name, c.value, c.want)
		}
	}
	retraction := map[string]any{"project_id": 10, "source": "/s", "id": "1"}
	if !d.agreeOnEvent("retraction", event("r1", "meterbook.retraction.v1", retraction)) {
		t.Error("a retraction without a reason is refused")
	}
	if d.agreeOnEvent("retraction with a region", event("r2", "meterbook.retraction.v1", map[string]any{"project_id": 10, "source": "/s", "id": "1", "region_id": 76})) {
		t.Error("a retraction with a region is accepted")
	}
}

func TestReceiptsAreAsDocumented(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	_, data := d.measured(metering.ResourceTypes()[0])
	good := encode(t, event("1", "meterbook.resource.state.v1", data))
	for _, c := range []struct {
		media, body string
		status      int
		want        string
	}{
		{"application/x-ndjson", good + "\n\n" + good + "\n{}\n", 422, `"duplicates":1,"rejected_total":1,"complete":true`},
		{"application/x-ndjson", good, 200, `"accepted":0,"duplicates":1`},
		{"application/cloudevents-batch+json; charset=UTF-8", "[]", 200, `"accepted":0,"duplicates":0,"rejected_total":0,"complete":true,"rejected":[]`},
		{"application/cloudevents+json", strings.Replace(good, "10", "11", 1), 200, `"accepted":1`},
	} {
		a := d.call(request{method: "POST", path: "/v1/events", media: c.media, body: c.body}, c.status)
		if !strings.Contains(string(a.body), c.want) {
			t.Errorf("%s\ngot %s, want %s", c.body, a.body, c.want)
		}
	}
}
