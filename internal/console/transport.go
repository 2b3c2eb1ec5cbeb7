package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/meterbook/meterbook/internal/metering"
)

// inProcess is a transport that hands requests to a handler of this process. The
// answer streams: the handler writes as fast as the caller reads. The end of the
// request's context, or closing the answer, ends the handler's context and makes
// its writes fail, so that its goroutine ends.
type inProcess struct {
	handler    http.Handler
	remoteAddr string // of the browser, for the handler's log
}

var _ http.RoundTripper = inProcess{}

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	asked := r.Clone(ctx)
	asked.RemoteAddr, asked.RequestURI = t.remoteAddr, r.URL.RequestURI()
	asked.Proto, asked.ProtoMajor, asked.ProtoMinor = "HTTP/1.1", 1, 1
	if asked.Host == "" {
		asked.Host = r.URL.Host
	}
	if asked.Body == nil {
		asked.Body = http.NoBody
	}
	reader, writer := io.Pipe()
	w := &pipedAnswer{header: http.Header{}, body: writer, head: make(chan struct{})}
	unwatch := context.AfterFunc(ctx, func() { noteClosed(writer.CloseWithError(context.Cause(ctx))) })
	go func() {
		defer func() { w.end(recover()) }()
		t.handler.ServeHTTP(w, asked)
	}()
	select {
	case <-w.head:
	case <-ctx.Done():
		cancel()
		return nil, context.Cause(ctx)
	}
	if w.broken != nil {
		cancel()
		return nil, w.broken
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.sent, ContentLength: -1, Request: r,
		Body: pipedBody{reader, func() { unwatch(); cancel() }},
	}, nil
}

// pipedBody is an answer's body. Closing it ends the handler that writes it.
type pipedBody struct {
	*io.PipeReader
	stop func()
}

// Close implements io.Closer.
func (b pipedBody) Close() error {
	b.stop()
	return b.PipeReader.Close()
}

// pipedAnswer is the http.ResponseWriter of the handler's goroutine. The fields
// that the asking goroutine reads are set before head is closed.
type pipedAnswer struct {
	header http.Header
	body   *io.PipeWriter
	once   sync.Once
	head   chan struct{} // closed once the head is known

	status int
	sent   http.Header // the header as it was when the status was written
	broken error       // instead of an answer
}

// Header implements http.ResponseWriter.
func (w *pipedAnswer) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *pipedAnswer) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.head)
	})
}

// Write implements http.ResponseWriter.
func (w *pipedAnswer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush implements http.Flusher: nothing is held back.
func (w *pipedAnswer) Flush() { w.WriteHeader(http.StatusOK) }

// end settles the answer when the handler has returned, or panicked with p. A
// handler that breaks off with http.ErrAbortHandler must not seem whole.
func (w *pipedAnswer) end(p any) {
	if p == nil {
		w.WriteHeader(http.StatusOK)
		noteClosed(w.body.Close())
		return
	}
	err := io.ErrUnexpectedEOF
	if p != http.ErrAbortHandler {
		err = fmt.Errorf("panic: %v", p)
	}
	w.once.Do(func() {
		w.broken = err
		close(w.head)
	})
	noteClosed(w.body.CloseWithError(err))
}

// noteClosed holds a pipe to its promise that closing it succeeds.
func noteClosed(err error) {
	if err != nil {
		metering.Bug("close a pipe: %v", err)
	}
}
