package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
)

// account is the answer, as a client reads it.
type account struct {
	Lines        []accountLine  `json:"lines"`
	Count        int            `json:"count"`
	Observations []observed     `json:"observations"`
	Statuses     map[string]int `json:"statuses"`
}

type accountLine struct {
	Line     json.RawMessage `json:"line"`
	Segments []struct {
		Minutes    int64       `json:"minutes"`
		Multiplier int64       `json:"multiplier"`
		Product    json.Number `json:"product"`
	} `json:"segments"`
	Windows []struct {
		Quantity json.Number `json:"quantity"`
	} `json:"windows"`
}

type observed struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	By     *struct {
		ID     string  `json:"id"`
		Reason *string `json:"reason"`
	} `json:"by"`
	Line, Term *int
}

// newLedgerSite makes a site that is ready, on a ledger.
func newLedgerSite(t *testing.T, clock *handClock) *site {
	t.Helper()
	l, err := ledger.Open(t.Context(), ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: clock.now})
	if err != nil {
		t.Fatal(err)
	}
	s := newSiteOn(t, l, &access.MemoryRecords{}, clock)
	s.server.Serve(s.backend)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *site) account(path string) account {
	s.t.Helper()
	var a account
	if err := json.Unmarshal(s.ask("GET", path, s.root, "").want(200).body, &a); err != nil {
		s.t.Fatal(err)
	}
	return a
}

// reportLine is a line of which the tests need the key and the value.
type reportLine struct {
	Project int64       `json:"project_id"`
	Region  int64       `json:"region_id"`
	Type    string      `json:"type"`
	UUID    string      `json:"uuid"`
	Port    string      `json:"port_id"`
	Value   json.Number `json:"billing_value"`
}

func (l *reportLine) path(from, to string) string {
	return fmt.Sprintf("/v1/resources/%d/%d/%s/%s?from=%s&to=%s", l.Project, l.Region, l.Type, cmp.Or(l.UUID, l.Port), from, to)
}

// sum adds exactly.
func sum(t *testing.T, numbers []json.Number) *big.Rat {
	t.Helper()
	total := new(big.Rat)
	for _, n := range numbers {
		r, ok := new(big.Rat).SetString(n.String())
		if !ok {
			t.Fatalf("number %q", n)
		}
		total.Add(total, r)
	}
	return total
}

func (l *accountLine) terms(t *testing.T) (numbers []json.Number) {
	t.Helper()
	for _, s := range l.Segments {
		numbers = append(numbers, s.Product)
		scaled := new(big.Rat).SetInt64(s.Minutes)
		scaled.Mul(scaled, new(big.Rat).SetInt64(s.Multiplier))
		if product := sum(t, []json.Number{s.Product}); product.Cmp(scaled) != 0 && product.Cmp(scaled.Quo(scaled, big.NewRat(1e9, 1))) != 0 {
			t.Errorf("%d minutes times %d is not %s", s.Minutes, s.Multiplier, s.Product)
		}
	}
	for _, w := range l.Windows {
		numbers = append(numbers, w.Quantity)
	}
	return numbers
}

func TestTermsOfEveryLineOfTheExamplesSumToItsValue(t *testing.T) {
	t.Parallel()
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := newLedgerSite(t, newHandClock(start))
			s.send(s.root, strings.Join(e.lines, "\n")).want(200)
			for _, period := range [][2]string{{"2024-01-01", "2025-01-01"}, {"2024-07-01", "2024-08-01"}, {"2024-07-10", "2024-07-11"}} {
				s.explainAll(period[0], period[1])
			}
		})
	}
}

// explainAll asks for the account of each line of a report, and demands that it
// has the line and that its terms sum to the value.
func (s *site) explainAll(from, to string) {
	s.t.Helper()
	text := s.ask("POST", reportPath, s.root, fmt.Sprintf(`{"time_from":%q,"time_to":%q,"limit":1000000}`, from, to)).want(200)
	for _, raw := range decode[struct {
		Resources []json.RawMessage `json:"resources"`
	}](text).Resources {
		var line reportLine
		if err := json.Unmarshal(raw, &line); err != nil {
			s.t.Fatal(err)
		}
		a := s.account(line.path(from, to))
		i := slices.IndexFunc(a.Lines, func(l accountLine) bool { return string(l.Line) == string(raw) })
		if i < 0 {
			s.t.Fatalf("the account has not the line %s", raw)
		}
		if got, want := sum(s.t, a.Lines[i].terms(s.t)), sum(s.t, []json.Number{line.Value}); got.Cmp(want) != 0 {
			s.t.Errorf("terms sum to %s: %s", got, raw)
		}
		counted := slices.ContainsFunc(a.Observations, func(o observed) bool {
			return o.Status == "counted" && o.Line != nil && *o.Line == i && *o.Term < len(a.Lines[i].terms(s.t))
		})
		if !counted || a.Count != len(a.Observations) {
			s.t.Errorf("no observation counts for %s, or %d of %d are listed", raw, len(a.Observations), a.Count)
		}
	}
}

func TestReportAsItStoodIsThatOfALedgerThatGotWhatCameByThen(t *testing.T) {
	t.Parallel()
	for _, e := range examples(t) {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			if len(e.lines) > 20 {
				e.lines = e.lines[:20]
			}
			clock := newHandClock(start)
			s := newLedgerSite(t, clock)
			var paths []string
			for _, line := range e.lines {
				s.send(s.root, line).want(200)
				paths = append(paths, pathOfEvent(t, line))
				clock.advance(24 * 3600 * metering.Second)
			}
			slices.Sort(paths)
			for n := range e.lines {
				past := newLedgerSite(t, newHandClock(start+metering.Instant(n)*24*3600*metering.Second))
				past.send(past.root, strings.Join(e.lines[:n+1], "\n")).want(200)
				for _, path := range slices.Compact(paths) {
					if path != "" {
						past.sameAsOf(s, path)
					}
				}
			}
		})
	}
}

// sameAsOf compares the lines of an account with those that another site says
// it had at this one's present.
func (s *site) sameAsOf(later *site, path string) {
	s.t.Helper()
	now := s.ask("GET", path, s.root, "")
	then := later.ask("GET", path+"&as_of="+s.clock.now().String(), later.root, "")
	if now.status == 404 && then.status == 404 {
		return
	}
	type lines struct {
		Lines json.RawMessage `json:"lines"`
		Count int             `json:"count"`
	}
	if a, b := decode[lines](now.want(200)), decode[lines](then.want(200)); string(a.Lines) != string(b.Lines) || a.Count != b.Count {
		s.t.Errorf("%s as of %s: got %s, want %s", path, s.clock.now(), b.Lines, a.Lines)
	}
}

// pathOfEvent is that of the event's resource, "" for a retraction.
func pathOfEvent(t *testing.T, line string) string {
	t.Helper()
	var event struct {
		Data struct {
			Project int64  `json:"project_id"`
			Region  int64  `json:"region_id"`
			Type    string `json:"resource_type"`
			ID      string `json:"resource_id"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(line), &event); err != nil {
		t.Fatal(err)
	}
	if d := event.Data; d.Type != "" {
		return fmt.Sprintf("/v1/resources/%d/%d/%s/%s?from=2024-01-01&to=2025-12-01", d.Project, d.Region, d.Type, d.ID)
	}
	return ""
}

const (
	auditedVolume = "/v1/resources/10/76/volume/3c90c3cc-0d44-4b50-8888-000000000001"
	auditedPort   = "/v1/resources/10/76/egress_traffic/3c90c3cc-0d44-4b50-8888-000000000002"
	auditedDay    = "?from=2024-07-01&to=2024-07-02"
)

// event is an NDJSON line about the volume or the port of the audits.
func event(id, kind, time, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"/s","type":"meterbook.%s.v1","time":%q,"data":{"project_id":10,%s}}`+"\n", id, kind, time, data)
}

func volumeEvent(id, time, size string) string {
	return event(id, "resource.state", time, `"resource_type":"volume","resource_id":"3C90C3CC-0d44-4b50-8888-000000000001","region_id":76,"status":"active","volume_type":"ssd","tags":{"a":"b"},"size_bytes":`+size)
}

func trafficEvent(id, time, quantity string) string {
	return event(id, "resource.quantity", time, `"resource_type":"egress_traffic","resource_id":"3c90c3cc-0d44-4b50-8888-000000000002","region_id":76,"instance_type":"vm","from":"2024-07-01T00:00:00Z","to":"2024-07-01T01:00:00Z","quantity":"`+quantity+`"`)
}

func retractionEvent(id, target, reason string) string {
	return event(id, "retraction", "2024-08-01T00:00:00Z", fmt.Sprintf(`"source":"/s","id":%q,"reason":%q`, target, reason))
}

func TestAccountTellsWhatBecameOfEachObservation(t *testing.T) {
	t.Parallel()
	s := newLedgerSite(t, newHandClock(start))
	s.send(s.root, volumeEvent("a", "2024-06-01T00:00:00Z", "1000000000")+volumeEvent("b", "2024-07-01T12:00:05Z", "5")+volumeEvent("c", "2024-07-01T12:00:06Z", "2000000000")+
		volumeEvent("d", "2024-07-01T13:00:00Z", "2000000000")+volumeEvent("e", "2024-07-01T14:00:00Z", "9")+retractionEvent("r", "e", "wrong size")+
		trafficEvent("q1", "2024-07-01T01:00:00Z", "5")+trafficEvent("q2", "2024-07-02T01:00:00Z", "7")).want(200)
	text := func(list []observed) (texts []string) {
		for _, o := range list {
			row := o.ID + " " + o.Status
			if o.By != nil {
				row += " " + o.By.ID
				if o.By.Reason != nil {
					row += " (" + *o.By.Reason + ")"
				}
			}
			if o.Term != nil {
				row += fmt.Sprintf(" -> %d.%d", *o.Line, *o.Term)
			}
			texts = append(texts, row)
		}
		return texts
	}
	for path, want := range map[string][]string{
		auditedVolume + auditedDay: {"a counted -> 0.0", "b superseded c", "c counted -> 0.1", "d repeated c -> 0.1", "e retracted r (wrong size)"},
		auditedPort + auditedDay:   {"q1 corrected q2", "q2 counted -> 0.0"},
	} {
		if got := text(s.account(path).Observations); !slices.Equal(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", path, got, want)
		}
	}
	for query, want := range map[string][]string{
		"&line=0&term=0":                  {"a counted -> 0.0", "c counted -> 0.1"},
		"&line=0&term=1":                  {"b superseded c", "c counted -> 0.1", "d repeated c -> 0.1", "e retracted r (wrong size)"},
		"&line=0&term=1&status=retracted": {"e retracted r (wrong size)"},
		"&status=repeated":                {"d repeated c -> 0.1"},
		"&line=1&term=0":                  nil, "&status=pending": nil,
	} {
		a := s.account(auditedVolume + auditedDay + query)
		if got := text(a.Observations); !slices.Equal(got, want) || a.Count != len(want) || !maps.Equal(a.Statuses, map[string]int{"counted": 2, "superseded": 1, "repeated": 1, "retracted": 1, "corrected": 0, "pending": 0}) {
			t.Errorf("%s\ngot  %q of %d, %v\nwant %q", query, got, a.Count, a.Statuses, want)
		}
	}
	page := s.account(auditedVolume + auditedDay + "&limit=2&offset=3")
	if got := text(page.Observations); page.Count != 5 || !slices.Equal(got, []string{"d repeated c -> 0.1", "e retracted r (wrong size)"}) {
		t.Errorf("page %q of %d", got, page.Count)
	}
}

func TestAccountIsWrittenInFull(t *testing.T) {
	t.Parallel()
	s := newLedgerSite(t, newHandClock(start))
	s.send(s.root, volumeEvent("a", "2024-07-01T12:00:05Z", "1500000000")+trafficEvent("q", "2024-07-01T01:00:00Z", "5")).want(200)
	for path, want := range map[string]string{
		strings.ToUpper(auditedVolume[len(auditedVolume)-36:]): `{"resource":{"project_id":10,"region_id":76,"resource_type":"volume","resource_id":"3c90c3cc-0d44-4b50-8888-000000000001"},"from":"2024-07-01","to":"2024-07-02","as_of":"2025-01-15T12:00:00Z",` +
			`"closed_before":null,"lines":[{"line":{"attached_to_vm":null,"billing_metric_name":"volume_t_ssd_gbm","billing_value":1080,"billing_value_unit":"gbminutes","first_seen":"2024-07-01T12:00:30Z","last_name":null,"last_seen":"2024-07-01T23:59:30Z","last_size":2,"project_id":10,"region":76,"region_id":76,"size_unit":"GiB","tags":[{"a":"b"}],"type":"volume","uuid":"3c90c3cc-0d44-4b50-8888-000000000001","volume_type":"ssd"},` +
			`"segments":[{"from":"2024-07-01T12:00:00Z","to":"2024-07-02T00:00:00Z","first_seen":"2024-07-01T12:00:30Z","last_seen":"2024-07-01T23:59:30Z","minutes":720,"multiplier":1500000000,"product":1080,"attributes":{"tags":{"a":"b"},"volume_type":"ssd"}}],"days":null,"windows":null}],` +
			`"statuses":{"corrected":0,"counted":1,"pending":0,"repeated":0,"retracted":0,"superseded":0},"count":1,"observations":[{"number":1,"source":"/s","id":"a","time":"2024-07-01T12:00:05Z","sequence":0,"received_at":"2025-01-15T12:00:00Z","data":{"billing_metric_name":"volume_t_ssd_gbm","billing_value_unit":"gbminutes","size_bytes":1500000000,"status":"active","tags":{"a":"b"},"volume_type":"ssd"},"status":"counted","by":null,"line":0,"term":0}]}`,
		auditedPort[len(auditedPort)-36:]: `{"resource":{"project_id":10,"region_id":76,"resource_type":"egress_traffic","resource_id":"3c90c3cc-0d44-4b50-8888-000000000002"},"from":"2024-07-01","to":"2024-07-02","as_of":"2025-01-15T12:00:00Z",` +
			`"closed_before":null,"lines":[{"line":{"billing_metric_name":"egress_traffic_vm_gbs","billing_value":5,"billing_value_unit":"bytes","first_seen":"2024-07-01T00:00:00Z","instance_name":null,"instance_type":"vm","last_seen":"2024-07-01T01:00:00Z","port_id":"3c90c3cc-0d44-4b50-8888-000000000002","project_id":10,"region":76,"region_id":76,"size_unit":"bytes","tags":null,"type":"egress_traffic","vm_id":null},` +
			`"segments":null,"days":[],"windows":[{"from":"2024-07-01T00:00:00Z","to":"2024-07-01T01:00:00Z","quantity":5}]}],` +
			`"statuses":{"corrected":0,"counted":1,"pending":0,"repeated":0,"retracted":0,"superseded":0},"count":1,"observations":[{"number":2,"source":"/s","id":"q","time":"2024-07-01T01:00:00Z","sequence":0,"received_at":"2025-01-15T12:00:00Z","data":{"billing_metric_name":"egress_traffic_vm_gbs","billing_value_unit":"bytes","from":"2024-07-01T00:00:00Z","instance_type":"vm","quantity":5,"to":"2024-07-01T01:00:00Z"},"status":"counted","by":null,"line":0,"term":0}]}`,
	} {
		kind := "volume"
		if strings.HasSuffix(path, "2") {
			kind = "egress_traffic"
		}
		if got := s.ask("GET", "/v1/resources/10/76/"+kind+"/"+path+auditedDay, s.root, "").want(200); string(got.body) != want {
			t.Errorf("got  %s\nwant %s", got.body, want)
		}
	}
}

func TestFigureIsToldAsItStoodBeforeItsCorrection(t *testing.T) {
	t.Parallel()
	s := newLedgerSite(t, newHandClock(start))
	s.send(s.root, trafficEvent("q1", "2024-07-01T01:00:00Z", "5")).want(200)
	s.clock.advance(3600 * metering.Second)
	s.send(s.root, trafficEvent("q2", "2024-07-02T01:00:00Z", "7")).want(200)
	s.clock.advance(3600 * metering.Second)
	s.send(s.root, retractionEvent("r", "q2", "")).want(200)
	for asOf, want := range map[string]string{
		"2025-01-15T12:00:00Z": "5", "2025-01-15T12:59:59.999999999Z": "5", "2025-01-15T13:00:00Z": "7", "2025-01-15T14:59:59%2B01:00": "7", "2025-01-15T14:00:00Z": "5",
	} {
		a := s.account(auditedPort + auditedDay + "&as_of=" + asOf)
		if len(a.Lines) != 1 || len(a.Lines[0].Windows) != 1 || a.Lines[0].Windows[0].Quantity.String() != want {
			t.Errorf("as of %s: %+v, want %s", asOf, a.Lines, want)
		}
	}
	s.ask("GET", auditedPort+auditedDay+"&as_of=2025-01-15T11:59:59Z", s.root, "").wantError(404, "NotFoundError")
}

func TestAccountExistsOnlyWhereTheResourceDoes(t *testing.T) {
	t.Parallel()
	s, acme, other := tenants(t)
	machine := "/v1/resources/1/76/instance/3c90c3cc-0d44-4b50-8888-000000000001"
	for _, token := range []string{s.root, acme, s.key(acme, `{"roles":["reader"],"projects":[1],"types":["instance"]}`)} {
		s.ask("GET", machine+auditedDay, token, "").want(200)
	}
	messages := map[string]bool{}
	for _, token := range []string{other, s.key(acme, `{"roles":["reader"],"projects":[2]}`), s.key(acme, `{"roles":["reader"],"regions":[77]}`), s.key(acme, `{"roles":["reader"],"types":["volume"]}`)} {
		messages[s.ask("GET", machine+auditedDay, token, "").wantError(404, "NotFoundError")] = true
		messages[s.ask("GET", machine+"?from=x", token, "").wantError(404, "NotFoundError")] = true
	}
	for _, path := range []string{
		"/v1/resources/1/76/instance/3c90c3cc-0d44-4b50-8888-000000000009", "/v1/resources/1/76/volume/3c90c3cc-0d44-4b50-8888-000000000001", "/v1/resources/1/77/instance/3c90c3cc-0d44-4b50-8888-000000000001",
		"/v1/resources/01/76/instance/3c90c3cc-0d44-4b50-8888-000000000001", "/v1/resources/1/x/instance/3c90c3cc-0d44-4b50-8888-000000000001", "/v1/resources/1/76/Instance/3c90c3cc-0d44-4b50-8888-000000000001",
		"/v1/resources/1/76/instance/3c90c3cc", "/v1/resources/-1/76/instance/3c90c3cc-0d44-4b50-8888-000000000001", "/v1/resources/0/0/instance/3c90c3cc-0d44-4b50-8888-000000000001",
	} {
		messages[s.ask("GET", path+auditedDay, s.root, "").wantError(404, "NotFoundError")] = true
	}
	if len(messages) != 1 {
		t.Errorf("the messages tell what exists: %v", messages)
	}
	s.ask("GET", machine+auditedDay, s.key(acme, `{"roles":["writer"]}`), "").wantError(403, "ForbiddenError")
	s.ask("GET", machine+auditedDay, "", "").wantError(401, "not_authenticated")
}

func TestQueryOfAnAccountIsJudged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(s.root, volumeEvent("a", "2024-07-01T12:00:05Z", "1")).want(200)
	for query, fields := range map[string][]string{
		"": {"from", "to"}, "?from=2024-07-01": {"to"}, "?from=2024-07-02&to=2024-07-01": {"to"}, "?from=2024-7-1&to=x": {"from", "to"},
		auditedDay + "&as_of=2024-07-01": {"as_of"}, auditedDay + "&as_of=2024-07-01T00:00:00": {"as_of"}, auditedDay + "&as_of=0001-01-01T00:00:00Z": {"as_of"},
		auditedDay + "&as_of=2024-07-01T00:00:00+02:00": {"as_of"}, auditedDay + "&as_of=2025-01-15T12:00:00.000000001Z": {"as_of"},
		auditedDay + "&limit=0": {"limit"}, auditedDay + "&limit=10001": {"limit"}, auditedDay + "&offset=-1": {"offset"}, auditedDay + "&order=x": {"order"},
		auditedDay + "&line=0": {"term"}, auditedDay + "&term=0": {"line"}, auditedDay + "&line=-1&term=x": {"line", "term"}, auditedDay + "&status=Counted": {"status"}, auditedDay + "&status=": {"status"},
	} {
		var got []string
		for field := range s.ask("GET", auditedVolume+query, s.root, "").invalid() {
			got = append(got, field)
		}
		if slices.Sort(got); !slices.Equal(got, fields) {
			t.Errorf("%q: got %v, want %v", query, got, fields)
		}
	}
	for _, query := range []string{auditedDay + "&as_of=2025-01-15T12:00:00Z&limit=10000&offset=5", "?from=2024-07-01&to=2024-07-01", "?from=0001-01-01&to=9999-12-31"} {
		s.ask("GET", auditedVolume+query, s.root, "").want(200)
	}
}
