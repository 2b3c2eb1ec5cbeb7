package httpapi

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/access"
)

func TestEmptyAndRepeatedParametersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(s.root, volumeEvent("a", "2024-07-01T12:00:05Z", "1")).want(200)
	for path, field := range map[string]string{
		"/v1/projects?limit=":                          "limit",
		"/v1/keys?offset=":                             "offset",
		"/v1/clients?limit=1&limit=1":                  "limit",
		"/cloud/v1/projects?limit=":                    "limit",
		"/cloud/v1/regions?order_by=":                  "order_by",
		findingsPath + auditedDay + "&limit=":          "limit",
		findingsPath + auditedDay + "&to=2024-07-02":   "to",
		findingsPath + "?from=2024-07-01&to=":          "to",
		auditedVolume + auditedDay + "&as_of=":         "as_of",
		auditedVolume + auditedDay + "&offset=&limit=": "limit offset",
	} {
		fields := slices.Sorted(maps.Keys(s.ask("GET", path, s.root, "").invalid()))
		if got := strings.Join(fields, " "); got != field {
			t.Errorf("%s: invalid %q, want %q", path, got, field)
		}
	}
}

func TestInstantBeyondWhatIsStoredIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.send(s.root, volumeEvent("a", "2024-07-01T12:00:05Z", "1")).want(200)
	for asOf, want := range map[string]string{
		"9426-07-12T20:05:09Z": "Input should not be in the future",
		"1677-01-01T00:00:00Z": "Input should not be before the year 1678",
	} {
		got := s.ask("GET", auditedVolume+auditedDay+"&as_of="+asOf, s.root, "").invalid()["as_of"]
		if !slices.Equal(got, []string{want}) {
			t.Errorf("as_of=%s: %q, want %q", asOf, got, want)
		}
	}
}

// The document says so: maxItems is about the list as it is sent.
func TestRepeatedIDsCountAgainstTheLimitOfANarrowing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	narrowed := func(member string, n int) string {
		return fmt.Sprintf(`{"roles":["reader"],"%s":[%s1]}`, member, strings.Repeat("1,", n-1))
	}
	for _, member := range []string{"projects", "regions"} {
		s.ask("POST", "/v1/keys", s.root, narrowed(member, access.MaxNarrowedIDs)).want(201)
		got := s.ask("POST", "/v1/keys", s.root, narrowed(member, access.MaxNarrowedIDs+1)).invalid()[member]
		if want := []string{"List should have at most 10000 items, got 10001"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", member, got, want)
		}
	}
}
