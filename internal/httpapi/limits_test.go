package httpapi

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// wide is a character of two bytes: what counts characters must not count bytes.
const wide = "я"

// eventWith is an event of which one value is replaced.
func eventWith(old, with string) string {
	return strings.Replace(strings.TrimSpace(machine("1", "1")), old, with, 1)
}

// numbered is a list of the numbers from 1 on, as JSON.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",%d", i+1)
	}
	return "[" + b.String()[1:] + "]"
}

// TestEventsAtTheirLimits sends for each limit the event that is just allowed
// and the one that is just not.
func TestEventsAtTheirLimits(t *testing.T) {
	t.Parallel()
	named := func(n int) string { return `"name":"` + strings.Repeat(wide, n) + `"` }
	tags := func(keys, key, value int) string {
		var b strings.Builder
		for i := range keys {
			fmt.Fprintf(&b, `,"%s%03d":"%s"`, strings.Repeat(wide, key-3), i, strings.Repeat(wide, value))
		}
		return `"name":"m","tags":{` + b.String()[1:] + "}"
	}
	quantity := func(old, with string) string {
		return strings.Replace(`{"specversion":"1.0","id":"q","source":"/s","type":"meterbook.resource.quantity.v1","time":"2024-07-03T00:00:00Z",`+
			`"data":{"resource_type":"functions","resource_id":"3c90c3cc-0d44-4b50-8888-000000000009","project_id":1,"region_id":76,`+
			`"from":"2024-07-01T00:00:00Z","to":"2024-07-01T01:00:00Z","quantity":"1"}}`, old, with, 1)
	}
	volume := func(bytes int64) string {
		return eventWith(`"instance"`, `"volume","volume_type":"v","size_bytes":`+strconv.FormatInt(bytes, 10)) // the flavor goes too
	}
	big := func(n int) string {
		return eventWith(`"id":`, `"padding":"`+strings.Repeat("x", n-len(eventWith(`"id":`, `"padding":"","id":`)))+`","id":`)
	}
	name := `"name":"m1"`
	for limit, c := range map[string]struct{ at, above, code, field string }{
		"project":        {eventWith(`id":1,`, fmt.Sprintf(`id":%d,`, metering.MaxProjectID)), eventWith(`id":1,`, fmt.Sprintf(`id":%d,`, metering.MaxProjectID+1)), "invalid_value", "data.project_id"},
		"region":         {eventWith("76", fmt.Sprint(metering.MaxRegionID)), eventWith("76", fmt.Sprint(metering.MaxRegionID+1)), "invalid_value", "data.region_id"},
		"text":           {eventWith(name, named(metering.MaxTextLength)), eventWith(name, named(metering.MaxTextLength+1)), "invalid_value", "data.name"},
		"tags":           {eventWith(name, tags(metering.MaxTags, 10, 1)), eventWith(name, tags(metering.MaxTags+1, 10, 1)), "invalid_value", "data.tags"},
		"tag key":        {eventWith(name, tags(1, metering.MaxTagKeyLength, 1)), eventWith(name, tags(1, metering.MaxTagKeyLength+1, 1)), "invalid_value", "data.tags"},
		"tag value":      {eventWith(name, tags(1, 3, metering.MaxTagValueLength)), eventWith(name, tags(1, 3, metering.MaxTagValueLength+1)), "invalid_value", "data.tags.000"},
		"count":          {eventWith(name, fmt.Sprintf(`"count":%d`, metering.MaxCount)), eventWith(name, fmt.Sprintf(`"count":%d`, metering.MaxCount+1)), "invalid_value", "data.count"},
		"size":           {strings.Replace(volume(metering.MaxSizeBytes), `,"flavor":"f"`, "", 1), strings.Replace(volume(metering.MaxSizeBytes+1), `,"flavor":"f"`, "", 1), "invalid_value", "data.size_bytes"},
		"source":         {eventWith(`"/s"`, `"`+strings.Repeat("s", metering.MaxSourceBytes)+`"`), eventWith(`"/s"`, `"`+strings.Repeat("s", metering.MaxSourceBytes+1)+`"`), "invalid_value", "source"},
		"id":             {eventWith(`"1"`, `"`+strings.Repeat("i", metering.MaxIDBytes)+`"`), eventWith(`"1"`, `"`+strings.Repeat("i", metering.MaxIDBytes+1)+`"`), "invalid_value", "id"},
		"event":          {big(metering.MaxEventBytes), big(metering.MaxEventBytes + 1), "too_large", ""},
		"earliest":       {eventWith("2024-07-01", "2000-01-01"), eventWith("2024-07-01T00:00:00Z", "1999-12-31T23:59:59.999999999Z"), "time_out_of_range", "time"},
		"latest":         {eventWith("2024-07-01T00:00:00Z", "2025-01-15T13:00:00Z"), eventWith("2024-07-01T00:00:00Z", "2025-01-15T13:00:00.000000001Z"), "time_out_of_range", "time"},
		"whole places":   {quantity(`"1"`, `"`+strings.Repeat("9", metering.MaxQuantityWhole)+`"`), quantity(`"1"`, `"1`+strings.Repeat("0", metering.MaxQuantityWhole)+`"`), "invalid_value", "data.quantity"},
		"decimal places": {quantity(`"1"`, `"0.`+strings.Repeat("1", metering.MaxQuantityPlaces)+`"`), quantity(`"1"`, `"0.`+strings.Repeat("1", metering.MaxQuantityPlaces+1)+`"`), "invalid_value", "data.quantity"},
		"window":         {quantity("2024-07-01T01:", "2024-07-02T00:"), quantity("2024-07-01T01:00:00Z", "2024-07-02T00:00:00.000000001Z"), "interval_invalid", "data.to"},
	} {
		for _, media := range []string{"application/cloudevents+json", "application/x-ndjson"} {
			s := newSite(t)
			if r := s.ask("POST", eventsPath, s.root, c.at, "Content-Type: "+media); r.status != http.StatusOK {
				t.Errorf("%s at its limit, %s: %d %s", limit, media, r.status, r.body)
			}
			receipt := decode[ingest.Receipt](s.ask("POST", eventsPath, s.root, c.above, "Content-Type: "+media).want(http.StatusUnprocessableEntity))
			if len(receipt.Rejected) != 1 || receipt.Rejected[0].Code != c.code || receipt.Rejected[0].Field != c.field {
				t.Errorf("%s above its limit, %s: %+v", limit, media, receipt)
			}
		}
	}
}

// TestRequestsAtTheirLimits asks for each limit what is just allowed and what is
// just not.
func TestRequestsAtTheirLimits(t *testing.T) {
	t.Parallel()
	conditions := func(n, key, value int) string {
		one := `,{"key":"` + strings.Repeat(wide, key) + `","value":"` + strings.Repeat(wide, value) + `"}`
		return `{"tags":{"conditions":[` + strings.Repeat(one, n)[1:] + "]}," + july[1:]
	}
	name := func(n int) string { return `{"id":"x","name":"` + strings.Repeat(wide, n) + `"}` }
	key := func(member string) string { return `{"roles":["reader"],` + member + "}" }
	audit := "/v1/resources/1/76/instance/3c90c3cc-0d44-4b50-8888-000000000001?from=2024-07-01&to=2024-07-02&limit="
	for limit, c := range map[string]struct{ method, path, at, above, field string }{
		"conditions":      {"POST", reportPath, conditions(report.MaxTagConditions, 1, 1), conditions(report.MaxTagConditions+1, 1, 1), "tags.conditions"},
		"condition key":   {"POST", reportPath, conditions(1, report.MaxConditionKeyChars, 1), conditions(1, report.MaxConditionKeyChars+1, 1), "tags.conditions.0.key"},
		"condition value": {"POST", reportPath, conditions(1, 1, report.MaxConditionValueChars), conditions(1, 1, report.MaxConditionValueChars+1), "tags.conditions.0.value"},
		"64 bits":         {"POST", reportPath, `{"limit":9223372036854775807,` + july[1:], `{"limit":9223372036854775808,` + july[1:], "limit"},
		"name":            {"POST", "/v1/clients", name(access.MaxNameLength), name(access.MaxNameLength + 1), "name"},
		"client id":       {"POST", "/v1/clients", `{"id":"` + strings.Repeat("i", access.MaxIDLength) + `"}`, `{"id":"` + strings.Repeat("i", access.MaxIDLength+1) + `"}`, "id"},
		"narrowed ids":    {"POST", "/v1/keys", key(`"projects":` + numbered(access.MaxNarrowedIDs)), key(`"projects":` + numbered(access.MaxNarrowedIDs+1)), "projects"},
		"rate":            {"POST", "/v1/keys", key(fmt.Sprintf(`"rate_limit":%d`, access.MaxRequestsPerSecond)), key(fmt.Sprintf(`"rate_limit":%d`, access.MaxRequestsPerSecond+1)), "rate_limit"},
		"project id":      {"POST", "/v1/projects", fmt.Sprintf(`{"id":%d}`, metering.MaxProjectID), fmt.Sprintf(`{"id":%d}`, metering.MaxProjectID+1), "id"},
		"region id":       {"POST", "/v1/regions", fmt.Sprintf(`{"id":%d}`, metering.MaxRegionID), fmt.Sprintf(`{"id":%d}`, metering.MaxRegionID+1), "id"},
		"page":            {"GET", "/v1/projects?limit=", fmt.Sprint(MaxPageSize), fmt.Sprint(MaxPageSize + 1), "limit"},
		"offset":          {"GET", "/v1/projects?offset=", fmt.Sprint(maxOffset), fmt.Sprint(maxOffset + 1), "offset"},
		"account":         {"GET", audit, fmt.Sprint(MaxAuditPage), fmt.Sprint(MaxAuditPage + 1), "limit"},
	} {
		s := newSite(t)
		s.send(s.root, machine("1", "1")).want(http.StatusOK)
		ask := func(body string) reply {
			if c.method == "GET" {
				return s.ask(c.method, c.path+body, s.root, "")
			}
			return s.ask(c.method, c.path, s.root, body)
		}
		if r := ask(c.at); r.status != http.StatusOK && r.status != http.StatusCreated {
			t.Errorf("%s at its limit: %d %.300s", limit, r.status, r.body)
		}
		if fields := ask(c.above).invalid(); len(fields) != 1 || fields[c.field] == nil {
			t.Errorf("%s above its limit: %v", limit, fields)
		}
	}
}

// TestInvalidFieldsAreListedUpToTheirLimit has small requests with more mistakes
// than an answer lists.
func TestInvalidFieldsAreListedUpToTheirLimit(t *testing.T) {
	t.Parallel()
	s := newMaintainedSite(t, &maintained{})
	for _, n := range []int{report.MaxInvalidFields, report.MaxInvalidFields + 1, 5 * report.MaxInvalidFields} {
		var names, parameters string
		for i := range n {
			names += fmt.Sprintf(`,"x%d":0`, i)
			parameters += fmt.Sprintf("&%x", i)
		}
		for what, r := range map[string]reply{
			"items of a report":    s.ask("POST", reportPath, s.root, `{"types":[`+strings.Repeat(`,"x"`, n)[1:]+"],"+july[1:]),
			"items of a key":       s.ask("POST", "/v1/keys", s.root, `{"roles":["reader"],"projects":[`+strings.Repeat(`,""`, n)[1:]+"]}"),
			"names of a retention": s.ask("POST", retainPath, s.root, `{"before":"2024-06"`+names+"}"),
			"names in a query":     s.ask("GET", "/v1/clients?"+parameters[1:], s.root, ""),
		} {
			if got, more := len(r.invalid()), strings.Contains(string(r.body), "there are more"); got != report.MaxInvalidFields || more != (n > report.MaxInvalidFields) {
				t.Errorf("%s: of %d invalid fields %d are listed, more: %t", what, n, got, more)
			}
		}
	}
	r := s.ask("POST", retainPath, s.root, `{`+strings.Repeat(`"x":0,`, 100_000)+`"before":"2024-06"}`)
	if got := r.invalid()["x"]; len(got) != 1 {
		t.Errorf("what is wrong with one name is said %d times", len(got))
	}
}

// TestBodiesAtTheirLimits: of events once decompressed, of all else as they are.
func TestBodiesAtTheirLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	packed := func(n int) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		for _, part := range [][]byte{[]byte("["), bytes.Repeat([]byte(" "), n-2), []byte("]")} {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		must(t, w.Close())
		return b.String()
	}
	batch := []string{"Content-Type: application/cloudevents-batch+json", "Content-Encoding: gzip"}
	s.ask("POST", eventsPath, s.root, packed(ingest.DefaultMaxBodyBytes), batch...).want(http.StatusOK)
	s.ask("POST", eventsPath, s.root, packed(ingest.DefaultMaxBodyBytes+1), batch...).wantError(http.StatusRequestEntityTooLarge, "HTTPError")

	full := july + strings.Repeat(" ", MaxRequestBytes-len(july))
	s.ask("POST", reportPath, s.root, full).want(http.StatusOK)
	s.ask("POST", reportPath, s.root, full+" ").wantError(http.StatusRequestEntityTooLarge, "HTTPError")

	line := func(n int) string { return strings.Repeat("x", n) + "\n" + machine("1", "1") }
	if r := decode[ingest.Receipt](s.send(s.root, line(ingest.MaxLineBytes)).want(422)); r.Accepted != 1 || !r.Complete {
		t.Errorf("a line at its limit: %+v", r)
	}
	if r := decode[ingest.Receipt](s.send(s.root, line(ingest.MaxLineBytes+1)).want(422)); r.Accepted != 0 || r.Complete {
		t.Errorf("a line above its limit: %+v", r)
	}
}

func TestReceiptsListRejectionsUpToTheirLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, n := range []int{ingest.MaxListedRejections, ingest.MaxListedRejections + 1} {
		r := decode[ingest.Receipt](s.send(s.root, strings.Repeat("{}\n", n)).want(422))
		if r.RejectedTotal != n || len(r.Rejected) != ingest.MaxListedRejections {
			t.Errorf("of %d rejections %d are counted, %d listed", n, r.RejectedTotal, len(r.Rejected))
		}
	}
}

// TestIDOfATokenAtItsLimit tells one that may be a key's from one that cannot.
func TestIDOfATokenAtItsLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	id := strings.Repeat("a", access.MaxIDLength)
	if m := s.ask("GET", "/v1/keys", id+"$secret", "").wantError(http.StatusUnauthorized, "token_not_valid"); m != "Bad permanent token: "+id {
		t.Errorf("message %s", m)
	}
	if m := s.ask("GET", "/v1/keys", id+"a$secret", "").wantError(http.StatusUnauthorized, "token_not_valid"); strings.Contains(m, id) {
		t.Errorf("message %s", m)
	}
}
