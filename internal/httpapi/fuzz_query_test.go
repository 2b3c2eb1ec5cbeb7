package httpapi

import (
	"maps"
	"math"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/report"
)

// asked judges the parameters of a query by themselves, without the program.
type asked map[string]func(text string) bool

// within takes the integers from least to most, in their decimal notations.
func within(least, most int64) func(string) bool {
	return func(text string) bool {
		n, ok := new(big.Int).SetString(text, 10)
		return ok && n.Cmp(big.NewInt(least)) >= 0 && n.Cmp(big.NewInt(most)) <= 0
	}
}

func among(texts ...string) func(string) bool {
	return func(text string) bool { return slices.Contains(texts, text) }
}

func isDate(text string) bool {
	t, err := time.Parse(time.DateOnly, text)
	return err == nil && t.Year() > 0
}

// isPast takes instants from the first one that is stored to that of the tests.
func isPast(text string) bool {
	if !regexp.MustCompile(`^[0-9-]{10}[Tt][0-9:]{8}(\.[0-9]+)?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`).MatchString(text) {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, strings.ToUpper(text))
	return err == nil && isDate(text[:len(time.DateOnly)]) && !at.Before(time.Unix(0, math.MinInt64)) && !at.After(start.Time())
}

// queried are paths that read a query, and what they read in it.
func queried() map[string]asked {
	page, offset := within(1, MaxPageSize), within(0, maxOffset)
	return map[string]asked{
		"/v1/clients":        {"limit": page, "offset": offset},
		"/v1/projects":       {"limit": page, "offset": offset},
		"/cloud/v1/projects": {"limit": page, "offset": offset, "order_by": among("name.asc", "name.desc", "created_at.asc", "created_at.desc")},
		"/cloud/v1/regions":  {"limit": page, "offset": offset, "order_by": among("display_name.asc", "display_name.desc", "created_at.asc", "created_at.desc")},
		findingsPath:         {"from": isDate, "to": isDate, "limit": page, "silent_days": within(1, MaxSilentDays), "kind": among("id_in_two_projects", "overlapping_windows", "id_reused", "silent_resources")},
		sourcesPath: {
			"limit": page, "offset": offset, "status": among("fresh", "late", "silent"), "order": among("source", "silence"),
			"late_after_seconds": within(1, MaxSilentSeconds), "silent_after_seconds": within(1, MaxSilentSeconds),
		},
		auditedVolume: {
			"from": isDate, "to": isDate, "as_of": isPast, "limit": within(1, MaxAuditPage), "offset": offset, "status": among(fateNames()...),
			"line": offset, "term": offset,
		},
	}
}

// wrongIn are the names of what is wrong with a query, in order.
func wrongIn(path string, values url.Values, unreadable error) (wrong []string) {
	known := queried()[path]
	if unreadable != nil {
		wrong = append(wrong, "query")
	}
	lenient := strings.HasPrefix(path, "/cloud/") // they ignore what they do not know
	for name, texts := range values {
		judge, isKnown := known[name]
		if isKnown && !judge(texts[0]) || !lenient && (!isKnown || len(texts) > 1) {
			wrong = append(wrong, strings.ToValidUTF8(name, "\uFFFD"))
		}
	}
	if known["from"] != nil {
		from, to := values.Get("from"), values.Get("to")
		for _, name := range []string{"from", "to"} {
			if !values.Has(name) {
				wrong = append(wrong, name)
			}
		}
		if isDate(from) && isDate(to) && from > to && len(values["from"])+len(values["to"]) == 2 {
			wrong = append(wrong, "to")
		}
	}
	if known["line"] != nil && values.Has("line") != values.Has("term") {
		wrong = append(wrong, map[bool]string{true: "term", false: "line"}[values.Has("line")])
	}
	slices.Sort(wrong)
	return slices.Compact(wrong)
}

// FuzzQuery: whatever the query of a URL is, it is refused with just the names of
// what is wrong in it, as another reader sees them, or is answered with the page
// that it asks for.
func FuzzQuery(f *testing.F) {
	paths := slices.Sorted(maps.Keys(queried()))
	for _, query := range []string{
		"", "limit=1&offset=1", "limit=0&offset=-1", "limit=1000&offset=2147483647", "limit=%2B01&offset=2147483648", "limit=1_0&offset=0x1", "limit=&limit=", "%ff=1&%fe=2", "a;b", "limit=%zz", "query&a=%",
		"from=2024-07-01&to=2024-07-02", "from=2024-07-02&to=2024-07-01&kind=x", "from=2024-02-30&from=2024-07-01&to=", "from=0000-01-01&to=9999-12-31&silent_days=3651",
		"from=2024-07-01&to=2024-07-02&as_of=2024-07-01T12%3A00%3A05.5%2B02:00&status=counted&line=0&term=0&limit=1", "from=2024-07-01&to=2024-07-02&as_of=2025-01-15t12:00:00.1z&line=1",
		"from=0001-01-01&to=0001-01-01&as_of=1677-09-21T00:12:43Z&term=0", "status=late&order=silence&late_after_seconds=1&silent_after_seconds=31536000", "order_by=name.desc&order_by=x&name=project-10&fields=%00", "order_by=created_at.asc&display_name=REGION-76",
	} {
		for i := range paths {
			f.Add(uint8(i), query)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, query string) {
		path := paths[int(which)%len(paths)]
		s := newSite(t)
		s.send(s.root, volumeEvent("a", "2024-07-01T12:00:05Z", "1")+volumeEvent("b", "2024-07-01T13:00:05Z", "2")+machine("7", "11")).want(http.StatusOK)
		answer := s.askQuery(path, query)
		values, err := url.ParseQuery(query)
		if wrong := wrongIn(path, values, err); len(wrong) > 0 {
			got := slices.Sorted(maps.Keys(answer.invalid()))
			if len(got) > report.MaxInvalidFields || len(wrong) <= report.MaxInvalidFields && !slices.Equal(got, wrong) {
				t.Errorf("%s?%s: invalid are %q, want %q", path, query, got, wrong)
			}
			return
		}
		if answer.status == http.StatusNotFound && path == auditedVolume && values.Has("as_of") {
			return // nothing had been told of it
		}
		page := decode[struct {
			Count                 int
			Results, Observations []any
		}](answer.want(http.StatusOK))
		limit, offset := pageIn(path, values)
		if got, want := len(page.Results)+len(page.Observations), max(0, min(limit, page.Count-offset)); got != want {
			t.Errorf("%s?%s: %d of %d results, want %d", path, query, got, page.Count, want)
		}
	})
}

// askQuery asks for a path with a query that no parser of addresses has changed.
func (s *site) askQuery(path, query string) reply {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodGet, path, nil)
	r.URL.RawQuery = query
	r.Header.Set("Authorization", "apikey "+s.root)
	w := httptest.NewRecorder()
	s.server.Handler().ServeHTTP(w, r)
	return reply{s.t, w.Code, w.Header(), w.Body.Bytes()}
}

// pageIn is the page of a query in which nothing is wrong.
func pageIn(path string, values url.Values) (limit, offset int) {
	number := func(name string, standard int) int {
		if n, ok := new(big.Int).SetString(values.Get(name), 10); ok {
			return int(n.Int64())
		}
		return standard
	}
	standard := DefaultPageSize
	if path == auditedVolume {
		standard = DefaultAuditPage
	}
	return number("limit", standard), number("offset", 0)
}
