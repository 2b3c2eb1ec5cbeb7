package ledger

import (
	"cmp"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// sourceBook remembers how the event sources have been sending. Like a register
// it holds all twice: as the sequencer counts it, and as it is on the disk. What a
// group changed is part of its batch.
type sourceBook struct {
	clients map[report.ClientID]*clientSources
	touched []*sourceRecord // by the group in hand
	reused  reusedBook
	mu      struct {
		sync.RWMutex
		now    map[report.SourceKey]*sourceShown
		reused map[reusedPlace]*report.ReusedID
	}
}

func newSourceBook() *sourceBook {
	b := &sourceBook{clients: map[report.ClientID]*clientSources{}, reused: reusedBook{clients: map[report.ClientID]*clientReused{}}}
	b.mu.now, b.mu.reused = map[report.SourceKey]*sourceShown{}, map[reusedPlace]*report.ReusedID{}
	return b
}

// clientSources are the sources of one client's keys.
type clientSources struct {
	records map[string]*sourceRecord
	rest    *sourceRecord // of all beyond report.MaxSourcesOfClient
	sought  report.Hour   // when it was last looked for those that may be forgotten
}

// sourceShown is a source with the hour and the day in hand, which the slices of
// the source do not have: those never change.
type sourceShown struct {
	report.Source
	hour report.SourceHour
	day  report.SourceDay
}

// sourceRecord is a source as the sequencer counts it.
type sourceRecord struct {
	sourceShown
	touched, past, sampled bool // what of it the group in hand changed
}

// tally counts what became of a request's observations.
func (g *group) tally(r *request) {
	var record *sourceRecord
	var last *report.Submission
	for i := range r.items {
		s := &r.items[i].Submission
		if last == nil || s.Observation.Name.Source != last.Observation.Name.Source || s.Client != last.Client || s.AnyClient != last.AnyClient {
			record = g.s.book.record(g, s.KeyOfSource(), s.ReceivedAt)
		}
		record.count(s, &r.outcomes[i])
		last = s
	}
}

// record returns the record of a source, marked as touched.
func (b *sourceBook) record(g *group, key report.SourceKey, at metering.Instant) *sourceRecord {
	c := b.clients[key.Client]
	if c == nil {
		c = &clientSources{records: map[string]*sourceRecord{}}
		b.clients[key.Client] = c
	}
	r := c.records[key.Source]
	if r == nil {
		if len(c.records) >= report.MaxSourcesOfClient {
			b.makeRoom(g, c, at)
		}
		r = c.add(key, at)
	}
	if !r.touched {
		r.touched = true
		b.touched = append(b.touched, r)
	}
	return r
}

// add makes the record of a source, or returns that of the rest when there are too
// many.
func (c *clientSources) add(key report.SourceKey, at metering.Instant) *sourceRecord {
	full := len(c.records) >= report.MaxSourcesOfClient
	if full && c.rest != nil {
		return c.rest
	}
	r := &sourceRecord{}
	r.Key, r.Since = key, at
	r.hour.Hour, r.day.Day = report.HourOf(at), at.Day()
	if full {
		r.Key.Source, r.Key.Rest = "", true
		c.rest = r
	} else {
		c.records[key.Source] = r
	}
	return r
}

// makeRoom forgets the sources of a client of which nothing is remembered any
// more. It looks once an hour, so that names that are made up cost nothing.
func (b *sourceBook) makeRoom(g *group, c *clientSources, at metering.Instant) {
	if hour := report.HourOf(at); c.sought != hour {
		c.sought = hour
		for name, r := range c.records {
			if r.touched || r.day.Day > at.Day()-report.SourceDays {
				continue
			}
			delete(c.records, name)
			key := r.Key
			for _, part := range []layout.SourcePart{layout.SourceNow, layout.SourcePast, layout.SourceSamples} {
				if err := g.batch.Delete(layout.AppendSourceKey(nil, key, part), nil); err != nil {
					g.fail(err)
				}
			}
			g.publish = append(g.publish, func() { b.show(key, nil) })
		}
	}
}

// show makes a source visible as it is on the disk; nil: it is forgotten.
func (b *sourceBook) show(key report.SourceKey, s *sourceShown) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s == nil {
		delete(b.mu.now, key)
		return
	}
	b.mu.now[key] = s
}

// saveSources puts what the group changed of the sources into its batch.
func (g *group) saveSources() {
	b := g.s.book
	if len(b.touched) == 0 {
		return
	}
	shown := make([]sourceShown, len(b.touched))
	for i, r := range b.touched {
		g.saveSource(r)
		shown[i] = r.sourceShown
	}
	b.touched = b.touched[:0]
	g.publish = append(g.publish, func() {
		for i := range shown {
			b.show(shown[i].Key, &shown[i])
		}
	})
	g.saveReused()
}

func (g *group) saveSource(r *sourceRecord) {
	key := layout.AppendSourceKey(nil, r.Key, layout.SourceNow)
	part := &key[len(key)-1]
	g.buf = layout.AppendSourceNow(g.buf[:0], &r.Source, &r.hour, &r.day)
	g.set(key, g.buf)
	if *part = byte(layout.SourcePast); r.past {
		g.buf = layout.AppendSourcePast(g.buf[:0], &r.Source)
		g.set(key, g.buf)
	}
	if *part = byte(layout.SourceSamples); r.sampled {
		g.buf = layout.AppendSourceSamples(g.buf[:0], &r.Source)
		g.set(key, g.buf)
	}
	r.touched, r.past, r.sampled = false, false, false
}

// loadSourceBook reads what is remembered of the sources.
func loadSourceBook(r pebble.Reader) (*sourceBook, error) {
	b := newSourceBook()
	err := scan(r, []byte{layout.EventSources}, func(key, value []byte) error {
		k, part, err := layout.DecodeSourceKey(key)
		if err != nil {
			return err
		}
		return b.load(k).read(part, value)
	})
	if err != nil {
		return nil, err
	}
	for _, c := range b.clients {
		for _, r := range c.records {
			shown := r.sourceShown
			b.mu.now[r.Key] = &shown
		}
		if c.rest != nil {
			shown := c.rest.sourceShown
			b.mu.now[c.rest.Key] = &shown
		}
	}
	return b, b.loadReused(r)
}

// load returns the record of a source that is on the disk.
func (b *sourceBook) load(k report.SourceKey) *sourceRecord {
	c := b.clients[k.Client]
	if c == nil {
		c = &clientSources{records: map[string]*sourceRecord{}}
		b.clients[k.Client] = c
	}
	switch {
	case k.Rest && c.rest != nil:
		return c.rest
	case c.records[k.Source] != nil && !k.Rest:
		return c.records[k.Source]
	}
	r := &sourceRecord{}
	if r.Key = k; k.Rest {
		c.rest = r
	} else {
		c.records[k.Source] = r
	}
	return r
}

// read takes in one part.
func (r *sourceRecord) read(part layout.SourcePart, value []byte) (err error) {
	switch part {
	case layout.SourceNow:
		r.hour, r.day, err = layout.DecodeSourceNow(value, &r.Source)
	case layout.SourcePast:
		err = layout.DecodeSourcePast(value, &r.Source)
	default:
		err = layout.DecodeSourceSamples(value, &r.Source)
	}
	return err
}

// Sources implements report.SourceKeeper.
func (l *Ledger) Sources(of report.SourceScope) []*report.Source {
	b := l.sequencer.book
	b.mu.RLock()
	defer b.mu.RUnlock()
	var found []*report.Source
	for key, s := range b.mu.now {
		if of.All || key.Client == of.Client {
			found = append(found, s.whole())
		}
	}
	slices.SortFunc(found, func(a, b *report.Source) int { return a.Key.Compare(b.Key) })
	return found
}

// whole returns the source with the hour and the day in hand at their places.
func (s *sourceShown) whole() *report.Source {
	all := s.Source
	all.Hours = slices.SortedFunc(slices.Values(append(slices.Clip(s.Hours), s.hour)), func(a, b report.SourceHour) int { return cmp.Compare(a.Hour, b.Hour) })
	all.Days = slices.SortedFunc(slices.Values(append(slices.Clip(s.Days), s.day)), func(a, b report.SourceDay) int { return cmp.Compare(a.Day, b.Day) })
	return &all
}
