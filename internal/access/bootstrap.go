package access

import (
	"context"
	"crypto/subtle"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Bootstrap sees to it that there is an admin key above all clients.
//
// adminToken is the operator's (METERBOOK_ADMIN_TOKEN, "<id>$<secret>"): its key
// is added unless it is there already. Without one (""), a store that never had
// such a key gets a random one, whose token is returned to be printed: it cannot
// be shown again. printed is "" in all other cases. Bad tokens give KindInvalid, a key
// that is there with another secret or with fewer rights KindConflict.
func (r *Registry) Bootstrap(ctx context.Context, adminToken string) (printed string, created bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if adminToken != "" {
		created, err = r.addAdminLocked(ctx, adminToken)
		return "", created, err
	}
	for _, c := range r.current.Load().callers {
		if c.key.root() { // revoked or expired, it is still no first start
			return "", false, nil
		}
	}
	token, err := newToken(r.random)
	if err != nil {
		return "", false, err
	}
	if err := r.putKeyLocked(ctx, r.rootKey(token, "First admin key")); err != nil {
		return "", false, err
	}
	return token.Reveal(), true, nil
}

// AddTemporaryAdmin puts an admin key above all clients in force that is never
// stored, so that it ends with the program, however that ends. It does not count
// as the one that every store must have.
func (r *Registry) AddTemporaryAdmin(ctx context.Context, name string) (Token, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	token, err := r.unusedTokenLocked()
	if err != nil {
		return Token{}, err
	}
	k := r.rootKey(token, name)
	k.temporary = true
	return token, r.putKeyLocked(ctx, k)
}

func (r *Registry) rootKey(t Token, name string) Key {
	return Key{
		ID: t.ID, Name: name, Roles: RolesOf(Admin), Narrowing: report.FullScope(),
		CreatedAt: r.clock(), secret: hashSecret(t.secret),
	}
}

func (r *Registry) addAdminLocked(ctx context.Context, adminToken string) (created bool, err error) {
	token, err := parseAdminToken(adminToken)
	if err != nil {
		return false, err
	}
	there := r.current.Load().callers[token.ID]
	if there == nil {
		return true, r.putKeyLocked(ctx, r.rootKey(token, "Admin key of the operator"))
	}
	hash := hashSecret(token.secret)
	k := &there.key
	switch {
	case subtle.ConstantTimeCompare(hash[:], k.secret[:]) == 0:
		return false, metering.Errorf(metering.KindConflict,
			"the admin token brings another secret for key %s than the one it was created with; to rotate it choose a new id, start, then revoke key %s", k.ID, k.ID)
	case !k.live(r.clock()):
		return false, metering.Errorf(metering.KindConflict, "key %s of the admin token was revoked or has expired; choose a new id", k.ID)
	case !k.root():
		return false, metering.Errorf(metering.KindConflict, "key %s of the admin token is no admin key above all clients; choose a new id", k.ID)
	}
	return false, nil
}
