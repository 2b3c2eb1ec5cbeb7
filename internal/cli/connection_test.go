package cli

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestConnectionsThatWaitTogetherTellItOnce(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := testNow.Time()
	notes := &retryNotes{out: &out, now: func() time.Time { return now }}
	for range 4 {
		notes.add(1, 600*time.Millisecond, errors.New("nobody is there"))
	}
	now = now.Add(600*time.Millisecond - 1)
	notes.add(2, time.Second, errors.New("nobody is there"))
	now = now.Add(1)
	notes.add(2, 1200*time.Millisecond, errors.New("it is starting"))
	const want = "meterbook: nobody is there; trying again in 600ms\nmeterbook: it is starting; trying again in 1.2s\n"
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}
