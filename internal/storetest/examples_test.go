package storetest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// TestModelGivesTheWorkedExamples holds the model itself against the reports
// that the contract shows, digit by digit.
func TestModelGivesTheWorkedExamples(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob("../report/testdata/reports/*")
	if err != nil || len(examples) != 6 {
		t.Fatalf("want the 6 worked examples, got %v, %v", examples, err)
	}
	for _, dir := range examples {
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model := storetest.NewModel(storetest.NewClock(storetest.At("2024-09-01T00:00:00Z")).Now)
			receive(t, model, read(t, "../ingest/testdata/examples/"+name+".ndjson"))
			got := answer(t, model, read(t, dir+"/request.json"))
			if want := decoded(t, read(t, dir+"/report.json")); !reflect.DeepEqual(want, decoded(t, got)) {
				t.Errorf("the report differs from the example:\n%s", got)
			}
		})
	}
}

func receive(t *testing.T, model *storetest.Model, events []byte) {
	t.Helper()
	clock := func() metering.Instant { return storetest.At("2024-09-01T00:00:00Z") }
	service := ingest.New(model, ingest.Options{Clock: clock, Directory: model})
	who := ingest.Permission{Client: report.DefaultClient, AnyClient: true, Narrowing: report.FullScope()}
	receipt, err := service.Receive(t.Context(), who, http.Header{"Content-Type": {"application/x-ndjson"}}, bytes.NewReader(events))
	if err != nil {
		t.Fatal(err)
	}
	if receipt.Status() != http.StatusOK {
		t.Fatalf("receipt: %+v", receipt)
	}
}

func answer(t *testing.T, model *storetest.Model, request []byte) []byte {
	t.Helper()
	q, err := report.Parse(request, storetest.At("2024-09-01T00:00:00Z"), report.FullScope())
	if err != nil {
		t.Fatal(err)
	}
	r, err := model.Report(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var body bytes.Buffer
	if err := report.WriteJSON(&body, r); err != nil {
		t.Fatal(err)
	}
	return body.Bytes()
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// decoded keeps numbers as they are written.
func decoded(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
