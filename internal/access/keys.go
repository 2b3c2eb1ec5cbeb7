package access

import (
	"cmp"
	"context"
	"slices"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Keys lists the keys that exist for the caller, the revoked ones too, in the
// order of their creation.
func (r *Registry) Keys(by *Caller) ([]Key, error) {
	if err := by.Require(Admin); err != nil {
		return nil, err
	}
	keys := []Key{}
	for _, c := range r.current.Load().callers {
		if by.seesKey(&c.key) {
			keys = append(keys, c.key)
		}
	}
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return keys, nil
}

// Key returns one key; KindNotFound when it does not exist for the caller.
func (r *Registry) Key(by *Caller, id KeyID) (Key, error) {
	if err := by.Require(Admin); err != nil {
		return Key{}, err
	}
	if c := r.current.Load().callers[id]; c != nil && by.seesKey(&c.key) {
		return c.key, nil
	}
	if !validID(string(id)) { // it might be a whole token
		return Key{}, metering.Errorf(metering.KindNotFound, "There is no such key; list the keys to find its id")
	}
	return Key{}, metering.Errorf(metering.KindNotFound, "There is no key %s", id)
}

// CreateKey makes a key and returns the only copy of its token.
func (r *Registry) CreateKey(ctx context.Context, by *Caller, n NewKey) (Key, Token, error) {
	if err := by.Require(Admin); err != nil {
		return Key{}, Token{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock()
	if n.Roles == nil {
		n.Roles = new(Roles)
	}
	fields := metering.FieldErrors{}
	n.Check(now, fields)
	if err := invalid(fields); err != nil {
		return Key{}, Token{}, err
	}
	client, err := r.clientOfNewKey(by, n.Client)
	if err != nil {
		return Key{}, Token{}, err
	}
	token, err := r.unusedTokenLocked()
	if err != nil {
		return Key{}, Token{}, err
	}
	k := Key{
		ID: token.ID, Client: client, Narrowing: by.key.Narrowing,
		CreatedAt: now, CreatedBy: by.key.ID, ExpiresAt: by.key.ExpiresAt, secret: hashSecret(token.secret),
	}
	if !by.AboveClients() {
		k.RateLimit = by.key.RateLimit
	}
	if err := by.apply(&k, &n.KeyChange); err != nil {
		return Key{}, Token{}, err
	}
	if err := r.putKeyLocked(ctx, k); err != nil {
		return Key{}, Token{}, err
	}
	return k, token, nil
}

func (r *Registry) clientOfNewKey(by *Caller, wanted *report.ClientID) (report.ClientID, error) {
	switch {
	case wanted == nil || *wanted == by.key.Client:
		return by.key.Client, nil
	case !by.AboveClients():
		return "", metering.Errorf(metering.KindForbidden, "Key %s makes keys for its own client %s only", by.key.ID, by.key.Client)
	}
	if _, exists := r.current.Load().clients[*wanted]; !exists {
		return "", &metering.Error{Kind: metering.KindInvalid, Message: "Request is not valid; invalid_fields says where",
			Fields: metering.FieldErrors{"client": {"There is no such client; create it first"}}}
	}
	return *wanted, nil
}

func (r *Registry) unusedTokenLocked() (Token, error) {
	for {
		t, err := newToken(r.random)
		if err != nil || r.current.Load().callers[t.ID] == nil {
			return t, err
		}
	}
}

// apply changes k as c says, as far as it stays within the caller's own key.
func (by *Caller) apply(k *Key, c *KeyChange) error {
	if c.Name != nil {
		k.Name = *c.Name
	}
	if c.Roles != nil {
		k.Roles = *c.Roles // an admin has all roles, so any are within its own
	}
	if c.RateLimit != nil && *c.RateLimit != k.RateLimit {
		if !by.AboveClients() {
			return metering.Errorf(metering.KindForbidden, "Only an admin key above all clients may set rate limits; leave out rate_limit")
		}
		k.RateLimit = *c.RateLimit
	}
	if err := by.applyExpiry(k, c.ExpiresAt); err != nil {
		return err
	}
	return by.applyNarrowing(k, c)
}

func (by *Caller) applyExpiry(k *Key, at *metering.Instant) error {
	if at == nil {
		return nil
	}
	k.ExpiresAt = *at
	limit := by.key.ExpiresAt
	switch {
	case limit == 0:
	case *at == 0:
		k.ExpiresAt = limit
	case *at > limit:
		return metering.Errorf(metering.KindForbidden, "A key may not outlive the one that makes it: expires_at is after %s", limit)
	}
	return nil
}

func (by *Caller) applyNarrowing(k *Key, c *KeyChange) error {
	own := by.key.Narrowing
	if c.Projects != nil {
		k.Narrowing.Projects = narrowed(*c.Projects, own.Projects)
	}
	if c.Regions != nil {
		k.Narrowing.Regions = narrowed(*c.Regions, own.Regions)
	}
	if c.Types != nil {
		k.Narrowing.Types = *c.Types
		if *c.Types == report.AllTypes {
			k.Narrowing.Types = own.Types
		}
	}
	if !scopeWithin(k.Narrowing, own) {
		return metering.Errorf(metering.KindForbidden, "A key may not be wider than the one that makes it: key %s is narrowed to fewer projects, regions or types", by.key.ID)
	}
	return nil
}

func narrowed[T ~int64](wanted, own report.Selection[T]) report.Selection[T] {
	if wanted.All {
		return own
	}
	return wanted
}

// UpdateKey changes a key that exists for the caller. It gives KindConflict for
// a revoked key, and for the last one that can manage everything.
func (r *Registry) UpdateKey(ctx context.Context, by *Caller, id KeyID, c KeyChange) (Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, err := r.Key(by, id)
	if err != nil {
		return Key{}, err
	}
	fields := metering.FieldErrors{}
	c.Check(r.clock(), fields)
	if err := invalid(fields); err != nil {
		return Key{}, err
	}
	if k.RevokedAt != 0 {
		return Key{}, metering.Errorf(metering.KindConflict, "Key %s was revoked at %s; create another one", id, k.RevokedAt)
	}
	if err := by.apply(&k, &c); err != nil {
		return Key{}, err
	}
	if err := r.keepsRootLocked(&k); err != nil {
		return Key{}, err
	}
	return k, r.putKeyLocked(ctx, k)
}

// RevokeKey ends a key: from the return on no request with it is accepted. Its
// record stays, so that its id is not used again. To revoke it once more changes
// nothing.
func (r *Registry) RevokeKey(ctx context.Context, by *Caller, id KeyID) (Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k, err := r.Key(by, id)
	if err != nil || k.RevokedAt != 0 {
		return k, err
	}
	k.RevokedAt = r.clock()
	if err := r.keepsRootLocked(&k); err != nil {
		return Key{}, err
	}
	return k, r.putKeyLocked(ctx, k)
}

// keepsRootLocked gives KindConflict if with k as it will be there were no key
// left that can manage everything, and there is one now.
func (r *Registry) keepsRootLocked(k *Key) error {
	now, callers := r.clock(), r.current.Load().callers
	if isRoot := func(k *Key) bool { return k.root() && k.live(now) }; isRoot(k) || !isRoot(&callers[k.ID].key) {
		return nil
	}
	for id, c := range callers {
		if id != k.ID && !c.key.temporary && c.key.root() && c.key.live(now) {
			return nil
		}
	}
	return metering.Errorf(metering.KindConflict, "Key %s is the last admin key above all clients; create another one first", k.ID)
}

func invalid(fields metering.FieldErrors) error {
	if len(fields) == 0 {
		return nil
	}
	return &metering.Error{Kind: metering.KindInvalid, Message: "Request is not valid; invalid_fields says where", Fields: fields}
}
