package access

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Records keeps the registry's records. What was put or deleted is durable when
// the call returns.
type Records interface {
	Load(ctx context.Context) (map[string][]byte, error)
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
}

// Options are the registry's surroundings.
type Options struct {
	Clock  func() metering.Instant // required
	Random io.Reader               // of ids and secrets; nil: crypto/rand
}

// Registry knows all clients and keys. It is safe for concurrent use.
type Registry struct {
	records Records
	clock   func() metering.Instant
	random  io.Reader

	// current is what is in force. Published snapshots never change, so that
	// authentication takes no lock.
	current atomic.Pointer[snapshot]
	// mu makes changes one after the other, from the check to the publication.
	mu struct{ sync.Mutex }
}

type snapshot struct {
	callers map[KeyID]*Caller
	clients map[report.ClientID]Client
}

// Open loads the registry, and makes the default client where it is missing.
func Open(ctx context.Context, records Records, o Options) (*Registry, error) {
	r := &Registry{records: records, clock: o.Clock, random: o.Random}
	if r.random == nil {
		r.random = rand.Reader
	}
	stored, err := records.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load clients and keys: %w", err)
	}
	s := &snapshot{callers: map[KeyID]*Caller{}, clients: map[report.ClientID]Client{}}
	for name, value := range stored {
		if err := s.add(name, value); err != nil {
			return nil, fmt.Errorf("read access record %q: %w", name, err)
		}
	}
	r.current.Store(s)
	if _, exists := s.clients[report.DefaultClient]; !exists {
		r.mu.Lock()
		defer r.mu.Unlock()
		err = r.putClientLocked(ctx, Client{ID: report.DefaultClient, Name: "Default", Number: 1, CreatedAt: r.clock()})
	}
	return r, err
}

func (s *snapshot) add(name string, value []byte) error {
	if id, isKey := strings.CutPrefix(name, keyPrefix); isKey {
		k, err := decodeKey(KeyID(id), value)
		s.callers[k.ID] = &Caller{key: k}
		return err
	}
	if id, isClient := strings.CutPrefix(name, clientPrefix); isClient {
		c, err := decodeClient(report.ClientID(id), value)
		s.clients[c.ID] = c
		return err
	}
	return fmt.Errorf("it is neither a key nor a client; was it written by a newer program?")
}

// putKeyLocked stores a key, unless it is temporary, then puts it in force. It goes on when the request
// that asked for it is broken off: a change is never stored but not in force.
func (r *Registry) putKeyLocked(ctx context.Context, k Key) error {
	if !k.temporary {
		value, err := encodeKey(&k)
		if err != nil {
			return fmt.Errorf("encode key %s: %w", k.ID, err)
		}
		if err := r.records.Put(context.WithoutCancel(ctx), keyPrefix+string(k.ID), value); err != nil {
			return fmt.Errorf("store key %s: %w", k.ID, err)
		}
	}
	now := r.current.Load()
	next := &snapshot{callers: maps.Clone(now.callers), clients: now.clients}
	next.callers[k.ID] = &Caller{key: k}
	r.current.Store(next)
	return nil
}

func (r *Registry) putClientLocked(ctx context.Context, c Client) error {
	value, err := encodeClient(&c)
	if err != nil {
		return fmt.Errorf("encode client %s: %w", c.ID, err)
	}
	if err := r.records.Put(context.WithoutCancel(ctx), clientPrefix+string(c.ID), value); err != nil {
		return fmt.Errorf("store client %s: %w", c.ID, err)
	}
	now := r.current.Load()
	next := &snapshot{callers: now.callers, clients: maps.Clone(now.clients)}
	next.clients[c.ID] = c
	r.current.Store(next)
	return nil
}

func (r *Registry) deleteClientLocked(ctx context.Context, id report.ClientID) error {
	if err := r.records.Delete(context.WithoutCancel(ctx), clientPrefix+string(id)); err != nil {
		return fmt.Errorf("delete client %s: %w", id, err)
	}
	now := r.current.Load()
	next := &snapshot{callers: now.callers, clients: maps.Clone(now.clients)}
	delete(next.clients, id)
	r.current.Store(next)
	return nil
}
