package ledger

import "sync"

// register is a table of the directory twice: as the sequencer has decided it,
// and as it is on the disk, which is what everybody else sees.
type register[ID ~int64, E any] struct {
	next map[ID]E // the sequencer's own
	mu   struct {
		sync.RWMutex
		now map[ID]E
	}
}

func (r *register[ID, E]) clear() {
	r.next, r.mu.now = map[ID]E{}, map[ID]E{}
}

// load adds an entry that is on the disk.
func (r *register[ID, E]) load(id ID, e E) {
	r.next[id] = e
	r.show(id, e)
}

func (r *register[ID, E]) show(id ID, e E) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.now[id] = e
}

// get returns an entry that is on the disk.
func (r *register[ID, E]) get(id ID) (E, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	e, ok := r.mu.now[id]
	return e, ok
}

// each visits all entries that are on the disk, in no order.
func (r *register[ID, E]) each(visit func(E)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, e := range r.mu.now {
		visit(e)
	}
}

// put decides on an entry, and returns what shows it once it is on the disk.
func (r *register[ID, E]) put(id ID, e E) (publish func()) {
	r.next[id] = e
	return func() { r.show(id, e) }
}

// remove is put for an entry that is deleted.
func (r *register[ID, E]) remove(id ID) (publish func()) {
	delete(r.next, id)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.mu.now, id)
	}
}
