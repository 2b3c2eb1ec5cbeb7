package ingest

import (
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// TestWhatIsRefusedIsToldToTheStore lets the store count refused events for their
// source, as far as it could be read, beside those that are stored.
func TestWhatIsRefusedIsToldToTheStore(t *testing.T) {
	t.Parallel()
	good := eventOf(typeNamed(t, "instance"))
	bad := eventOf(typeNamed(t, "instance")).set("data.flavor", absent{}).set("id", "bad").set("source", strings.Repeat("s", 300))
	store := newRecorder()
	r, err := store.service().Receive(t.Context(), anywhere(), ndjson(), strings.NewReader("rubbish\n"+good.text(t)+"\n"+bad.text(t)+"\n"))
	if err != nil || r.Accepted != 1 || r.RejectedTotal != 2 || len(store.mu.stored) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(store.mu.refused) != 2 {
		t.Fatalf("the store was told of %d refused events", len(store.mu.refused))
	}
	rubbish, cut := store.mu.refused[0], store.mu.refused[1]
	if rubbish.Refused.Code != metering.Malformed || rubbish.Observation.Name.Source != "" || rubbish.Client != testClient || rubbish.ReceivedAt != testNow() {
		t.Errorf("of rubbish the store was told %+v", rubbish)
	}
	if name := cut.Observation.Name; name.ID != "bad" || len(name.Source) > metering.MaxSourceBytes+len("…") || !strings.HasPrefix(name.Source, "sss") {
		t.Errorf("of a long source the store was told %+v", name)
	}
}

func TestRefusalsThatNoReceiptListsAreToldAsANumber(t *testing.T) {
	t.Parallel()
	store := newRecorder()
	body := "[" + strings.TrimSuffix(strings.Repeat("1,", MaxListedRejections+5), ",") + "]"
	r, err := store.service().Receive(t.Context(), anywhere(), batched(), strings.NewReader(body))
	if err != nil || r.RejectedTotal != MaxListedRejections+5 {
		t.Fatalf("%+v, %v", r, err)
	}
	if n := len(store.mu.refused); n != MaxListedRejections+1 || store.mu.refused[n-1].Times != 5 || store.mu.refused[n-1].Refused.Code != metering.Malformed {
		t.Errorf("the store was told %d refusals, the last one %+v", n, store.mu.refused[n-1])
	}
}
