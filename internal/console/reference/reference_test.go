package reference_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/console/reference"
	"github.com/meterbook/meterbook/internal/httpapi"
)

// served is what the server's own document says.
func served(t *testing.T) (*reference.Reference, []byte) {
	t.Helper()
	text, err := httpapi.OpenAPI("v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	r, err := reference.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r, text
}

// shape is the part of the document that the tests compare with.
type shape struct {
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"schemas"`
		Responses map[string]json.RawMessage `json:"responses"`
	} `json:"components"`
}

func schemasOf(r *reference.Reference) map[string]*reference.Schema {
	all := map[string]*reference.Schema{}
	for i := range r.Families {
		for j := range r.Families[i].Schemas {
			s := &r.Families[i].Schemas[j]
			all[s.Name] = s
		}
	}
	return all
}

func TestEveryOperationIsThere(t *testing.T) {
	t.Parallel()
	r, text := served(t)
	var d shape
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, g := range r.Groups {
		for _, o := range g.Operations {
			got = append(got, o.Method+" "+o.Path)
			if len(o.Answers) == 0 || o.Summary == "" || len(o.Failures) == 0 && !o.Open {
				t.Errorf("%s %s: %+v", o.Method, o.Path, o)
			}
		}
	}
	for path, item := range d.Paths {
		for method := range item {
			if method != "parameters" {
				want = append(want, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if len(r.Failures) != len(d.Components.Responses) {
		t.Errorf("%d failures of %d", len(r.Failures), len(d.Components.Responses))
	}
}

func TestEverySchemaIsThereWithItsMembers(t *testing.T) {
	t.Parallel()
	r, text := served(t)
	var d shape
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	all := schemasOf(r)
	if len(all) != len(d.Components.Schemas) {
		t.Errorf("%d schemas of %d", len(all), len(d.Components.Schemas))
	}
	for name, s := range d.Components.Schemas {
		for member := range s.Properties {
			if all[name] == nil || !slices.ContainsFunc(all[name].Members, func(m reference.Member) bool { return m.Name == member }) {
				t.Errorf("%s has no member %s", name, member)
			}
		}
	}
}

func TestEveryTypeLeadsToASchemaAndEveryAnchorIsUnique(t *testing.T) {
	t.Parallel()
	r, _ := served(t)
	anchors := map[string]int{}
	var types []reference.Type
	for _, g := range r.Groups {
		anchors[g.Anchor]++
		for _, o := range g.Operations {
			anchors[o.Anchor]++
			for _, b := range o.Bodies {
				types = append(types, b.Type)
			}
			for _, a := range o.Answers {
				for _, b := range a.Bodies {
					types = append(types, b.Type)
				}
			}
		}
	}
	for _, f := range r.Failures {
		anchors[f.Anchor]++
	}
	for _, f := range r.Families {
		anchors[f.Anchor]++
		for _, s := range f.Schemas {
			anchors[s.Anchor]++
			types = append(types, s.Type)
			for _, m := range s.Members {
				types = append(types, m.Type)
			}
		}
	}
	for anchor, n := range anchors {
		if n != 1 {
			t.Errorf("anchor %s is there %d times", anchor, n)
		}
	}
	links := 0
	for _, typ := range types {
		for _, p := range typ {
			if p.Anchor == "" {
				continue
			}
			if links++; anchors[p.Anchor] == 0 {
				t.Errorf("%s leads to %s, which is not there", typ, p.Anchor)
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links", links)
	}
}

func TestTypesReadLikeSentences(t *testing.T) {
	t.Parallel()
	r, _ := served(t)
	all := schemasOf(r)
	for path, want := range map[string]string{
		"UsageReportRequest time_from":            "text",
		"UsageReportRequest limit":                "integer at least 1",
		"UsageReportRequest projects":             "list of integer or null",
		"UsageReportRequest tags":                 "TagsFilter",
		"UsageReportRequest sorting[].first_seen": "one of asc, desc",
		"TagsFilter conditions":                   "list with 1 to 10 of object",
		"TagsFilter conditions[].key":             "text of 1 to 255 characters",
		"VolumeState tags":                        "object, each value text of at most 256 characters or null",
		"VolumeState resource_id":                 "uuid",
		"VolumeState resource_type":               `always "volume"`,
		"AccountObservation by.received_at":       "date-time",
		"AccountObservation data.ip_address":      "ipv4 or ipv6",
		"AccountLine segments":                    "list of AccountSegment or null",
		"Account observations":                    "list with at most 10000 of AccountObservation",
		"KeyCreation rate_limit":                  "integer 1 to 1000000 or null",
	} {
		name, member, _ := strings.Cut(path, " ")
		i := slices.IndexFunc(all[name].Members, func(m reference.Member) bool { return m.Name == member })
		if i < 0 {
			t.Errorf("%s is not there", path)
			continue
		}
		if got := all[name].Members[i].Type.String(); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	if notes := all["VolumeState"].Notes; !slices.Equal(notes, []string{"Where status is active, size_bytes and volume_type must be given."}) {
		t.Errorf("notes %q", notes)
	}
	if notes := all["VerificationLine"].Notes; !slices.Equal(notes, []string{"Exactly one of these must be given: progress or result."}) {
		t.Errorf("notes %q", notes)
	}
	if notes := all["TagsFilter"].Notes; !slices.Equal(notes, []string{"At least one of these must be given: conditions[].key or conditions[].value."}) {
		t.Errorf("notes %q", notes)
	}
}

func TestCommandsAreReadyToBeTried(t *testing.T) {
	t.Parallel()
	r, _ := served(t)
	commands := map[string]string{}
	for _, g := range r.Groups {
		for _, o := range g.Operations {
			commands[o.Method+" "+o.Path] = o.Command
		}
	}
	for operation, want := range map[string]string{
		"GET /v1/resources/{project}/{region}/{type}/{id}": `curl -s "$METERBOOK_URL/v1/resources/10/76/ai_cluster/3c90c3cc-0d44-4b50-8888-8dd25736052a?from=2024-07-01&to=2024-08-01" \` + "\n" + `  -H "Authorization: apikey $METERBOOK_TOKEN"`,
		"GET /healthz":         `curl -s "$METERBOOK_URL/healthz"`,
		"DELETE /v1/keys/{id}": `curl -s -X DELETE "$METERBOOK_URL/v1/keys/example" \` + "\n" + `  -H "Authorization: apikey $METERBOOK_TOKEN"`,
		"POST /v1/retain": `curl -s -X POST "$METERBOOK_URL/v1/retain" \` + "\n" + `  -H "Authorization: apikey $METERBOOK_TOKEN" \` + "\n" + `  -H 'Content-Type: application/json' \` + "\n" +
			`  -d '{` + "\n" + `  "before": "2024-06",` + "\n" + `  "dry_run": true` + "\n" + `}'`,
	} {
		if got := commands[operation]; got != want {
			t.Errorf("%s\ngot  %s\nwant %s", operation, got, want)
		}
	}
	for operation, command := range commands {
		if strings.HasPrefix(operation, "POST ") && operation != "POST /v1/backup" && operation != "POST /v1/verify" && !strings.Contains(command, "-d '{") {
			t.Errorf("%s has no body: %s", operation, command)
		}
	}
}

func TestKeywordThatIsNotShownIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{"components":{"schemas":{"A":{"multipleOf":3}}}}`, `{"components":`} {
		if r, err := reference.Parse([]byte(text)); err == nil {
			t.Errorf("%s: got %+v", text, r)
		}
	}
}
