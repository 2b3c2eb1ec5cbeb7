package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/meterbook/meterbook/internal/ledger/layout"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

const (
	// dropBytes is the size of a batch of a retention: small, for observations
	// wait for it.
	dropBytes = 1 << 20
	// dropKeys is the number of keys that one iterator reads: while it is there,
	// Pebble keeps what it may show.
	dropKeys = 100_000
)

// drops is what one batch of a retention writes: closed records, and instead of
// what they stand for, nothing. A resource (of counted ones, a month of it) is
// in one batch as a whole.
type drops struct {
	*retention
	stage   string
	sources *sourceTable
	records [][2][]byte // keys and values
	keys    [][]byte    // to be deleted one by one
	ranges  [][2][]byte // to be deleted, half-open
	size    int         // in bytes; 0: there is nothing to do
	keep    [][]byte    // of quantities: within the range in hand
}

// write adds the batch to a group.
func (d *drops) write(g *group) error {
	for _, pair := range d.records {
		g.set(pair[0], pair[1])
	}
	for _, key := range d.keys {
		if err := g.batch.Delete(key, nil); err != nil {
			g.fail(err)
		}
	}
	for _, r := range d.ranges {
		if err := g.batch.DeleteRange(r[0], r[1], nil); err != nil {
			g.fail(err)
		}
	}
	return nil
}

// closable is an observation before the boundary.
type closable struct {
	key    []byte
	size   int
	marked bool
	stored *layout.Stored
}

// gather fills the batch from the key at on, and returns the key to go on from,
// nil when all up to end is done.
func (d *drops) gather(ctx context.Context, r pebble.Reader, at, end []byte) (next []byte, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: at, UpperBound: end})
	if err != nil {
		return nil, fmt.Errorf("read observations: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	limit := d.read + dropKeys
	for it.First(); it.Valid(); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if d.size >= dropBytes || d.read >= limit {
			next = slices.Clone(it.Key())
			break
		}
		unit, told, err := d.resource(it)
		if err == nil && len(told) > 0 {
			err = d.settle(r, unit, told)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := it.Error(); err != nil {
		return nil, fmt.Errorf("read observations: %w", err)
	}
	if d.stage == "quantities" && d.size > 0 {
		behind := end
		if next != nil {
			behind = next
		}
		d.dropRange(at, behind)
	}
	return next, nil
}

// resource reads what of the resource at the iterator lies before the boundary,
// and steps behind the resource; of a counted one, behind the month.
func (d *drops) resource(it *pebble.Iterator) (unit layout.Unit, told []closable, err error) {
	var prefix []byte
	for it.Valid() && (prefix == nil || bytes.HasPrefix(it.Key(), prefix)) {
		c := closable{key: slices.Clone(it.Key())}
		if c.stored, err = decodeAt(it); err != nil {
			return unit, nil, err
		}
		if prefix == nil {
			unit = layout.UnitOf(&c.stored.Observation)
			prefix = layout.ObservationsOf(unit)
		}
		d.step()
		if !d.Before.Closes(c.stored.Kind, c.at()) {
			it.SeekGE(layout.PrefixEnd(prefix))
			break
		}
		if c.stored.Name.Source, err = d.sources.text(c.stored.Source); err != nil {
			return unit, nil, fmt.Errorf("observation %x: %w", c.key, err)
		}
		c.size = len(c.key) + len(it.Value())
		if it.Next() && layout.IsMarkOf(it.Key(), c.key) {
			c.marked, c.size = true, c.size+len(it.Key())
			it.Next()
		}
		told = append(told, c)
	}
	return unit, told, it.Error()
}

func (c *closable) at() metering.Instant {
	if c.stored.Kind == metering.QuantityObserved {
		return c.stored.From
	}
	return c.stored.Time
}

func (r *retention) step() {
	if r.read++; r.read%stepSize == 1 {
		r.progress(report.Progress{Stage: "observations", Done: r.read - 1, Total: max(r.total, r.read)})
	}
}

// settle decides what of a resource is dropped, and what it came to.
func (d *drops) settle(r pebble.Reader, unit layout.Unit, told []closable) error {
	key := unit.ClosedOf()
	value, found, err := get(r, key)
	if err != nil {
		return err
	}
	var was closedRecord
	if found {
		if was, err = decodeClosed(key, value); err != nil {
			return err
		}
	}
	if unit.Resource.Type.Measure() == metering.Counted {
		d.settleQuantities(key, &was, told)
	} else {
		d.settleStates(key, &was, told)
	}
	return nil
}

// settleStates keeps the state in effect at the boundary.
func (d *drops) settleStates(key []byte, was *closedRecord, told []closable) {
	var fold []metering.State
	last := -1 // the greatest that is not retracted
	for i := range told {
		if told[i].marked {
			continue
		}
		s := told[i].stored.State()
		if !was.standsFor(&told[i].stored.Observation) {
			fold = append(fold, s)
		}
		if last < 0 || compareStates(&told[last], &s) < 0 {
			last = i
		}
	}
	if last >= 0 && told[last].stored.Deleted {
		last = -1
	}
	if last >= 0 {
		d.Kept++
		if len(told) == 1 {
			return
		}
	}
	c := layout.ClosedTimeline{Before: d.Before, Timeline: was.Timeline.Continue(fold)}
	d.record(key, c.Append(nil))
	for i := range told {
		if i == last {
			continue
		}
		d.count(&told[i])
		d.keys = append(d.keys, told[i].key)
		if d.size += len(told[i].key); told[i].marked {
			d.keys = append(d.keys, layout.MarkKey(told[i].key))
			d.size += len(told[i].key)
		}
	}
}

func compareStates(c *closable, s *metering.State) int {
	t := c.stored.State()
	return t.Compare(s)
}

// settleQuantities keeps those that reach into the open months.
func (d *drops) settleQuantities(key []byte, was *closedRecord, told []closable) {
	days := map[metering.Day][]metering.Window{}
	dropped := 0
	for i := range told {
		c := &told[i]
		if !c.marked {
			day := c.stored.From.Day()
			days[day] = append(days[day], c.stored.Window())
		}
		if !c.marked && c.stored.To > d.Before.Start().Start() {
			d.Kept++
			d.keep = append(d.keep, c.key)
			continue
		}
		d.count(c)
		dropped++
	}
	switch {
	case dropped == 0:
		return
	case was.found: // it stands for what was left of its month
		d.size++
		d.Resources++
		return
	}
	d.record(key, layout.AppendClosedSums(nil, foldDays(days)))
}

// foldDays sums what was told of a resource, in the order of the days.
func foldDays(days map[metering.Day][]metering.Window) (sums []metering.DaySum) {
	for day, windows := range days {
		sums = append(sums, metering.FoldDay(day, windows)...)
	}
	slices.SortStableFunc(sums, func(a, b metering.DaySum) int { return int(a.Day) - int(b.Day) })
	return sums
}

func (d *drops) record(key, value []byte) {
	d.Resources++
	d.records = append(d.records, [2][]byte{key, value})
	d.size += len(key) + len(value)
}

func (d *drops) count(c *closable) {
	d.Observations++
	d.Bytes += int64(c.size)
}

// dropRange drops the quantities in a range of keys but those that are kept.
func (d *drops) dropRange(from, to []byte) {
	for _, kept := range append(d.keep, to) {
		if bytes.Compare(from, kept) < 0 {
			d.ranges = append(d.ranges, [2][]byte{from, kept})
		}
		from = append(slices.Clone(kept), 0)
	}
}
