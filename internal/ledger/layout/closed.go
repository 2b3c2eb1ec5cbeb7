package layout

import (
	"encoding/binary"
	"fmt"

	"github.com/meterbook/meterbook/internal/metering"
)

// ClosedTimeline is what the states of a resource came to whose first minutes
// lie before a month, once they were dropped. It stands for all of them: what
// lies there still is not folded any more.
type ClosedTimeline struct {
	Before   metering.Month
	Timeline metering.Timeline
}

// AppendClosedStates appends the key of a resource's closed timeline.
func AppendClosedStates(dst []byte, k metering.ResourceKey) []byte {
	return appendResource(append(dst, ClosedStates), k)
}

// AppendClosedQuantities appends the key of what the quantities of a resource
// came to that begin in the month of a day, once they were dropped. It stands
// for all of them.
func AppendClosedQuantities(dst []byte, k metering.ResourceKey, d metering.Day) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, ClosedQuantities), Month(d))
	return appendResource(dst, k)
}

// ClosedOf returns the key of the closed record that stands for a unit's
// observations once they were dropped.
func (u Unit) ClosedOf() []byte {
	if u.Resource.Type.Measure() == metering.Counted {
		return AppendClosedQuantities(nil, u.Resource, u.Day)
	}
	return AppendClosedStates(nil, u.Resource)
}

// ObservationsOf returns what the keys of all observations begin with that a
// unit's closed record stands for: its states, or its quantities of that month.
func ObservationsOf(u Unit) []byte {
	if u.Resource.Type.Measure() == metering.Counted {
		return AppendQuantities(nil, u.Resource, u.Day)
	}
	return AppendStates(nil, u.Resource)
}

// DecodeClosedKey reads the key of a closed record; the month is that of
// quantities.
func DecodeClosedKey(key []byte) (k metering.ResourceKey, month metering.Month, err error) {
	r := reader{b: key}
	prefix := r.byte()
	if prefix == ClosedQuantities {
		if b := r.bytes(2); b != nil {
			month = metering.Month(binary.BigEndian.Uint16(b))
		}
	}
	k = r.resource()
	counted := !r.failed() && k.Type.Measure() == metering.Counted
	reachable := Month(month.Start()) == uint16(month) // instants end in 2262
	if r.failed() || len(r.b) > 0 || !reachable || prefix != ClosedQuantities && prefix != ClosedStates || counted != (prefix == ClosedQuantities) {
		return k, 0, fmt.Errorf("key %x of a closed month: %w", key, errDamaged)
	}
	return k, month, nil
}

// The flags of a closed timeline, and of what is told in closed records besides
// those of observations.
const (
	closedKnown  = 1 << 0
	closedHidden = 1 << 1

	flagAlike = 1 << 5 // metric, unit and attributes are those of the one before
)

// Append appends the timeline's value. Equal timelines have equal values.
func (c *ClosedTimeline) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(c.Before))
	t := &c.Timeline
	if !t.Known {
		return append(dst, 0)
	}
	flags := byte(closedKnown)
	if t.Hidden != metering.NoneHidden {
		flags |= closedHidden
	}
	dst = binary.AppendUvarint(append(dst, flags), uint64(t.LastBoundary))
	dst = binary.AppendUvarint(dst, uint64(len(t.Segments)))
	var end metering.Minute // of the segment before
	var was described
	for i := range t.Segments {
		s := &t.Segments[i]
		length := uint64(s.To - s.From)
		if s.To == metering.Open {
			length = 0
		}
		dst = binary.AppendUvarint(dst, uint64(s.From-end))
		dst = binary.AppendUvarint(dst, length)
		dst = binary.AppendUvarint(dst, s.Is.Multiplier)
		dst = was.append(dst, &s.Is.Meter, &s.Is.Attributes)
		end = s.To
	}
	return dst
}

// DecodeClosedTimeline reads the value of the closed timeline of a resource of a
// type.
func DecodeClosedTimeline(of metering.ResourceType, value []byte) (c ClosedTimeline, err error) {
	r := reader{b: value}
	c.Before = metering.Month(r.upTo(1<<16 - 1))
	flags := r.byte()
	t := &c.Timeline // nothing is taken back of what it stands for, so whether minutes are shared does not matter
	if t.Known = flags&closedKnown != 0; flags&closedHidden != 0 {
		t.Hidden = metering.ManyHidden // which one was not kept
	}
	if t.Known {
		t.LastBoundary = metering.Minute(r.upTo(uint64(metering.Open)))
		r.segments(of, t)
	}
	if r.failed() || len(r.b) > 0 || flags > closedKnown|closedHidden || flags == closedHidden {
		return c, fmt.Errorf("closed timeline %x: %w", value, errDamaged)
	}
	return c, nil
}

func (r *reader) segments(of metering.ResourceType, t *metering.Timeline) {
	var end uint64
	var was described
	for n := r.uvarint(); n > 0 && !r.failed(); n-- {
		from := end + r.upTo(uint64(metering.Open))
		end = from + r.upTo(uint64(metering.Open))
		if end >= uint64(metering.Open) {
			r.fail()
			return
		}
		if end == from {
			end = uint64(metering.Open)
		}
		is := &metering.Description{Multiplier: r.uvarint()}
		is.Meter, is.Attributes = was.read(r, of)
		t.Segments = append(t.Segments, metering.Segment{From: metering.Minute(from), To: metering.Minute(end), Is: is})
	}
}

// upTo reads a number that is at most so great.
func (r *reader) upTo(limit uint64) uint64 {
	n := r.uvarint()
	if n > limit {
		r.fail()
		return 0
	}
	return n
}

// AppendClosedSums appends the value of what the quantities of one month came
// to, in the order of day and meter. Equal sums have equal values.
func AppendClosedSums(dst []byte, sums []metering.DaySum) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(sums)))
	var was described
	for i := range sums {
		s := &sums[i]
		dst = binary.AppendUvarint(dst, uint64(s.Day-metering.MonthOf(s.Day).Start()))
		dst = binary.AppendUvarint(dst, s.Sum.Hi)
		dst = binary.AppendUvarint(dst, s.Sum.Lo)
		dst = binary.AppendUvarint(dst, uint64(s.First-s.Day.Start()))
		dst = binary.AppendUvarint(dst, uint64(s.Last-s.First))
		dst = was.append(dst, &s.Meter, s.Attributes)
	}
	return dst
}

// DecodeClosedSums reads the sums of a resource of a type in a month.
func DecodeClosedSums(of metering.ResourceType, month metering.Month, value []byte) (sums []metering.DaySum, err error) {
	r := reader{b: value}
	var was described
	for n := r.uvarint(); n > 0 && !r.failed(); n-- {
		s := metering.DaySum{Day: month.Start() + metering.Day(r.upTo(30)), Sum: metering.Amount{Hi: r.uvarint(), Lo: r.uvarint()}}
		if metering.MonthOf(s.Day) != month {
			r.fail()
		}
		s.First = s.Day.Start() + metering.Instant(r.upTo(uint64(metering.MaxQuantityWindow)))
		s.Last = s.First + metering.Instant(r.upTo(2*uint64(metering.MaxQuantityWindow)))
		var attributes metering.Attributes
		s.Meter, attributes = was.read(&r, of)
		s.Attributes = &attributes
		sums = append(sums, s)
	}
	if r.failed() || len(r.b) > 0 {
		return nil, fmt.Errorf("closed quantities %x: %w", value, errDamaged)
	}
	return sums, nil
}

// described is what the segment or sum before was like; most are alike.
type described struct {
	known      bool
	meter      metering.Meter
	attributes metering.Attributes
}

func (was *described) append(dst []byte, m *metering.Meter, a *metering.Attributes) []byte {
	if was.known && was.meter == *m && was.attributes.Equal(a) {
		return append(dst, flagAlike)
	}
	*was = described{true, *m, *a}
	return appendDescribed(dst, m, a)
}

func appendDescribed(dst []byte, m *metering.Meter, a *metering.Attributes) []byte {
	flags := flagsOf(&metering.Observation{Meter: *m, Attributes: *a})
	dst = append(dst, flags)
	if flags&flagOwnMetric != 0 {
		dst = appendText(dst, m.Metric)
	}
	if flags&flagOwnUnit != 0 {
		dst = appendText(dst, m.Unit)
	}
	return appendAttributes(dst, a)
}

func (was *described) read(r *reader, of metering.ResourceType) (metering.Meter, metering.Attributes) {
	flags := r.byte()
	switch {
	case flags == flagAlike && was.known:
		return was.meter, was.attributes
	case flags&^(flagOwnMetric|flagOwnUnit|flagTags) != 0:
		r.fail()
		return metering.Meter{}, metering.Attributes{}
	}
	metric, unit := "", ""
	if flags&flagOwnMetric != 0 {
		metric = r.metric(of)
	}
	if flags&flagOwnUnit != 0 {
		unit = r.given()
	}
	now := described{known: true}
	r.attributes(&now.attributes, flags&flagTags != 0)
	if !r.failed() {
		now.meter = r.meter(of, metric, unit, &now.attributes, flags)
		*was = now
	}
	return now.meter, now.attributes
}
