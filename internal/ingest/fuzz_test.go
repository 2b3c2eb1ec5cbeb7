package ingest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// eventFrom writes an observation as an event again.
func eventFrom(o *metering.Observation) object {
	stamp := func(i metering.Instant) string { return i.Time().Format(time.RFC3339Nano) }
	data := object{"project_id": o.Name.Project}
	e := object{"specversion": "1.0", "id": o.Name.ID, "source": o.Name.Source, "time": stamp(o.Time),
		"sequence": strconv.FormatInt(int64(o.Sequence), 10), "data": data}
	if o.Kind == metering.RetractionMade {
		e["type"], data["source"], data["id"], data["reason"] = typeRetraction, o.TargetSource, o.TargetID, o.Reason
		return e
	}
	rt := o.Resource.Type
	data["resource_type"], data["resource_id"], data["region_id"] = rt.String(), o.Resource.ID.String(), o.Resource.Region
	if e["type"] = typeState; o.Deleted {
		data["status"] = "deleted"
		return e
	}
	data["billing_metric_name"] = o.Meter.Metric
	if rt.MetricTemplate() == "" {
		data["billing_value_unit"] = o.Meter.Unit
	}
	switch rt.Measure() {
	case metering.Counted:
		e["type"], data["from"], data["to"] = typeQuantity, stamp(o.From), stamp(o.To)
		data["quantity"] = raw(o.Quantity.Format(metering.QuantityScale))
	case metering.Sized:
		data["status"], data["size_bytes"] = "active", o.Multiplier
	case metering.Present:
		data["status"], data["count"] = "active", o.Multiplier
	}
	for a := range metering.AttributeCount {
		if text := o.Attributes.Texts[a]; text != "" {
			data[a.String()] = text
		}
	}
	tags := object{}
	for _, tag := range o.Attributes.Tags {
		tags[tag.Key] = tag.Value
	}
	if len(tags) > 0 {
		data["tags"] = tags
	}
	return e
}

// seeds are events of every type, and what is wrong with them.
func seeds(f *testing.F) []string {
	all := []string{retraction().text(f), "", "{}", "[]", `{"id":"a","id":"b"}`, `{"data":{"tags":{"a":{"b":["\"}"]}}}}`, "{\"data\":\"\\ud800\"}"}
	for _, rt := range metering.ResourceTypes() {
		e := eventOf(rt)
		for _, a := range rt.Attributes() {
			e = e.set("data."+a.String(), sample(a))
		}
		if rt.HasTags() {
			e = e.set("data.tags", object{"os": `a"b\c`, "empty": ""})
		}
		all = append(all, e.text(f), e.set("data.status", "deleted").text(f), e.set("data.colour", []int{1}).text(f))
	}
	return all
}

// FuzzDecode: no text makes the decoder panic; what is accepted is JSON, and
// says the same when it is written and decoded again; a batch of one gives the
// same outcome.
func FuzzDecode(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		store := newRecorder()
		r := receive(t, store.service(), anywhere(), structured(), " "+string(text)) // compression begins at once
		if r.Accepted+r.RejectedTotal != 1 || len(r.Rejected) != r.RejectedTotal {
			t.Fatalf("receipt %+v", r)
		}
		if !json.Valid(text) {
			if r.Accepted > 0 || r.Rejected[0].Code != "malformed" {
				t.Fatalf("receipt %+v of what is not JSON", r)
			}
			return
		}
		inBatch := receive(t, newRecorder().service(), anywhere(), batched(), "["+string(text)+"]")
		if got, want := receiptText(t, inBatch), receiptText(t, r); got != want {
			t.Fatalf("in a batch: %s\nalone: %s", got, want)
		}
		if r.Accepted == 0 {
			return
		}
		first := store.only(t)
		again := accept(t, eventFrom(first).text(t))
		if !first.SameContent(again) || first.Name != again.Name {
			t.Fatalf("first %+v\nagain %+v", first, again)
		}
	})
}

func receiptText(t *testing.T, r *Receipt) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// FuzzStream: no body makes a stream panic; every line that is not blank is
// answered for, and each line as it would be alone.
func FuzzStream(f *testing.F) {
	all := seeds(f)
	f.Add([]byte(strings.Join(all[:3], "\n")), false)
	f.Add([]byte(strings.Join(all[3:9], "\r\n\r\n \n")), false)
	f.Add([]byte(encode(f, "gzip", strings.Join(all[6:9], "\n"))), true)
	f.Add([]byte("\x1f\x8b"), true)
	f.Fuzz(func(t *testing.T, body []byte, compressed bool) {
		store, h := newRecorder(), ndjson()
		if compressed {
			h.Set("Content-Encoding", "gzip")
		}
		r, err := store.service().Receive(t.Context(), anywhere(), h, bytes.NewReader(body))
		if metering.KindOf(err) == metering.KindUnsupportedMedia && (compressed || encodingOfBytes(body) != identity) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if r.Accepted != len(store.mu.stored) || r.Complete != (r.Message == "") {
			t.Fatalf("receipt %+v, stored %d", r, len(store.mu.stored))
		}
		if compressed || !r.Complete {
			return
		}
		events, rejected := 0, r.Rejected
		for index, line := range bytes.Split(body, []byte("\n")) {
			if len(bytes.Trim(line, jsonSpace)) == 0 {
				continue
			}
			events++
			alone := receive(t, newRecorder().service(), anywhere(), structured(), " "+string(line))
			if alone.RejectedTotal == 0 {
				continue
			}
			want := alone.Rejected[0]
			if want.Index = index; len(rejected) == 0 || rejected[0] != want {
				t.Fatalf("line %d alone: %+v, in the stream: %+v", index, want, rejected)
			}
			rejected = rejected[1:]
			if index == MaxListedRejections {
				return
			}
		}
		if events != r.Accepted+r.RejectedTotal {
			t.Fatalf("receipt %+v of %d events", r, events)
		}
	})
}

// TestObservationsOfExamplesSurviveRewriting is FuzzDecode's property on the
// worked examples.
func TestObservationsOfExamplesSurviveRewriting(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/examples/*.ndjson")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		store := newRecorder()
		later := func() metering.Instant { return testNow() + 30*24*3600*metering.Second }
		s := New(store, Options{Clock: later, Directory: store})
		receive(t, s, anywhere(), ndjson(), string(body))
		for _, o := range store.mu.stored {
			rewritten := newRecorder()
			again := New(rewritten, Options{Clock: later, Directory: rewritten})
			if r := receive(t, again, anywhere(), structured(), eventFrom(o).text(t)); r.Accepted != 1 || !rewritten.only(t).SameContent(o) {
				t.Errorf("%s: %+v of %+v", file, r, o)
			}
		}
	}
}
