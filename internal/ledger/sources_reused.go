package ledger

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// reusedPlace is where an id that was reused lies.
type reusedPlace struct {
	client report.ClientID
	place  uint16
}

// reusedBook remembers the ids that were sent again with other content, of each
// client the report.MaxReusedIDs that came up last. It belongs to the sequencer.
type reusedBook struct {
	clients map[report.ClientID]*clientReused
	touched map[reusedPlace]*report.ReusedID // by the group in hand
}

type clientReused struct {
	places map[metering.ObservationName]uint16
	ids    []*report.ReusedID // by place; they never change
	next   uint16             // place for the next one, once all are taken
}

func (b *reusedBook) of(client report.ClientID) *clientReused {
	c := b.clients[client]
	if c == nil {
		c = &clientReused{places: map[metering.ObservationName]uint16{}}
		b.clients[client] = c
	}
	return c
}

// reuse notes that the name of what stands was sent with other content.
func (b *reusedBook) reuse(s *report.Submission, stands *layout.IDEntry) {
	resource := stands.Resource
	if stands.Kind == metering.RetractionMade {
		resource = s.Observation.Resource
	}
	if !resource.Type.Valid() {
		return // two retractions: they are of no resource
	}
	client := s.KeyOfSource().Client
	c := b.of(client)
	u := &report.ReusedID{Name: s.Observation.Name, Resource: resource, First: s.ReceivedAt}
	place, known := c.places[u.Name]
	switch {
	case known:
		*u = *c.ids[place]
		c.ids[place] = u
	case len(c.ids) < report.MaxReusedIDs:
		place = uint16(len(c.ids))
		c.ids = append(c.ids, u)
	default:
		place = c.next
		c.next = (c.next + 1) % report.MaxReusedIDs
		delete(c.places, c.ids[place].Name)
		c.ids[place] = u
	}
	c.places[u.Name] = place
	u.Last, u.Times = s.ReceivedAt, u.Times+1
	if b.touched == nil {
		b.touched = map[reusedPlace]*report.ReusedID{}
	}
	b.touched[reusedPlace{client, place}] = u
}

// saveReused puts the ids that the group found reused into its batch.
func (g *group) saveReused() {
	b := g.s.book
	touched := b.reused.touched
	if len(touched) == 0 {
		return
	}
	b.reused.touched = nil
	for at, u := range touched {
		g.set(layout.AppendReusedKey(nil, at.client, at.place), layout.AppendReused(nil, u))
	}
	g.publish = append(g.publish, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		maps.Copy(b.mu.reused, touched)
	})
}

func (b *sourceBook) loadReused(r pebble.Reader) error {
	err := scan(r, []byte{layout.ReusedIDs}, func(key, value []byte) error {
		client, place, err := layout.DecodeReusedKey(key)
		if err != nil {
			return err
		}
		u, err := layout.DecodeReused(value)
		if err != nil {
			return err
		}
		c := b.reused.of(client)
		if int(place) != len(c.ids) {
			return fmt.Errorf("key %x of an id that was reused: the one before it is missing", key)
		}
		c.ids = append(c.ids, u)
		c.places[u.Name] = place
		if u.First < c.ids[c.next].First {
			c.next = place
		}
		b.mu.reused[reusedPlace{client, place}] = u
		return nil
	})
	return err
}

// reusedIDs visits the ids within the scope that were refused in the period, in
// the order of their resources, sources and ids.
func (b *sourceBook) reusedIDs(in metering.Period, scope report.Scope, visit func(*report.Finding) error) error {
	found := map[metering.ObservationName]report.ReusedID{}
	b.mu.RLock()
	for _, u := range b.mu.reused {
		if in.From < in.To && scope.Contains(u.Resource) {
			found[u.Name] = u.Join(found[u.Name])
		}
	}
	b.mu.RUnlock()
	for _, u := range slices.SortedFunc(maps.Values(found), report.ReusedID.Compare) {
		if u.First.Day() >= in.To || u.Last.Day() < in.From {
			continue
		}
		if err := visit(report.FindingOfReuse(&u)); err != nil {
			return err
		}
	}
	return nil
}
