package httpapi

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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
