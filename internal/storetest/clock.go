package storetest

import (
	"sync/atomic"
	"time"

	"github.com/meterbook/meterbook/internal/metering"
)

// Clock is a clock that stands still until it is set. It is safe for
// concurrent use.
type Clock struct{ now atomic.Int64 }

// NewClock makes a clock that shows the given instant.
func NewClock(at metering.Instant) *Clock {
	c := &Clock{}
	c.Set(at)
	return c
}

// Now returns the instant that the clock shows.
func (c *Clock) Now() metering.Instant { return metering.Instant(c.now.Load()) }

// Set makes the clock show another instant.
func (c *Clock) Set(at metering.Instant) { c.now.Store(int64(at)) }

// At reads an instant written as RFC 3339; it panics at any other text.
func At(text string) metering.Instant {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		metering.Bug("instant %q: %v", text, err)
	}
	return metering.InstantOf(at)
}
