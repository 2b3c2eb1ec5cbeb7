package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

// A small fleet is sent before the readers have begun; an interrupt may come as soon.
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
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	for name, ctx := range map[string]context.Context{"nothing else": t.Context(), "interrupted": interrupted} {
		var out bytes.Buffer
		if err := read(ctx, bytes.NewReader(told), &out); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		answers := json.NewDecoder(&out)
		for range 2 { // at first, and at the end
			var a asked
			if err := answers.Decode(&a); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(a.Projects) == 0 || len(a.Fleets) == 0 {
				t.Errorf("%s: %d months of projects and %d of the fleet were answered", name, len(a.Projects), len(a.Fleets))
			}
		}
	}
}
