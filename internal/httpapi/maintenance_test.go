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
}

func (m *maintained) Verify(ctx context.Context, progress func(report.Progress)) (*report.Verification, error) {
	return m.verify(ctx, progress)
}

func (m *maintained) Backup(ctx context.Context, w io.Writer) error { return m.backup(ctx, w) }

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
		return &report.Verification{Observations: 10, Retracted: 1, IDs: 11, Timelines: 3, Days: 4, Total: 1, Differences: []report.Difference{
			{Check: "usage", Of: "a volume", Stored: "nothing", Want: "something"},
		}}, nil
	}})
	got := s.ask("POST", verifyPath, s.root, "")
	got.want(200)
	want := `{"progress":{"stage":"states","done":1,"total":20}}
{"result":{"observations":10,"retracted":1,"ids":11,"timelines":3,"days":4,"differences_total":1,"differences":[{"check":"usage","of":"a volume","stored":"nothing","want":"something"}]}}
`
	if string(got.body) != want || got.header.Get("Content-Type") != ndjsonMedia {
		t.Errorf("%s: got %s, want %s", got.header.Get("Content-Type"), got.body, want)
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
		for _, path := range []string{verifyPath, backupPath} {
			t.Run(name+path, func(t *testing.T) {
				s.ask("POST", path, token, "").wantError(403, "ForbiddenError")
			})
		}
	}
	for _, path := range []string{verifyPath, backupPath} {
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
	})
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
