package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A small fleet is sent before a second has passed.
func TestReadersAskEachQuestionOnceHoweverShortTheyAreWanted(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	told, err := json.Marshal(questions{URL: server.URL, Projects: [][]byte{[]byte("{}")}, Fleet: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := read(t.Context(), bytes.NewReader(told), &out); err != nil {
		t.Fatal(err)
	}
	var first, all asked
	answers := json.NewDecoder(&out)
	if err := answers.Decode(&first); err != nil {
		t.Fatal(err)
	}
	if err := answers.Decode(&all); err != nil {
		t.Fatal(err)
	}
	for _, a := range []asked{first, all} {
		if len(a.Projects) == 0 || len(a.Fleets) == 0 {
			t.Errorf("%d months of projects and %d of the fleet were answered", len(a.Projects), len(a.Fleets))
		}
	}
}
