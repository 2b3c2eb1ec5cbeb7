package ingest

import (
	"errors"
	"io"
	"sync"

	"github.com/meterbook/meterbook/internal/report"
)

// How much of decompressed bodies that are not streams may be in memory, in
// bodies of the greatest size: of all clients together, and of one, so that one
// that sends slowly leaves room for others.
const (
	bodiesAtOnce   = 4
	bodiesOfClient = 2
)

// errCrowded ends a body for which there is no room.
var errCrowded = errors.New("too much of other bodies is in memory")

// budget bounds how much of bodies is in memory at once. A body takes what has
// arrived of it, not what it may come to.
type budget struct {
	most, mostOfClient int64
	mu                 struct {
		sync.Mutex
		taken    int64
		ofClient map[report.ClientID]int64
	}
}

func newBudget(most, mostOfClient int64) *budget {
	b := &budget{most: most, mostOfClient: mostOfClient}
	b.mu.ofClient = map[report.ClientID]int64{}
	return b
}

// holding is what one body has taken.
type holding struct {
	budget *budget
	client report.ClientID
	taken  int64
	source io.Reader
}

func (b *budget) begin(client report.ClientID) *holding { return &holding{budget: b, client: client} }

// reader returns a reader that takes what is read from source.
func (h *holding) reader(source io.Reader) io.Reader { h.source = source; return h }

// Read implements io.Reader. It gives errCrowded when there is no room.
func (h *holding) Read(p []byte) (int, error) {
	n, err := h.source.Read(p)
	if !h.take(int64(n)) {
		return n, errCrowded
	}
	return n, err
}

func (h *holding) take(n int64) bool {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.taken+n > b.most || b.mu.ofClient[h.client]+n > b.mostOfClient {
		return false
	}
	h.taken += n
	b.mu.taken += n
	b.mu.ofClient[h.client] += n
	return true
}

// release gives back what the body took.
func (h *holding) release() {
	b := h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.taken -= h.taken
	if b.mu.ofClient[h.client] -= h.taken; b.mu.ofClient[h.client] == 0 {
		delete(b.mu.ofClient, h.client)
	}
	h.taken = 0
}
