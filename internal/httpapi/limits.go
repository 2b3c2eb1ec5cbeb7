package httpapi

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
)

// maxLimiters bounds how many keys' rates are remembered. Beyond it any one is
// forgotten, whose key then starts with a full second's worth again.
const maxLimiters = 100_000

// limiters hold the request rate of each key. A key may make one second's worth
// of requests at once.
type limiters struct {
	standard access.RequestsPerSecond // of keys without one of their own; 0: none
	mu       struct {
		sync.Mutex
		byKey map[access.KeyID]*rate.Limiter
	}
}

func newLimiters(standard access.RequestsPerSecond) *limiters {
	l := &limiters{standard: standard}
	l.mu.byKey = map[access.KeyID]*rate.Limiter{}
	return l
}

// admit counts a request of the key; KindRateLimited when it is one too many.
func (l *limiters) admit(k access.Key, now metering.Instant) error {
	limit := k.RateLimit
	if limit == 0 {
		limit = l.standard
	}
	if limit == 0 {
		return nil
	}
	at := now.Time()
	r := l.of(k.ID, limit, at).ReserveN(at, 1)
	wait := r.DelayFrom(at)
	if wait == 0 {
		return nil
	}
	r.CancelAt(at)
	return &retryLater{after: wait, error: metering.Errorf(metering.KindRateLimited,
		"Rate limit of key %s is %d requests a second; try again in %s s", k.ID, limit, wholeSeconds(wait))}
}

func (l *limiters) of(id access.KeyID, limit access.RequestsPerSecond, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	lim := l.mu.byKey[id]
	if lim == nil {
		if len(l.mu.byKey) >= maxLimiters {
			for other := range l.mu.byKey {
				delete(l.mu.byKey, other)
				break
			}
		}
		lim = rate.NewLimiter(rate.Limit(limit), int(limit))
		l.mu.byKey[id] = lim
	}
	if lim.Burst() != int(limit) { // the key's limit was changed
		lim.SetLimitAt(now, rate.Limit(limit))
		lim.SetBurstAt(now, int(limit))
	}
	return lim
}
