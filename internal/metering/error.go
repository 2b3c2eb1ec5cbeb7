package metering

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is the closed set of reasons for which an operation fails. One table in
// httpapi maps it to an HTTP status, one in cli to an exit code.
type Kind uint8

const (
	KindInternal         Kind = iota // a bug; details only in the log
	KindUnavailable                  // starting, stopping, disk full
	KindNotFound                     // unknown path or unknown thing
	KindMethodNotAllowed             // wrong HTTP method
	KindUnauthenticated              // no credentials
	KindBadToken                     // wrong, expired or revoked credentials
	KindRateLimited                  // too many requests, or the queue is full
	KindForbidden                    // the key's roles do not allow it
	KindUnsupportedMedia             // content type or encoding
	KindTooLarge                     // body too large
	KindInvalid                      // bad input; Fields says where
	KindConflict                     // the thing exists already, or is in use
)

// FieldErrors lists what is wrong with each member of an input, by dotted path
// ("tags.conditions.0.key").
type FieldErrors map[string][]string

// Add notes one more thing that is wrong with a field. What is no UTF-8 in its name
// becomes U+FFFD, so that it can be told.
func (f FieldErrors) Add(path, format string, args ...any) {
	path = strings.ToValidUTF8(path, "\uFFFD")
	f[path] = append(f[path], fmt.Sprintf(format, args...))
}

// Error is the one error type of the program: a closed kind, a message that is
// safe to show to users, and the wrapped cause, which is for the log only.
type Error struct {
	Kind    Kind
	Message string
	Fields  FieldErrors
	Cause   error
}

// Errorf makes an Error of the given kind. A %w verb sets the cause; do not use
// it for causes whose text is not safe for users.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: err.Error(), Cause: errors.Unwrap(err)}
}

// Error implements error. It includes the cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first Error in err's chain, KindInternal if
// there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

// Bug panics: the program reached a state that its invariants exclude.
func Bug(format string, args ...any) {
	panic("bug: " + fmt.Sprintf(format, args...))
}
