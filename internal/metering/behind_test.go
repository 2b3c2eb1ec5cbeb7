package metering

import (
	"slices"
	"strings"
	"testing"
)

// idsBehind are the ids of what stands behind a term, retracted ones in brackets.
func idsBehind(a *Account, line, term int) string {
	var ids []string
	for _, t := range a.Behind(line, term) {
		id := t.Name.ID
		if t.Fate == FateRetracted {
			id = "(" + id + ")"
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func TestBehindASegmentStandsWhatLedToItAndWhatEndsIt(t *testing.T) {
	t.Parallel()
	volume, _ := ResourceTypeNamed("volume")
	day := Day(19905).Start()
	size := func(bytes uint64) *Description {
		return &Description{Meter: Meter{Type: volume, Metric: "m", Unit: "gbminutes"}, Multiplier: bytes}
	}
	var told []Received
	tell := func(id string, hour int, second Instant, is *Description) {
		told = append(told, receivedState(volume, State{At: day + Instant(hour)*3600*Second + second*Second, ID: id, Is: is}))
	}
	tell("before", -5, 0, size(1))
	tell("undone before", -4, 0, size(9))
	tell("undone", 1, 0, size(9))
	tell("passed over", 2, 5, size(7))
	tell("larger", 2, 6, size(2))
	tell("again", 3, 0, size(2))
	tell("undone larger", 4, 0, size(9))
	tell("passed over at the end", 5, 0, size(8))
	tell("gone", 5, 1, nil)
	tell("undone when gone", 6, 0, size(9))
	for i := range told {
		if strings.HasPrefix(told[i].Name.ID, "undone") {
			told[i].Retracted = &Retraction{ID: "back"}
		}
	}
	a := Explain(told, Period{day.Day(), day.Day() + 1}, day+1e18)
	got := []string{idsBehind(&a, 0, 0), idsBehind(&a, 0, 1), idsBehind(&a, 0, 2), idsBehind(&a, 1, 0), idsBehind(&a, -1, 0), idsBehind(&a, 0, -1)}
	want := []string{"before (undone before) (undone) larger", "passed over larger again (undone larger) gone", "", "", "", ""}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if fates := a.CountFates(); fates[FateRetracted] != 4 || fates[FateSuperseded] != 2 || fates[FateRepeated] != 1 || fates[FateCounted] != 3 {
		t.Errorf("fates %v", fates)
	}
}

func TestBehindAWindowStandsAllThatWasToldOfIt(t *testing.T) {
	t.Parallel()
	traffic, _ := ResourceTypeNamed("egress_traffic")
	day := Day(19905).Start()
	meter := Meter{Type: traffic, Metric: "m", Unit: "bytes"}
	var told []Received
	tell := func(id string, hour, at Instant) {
		from := day + hour*3600*Second
		told = append(told, receivedWindow(Window{From: from, To: from + 3600*Second, At: day + at, Quantity: Product(1, 1e6), ID: id, Meter: meter, Attributes: &Attributes{}}))
	}
	tell("first", 1, 1)
	tell("correction", 1, 2)
	tell("undone", 1, 3)
	tell("other", 2, 1)
	told[2].Retracted = &Retraction{ID: "back"}
	a := Explain(told, Period{day.Day(), day.Day() + 1}, day+1e18)
	if got, want := []string{idsBehind(&a, 0, 0), idsBehind(&a, 0, 1), idsBehind(&a, 0, 2)}, []string{"first correction (undone)", "other", ""}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
