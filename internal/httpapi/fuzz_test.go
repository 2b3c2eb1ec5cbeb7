package httpapi

import (
	"context"
	stdjson "encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// changeable are the collections that administrators add to, with the members
// that can be changed later.
func changeable() map[string][]string {
	return map[string][]string{
		"/v1/clients":  {"name"},
		"/v1/keys":     {"name", "roles", "projects", "regions", "types", "rate_limit", "expires_at"},
		"/v1/projects": {"client", "name", "description"},
		"/v1/regions":  {"name", "country"},
	}
}

// FuzzBodies: whatever an administrator sends is refused as his mistake, or makes
// something that is told as it is: what is told can be sent back, and changes
// nothing.
func FuzzBodies(f *testing.F) {
	paths := slices.Sorted(maps.Keys(changeable()))
	for _, body := range []string{
		`{"id":"acme","name":"Acme Limited"}`, `{"id":10,"client":"acme","name":"n","description":"d"}`, `{"id":76,"name":"Luxembourg","country":"LU"}`,
		`{"roles":["admin","reader"],"client":null,"projects":[10,-1,10],"regions":[],"types":["volume","instance"],"rate_limit":5,"expires_at":"2030-01-31T00:00:00.000000001+01:00"}`,
		`{"roles":["writer"],"client":"acme","projects":null,"regions":null,"types":null,"rate_limit":null,"expires_at":null}`,
		`{"id":1,"id":1.0,"roles":{},"types":["no"],"name":7,"more":[[]]}`, `[{}]`, `{} {}`, `{"id":`, "{\"id\":\"\xff\"}", ``,
	} {
		for i := range paths {
			f.Add(uint8(i), []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		path := paths[int(which)%len(paths)]
		s := newSite(t)
		s.client("acme")
		made := s.ask("POST", path, s.root, string(body))
		switch made.status {
		case http.StatusCreated:
		case http.StatusConflict:
			made.wantError(http.StatusConflict, "ConflictError")
			return
		default:
			made.wantError(http.StatusBadRequest, "ValidationError")
			return
		}
		told := decode[map[string]jsontext.Value](made)
		delete(told, "token") // it is told once
		change := maps.Clone(told)
		maps.DeleteFunc(change, func(name string, _ jsontext.Value) bool { return !slices.Contains(changeable()[path], name) })
		text, err := json.Marshal(change)
		if err != nil {
			t.Fatal(err)
		}
		again := s.ask("PATCH", path+"/"+strings.Trim(string(told["id"]), `"`), s.root, string(text)).want(http.StatusOK)
		if now := decode[map[string]jsontext.Value](again); !reflect.DeepEqual(now, told) {
			t.Errorf("%s: %s was made from %s, and is %s after %s", path, told, body, now, text)
		}
	})
}

// FuzzRetain: whatever an administrator sends, observations are dropped before just
// the month, and in just the way, that another reader sees in it; all else is refused
// as his mistake, with the names of what is wrong, and asks nothing of the store.
func FuzzRetain(f *testing.F) {
	many := strings.Repeat(`,"x":0`, 3)
	for i := range report.MaxInvalidFields {
		many += fmt.Sprintf(`,"%d":0`, i)
	}
	for _, body := range []string{
		`{"before":"2024-07"}`, `{"dry_run":true,"before":"1970-01"}`, `{"dry_run":false,"b\u0065fore":"9999-1\u0032"}`, ` {"before" : "2024-02"}` + "\r\n",
		`{"before":"1969-12"}`, `{"before":"2024-7"}`, `{"before":"2024-13"}`, `{"before":"+2024-07"}`, `{"before":"2024-07-01"}`, `{"before":202407}`,
		`{"before":null,"dry_run":null}`, `{"before":"2024-07","dry_run":"true"}`, `{"before":"2024-07","dry_run":1,"Before":"2024-07"}`,
		`{"before":"2024-07","before":"2024-08"}`, `{"":[{}],"a.b":{"before":"\ud83d\ude00"}}`, `{"before":"2024-07"} {}`, `{"before":"2024-07"`, "{\"before\":\"\xff\"}", `["before"]`, ``,
		`{` + many[1:] + `}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var asked []report.Retention
		s := newMaintainedSite(t, &maintained{retain: func(_ context.Context, q report.Retention, _ func(report.Progress)) (*report.Retained, error) {
			asked = append(asked, q)
			return &report.Retained{Observations: 1}, nil
		}})
		want, wrong := retentionIn(body)
		answer := s.ask("POST", retainPath, s.root, string(body))
		if want != nil {
			told := decode[retentionLine](answer.want(http.StatusOK)).Result
			if !slices.Equal(asked, []report.Retention{*want}) || told.Before != want.Before || told.DryRun != want.DryRun {
				t.Errorf("%q asks for %+v; the store was asked for %+v, and told is %+v", body, *want, asked, told)
			}
			return
		}
		got := slices.Sorted(maps.Keys(answer.invalid()))
		if len(asked) > 0 || len(got) > report.MaxInvalidFields {
			t.Errorf("%q: the store was asked for %+v; %d fields are invalid", body, asked, len(got))
		}
		if 0 < len(wrong) && len(wrong) <= report.MaxInvalidFields && !slices.Equal(got, wrong) {
			t.Errorf("%q: invalid are %q, want %q", body, got, wrong)
		}
	})
}

// retentionIn is what the standard library reads in the body of a retention, or else
// the names of what is wrong, in order, of which an object without duplicate members
// has some.
func retentionIn(body []byte) (q *report.Retention, wrong []string) {
	var members map[string]any
	if !jsontext.Value(body).IsValid() || stdjson.Unmarshal(body, &members) != nil || members == nil {
		return nil, nil
	}
	q = &report.Retention{}
	text, _ := members["before"].(string)
	if regexp.MustCompile(`^(19[7-9]|[2-9][0-9]{2})[0-9]-(0[1-9]|1[0-2])$`).MatchString(text) {
		year, _ := strconv.Atoi(text[:4])
		month, _ := strconv.Atoi(text[5:])
		q.Before = metering.Month((year-1970)*12 + month - 1)
	} else {
		wrong = append(wrong, "before")
	}
	for name, value := range members {
		switch flag, ok := value.(bool); {
		case name == "dry_run" && ok:
			q.DryRun = flag
		case name != "before":
			wrong = append(wrong, name)
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return nil, wrong
	}
	return q, nil
}
