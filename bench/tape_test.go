package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// TestTapesHoldTheWholeFleet plays all tapes: every event of the fleet and every
// late one is there once, as JSON and as the pairs that are committed for it.
func TestTapesHoldTheWholeFleet(t *testing.T) {
	t.Parallel()
	f := scaleOf(300, 2).fleet()
	want := 0
	for range f.Events() {
		want++
	}
	tapes, err := record(f, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	played := map[phase]int{}
	names := map[string]bool{}
	for _, tape := range tapes {
		played[tape.phase] += playTape(t, tape, names)
	}
	history := played[inBatches] + played[streamed] + played[alone] + played[beside]
	if history != want || played[late] == 0 || len(names) != want+played[late] {
		t.Errorf("%d events of %d were recorded, and %d late ones; %d names", history, want, played[late], len(names))
	}
}

func playTape(t *testing.T, tape *tape, names map[string]bool) (events int) {
	t.Helper()
	p, err := tape.play(true)
	if err != nil {
		t.Fatal(err)
	}
	var payload int64
	for {
		var c chunk
		more, err := p.next(&c)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		if n, err := decodePlain(c.body, tape.phase); err != nil || n != c.events {
			t.Fatalf("%d events of %d are JSON: %v", n, c.events, err)
		}
		collectNames(t, c.body, names)
		pairs, size := countPairs(c.pairs)
		if pairs != 2*c.events+1 { // an id entry and an observation each, and the journal
			t.Errorf("%d pairs for %d events", pairs, c.events)
		}
		events, payload = events+c.events, payload+size
	}
	if events != tape.events || payload != tape.payload {
		t.Errorf("played %d events of %d, %d bytes of %d", events, tape.events, payload, tape.payload)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	return events
}

func collectNames(t *testing.T, body []byte, names map[string]bool) {
	t.Helper()
	type event struct {
		Source, ID string
		Data       struct {
			Project int `json:"project_id"`
		}
	}
	var events []event
	if body[0] == '[' {
		if err := json.Unmarshal(body, &events); err != nil {
			t.Fatal(err)
		}
	} else {
		for line := range bytes.Lines(body) {
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
	}
	for _, e := range events {
		name, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		names[string(name)] = true
	}
}

func countPairs(pairs []byte) (n int, size int64) {
	for len(pairs) > 0 {
		for range 2 {
			length, head := binary.Uvarint(pairs)
			pairs = pairs[head+int(length):]
			size += int64(length)
		}
		n++
	}
	return n, size
}
