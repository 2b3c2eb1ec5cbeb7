package console

import (
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// expectNamed wants what is wrong to be told by names that a form or an address has.
func expectNamed(t *testing.T, query string, wrong map[string][]string, names ...string) {
	t.Helper()
	for name, messages := range wrong {
		if !slices.Contains(names, name) || len(messages) == 0 || slices.Contains(messages, "") {
			t.Errorf("%q: wrong is %q: %q", query, name, messages)
		}
	}
}

// FuzzUsage: an address in which nothing is wrong is led to one short address, which
// reads as the same view and leads nowhere else; of any other one what is wrong is
// named, and the rest is a view that can be shown.
func FuzzUsage(f *testing.F) {
	for _, query := range []string{
		"", "period=last-month&project=3,1&project=1&region=+7+&type=volume,instance,volume", "from=2024-02-29&last=2024-02-29&by=region&unit=gbminutes%21&sort=last_name.desc&page=7&size=100",
		"tag=env=prod&tag=a%2525%257E~=b%26c=d&tag==x&tags=all", "tag_key=a%3Db&tag_value=c~&tag_mode=contains&tag_key=&tag_value=v&tag_mode=is", "tag=k%257E=v&tag_key=k~&tag_value=v&tag_mode=is", "tag=~=x&tag=%7E&tag=%257&tag=%ff~~=%fe",
		"in=volume.last_name&q=a%2Bb&q=&q=c,d%00", "in=volume.colour&q=x", "q=x", "from=9999-12-30&last=9999-12-31", "from=0001-01-01&last=9999-12-30", "from=2025-01-01&last=2025-01-15&period=this-month", "last=2024-01-01",
		"page=4503599627370496&size=250", "page=4503599627370497&size=51", "page=0&size=-1&by=x&sort=x.asc&tags=x&period=x", "project=0,9223372036854775808,x&type=x&a;b&%zz=%zz", "unit=%ff%26&project=9007199254740991",
	} {
		f.Add(query)
	}
	names := []string{"period", "from", "last", "project", "region", "type", "tag", "tags", "in", "q", "by", "sort", "page", "size"}
	f.Fuzz(func(t *testing.T, query string) {
		read := func(query string) (usageQuery, metering.FieldErrors) {
			return readUsage((&url.URL{RawQuery: query}).Query(), start.Time())
		}
		q, wrong := read(query)
		expectNamed(t, query, wrong, names...)
		first, last := metering.DayOf(1, 1, 1), metering.DayOf(9999, 12, 31)
		if q.days.From < first || q.days.From >= q.days.To || q.days.To > last || q.page < 1 || (q.page-1)*q.size < 0 || !slices.Contains(pageSizes(), q.size) ||
			!slices.Contains(namesOf(groupings()), q.by) || !slices.Contains(sortOrders(), q.sort) || len(q.tags) > maxTagRows || !slices.IsSorted(q.projects) || !slices.IsSorted(q.regions) {
			t.Errorf("%q is read as %+v", query, q)
		}
		if len(wrong) > 0 {
			return
		}
		again, wrong := read(q.encode())
		if len(wrong) > 0 || !reflect.DeepEqual(again, q) || again.encode() != q.encode() {
			t.Errorf("%q is read as %+v, and leads to %q, which is %+v, wrong %v", query, q, q.encode(), again, wrong)
		}
	})
}

// FuzzResourceQuery: an address of a resource that is taken is written as one that
// reads as the same; of any other one what is wrong is named.
func FuzzResourceQuery(f *testing.F) {
	for _, query := range []string{
		"", "from=2024-07-01&to=2024-08-01", "from=2024-07-01&last=2024-07-01&to=x", "from=2024-07-01&last=2024-06-30", "from=0001-01-01&last=9999-12-31", "to=2024-08-01", "last=&from=",
		"as_of=2024-08-03T09:00", "as_of=2024-08-03T09:00:00.5%2B02:00", "as_of=9999-12-31T23:59:59-23:59", "as_of=0000-01-01T00:00", "as_of=x&page=0&terms=-1&line=x&term=",
		"line=1&term=2&status=counted&page=16777216&terms=50", "term=16777217", "status=%ff%26&line", "page=%2B7&a;b",
	} {
		f.Add("10", "76", "instance", "3c90c3cc-0d44-4b50-8888-8dd25736052a", query)
	}
	f.Add("010", "-1", "%2F", "a/b?c#d", "page=2")
	f.Add("9223372036854775807", "9223372036854775808", "", "\xff", "")
	f.Fuzz(func(t *testing.T, project, region, typeName, id, query string) {
		q, err := readResource(resourceRequest(t, query, project, region, typeName, id), start.Time())
		if err != nil {
			var refused *client.Error
			if !errors.As(err, &refused) || refused.Status != http.StatusBadRequest || len(refused.InvalidFields) == 0 {
				t.Fatalf("%q: %v", query, err)
			}
			expectNamed(t, query, refused.InvalidFields, "from", "to", "last", "as_of", "line", "term", "page", "terms")
			return
		}
		if q.days.From >= q.days.To || q.page < 1 || q.terms < 0 || q.request().Offset < 0 || q.behind != nil && (q.behind.Line < 0 || q.behind.Index < 0) {
			t.Errorf("%q is read as %+v", query, q)
		}
		u, err := url.Parse(q.address())
		if err != nil || u.Host != "" || u.Fragment != "" {
			t.Fatalf("%q leads to %q: %v", query, q.address(), err)
		}
		again, err := readResource(resourceRequest(t, u.RawQuery, partsOf(t, u)...), start.Time())
		if err != nil || !reflect.DeepEqual(again, q) {
			t.Errorf("%q is read as %+v, and leads to %q, which is %+v, %v", query, q, q.address(), again, err)
		}
	})
}

// resourceRequest asks for the page of a resource.
func resourceRequest(t *testing.T, query string, parts ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.URL.RawQuery = query
	for i, name := range []string{"project", "region", "type", "id"} {
		r.SetPathValue(name, parts[i])
	}
	return r
}

// partsOf are the parts of the path of a resource's page.
func partsOf(t *testing.T, u *url.URL) []string {
	t.Helper()
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/resource/"), "/")
	for i, part := range parts {
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			t.Fatal(err)
		}
	}
	if len(parts) != 4 {
		t.Fatalf("%q has %d parts", u, len(parts))
	}
	return parts
}

// FuzzRetraction: a form is taken just when it names an observation and a reason,
// and what is shown again in its fields reads as the same.
func FuzzRetraction(f *testing.F) {
	for _, query := range []string{
		"project=10&source=/s&id=a&reason=wrong+size", "project=+10+&source=+&id=%00&reason=%ff", "project=0&source=&id=&reason=+", "project=9223372036854775807&source=a&source=b&id=c&reason=d",
		"project=9223372036854775808", "project=%2B1&id=a&source=b&reason=c", "project=1_0&id=a&source=b&reason=c", "", "a;b&%zz",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		form := (&url.URL{RawQuery: query}).Query()
		var want []string
		project, ok := new(big.Int).SetString(strings.TrimSpace(form.Get("project")), 10)
		if !ok || !project.IsInt64() || project.Sign() < 1 {
			want = append(want, "project")
		}
		for _, name := range []string{"source", "id"} {
			if form.Get(name) == "" {
				want = append(want, name)
			}
		}
		if strings.TrimSpace(form.Get("reason")) == "" {
			want = append(want, "reason")
		}
		slices.Sort(want)
		target, wrong := readRetraction(form)
		expectNamed(t, query, wrong, want...)
		if got := slices.Sorted(maps.Keys(wrong)); !slices.Equal(got, want) {
			t.Errorf("%q: wrong is %q, want %q", query, got, want)
		}
		shown := url.Values{}
		for _, field := range retractionFields(form, wrong) {
			shown.Set(field.Name, field.Value)
			if len(field.Errors) != len(wrong[field.Name]) {
				t.Errorf("%q: %s shows %q", query, field.Name, field.Errors)
			}
		}
		if again, _ := readRetraction(shown); again != target || len(want) == 0 && target.Project != project.Int64() {
			t.Errorf("%q is read as %+v, and when shown as %+v", query, target, again)
		}
	})
}

// FuzzLocalAddress: whatever address is to be come back to, it is on this server, and
// stays as it is when it is read again.
func FuzzLocalAddress(f *testing.F) {
	for _, address := range []string{"/usage?from=2024-07-01", "//evil.example/", `/\evil.example`, "/%2F/evil.example", "/a//b?next=//c", "https://evil.example", "/\t/evil.example", "/%zz", "", "?a", "/é", "/a#b", "/.//b"} {
		f.Add(address)
	}
	f.Fuzz(func(t *testing.T, address string) {
		got := localAddress(address)
		to, err := url.Parse("https://console.example/signin")
		if err == nil {
			to, err = to.Parse(got)
		}
		if err != nil || to.Scheme != "https" || to.Host != "console.example" || to.User != nil || !strings.HasPrefix(got, "/") || len(got) > 1 && strings.ContainsAny(got[1:2], `/\`) || strings.ContainsAny(got, "\\\r\n\t") || localAddress(got) != got {
			t.Errorf("%q leads to %q, which is %v, %v, and again to %q", address, got, to, err, localAddress(got))
		}
	})
}
