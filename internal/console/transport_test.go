package console

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// ask sends a request through the transport.
func ask(ctx context.Context, t *testing.T, handler http.HandlerFunc, body io.Reader) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+apiHost+"/v1/x?y=z", body)
	if err != nil {
		t.Fatal(err)
	}
	return (&http.Client{Transport: inProcess{handler, "192.0.2.7:81"}}).Do(r)
}

func TestTransportHandsRequestsOver(t *testing.T) {
	t.Parallel()
	response, err := ask(t.Context(), t, func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if string(text) != "body" || err != nil || r.RemoteAddr != "192.0.2.7:81" || r.RequestURI != "/v1/x?y=z" || r.Host != apiHost || r.Method != "POST" {
			t.Errorf("body %q (%v), request %+v", text, err, r)
		}
		w.Header().Set("X-Told", "before")
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK) // ignored, as net/http does
		w.Header().Set("X-Told", "after")
		if _, err := io.WriteString(w, "answer"); err != nil {
			t.Error(err)
		}
	}, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if closing := response.Body.Close(); err != nil || closing != nil {
		t.Errorf("errors %v, %v", err, closing)
	}
	if string(text) != "answer" || response.StatusCode != http.StatusTeapot || response.Header.Get("X-Told") != "before" {
		t.Errorf("answer %q, %+v", text, response)
	}
}

func TestTransportStreams(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	response, err := ask(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) {
		_, first := io.WriteString(w, "one")
		<-more
		_, second := io.WriteString(w, "two")
		if err := errors.Join(first, second); err != nil {
			t.Error(err)
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 3)
	if _, err := io.ReadFull(response.Body, one); err != nil || string(one) != "one" {
		t.Errorf("read %q, %v", one, err)
	}
	close(more)
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "two" {
		t.Errorf("read %q, %v", rest, err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestHandlerThatSaysNothingAnswers200(t *testing.T) {
	t.Parallel()
	response, err := ask(t.Context(), t, func(http.ResponseWriter, *http.Request) {}, nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("response %+v, error %v", response, err)
	}
	if text, err := io.ReadAll(response.Body); len(text) != 0 || err != nil || response.Body.Close() != nil {
		t.Errorf("read %q, %v", text, err)
	}
}

// TestNoHandlerIsLeftBehind relies on TestMain, which looks for goroutines.
func TestNoHandlerIsLeftBehind(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	endless := func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.WriteString(w, "more"); err != nil {
				<-r.Context().Done()
				ended <- err
				return
			}
		}
	}
	response, err := ask(t.Context(), t, endless, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	<-ended

	// The end of the context ends what is read, too.
	ctx, cancel := context.WithCancel(t.Context())
	if response, err = ask(ctx, t, endless, nil); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, response.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("read on: %v", err)
	}
	<-ended
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}

	// And one that has not answered at all yet.
	ctx, cancel = context.WithCancel(t.Context())
	begun := make(chan struct{})
	go func() {
		<-begun
		cancel()
	}()
	_, err = ask(ctx, t, func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
		ended <- nil
	}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("answered: %v", err)
	}
	<-ended
}

func TestAnswerThatBreaksOffIsNotWhole(t *testing.T) {
	t.Parallel()
	response, err := ask(t.Context(), t, func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.WriteString(w, "half"); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(response.Body); string(text) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v", text, err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	if _, err := ask(t.Context(), t, func(http.ResponseWriter, *http.Request) { panic("a bug") }, nil); err == nil || !strings.Contains(err.Error(), "panic: a bug") {
		t.Errorf("error %v", err)
	}
}
