package ledger

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
)

// closedCursor walks the closed records beside the observations, in the same
// order of units.
type closedCursor struct {
	v       *verifier
	it      *pebble.Iterator
	lastKey []byte // of the record that was met last
	last    closedRecord
}

func (v *verifier) newClosedCursor(prefix byte) (*closedCursor, error) {
	it, err := v.r.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
	if err != nil {
		return nil, err
	}
	it.First()
	return &closedCursor{v: v, it: it}, nil
}

// at settles the records of units that come before, of which there is no
// observation, and returns the record that stands for the unit's, if there is
// one.
func (c *closedCursor) at(unit layout.Unit) (closedRecord, error) {
	key := unit.ClosedOf()
	for c.it.Valid() && bytes.Compare(c.it.Key(), key) < 0 {
		if err := c.meet(true); err != nil {
			return closedRecord{}, err
		}
	}
	if c.it.Valid() && bytes.Equal(c.it.Key(), key) {
		if err := c.meet(false); err != nil {
			return closedRecord{}, err
		}
	}
	if bytes.Equal(c.lastKey, key) {
		return c.last, nil
	}
	return closedRecord{}, c.it.Error()
}

// rest settles the records behind all observations.
func (c *closedCursor) rest() error {
	if c.it == nil {
		return nil // retractions have none
	}
	for c.it.Valid() {
		if err := c.meet(true); err != nil {
			return err
		}
	}
	return c.it.Error()
}

// meet checks the record at hand and steps behind it. alone: no observation of
// its unit is left.
func (c *closedCursor) meet(alone bool) error {
	v := c.v
	value, err := c.it.ValueAndErr()
	if err != nil {
		return fmt.Errorf("read closed record %x: %w", c.it.Key(), err)
	}
	c.lastKey, c.last = append(c.lastKey[:0], c.it.Key()...), closedRecord{}
	resource, month, err := layout.DecodeClosedKey(c.lastKey)
	if err == nil {
		c.last, err = decodeClosed(c.lastKey, value)
	}
	if err != nil {
		v.differ(checkClosed, fmt.Sprintf("closed record at %x", c.lastKey), err.Error(), "a closed record")
		c.it.Next()
		return nil
	}
	v.registered(resource.Project, resource.Region, func() string { return "the closed record of " + resourceText(resource) })
	v.checkClosed(resource, month, &c.last, value)
	switch {
	case resource.Type.Measure() == metering.Counted:
		v.closedDays(resource, c.last.sums)
	case alone:
		v.settle(&unitFold{unit: layout.Unit{Resource: resource}, begun: true, closed: c.last})
	}
	c.it.Next()
	return nil
}

// checkClosed checks a closed record by itself.
func (v *verifier) checkClosed(k metering.ResourceKey, month metering.Month, c *closedRecord, value []byte) {
	before, again := c.Before, c.Append(nil)
	if k.Type.Measure() == metering.Counted {
		before, again = month+1, layout.AppendClosedSums(nil, c.sums)
	}
	if before > v.months.Before {
		v.differ(checkClosed, resourceText(k), "closed before "+before.String(), "open: months are closed before "+v.months.Before.String())
	}
	if !bytes.Equal(again, value) {
		v.differ(checkClosed, resourceText(k), fmt.Sprintf("closed record %x", value), fmt.Sprintf("its one form, %x", again))
	}
}

// closedDays compares each day of a month of a counted resource.
func (v *verifier) closedDays(k metering.ResourceKey, sums []metering.DaySum) {
	for len(sums) > 0 {
		n := 1
		for n < len(sums) && sums[n].Day == sums[0].Day {
			n++
		}
		v.Days++
		v.compareDay(layout.Unit{Resource: k, Day: sums[0].Day}, sums[:n])
		sums = sums[n:]
	}
}

// inEffect checks that the state was kept that is in effect when the open months
// begin: their figures rest on it.
func (v *verifier) inEffect(f *unitFold) {
	segments := f.closed.Timeline.Segments
	if len(segments) == 0 || segments[len(segments)-1].To != metering.Open {
		return
	}
	is := segments[len(segments)-1].Is
	if f.kept == nil || f.kept.Is == nil || !f.kept.Is.Equal(is) {
		v.differ(checkClosed, resourceText(f.unit.Resource), "the state in effect when its months were closed is gone", "kept")
	}
}

// droppedNumber checks the number of a dropped observation, of which only the id
// entry is left.
func (v *verifier) droppedNumber(key []byte, n layout.Seq) {
	if n == 0 || n > v.last {
		v.differ(checkSequence, v.idText(key), fmt.Sprintf("number %d", n), fmt.Sprintf("a number from 1 to %d, the last one given out", v.last))
	}
}
