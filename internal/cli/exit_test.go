package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

func TestEveryKindHasADocumentedExitCode(t *testing.T) {
	t.Parallel()
	want := map[metering.Kind]ExitCode{
		metering.KindInternal: 1, metering.KindUnavailable: 5, metering.KindNotFound: 6, metering.KindMethodNotAllowed: 6,
		metering.KindUnauthenticated: 4, metering.KindBadToken: 4, metering.KindRateLimited: 5, metering.KindForbidden: 4,
		metering.KindUnsupportedMedia: 3, metering.KindTooLarge: 3, metering.KindInvalid: 3, metering.KindConflict: 7,
	}
	for kind := metering.KindInternal; kind <= metering.KindConflict; kind++ {
		code, message := explain(t.Context(), fmt.Errorf("outer: %w", metering.Errorf(kind, "inner")))
		if code != want[kind] || !strings.Contains(message, "inner") {
			t.Errorf("kind %d: exit code %d with %q, want %d", kind, code, message, want[kind])
		}
		documented := slices.ContainsFunc(exitCodes(), func(e exitMeaning) bool { return e.code == code })
		if !documented {
			t.Errorf("exit code %d is not documented", code)
		}
	}
}

func TestEveryRefusalHasItsExitCode(t *testing.T) {
	t.Parallel()
	want := map[int]ExitCode{
		400: 3, 401: 4, 403: 4, 404: 6, 405: 6, 408: 5, 409: 7, 413: 3, 415: 3, 422: 3, 429: 5, 500: 1, 501: 1, 502: 5, 503: 5, 504: 5,
	}
	for status, code := range want {
		if got, _ := explain(t.Context(), &client.Error{Status: status, Message: "m"}); got != code {
			t.Errorf("status %d: exit code %d, want %d", status, got, code)
		}
	}
}

func TestAnAnswerThatBreaksOffIsNoBug(t *testing.T) {
	t.Parallel()
	if code, _ := explain(t.Context(), fmt.Errorf("the report broke off: %w", io.ErrUnexpectedEOF)); code != ExitUnavailable {
		t.Errorf("exit code %d", code)
	}
}

func TestASignalHasItsExitCode(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _ := explain(ctx, fmt.Errorf("send: %w", ctx.Err())); code != ExitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if code, _ := explain(t.Context(), errors.New("anything else")); code != ExitInternal {
		t.Errorf("exit code %d", code)
	}
}
