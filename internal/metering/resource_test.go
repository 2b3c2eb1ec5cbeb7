package metering

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestUUIDsAreReadInAnyCase(t *testing.T) {
	t.Parallel()
	const text = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
	for _, s := range []string{text, strings.ToUpper(text), "3C90c3cc-0D44-4b50-8888-8dd25736052A"} {
		if u, ok := ParseUUID(s); !ok || u.String() != text {
			t.Errorf("%s: %s, %v", s, u, ok)
		}
	}
	if u, ok := ParseUUID("00000000-0000-0000-0000-000000000000"); !ok || u != (UUID{}) {
		t.Errorf("the zero UUID is %s, %v", u, ok)
	}
	for _, s := range []string{"", text[1:], text + "0", "{" + text[1:35] + "}", strings.ReplaceAll(text, "-", ""), "urn:uuid:" + text,
		"3c90c3cc-0d44-4b50-8888-8dd25736052g", "3c90c3cc-0d44-4b50-88888-dd25736052a", "3c90c3cc00d44-4b50-8888-8dd25736052a",
		"3c90c3cc-0d44-4b50-8888-8dd2573605-a", "-c90c3cc-0d44-4b50-8888-8dd25736052a", "3c90c3c--0d44-4b50-8888-8dd25736052a", " 3c90c3cc-0d44-4b50-8888-8dd25736052"} {
		if u, ok := ParseUUID(s); ok {
			t.Errorf("%q was read as %s", s, u)
		}
	}
	forEachSeed(t, func(t *testing.T, random *rand.Rand) {
		var u, v UUID
		for i := range u {
			u[i], v[i] = byte(random.IntN(4)), byte(random.IntN(4))
		}
		if got, ok := ParseUUID(u.String()); !ok || got != u || u.Compare(v) != strings.Compare(u.String(), v.String()) {
			t.Errorf("%s was read as %s, %v", u, got, ok)
		}
	})
}

func FuzzParseUUID(f *testing.F) {
	f.Add("3c90c3cc-0d44-4b50-8888-8dd25736052a")
	f.Add("------------------------------------")
	f.Fuzz(func(t *testing.T, s string) {
		if u, ok := ParseUUID(s); ok && u.String() != strings.ToLower(s) {
			t.Errorf("%q was read as %s", s, u)
		}
	})
}

func TestAddressesAreCanonical(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"10.0.0.1": "10.0.0.1", "2001:DB8:0::1": "2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001": "2001:db8::1",
		"::ffff:10.0.0.1": "10.0.0.1", "::": "::",
		"": "", "10.0.0": "", "10.0.0.256": "", "10.0.0.01": "", "10.0.0.1/24": "", "fe80::1%eth0": "", "[::1]": "", " 10.0.0.1": "", "localhost": "", ":::": "",
	} {
		address, ok := ParseIP(text)
		if ok != (want != "") || ok && address.String() != want {
			t.Errorf("%q: %s, %v; want %q", text, address, ok, want)
		}
	}
}

func TestCanonicalOrder(t *testing.T) {
	t.Parallel()
	keys := []ResourceKey{
		{1, 1, 1, UUID{1}}, {1, 1, 1, UUID{2}}, {1, 1, 2, UUID{1}}, {1, 2, 1, UUID{0}}, {2, 1, 1, UUID{0}}, {10, 1, 1, UUID{0}},
	}
	meters := []Meter{
		{1, "a", "a", "a"}, {1, "a", "a", "b"}, {1, "a", "b", "a"}, {1, "b", "", ""}, {2, "A", "", ""}, {2, "a", "", ""}, {2, "é", "", ""},
	}
	for i := range keys {
		for j := range keys {
			if got := keys[i].Compare(keys[j]); got != compareInts(i, j) {
				t.Errorf("%v compared with %v: %d", keys[i], keys[j], got)
			}
		}
	}
	for i := range meters {
		for j := range meters {
			if got := meters[i].Compare(meters[j]); got != compareInts(i, j) {
				t.Errorf("%v compared with %v: %d", meters[i], meters[j], got)
			}
		}
	}
}

func compareInts(i, j int) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}

func TestTagsAreSortedByBytes(t *testing.T) {
	t.Parallel()
	tags := Tags{{"b", "1"}, {"é", "2"}, {"B", "3"}, {"a", "4"}, {"", "5"}}
	SortTags(tags)
	if want := (Tags{{"", "5"}, {"B", "3"}, {"a", "4"}, {"b", "1"}, {"é", "2"}}); !slices.Equal(tags, want) {
		t.Errorf("got %v", tags)
	}
	a, b := &Attributes{Tags: tags}, &Attributes{Tags: slices.Clone(tags)}
	if !a.Equal(b) || !a.Equal(a) {
		t.Error("equal tags are not equal")
	}
	b.Tags[0].Value = "6"
	if c := (&Attributes{Texts: [AttributeCount]string{Name: "x"}, Tags: tags}); a.Equal(b) || a.Equal(c) {
		t.Error("different attributes are equal")
	}
}

func TestRejectionsHaveTheirPrecedence(t *testing.T) {
	t.Parallel()
	want := []string{"malformed", "too_large", "unsupported_type", "wrong_measure", "missing_field", "unknown_field", "invalid_value",
		"time_out_of_range", "interval_invalid", "forbidden_project", "unknown_project", "period_closed", "id_reused"}
	var got []string
	var rejections []Rejection
	for _, c := range RejectCodes() {
		got = append(got, c.String())
		rejections = append(rejections, Rejection{c, "data.a", "x"}, Rejection{c, "data.b", "a"})
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for i, r := range rejections {
		for j, s := range rejections {
			if r.Before(s) != (i < j) {
				t.Errorf("%v before %v: %v", r, s, r.Before(s))
			}
		}
	}
}

func TestSameContentComparesWhatCounts(t *testing.T) {
	t.Parallel()
	full := func() *Observation {
		return &Observation{
			Kind: StateObserved, Name: ObservationName{1, "/s", "1"}, Time: 5, Sequence: 6,
			Resource: ResourceKey{1, 2, 3, UUID{4}}, Meter: Meter{3, "m", "d", "u"}, Multiplier: 7,
			Attributes: Attributes{Tags: Tags{{"a", "b"}}}, From: 8, To: 9, Quantity: AmountOf(10),
			TargetSource: "/t", TargetID: "2", Reason: "r",
		}
	}
	if !full().SameContent(full()) {
		t.Error("equal observations differ")
	}
	for name, alter := range map[string]func(*Observation){
		"kind":       func(o *Observation) { o.Kind = QuantityObserved },
		"time":       func(o *Observation) { o.Time++ },
		"sequence":   func(o *Observation) { o.Sequence++ },
		"resource":   func(o *Observation) { o.Resource.Region++ },
		"meter":      func(o *Observation) { o.Meter.Metric = "n" },
		"deleted":    func(o *Observation) { o.Deleted = true },
		"multiplier": func(o *Observation) { o.Multiplier++ },
		"from":       func(o *Observation) { o.From++ },
		"to":         func(o *Observation) { o.To++ },
		"quantity":   func(o *Observation) { o.Quantity = AmountOf(11) },
		"source":     func(o *Observation) { o.TargetSource = "/u" },
		"target":     func(o *Observation) { o.TargetID = "3" },
		"reason":     func(o *Observation) { o.Reason = "s" },
		"text":       func(o *Observation) { o.Attributes.Texts[Name] = "n" },
		"tag":        func(o *Observation) { o.Attributes.Tags[0].Value = "c" },
	} {
		o := full()
		alter(o)
		if o.SameContent(full()) || full().SameContent(o) {
			t.Errorf("another %s makes no difference", name)
		}
	}
	// Every member but the name is compared: a new one must be added above.
	if n := reflect.TypeFor[Observation]().NumField(); n != 15 {
		t.Errorf("an observation has %d members", n)
	}
}

func TestErrorsTellTheirKindAndKeepTheirCause(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk is gone")
	err := &Error{Kind: KindUnavailable, Message: "the store is stopping", Cause: cause}
	wrapped := fmt.Errorf("read resource: %w", err)
	if KindOf(wrapped) != KindUnavailable || !errors.Is(wrapped, cause) || err.Error() != "the store is stopping: disk is gone" {
		t.Errorf("got %v, kind %d", wrapped, KindOf(wrapped))
	}
	if KindOf(cause) != KindInternal || KindOf(nil) != KindInternal {
		t.Error("other errors are internal")
	}
	if e := Errorf(KindInvalid, "limit must be greater than %d", 0); e.Error() != "limit must be greater than 0" || e.Unwrap() != nil {
		t.Errorf("got %v", e)
	}
	if e := Errorf(KindInvalid, "read: %w", cause); !errors.Is(e, cause) {
		t.Errorf("%v has lost its cause", e)
	}
	fields := FieldErrors{}
	fields.Add("limit", "must be greater than %d", 0)
	fields.Add("limit", "must be a number")
	if got := fields["limit"]; !slices.Equal(got, []string{"must be greater than 0", "must be a number"}) {
		t.Errorf("got %v", got)
	}
}
