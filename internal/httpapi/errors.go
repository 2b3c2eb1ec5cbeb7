package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// failure is how a kind of error is answered.
type failure struct {
	status int
	class  string // exception_class
	// retryAfter is what Retry-After says when the error does not know better;
	// 0: no such header.
	retryAfter time.Duration
}

// failures is the one table from kinds to answers (spec 1-usage-report,
// "Authentication and errors"). That 409 exists is our decision.
var failures = [...]failure{
	metering.KindInternal:         {status: http.StatusInternalServerError, class: "InternalError"},
	metering.KindUnavailable:      {status: http.StatusServiceUnavailable, class: "ServiceUnavailable", retryAfter: 5 * time.Second},
	metering.KindNotFound:         {status: http.StatusNotFound, class: "NotFoundError"},
	metering.KindMethodNotAllowed: {status: http.StatusMethodNotAllowed, class: "HTTPError"},
	metering.KindUnauthenticated:  {status: http.StatusUnauthorized, class: "not_authenticated"},
	metering.KindBadToken:         {status: http.StatusUnauthorized, class: "token_not_valid"},
	metering.KindRateLimited:      {status: http.StatusTooManyRequests, class: "HTTPError", retryAfter: time.Second},
	metering.KindForbidden:        {status: http.StatusForbidden, class: "ForbiddenError"},
	metering.KindUnsupportedMedia: {status: http.StatusUnsupportedMediaType, class: "HTTPError"},
	metering.KindTooLarge:         {status: http.StatusRequestEntityTooLarge, class: "HTTPError"},
	metering.KindInvalid:          {status: http.StatusBadRequest, class: "ValidationError"},
	metering.KindConflict:         {status: http.StatusConflict, class: "ConflictError"},
}

// errorBody is the JSON of every error.
type errorBody struct {
	Class     string               `json:"exception_class"`
	Message   string               `json:"message"`
	RequestID RequestID            `json:"request_id"`
	Invalid   metering.FieldErrors `json:"invalid_fields,omitempty"`
}

// retryLater is an error that knows when it will be over.
type retryLater struct {
	error
	after time.Duration
}

func (e *retryLater) Unwrap() error { return e.error }

// statusClientGone is logged, never sent: the client went away.
const statusClientGone = 499

// fail answers with err. What began already is broken off instead.
func (x *exchange) fail(err error) {
	x.err = err
	if x.started || x.r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		if !x.started {
			x.status = statusClientGone
		}
		panic(http.ErrAbortHandler)
	}
	f := failures[metering.KindOf(err)]
	body := errorBody{Class: f.class, Message: "An internal error occurred; the log has its details under this request_id", RequestID: x.id}
	var known *metering.Error
	if errors.As(err, &known) && known.Kind != metering.KindInternal {
		body.Message, body.Invalid = known.Message, known.Fields
	}
	var later *retryLater
	if errors.As(err, &later) {
		f.retryAfter = later.after
	}
	if f.retryAfter > 0 {
		x.Header().Set("Retry-After", wholeSeconds(f.retryAfter))
	}
	if f.status == http.StatusUnauthorized {
		x.Header().Set("WWW-Authenticate", "apikey")
	}
	if told := x.json(f.status, &body); told != nil {
		if !x.started { // it could not be encoded, and nothing may seem to have gone well
			x.fail(fmt.Errorf("%w, which tells: %v", told, err))
			return
		}
		x.err = errors.Join(x.err, told)
	}
}

// wholeSeconds rounds up, so that who waits that long has waited enough.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}
