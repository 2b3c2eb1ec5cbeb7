package httpapi_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/httpapi"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func TestVerificationAndBackupAreAsDocumented(t *testing.T) {
	t.Parallel()
	clock := func() metering.Instant { return metering.DayOf(2024, 8, 2).Start() }
	store, err := ledger.Open(t.Context(), ledger.Options{Dir: "store", FS: vfs.NewMem(), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	d := serveDocumented(t, clock, func(s *httpapi.Server) {
		registry, err := access.Open(context.Background(), store.Records(), access.Options{Clock: clock})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := registry.Bootstrap(context.Background(), documentAdmin); err != nil {
			t.Fatal(err)
		}
		s.Serve(httpapi.Backend{Store: store, Maintenance: store, Access: registry, Ingest: ingest.New(store, ingest.Options{Clock: clock, Directory: store})})
	})
	d.load()
	a := d.call(request{method: "POST", path: "/v1/verify"}, http.StatusOK)
	for line := range bytes.Lines(a.body) {
		if err := d.validateNamed(decode(t, line), "VerificationLine"); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if !bytes.Contains(a.body, []byte(`"differences_total":0`)) {
		t.Errorf("got %s", a.body)
	}
	backup := d.send(request{method: "POST", path: "/v1/backup"})
	if backup.status != http.StatusOK || backup.header.Get("Content-Type") != "application/zstd" {
		t.Errorf("%d %s", backup.status, backup.header.Get("Content-Type"))
	}
	restored := ledger.Options{Dir: "store", FS: vfs.NewMem()}
	if err := ledger.Restore(t.Context(), restored, bytes.NewReader(backup.body), func(report.Progress) {}); err != nil {
		t.Error(err)
	}
	if err := ledger.Backup(t.Context(), restored, io.Discard); err != nil {
		t.Error(err)
	}
	retained := d.call(request{method: "POST", path: "/v1/retain", body: `{"before":"2024-08"}`}, http.StatusOK)
	for line := range bytes.Lines(retained.body) {
		if err := d.validateNamed(decode(t, line), "RetentionLine"); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if !bytes.Contains(retained.body, []byte(`"before":"2024-08","dry_run":false`)) || bytes.Contains(retained.body, []byte(`"observations":0`)) {
		t.Errorf("got %s", retained.body)
	}
	const template = "/v1/resources/{project}/{region}/{type}/{id}"
	for id, closed := range map[string]string{
		"egress_traffic/3c90c3cc-0d44-4b50-8888-00000000000b": `"2024-08"`,
		"volume/3c90c3cc-0d44-4b50-8888-000000000018":         "null", // its one state is in effect, and was kept
	} {
		a := d.send(request{method: "GET", path: "/v1/resources/10/76/" + id + "?from=2024-07-01&to=2024-08-01"})
		if err := d.check("GET", template, a); err != nil || a.status != 200 || !bytes.Contains(a.body, []byte(`"closed_before":`+closed)) || !bytes.Contains(a.body, []byte(`"billing_value":`)) {
			t.Errorf("the account of %s is %s\n%v", id, a.body, err)
		}
	}
	early := request{method: "POST", path: "/v1/retain", body: `{"before":"2024-09"}`}
	d.checkError(errorCase{"a month that has not begun", early, 400, "ValidationError"}, d.send(early), "POST")
	reader := request{method: "POST", path: "/v1/backup", token: d.newKey(`{"roles":["reader"]}`)}
	d.checkError(errorCase{"wrong role", reader, 403, "ForbiddenError"}, d.send(reader), "POST")
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}
