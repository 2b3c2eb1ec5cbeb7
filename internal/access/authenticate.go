package access

import (
	"crypto/subtle"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// Authenticate reads an Authorization header, "apikey <token>" or
// "Bearer <token>", the scheme in any letter case. Without a header it gives
// KindUnauthenticated; for anything wrong, an expired or a revoked key it gives
// KindBadToken. Its messages name the key's id, never a secret.
func (r *Registry) Authenticate(authorization string) (*Caller, error) {
	authorization = strings.Trim(authorization, " \t")
	if authorization == "" {
		return nil, metering.Errorf(metering.KindUnauthenticated, "Authentication credentials were not provided.")
	}
	scheme, text, _ := strings.Cut(authorization, " ")
	token, ok := splitToken(strings.Trim(text, " \t"))
	if !ok || (!strings.EqualFold(scheme, "apikey") && !strings.EqualFold(scheme, "bearer")) {
		return nil, metering.Errorf(metering.KindBadToken, "Bad permanent token: expected \"Authorization: apikey <id>$<secret>\"")
	}
	var wanted secretHash // of an unknown key; no secret has it
	caller := r.current.Load().callers[token.ID]
	if caller != nil {
		wanted = caller.key.secret
	}
	given := hashSecret(token.secret)
	if subtle.ConstantTimeCompare(given[:], wanted[:]) == 0 || caller == nil || !caller.key.live(r.clock()) {
		return nil, metering.Errorf(metering.KindBadToken, "Bad permanent token: %s", token.ID)
	}
	return caller, nil
}
