package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Error is a refusal by the server (spec 1-usage-report, "Authentication and
// errors"). Find it with errors.As.
type Error struct {
	Status        int                 // the HTTP status, 400 or more
	Class         string              // exception_class, "" when the answer was not Meterbook's
	Message       string              // safe to show to users
	RequestID     string              // names the request in the server's log
	InvalidFields map[string][]string // what is wrong with each member of the request, by dotted path
	RetryAfter    time.Duration       // how long the server asked to wait; 0 when it did not
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	paths := make([]string, 0, len(e.InvalidFields))
	for path := range e.InvalidFields {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		fmt.Fprintf(&b, "; %s: %s", path, strings.Join(e.InvalidFields[path], ", "))
	}
	fmt.Fprintf(&b, " (HTTP %d", e.Status)
	if e.RequestID != "" {
		fmt.Fprintf(&b, ", request %s", e.RequestID)
	}
	b.WriteString(")")
	return b.String()
}

// SchemeError says that the server speaks the other one of HTTP and HTTPS than
// its address says. Find it with errors.As.
type SchemeError struct {
	Scheme string // that the address must have: "http" or "https"
}

// Error implements error.
func (e *SchemeError) Error() string {
	return "the server speaks " + strings.ToUpper(e.Scheme) + "; its address must begin with " + e.Scheme + "://"
}

func wrongScheme(r *http.Request, right string) error {
	return &connectionError{&url.Error{Op: r.Method, URL: r.URL.String(), Err: &SchemeError{right}}}
}

// errorBodyMax bounds what is read of an error's body: a proxy may answer with
// anything.
const errorBodyMax = 1 << 20

// errorOf reads the error that an answer carries. An answer that is not in
// Meterbook's form, a proxy's for instance, keeps its status.
func errorOf(response *http.Response) error {
	var body struct {
		Class         string              `json:"exception_class"`
		Message       string              `json:"message"`
		RequestID     string              `json:"request_id"`
		InvalidFields map[string][]string `json:"invalid_fields"`
	}
	e := &Error{Status: response.StatusCode, RetryAfter: retryAfter(response.Header)}
	text, err := io.ReadAll(io.LimitReader(response.Body, errorBodyMax))
	if err == nil && json.Unmarshal(text, &body) == nil {
		e.Class, e.Message, e.RequestID, e.InvalidFields = body.Class, body.Message, body.RequestID, body.InvalidFields
	} else if response.StatusCode == http.StatusBadRequest && wantsHTTPS(text) {
		return wrongScheme(response.Request, "https")
	}
	if e.RequestID == "" {
		e.RequestID = response.Header.Get("X-Request-Id")
	}
	if e.Message == "" {
		e.Message = "the server answered " + response.Status + " without saying why"
	}
	return e
}

// wantsHTTPS knows what Go's server (Meterbook's own) and nginx answer when a
// port of TLS is asked without.
func wantsHTTPS(answer []byte) bool {
	return bytes.Contains(answer, []byte("Client sent an HTTP request to an HTTPS server")) ||
		bytes.Contains(answer, []byte("The plain HTTP request was sent to HTTPS port"))
}
