package ledger

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// closing says which months are closed: nothing that changes their usage is
// taken any more, so their observations can be dropped one resource after the
// other, each together with writing what they came to.
//
//	              ---- closed ----> Before
//	states   a  b        c     d   |  e         c is at the last sample before, d behind it
//	kept                 c     d   |  e         c: in effect when the open months begin
//	record   [ a )[ b  )[ c . . . .|            c' timeline goes on open
type closing struct {
	// Before is the first month that is open; 0: none was ever closed.
	Before metering.Month `json:"before"`
	// At is when it was closed, in nanoseconds since 1970.
	At metering.Instant `json:"at"`
	// Unfinished is set until all that can be dropped is.
	Unfinished bool `json:"unfinished"`
}

func closingKey() []byte { return append([]byte{layout.Meta}, "closed"...) }

func readClosing(r pebble.Reader) (c closing, err error) {
	value, found, err := get(r, closingKey())
	if err != nil || !found {
		return c, err
	}
	if err := json.Unmarshal(value, &c); err != nil {
		return c, fmt.Errorf("read which months are closed: %w", err)
	}
	return c, nil
}

// putClosing makes it durable with the group, and the sequencer go by it from
// now on.
func (g *group) putClosing(c closing) {
	g.s.closing = c
	g.set(closingKey(), encodeEntry(c))
}

// refuses says why an observation would change a closed month.
func (g *group) refuses(o *metering.Observation) *metering.Rejection {
	before := g.s.closing.Before
	switch {
	case before == 0:
		return nil
	case o.Kind == metering.RetractionMade:
		if !g.targetIsClosed(o) {
			return nil
		}
		return &metering.Rejection{Code: metering.PeriodClosed, Field: "data.id", Message: fmt.Sprintf(
			"the observation %q of source %q belongs to a month that is closed (all before %s are), so it cannot be retracted: bill the correction in an open month",
			o.TargetID, o.TargetSource, before)}
	case o.Kind == metering.QuantityObserved && before.Closes(o.Kind, o.From):
		return periodClosed(o.From, "data.from", before)
	case o.Kind == metering.StateObserved && before.Closes(o.Kind, o.Time):
		return periodClosed(o.Time, "time", before)
	}
	return nil
}

func periodClosed(at metering.Instant, field string, before metering.Month) *metering.Rejection {
	return &metering.Rejection{Code: metering.PeriodClosed, Field: field, Message: fmt.Sprintf(
		"%s lies in a month that is closed (all before %s are): bill the correction in an open month", at, before)}
}

// targetIsClosed reports whether a retraction names what a closed month rests
// on.
func (g *group) targetIsClosed(o *metering.Observation) bool {
	source, known := g.s.sources.numbers[o.TargetSource]
	if !known {
		return false
	}
	id := g.sought(o.Name.Project, source, o.TargetID)
	target := g.lookUp(o.Name.Project, &id)
	return target != nil && target.Known && g.s.closing.Before.Closes(target.Kind, target.At)
}

// closedRecord is the record that stands for the dropped observations of a
// resource with states, or of a month of a counted one.
type closedRecord struct {
	found bool
	layout.ClosedTimeline
	sums []metering.DaySum
}

// readClosed reads the record that stands for a unit, if there is one. The
// iterator must see the observations too, and at the same moment.
func readClosed(it *pebble.Iterator, unit layout.Unit) (c closedRecord, err error) {
	key := unit.ClosedOf()
	it.SetBounds(key, append(slices.Clone(key), 0))
	if !it.First() {
		return c, it.Error()
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return c, fmt.Errorf("read closed record %x: %w", key, err)
	}
	return decodeClosed(key, value)
}

func decodeClosed(key, value []byte) (c closedRecord, err error) {
	resource, month, err := layout.DecodeClosedKey(key)
	if err != nil {
		return c, err
	}
	c.found = true
	if resource.Type.Measure() == metering.Counted {
		c.sums, err = layout.DecodeClosedSums(resource.Type, month, value)
	} else {
		c.ClosedTimeline, err = layout.DecodeClosedTimeline(resource.Type, value)
	}
	if err != nil {
		return c, fmt.Errorf("closed record %x: %w", key, err)
	}
	return c, nil
}

// ofDay returns the sums of one day.
func (c *closedRecord) ofDay(day metering.Day) []metering.DaySum {
	var sums []metering.DaySum
	for _, s := range c.sums {
		if s.Day == day {
			sums = append(sums, s)
		}
	}
	return sums
}

// standsFor reports whether the record stands for an observation, so that it is
// not folded where it is still there.
func (c *closedRecord) standsFor(o *metering.Observation) bool {
	return c.found && (o.Kind == metering.QuantityObserved || c.Before.Closes(o.Kind, o.Time))
}

// foldFrom folds one unit, whose observations the iterator shows within the
// unit's bounds, and leaves it behind them.
func (c *closing) foldFrom(it *pebble.Iterator, sources *sourceTable, unit layout.Unit) (*folded, error) {
	closed, err := c.read(it, unit)
	if err != nil {
		return nil, err
	}
	return closed.fold(it, sources, unit)
}

// read is readClosed, which it saves where there can be none.
func (c *closing) read(it *pebble.Iterator, unit layout.Unit) (closed closedRecord, err error) {
	if !c.concerns(unit) {
		return closed, nil
	}
	return readClosed(it, unit)
}

// concerns reports whether a closed record may stand for some of a unit.
func (c *closing) concerns(unit layout.Unit) bool {
	return c.Before > 0 && (unit.Resource.Type.Measure() != metering.Counted || unit.Day < c.Before.Start())
}

// fold folds what the record stands for and the observations behind it.
func (c *closedRecord) fold(it *pebble.Iterator, sources *sourceTable, unit layout.Unit) (*folded, error) {
	f, counted := &folded{unit: unit}, unit.Resource.Type.Measure() == metering.Counted
	if c.found && counted {
		f.sums = c.ofDay(unit.Day)
		return f, nil
	}
	from, to := unit.Bounds()
	if c.found {
		from, _ = layout.StatesBounds(unit.Resource, c.Before.FirstOpen(), 0)
	}
	it.SetBounds(from, to)
	it.First()
	states, windows, err := told(it, sources, unit)
	if err != nil {
		return nil, err
	}
	if counted {
		f.sums = metering.FoldDay(unit.Day, windows)
	} else {
		f.timeline = c.Timeline.Continue(states)
	}
	return f, nil
}
