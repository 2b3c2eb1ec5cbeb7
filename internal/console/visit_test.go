package console

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"
)

func TestABrowserThatIsGoneIsNoError(t *testing.T) {
	t.Parallel()
	log := &logText{}
	c := &Console{options: Options{Logger: slog.New(slog.NewJSONHandler(log, nil))}}
	ctx, leave := context.WithCancel(t.Context())
	leave()
	w := httptest.NewRecorder()
	v := &visit{c: c, w: w, r: httptest.NewRequest("GET", "/usage", nil).WithContext(ctx)}
	v.fail(io.ErrClosedPipe) // what reading the API's answer ends with
	if log.String() != "" || w.Body.Len() != 0 {
		t.Errorf("log %s, answer %s", log, w.Body)
	}
}
