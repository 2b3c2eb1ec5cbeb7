package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
	"github.com/meterbook/meterbook/internal/storetest"
)

// maintained is a store that verifies and copies itself as a test wants it.
type maintained struct {
	verify func(context.Context, func(report.Progress)) (*report.Verification, error)
	backup func(context.Context, io.Writer) error
	retain func(context.Context, report.Retention, func(report.Progress)) (*report.Retained, error)
}

func (m *maintained) Verify(ctx context.Context, progress func(report.Progress)) (*report.Verification, error) {
	return m.verify(ctx, progress)
}

func (m *maintained) Backup(ctx context.Context, w io.Writer) error { return m.backup(ctx, w) }

func (m *maintained) Retain(ctx context.Context, q report.Retention, progress func(report.Progress)) (*report.Retained, error) {
	return m.retain(ctx, q, progress)
}

func newMaintainedSite(t *testing.T, m *maintained) *site {
	t.Helper()
	clock := newHandClock(start)
	s := newSiteOn(t, storetest.NewModel(clock.now), &access.MemoryRecords{}, clock)
	s.backend.Maintenance = m
	s.server.Serve(s.backend)
	return s
}

func TestAVerificationStreamsItsProgressAndItsResult(t *testing.T) {
	t.Parallel()
	s := newMaintainedSite(t, &maintained{verify: func(_ context.Context, progress func(report.Progress)) (*report.Verification, error) {
		progress(report.Progress{Stage: "states", Done: 1, Total: 20})
		progress(report.Progress{Stage: "states", Done: 2, Total: 20}) // within the same second
		return &report.Verification{Observations: 10, Retracted: 1, IDs: 11, Timelines: 3, Days: 4, Closed: monthOf("2024-06"), Dropped: 5, Total: 1, Differences: []report.Difference{
			{Check: "usage", Of: "a volume", Stored: "nothing", Want: "something"},
		}}, nil
	}})
	got := s.ask("POST", verifyPath, s.root, "")
	got.want(200)
	want := `{"progress":{"stage":"states","done":1,"total":20}}
{"result":{"observations":10,"retracted":1,"ids":11,"timelines":3,"days":4,"closed_before":"2024-06","dropped":5,"differences_total":1,"differences":[{"check":"usage","of":"a volume","stored":"nothing","want":"something"}]}}
`
	if string(got.body) != want || got.header.Get("Content-Type") != ndjsonMedia {
		t.Errorf("%s: got %s, want %s", got.header.Get("Content-Type"), got.body, want)
	}
}

// monthOf parses a month.
func monthOf(text string) metering.Month {
	m, _ := metering.ParseMonth(text)
	return m
}

func TestARetentionStreamsItsProgressAndItsResult(t *testing.T) {
	t.Parallel()
	var asked []report.Retention
	s := newMaintainedSite(t, &maintained{retain: func(_ context.Context, q report.Retention, progress func(report.Progress)) (*report.Retained, error) {
		asked = append(asked, q)
		progress(report.Progress{Stage: "observations", Done: 1, Total: 20})
		return &report.Retained{Observations: 10, Bytes: 1000, Resources: 3, Kept: 2, Closed: q.DryRun}, nil
	}})
	for i, c := range []struct{ body, want string }{
		{`{"before":"2024-06"}`, `"before":"2024-06","dry_run":false,"observations":10,"bytes":1000,"resources":3,"kept":2,"already_closed":false`},
		{`{"dry_run":true,"before":"2024-07"}`, `"before":"2024-07","dry_run":true,"observations":10,"bytes":1000,"resources":3,"kept":2,"already_closed":true`},
	} {
		got := s.ask("POST", retainPath, s.root, c.body)
		got.want(200)
		want := `{"progress":{"stage":"observations","done":1,"total":20}}` + "\n" + `{"result":{` + c.want + "}}\n"
		if string(got.body) != want || got.header.Get("Content-Type") != ndjsonMedia {
			t.Errorf("%s: %s: got %s, want %s", c.body, got.header.Get("Content-Type"), got.body, want)
		}
		if q := (report.Retention{Before: monthOf("2024-06") + metering.Month(i), DryRun: i == 1}); asked[i] != q {
			t.Errorf("%s: asked the store for %+v", c.body, asked[i])
		}
	}
}

func TestARetentionNamesWhatIsWrongWithItsRequest(t *testing.T) {
	t.Parallel()
	s := newMaintainedSite(t, &maintained{})
	for body, field := range map[string]string{
		`{}`:                                   `"before":["Field required"]`,
		`{"before":"2024-6"}`:                  `"before":["Input should be a valid month such as '2024-07'"]`,
		`{"before":"2024-13"}`:                 `"before":["Input should be a valid month such as '2024-07'"]`,
		`{"before":"2024-06-01"}`:              `"before":["Input should be a valid month such as '2024-07'"]`,
		`{"before":202406}`:                    `"before":["Input should be a valid string"]`,
		`{"before":"2024-06","dry_run":1}`:     `"dry_run":["Input should be a valid boolean"]`,
		`{"before":"2024-06","dry_run":null}`:  `"dry_run":["Input should be a valid boolean"]`,
		`{"before":"2024-06","dryrun":true}`:   `"dryrun":["Extra inputs are not permitted"]`,
		`{"before":"2024-06","before":"2024"}`: `"before":["Field given more than once"]`,
	} {
		got := s.ask("POST", retainPath, s.root, body)
		got.wantError(400, "ValidationError")
		if !strings.Contains(string(got.body), field) {
			t.Errorf("%s: want %s, got %s", body, field, got.body)
		}
	}
}

func TestABackupIsTheAnswer(t *testing.T) {
	t.Parallel()
	copied := bytes.Repeat([]byte("some bytes"), 100_000)
	s := newMaintainedSite(t, &maintained{backup: func(_ context.Context, w io.Writer) error {
		_, err := w.Write(copied)
		return err
	}})
	got := s.ask("POST", backupPath, s.root, "")
	got.want(200)
	if !bytes.Equal(got.body, copied) || got.header.Get("Content-Type") != backupMedia {
		t.Errorf("%d bytes of %s", len(got.body), got.header.Get("Content-Type"))
	}
}

func TestOnlyKeysThatSeeEverythingMayVerifyAndBackUp(t *testing.T) {
	t.Parallel()
	s := newMaintainedSite(t, &maintained{})
	s.ask("POST", "/v1/clients", s.root, `{"id":"acme","name":"Acme"}`).want(201)
	for name, key := range map[string]string{
		"no admin":             `{"roles":["reader","writer"]}`,
		"of a client":          `{"roles":["admin"],"client":"acme"}`,
		"narrowed to projects": `{"roles":["admin"],"projects":[10]}`,
		"narrowed to regions":  `{"roles":["admin"],"regions":[76]}`,
		"narrowed to types":    `{"roles":["admin"],"types":["volume"]}`,
	} {
		token := s.key(s.root, key)
		for _, path := range []string{verifyPath, backupPath, retainPath} {
			t.Run(name+path, func(t *testing.T) {
				s.ask("POST", path, token, "").wantError(403, "ForbiddenError")
			})
		}
	}
	for _, path := range []string{verifyPath, backupPath, retainPath} {
		s.ask("POST", path, "", "").wantError(401, "not_authenticated")
		s.ask("GET", path, s.root, "").wantError(405, "HTTPError")
	}
}

func TestASecondVerificationOrBackupIsAConflict(t *testing.T) {
	t.Parallel()
	busy := metering.Errorf(metering.KindConflict, "another one is going on")
	s := newMaintainedSite(t, &maintained{
		verify: func(context.Context, func(report.Progress)) (*report.Verification, error) { return nil, busy },
		backup: func(context.Context, io.Writer) error { return busy },
		retain: func(context.Context, report.Retention, func(report.Progress)) (*report.Retained, error) {
			return nil, busy
		},
	})
	s.ask("POST", retainPath, s.root, `{"before":"2024-06"}`).wantError(409, "ConflictError")
	s.ask("POST", verifyPath, s.root, "").wantError(409, "ConflictError")
	s.ask("POST", backupPath, s.root, "").wantError(409, "ConflictError")
}

func TestAStoreThatCannotMaintainItselfSaysSo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.ask("POST", verifyPath, s.root, "").wantError(404, "NotFoundError")
}

// TestAnAnswerThatBreaksOffHasNoEnd fails after the first bytes.
func TestAnAnswerThatBreaksOffHasNoEnd(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	s := newMaintainedSite(t, &maintained{
		verify: func(_ context.Context, progress func(report.Progress)) (*report.Verification, error) {
			progress(report.Progress{})
			return nil, broken
		},
		backup: func(_ context.Context, w io.Writer) error {
			_, err := w.Write(make([]byte, 1<<20))
			return errors.Join(err, broken)
		},
	})
	live := httptest.NewServer(s.server.Handler())
	t.Cleanup(live.Close)
	for _, path := range []string{verifyPath, backupPath} {
		response := s.post(t.Context(), live, path)
		_, err := io.Copy(io.Discard, response.Body)
		if err == nil {
			t.Errorf("%s: the answer ended as if it were whole", path)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func (s *site) post(ctx context.Context, live *httptest.Server, path string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", live.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "apikey "+s.root)
	response, err := live.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return response
}

func TestAClientThatLeavesEndsItsVerification(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	s := newMaintainedSite(t, &maintained{verify: func(ctx context.Context, progress func(report.Progress)) (*report.Verification, error) {
		progress(report.Progress{Stage: "states"})
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, context.Cause(ctx)
	}})
	live := httptest.NewServer(s.server.Handler())
	t.Cleanup(live.Close)
	ctx, leave := context.WithCancel(t.Context())
	response := s.post(ctx, live, verifyPath)
	if line, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil || !strings.Contains(line, "states") {
		t.Errorf("got %q, %v", line, err)
	}
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
}
