package client

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"time"
)

// RetryPolicy says how often and when a call is repeated. Its zero values mean
// the defaults.
type RetryPolicy struct {
	Attempts int           // how often a call is made in all; default 6, 1 never repeats
	WaitMin  time.Duration // before the first repetition, doubled for each further one; default 500 ms
	// WaitMax bounds each wait; default 1 minute. A server that asks for more
	// ends the call with its error, because asking earlier would be in vain.
	WaitMax time.Duration
	// Sleep waits, or returns the context's error when that ends first. Tests
	// replace it.
	Sleep func(ctx context.Context, d time.Duration) error
	// Jitter returns a random duration in [0, most), so that many clients do
	// not come back at the same instant.
	Jitter func(most time.Duration) time.Duration
	// OnRetry is told before each wait which attempt gave which error. It may
	// be called by several goroutines at once.
	OnRetry func(attempt int, wait time.Duration, err error)
}

func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.Attempts <= 0 {
		p.Attempts = 6
	}
	if p.WaitMin <= 0 {
		p.WaitMin = 500 * time.Millisecond
	}
	if p.WaitMax <= 0 {
		p.WaitMax = time.Minute
	}
	if p.Sleep == nil {
		p.Sleep = sleep
	}
	if p.Jitter == nil {
		p.Jitter = rand.N[time.Duration]
	}
	if p.OnRetry == nil {
		p.OnRetry = func(int, time.Duration, error) {}
	}
	return p
}

// wait returns how long to wait before repeating the call that gave err on its
// attempt'th try, counted from 1. ok is false when it must not be repeated.
func (p RetryPolicy) wait(attempt int, err error, safe bool) (wait time.Duration, ok bool) {
	if attempt >= p.Attempts || !repeatable(err, safe) {
		return 0, false
	}
	wait = p.WaitMin
	for range attempt - 1 {
		wait = min(wait*2, p.WaitMax)
	}
	var refused *Error
	if errors.As(err, &refused) && refused.RetryAfter > 0 {
		if refused.RetryAfter > p.WaitMax {
			return 0, false
		}
		wait = refused.RetryAfter
	}
	return wait + p.Jitter(wait/2+1), true
}

// repeatable reports whether another attempt may succeed. A call that is not
// safe to repeat is repeated only when the server cannot have acted on it.
func repeatable(err error, safe bool) bool {
	var refused *Error
	if errors.As(err, &refused) {
		switch refused.Status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			return true
		case http.StatusRequestTimeout:
			return safe
		}
		return safe && refused.Status >= 500
	}
	var connection *connectionError
	if !errors.As(err, &connection) || hopeless(err) {
		return false
	}
	var dial *net.OpError
	return safe || (errors.As(err, &dial) && dial.Op == "dial")
}

// hopeless reports whether the connection cannot work until somebody changes
// something: the certificate is not trusted, no such host exists, or it is to be
// asked over the other scheme.
func hopeless(err error) bool {
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	var scheme *SchemeError
	return errors.As(err, &certificate) || errors.As(err, &scheme) || (errors.As(err, &name) && name.IsNotFound)
}

// connectionError says that no answer came.
type connectionError struct{ cause error }

func (e *connectionError) Error() string { return e.cause.Error() }
func (e *connectionError) Unwrap() error { return e.cause }

// retryAfter reads the Retry-After header: seconds, or a date, which is taken
// relative to the server's own Date so that no clock is needed here.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
