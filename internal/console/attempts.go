package console

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/meterbook/meterbook/internal/metering"
)

// Limits of wrong keys. The API's rate limits are per key and so do not know
// those that are none.
const (
	maxWrongKeys     = 10              // of one address at once
	wrongKeyInterval = 3 * time.Second // after which one more is allowed
	// maxWatched bounds memory; beyond it, all that was noted is forgotten.
	maxWatched = 10_000
	// ipv6Network is what one subscriber has in IPv6.
	ipv6Network = 64
)

// attempts counts wrong keys by the address that they came from. It is safe for
// concurrent use.
type attempts struct {
	clock func() metering.Instant
	mu    struct {
		sync.Mutex
		wrong map[string]*rate.Limiter // by network; those not listed have had none
	}
}

func newAttempts(clock func() metering.Instant) *attempts {
	a := &attempts{clock: clock}
	a.mu.wrong = map[string]*rate.Limiter{}
	return a
}

// wait returns how long the address must wait before its next key is looked at;
// 0: not at all.
func (a *attempts) wait(remoteAddr string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, now := a.mu.wrong[network(remoteAddr)], a.clock().Time()
	if known == nil {
		return 0
	}
	if missing := 1 - known.TokensAt(now); missing > 0 {
		return time.Duration(missing * float64(wrongKeyInterval))
	}
	return 0
}

// note counts a wrong key.
func (a *attempts) note(remoteAddr string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	from := network(remoteAddr)
	known := a.mu.wrong[from]
	if known == nil {
		if len(a.mu.wrong) >= maxWatched {
			clear(a.mu.wrong)
		}
		known = rate.NewLimiter(rate.Every(wrongKeyInterval), maxWrongKeys)
		a.mu.wrong[from] = known
	}
	known.AllowN(a.clock().Time(), 1)
}

// network is what an address is counted under: itself, in IPv6 its /64.
func network(remoteAddr string) string {
	host, _, err := net.SplitHostPort(remoteAddr)
	if err != nil {
		return remoteAddr
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	address = address.Unmap().WithZone("")
	if address.Is6() {
		if prefix, err := address.Prefix(ipv6Network); err == nil {
			return prefix.String()
		}
	}
	return address.String()
}
