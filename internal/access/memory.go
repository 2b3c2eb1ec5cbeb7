package access

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// MemoryRecords are Records that last as long as the program, for servers
// without a durable store. The zero value is empty.
type MemoryRecords struct {
	mu struct {
		sync.Mutex
		values map[string][]byte
	}
}

// Load implements [Records].
func (m *MemoryRecords) Load(context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.mu.values), nil
}

// Put implements [Records].
func (m *MemoryRecords) Put(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.values == nil {
		m.mu.values = map[string][]byte{}
	}
	m.mu.values[key] = slices.Clone(value)
	return nil
}

// Delete implements [Records].
func (m *MemoryRecords) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.values, key)
	return nil
}
