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

// DefaultConcurrency is how many requests of one client may be under way at
// once. What a request may hold in memory is bounded, so this bounds what a
// client may.
const DefaultConcurrency = 64

// crowd counts the requests under way of each client; a key above all clients
// counts for itself.
type crowd struct {
	most int
	mu   struct {
		sync.Mutex
		underWay map[string]int
	}
}

func newCrowd(most int) *crowd {
	c := &crowd{most: most}
	c.mu.underWay = map[string]int{}
	return c
}

// enter lets a request of the key in, which must leave when it ends;
// KindRateLimited when it is one too many.
func (c *crowd) enter(k access.Key) (leave func(), err error) {
	who := "client " + string(k.Client)
	if k.Client == "" {
		who = "key " + string(k.ID)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.underWay[who] >= c.most {
		return nil, metering.Errorf(metering.KindRateLimited, "%d requests of %s are under way, which is the limit; try again when one of them has ended", c.most, who)
	}
	c.mu.underWay[who]++
	return func() { c.leave(who) }, nil
}

func (c *crowd) leave(who string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.underWay[who]--; c.mu.underWay[who] == 0 {
		delete(c.mu.underWay, who)
	}
}

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
