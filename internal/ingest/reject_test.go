package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// flaw makes a good quantity event be refused for one reason.
type flaw struct {
	code       metering.RejectCode
	field      string
	event      func(object) object
	permission func(*Permission)
}

func set(path string, value any) func(object) object {
	return func(o object) object { return o.set(path, value) }
}

// flaws are one for each code, such that any two can be combined. The store
// that judges them is strict, keeps 60 days and knows event e-1 otherwise.
func flaws() []flaw {
	return []flaw{
		{metering.Malformed, "specversion", set("specversion", "0.3"), nil},
		{metering.TooLarge, "", set("padding", strings.Repeat("x", metering.MaxEventBytes)), nil},
		{metering.UnsupportedType, "type", set("type", "com.example.made"), nil},
		{metering.WrongMeasure, "data.resource_type", set("data.resource_type", "volume"), nil},
		{metering.MissingField, "data.region_id", set("data.region_id", absent{}), nil},
		{metering.UnknownField, "data.colour", set("data.colour", "red"), nil},
		{metering.InvalidValue, "data.name", set("data.name", 5), nil},
		{metering.TimeOutOfRange, "time", set("time", "1999-12-31T23:59:59Z"), nil},
		{metering.IntervalInvalid, "data.to", set("data.to", "2024-04-01T00:00:00Z"), nil},
		{metering.ForbiddenProject, "data.region_id", nil, func(p *Permission) { p.Narrowing.Regions = report.Only[metering.RegionID](77) }},
		{metering.UnknownProject, "data.project_id", set("data.project_id", 11), nil},
		{metering.PeriodClosed, "data.from", func(o object) object {
			return o.set("data.from", "2024-05-01T00:00:00Z").set("data.to", "2024-05-01T01:00:00Z")
		}, nil},
		{metering.IDReused, "id", set("id", "e-1"), nil},
	}
}

func strictStore(t *testing.T) *Service {
	t.Helper()
	const retention = 60 * 24 * 3600 * metering.Second
	store := storetest.NewModel(testNow, storetest.StrictProjects(), storetest.Retention(retention))
	if err := store.PutProject(t.Context(), report.Project{ID: 10, Client: testClient}); err != nil {
		t.Fatal(err)
	}
	if err := store.PutRegion(t.Context(), report.Region{ID: 76}); err != nil {
		t.Fatal(err)
	}
	s := New(store, Options{Clock: testNow, Directory: store, StrictProjects: true})
	if r := receive(t, s, anywhere(), structured(), goodQuantity(t).set("id", "e-1").set("data.quantity", "1").text(t)); r.Accepted != 1 {
		t.Fatalf("receipt %+v", r)
	}
	return s
}

func goodQuantity(t *testing.T) object {
	return eventOf(typeNamed(t, "containers")).set("id", "e-2")
}

func (f flaw) apply(o object, p *Permission) object {
	if f.permission != nil {
		f.permission(p)
	}
	if f.event != nil {
		o = f.event(o)
	}
	return o
}

func TestEachCodeIsGivenForItsFlaw(t *testing.T) {
	t.Parallel()
	all := flaws()
	if len(all) != len(metering.RejectCodes()) {
		t.Fatalf("%d flaws for %d codes", len(all), len(metering.RejectCodes()))
	}
	for _, f := range all {
		t.Run(f.code.String(), func(t *testing.T) {
			t.Parallel()
			p := anywhere()
			o := f.apply(goodQuantity(t), &p)
			got := refusalOf(t, strictStore(t), p, o.text(t))
			if got.Code != f.code.String() || got.Field != f.field || got.Message == "" {
				t.Errorf("got %+v, want %s at %q", got, f.code, f.field)
			}
			if got.Source != "/test" || !strings.HasPrefix(got.ID, "e-") {
				t.Errorf("the receipt names source %q, id %q", got.Source, got.ID)
			}
		})
	}
}

func TestLowestCodeWins(t *testing.T) {
	t.Parallel()
	all, s := flaws(), strictStore(t)
	for i, low := range all {
		for _, high := range all[i+1:] {
			p := anywhere()
			o := high.apply(low.apply(goodQuantity(t), &p), &p)
			if low.code == metering.IntervalInvalid && high.code == metering.PeriodClosed {
				o = high.apply(goodQuantity(t), &p).set("data.to", "2024-04-01T00:00:00Z")
			}
			if got := refusalOf(t, s, p, o.text(t)); got.Code != low.code.String() {
				t.Errorf("%s and %s: got %+v", low.code, high.code, got)
			}
		}
	}
}

// TestFirstFieldByPathWins combines two flaws of one code.
func TestFirstFieldByPathWins(t *testing.T) {
	t.Parallel()
	late := func(field string) func(object) object { return set(field, "2031-01-01T00:00:00Z") }
	cases := []struct {
		code          metering.RejectCode
		first, second string
		a, b          func(object) object
	}{
		{metering.Malformed, "data", "id", set("data", 5), set("id", absent{})},
		{metering.Malformed, "data_base64", "source", set("data_base64", "e30="), set("source", nil)},
		{metering.Malformed, "id", "source", set("id", 5), set("source", []int{})},
		{metering.Malformed, "specversion", "type", set("specversion", absent{}), set("type", absent{})},
		{metering.MissingField, "data.from", "data.quantity", set("data.from", absent{}), set("data.quantity", nil)},
		{metering.MissingField, "data.to", "time", set("data.to", ""), set("time", absent{})},
		{metering.UnknownField, "data.alpha", "data.size_bytes", set("data.alpha", 1), set("data.size_bytes", 1)},
		{metering.UnknownField, "data.size_bytes", "data.zeta", set("data.size_bytes", 1), set("data.zeta", 1)},
		{metering.InvalidValue, "data.name", "data.region_id", set("data.name", 1), set("data.region_id", "1")},
		{metering.InvalidValue, "data.quantity", "datacontenttype", set("data.quantity", "1e3"), set("datacontenttype", "text/plain")},
		{metering.InvalidValue, "id", "sequence", set("id", "a\tb"), set("sequence", 7)},
		{metering.InvalidValue, "source", "time", set("source", "a b"), set("time", "yesterday")},
		{metering.TimeOutOfRange, "data.from", "data.to", late("data.from"), late("data.to")},
		{metering.TimeOutOfRange, "data.to", "time", late("data.to"), late("time")},
	}
	s := newRecorder().service()
	for _, c := range cases {
		both := c.a(c.b(goodQuantity(t)))
		if got := refusalOf(t, s, anywhere(), both.text(t)); got.Code != c.code.String() || got.Field != c.first {
			t.Errorf("%s at %s and %s: got %+v", c.code, c.first, c.second, got)
		}
		if got := refusalOf(t, s, anywhere(), c.b(goodQuantity(t)).text(t)); got.Code != c.code.String() || got.Field != c.second {
			t.Errorf("%s at %s alone: got %+v", c.code, c.second, got)
		}
	}
}

func TestMalformedTexts(t *testing.T) {
	t.Parallel()
	good := goodQuantity(t).text(t)
	cases := map[string]string{
		"empty":                    ``,
		"no JSON":                  `nonsense`,
		"cut off":                  good[:len(good)-1],
		"two values":               good + good,
		"an array":                 `[1]`,
		"a number":                 `17`,
		"null":                     `null`,
		"a name twice":             `{"source":"/test","id":"e-2",` + good[1:],
		"a name twice, escaped":    `{"i\u0064":"e-2",` + good[1:],
		"a name twice in data":     strings.Replace(good, `"data":{`, `"data":{"project_id":10,`, 1),
		"a name twice in a member": strings.Replace(good, `"data":{`, `"data":{"tags":{"a":"1","a":"1"},`, 1),
		"bad UTF-8":                strings.Replace(good, `"data":{`, `"data":{"name":"`+"\xff"+`",`, 1),
		"bad UTF-8 in the id":      `{"id":"` + "\xff" + `"}`,
		"a lone surrogate":         strings.Replace(good, `"data":{`, `"data":{"name":"\ud800",`, 1),
		"a raw control character":  strings.Replace(good, `"data":{`, "\"data\":{\"name\":\"\n\",", 1),
		"too deep":                 strings.Repeat(`{"a":`, 20000),
	}
	s := newRecorder().service()
	for name, body := range cases {
		got := refusalOf(t, s, anywhere(), body)
		if !utf8.ValidString(got.ID + got.Message) {
			t.Errorf("%s: bad UTF-8 in %+v", name, got)
		}
		if got.Code != "malformed" || got.Field != "" || got.Index != 0 {
			t.Errorf("%s: got %+v", name, got)
		}
		if named := got.ID == "e-2" && got.Source == "/test"; named != (strings.HasPrefix(name, "a name twice") || name == "bad UTF-8" || name == "a lone surrogate") {
			t.Errorf("%s: the receipt names source %q, id %q", name, got.Source, got.ID)
		}
	}
}

func TestMessageNamesInputAndWhatIsAllowed(t *testing.T) {
	t.Parallel()
	volume := eventOf(typeNamed(t, "volume"))
	cases := []struct {
		event object
		want  string
	}{
		{volume.set("data.size_bytes", -1), "size_bytes must be from 0 to 1152921504606846976, got -1"},
		{volume.set("data.size_bytes", "10"), `size_bytes must be an integer from 0 to 1152921504606846976, got "10"`},
		{volume.set("data.volume_type", absent{}), "volume_type is required"},
		{volume.set("data.flavor", "x"), "volume does not have flavor"},
		{volume.set("data.resource_id", strings.Repeat("z", 500)), `resource_id must be a UUID in its 36-character form, got "` + strings.Repeat("z", 63) + "…"},
	}
	s := newRecorder().service()
	for _, c := range cases {
		if got := refusalOf(t, s, anywhere(), c.event.text(t)); got.Message != c.want {
			t.Errorf("got  %s\nwant %s", got.Message, c.want)
		}
	}
}

func TestTimesMustLieInRange(t *testing.T) {
	t.Parallel()
	first, last := "2000-01-01T00:00:00Z", "2024-07-31T13:00:00Z"
	before, after := "1999-12-31T23:59:59.999999999Z", "2024-07-31T13:00:00.000000001Z"
	instance := eventOf(typeNamed(t, "instance"))
	for _, at := range []string{first, last, "2024-07-31T15:00:00+02:00", "2000-01-01T00:00:00.000000000999Z"} {
		accept(t, instance.set("time", at).text(t))
	}
	s := newRecorder().service()
	for _, at := range []string{before, after, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"} {
		for _, o := range []object{instance.set("time", at), retraction().set("time", at)} {
			if got := refusalOf(t, s, anywhere(), o.text(t)); got.Code != "time_out_of_range" || got.Field != "time" {
				t.Errorf("%s: got %+v", at, got)
			}
		}
	}
	q := goodQuantity(t)
	accept(t, q.set("data.from", first).set("data.to", "2000-01-01T01:00:00Z").text(t))
	accept(t, q.set("data.from", "2024-07-31T12:30:00Z").set("data.to", last).text(t))
	for field, o := range map[string]object{
		"data.from": q.set("data.from", before).set("data.to", first),
		"data.to":   q.set("data.from", last).set("data.to", after),
	} {
		if got := refusalOf(t, s, anywhere(), o.text(t)); got.Code != "time_out_of_range" || got.Field != field {
			t.Errorf("%s: got %+v", field, got)
		}
	}
}

func TestIntervalIsPositiveAndAtMostADay(t *testing.T) {
	t.Parallel()
	from := time.Date(2024, 7, 1, 0, 0, 0, 0, time.UTC)
	s := newRecorder().service()
	for length, ok := range map[time.Duration]bool{-1: false, 0: false, 1: true, 24 * time.Hour: true, 24*time.Hour + 1: false} {
		o := goodQuantity(t).set("data.from", from.Format(time.RFC3339Nano)).set("data.to", from.Add(length).Format(time.RFC3339Nano))
		if ok {
			accept(t, o.text(t))
			continue
		}
		if got := refusalOf(t, s, anywhere(), o.text(t)); got.Code != "interval_invalid" || got.Field != "data.to" {
			t.Errorf("%s: got %+v", fmt.Sprint(length), got)
		}
	}
}
