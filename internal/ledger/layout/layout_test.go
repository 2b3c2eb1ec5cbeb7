package layout

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// observations returns one of each kind with every member set, and edge cases.
func observations() []*metering.Observation {
	uuid := metering.UUID{1, 2, 3}
	attributes := metering.Attributes{Tags: metering.Tags{{Key: "a", Value: ""}, {Key: "b", Value: strings.Repeat("ä", 256)}}}
	for i := range attributes.Texts {
		attributes.Texts[i] = "text"
		if metering.Attribute(i).Form() == metering.FormUUID {
			attributes.Texts[i] = uuid.String()
		}
	}
	key := metering.ResourceKey{Project: metering.MaxProjectID, Region: 1, ID: uuid}
	var all []*metering.Observation
	for _, t := range metering.ResourceTypes() {
		key.Type = t
		o := metering.Observation{
			Kind: metering.StateObserved, Name: metering.ObservationName{Project: key.Project, ID: "id"},
			Time: metering.MinEventTime + 5, Sequence: 1<<63 - 1, Resource: key, Attributes: attributes, Multiplier: metering.MaxSizeBytes,
		}
		o.Meter = t.Meter("", "", &o.Attributes)
		if t.Measure() == metering.Counted {
			o.Kind, o.Multiplier = metering.QuantityObserved, 0
			o.From, o.To = o.Time, o.Time+metering.MaxQuantityWindow
			o.Quantity = metering.Product(1<<63-1, 1e6)
			o.Meter = t.Meter("", "own", &o.Attributes)
		}
		own := o
		own.Meter.Metric, own.Name.ID = "own metric", uuid.String()
		all = append(all, &o, &own)
	}
	for _, id := range []string{strings.ToUpper(uuid.String()), strings.Repeat("x", 254), strings.Repeat("x", 255), "\x01"} {
		o := *all[0]
		o.Name.ID, o.Attributes, o.Deleted, o.Sequence, o.Multiplier = id, metering.Attributes{}, true, 0, 0
		o.Meter = metering.Meter{Type: o.Resource.Type}
		all = append(all, &o)
	}
	return append(all, &metering.Observation{
		Kind: metering.RetractionMade, Name: metering.ObservationName{Project: 7, ID: "r"}, Time: metering.MinEventTime,
		TargetSource: "/s", TargetID: "t", Reason: "because",
	})
}

func TestObservationsComeBackAsTheyWereStored(t *testing.T) {
	t.Parallel()
	for i, o := range observations() {
		key := AppendKey(nil, o, Seq(i+1))
		value := AppendValue([]byte{9}, o, o.Time+77)
		got, err := Decode(key, value)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if !got.SameContent(o) || got.Name != o.Name || got.Seq != Seq(i+1) || got.Source != 9 || got.ReceivedAt != o.Time+77 {
			t.Errorf("stored %+v\nread   %+v", o, got)
		}
		if IsMark(key) || o.Kind != metering.RetractionMade && !IsMark(MarkKey(key)) || !IsMarkOf(MarkKey(key), key) {
			t.Errorf("key %x: marks are not told apart", key)
		}
		entry := EntryOf(o, Seq(i+1))
		entry.Retracted = i%2 == 0
		back, err := DecodeIDEntry(o.Name.Project, entry.Append(nil))
		if err != nil || !bytes.Equal(back.Key(o.Name.Project), key) || back.Retracted != entry.Retracted {
			t.Errorf("id entry %+v came back as %+v, %v", entry, back, err)
		}
	}
}

func TestDamagedBytesAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range observations() {
		key, value := AppendKey(nil, o, 5), AppendValue([]byte{9}, o, o.Time)
		for n := range value {
			if _, err := Decode(key, value[:n]); err == nil {
				t.Fatalf("a value of %d bytes cut to %d was read", len(value), n)
			}
		}
		for n := range key {
			if _, err := Decode(key[:n], value); err == nil {
				t.Fatalf("a key of %d bytes cut to %d was read", len(key), n)
			}
		}
		entry := EntryOf(o, 5)
		for n := range entry.Append(nil) {
			if _, err := DecodeIDEntry(1, entry.Append(nil)[:n]); err == nil {
				t.Fatalf("an id entry cut to %d bytes was read", n)
			}
		}
	}
}

func TestKeysSortAsTimesAndNumbersDo(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	numbers := []uint64{0, 1, 255, 256, 1<<32 - 1, 1 << 32, 1<<64 - 1}
	for range 1000 {
		numbers = append(numbers, random.Uint64()>>random.IntN(64))
	}
	slices.Sort(numbers)
	for i := 1; i < len(numbers); i++ {
		a, b := AppendUint(nil, numbers[i-1]), AppendUint(nil, numbers[i])
		if numbers[i-1] != numbers[i] && bytes.Compare(a, b) >= 0 {
			t.Fatalf("%d does not sort before %d", numbers[i-1], numbers[i])
		}
	}
	if bytes.Compare(appendInstant(nil, -1), appendInstant(nil, 1)) >= 0 {
		t.Error("an instant before 1970 does not sort before one after it")
	}
}

func TestUnitBoundsHoldJustTheUnit(t *testing.T) {
	t.Parallel()
	for _, o := range observations() {
		if o.Kind == metering.RetractionMade {
			continue
		}
		from, to := UnitOf(o).Bounds()
		within := func(o *metering.Observation) bool {
			for _, key := range [][]byte{AppendKey(nil, o, 1<<40), MarkKey(AppendKey(nil, o, 1<<40))} {
				if bytes.Compare(from, key) > 0 || bytes.Compare(key, to) >= 0 {
					return false
				}
			}
			return true
		}
		other, nextDay := *o, *o
		other.Resource.ID[15]++
		nextDay.From += 86400 * metering.Second
		if !within(o) || within(&other) || o.Kind == metering.QuantityObserved && within(&nextDay) {
			t.Errorf("bounds %x to %x of %+v", from, to, o)
		}
	}
}

func TestJournalEntriesComeBack(t *testing.T) {
	t.Parallel()
	in := Touched{IDs: []uint64{1, 1 << 63}, Units: []Unit{{Resource: observations()[0].Resource}, {Resource: observations()[22].Resource, Day: -3}}}
	var out Touched
	value := in.Append(nil)
	id, unit := func(h uint64) { out.IDs = append(out.IDs, h) }, func(u Unit) { out.Units = append(out.Units, u) }
	if err := DecodeTouched(value, id, unit); err != nil || !slices.Equal(in.IDs, out.IDs) || !slices.Equal(in.Units, out.Units) {
		t.Fatalf("wrote %+v, read %+v, %v", in, out, err)
	}
	if err := DecodeTouched(value[:len(value)-1], id, unit); err == nil {
		t.Error("a journal entry that is cut short was read")
	}
}

// closedRecords returns closed timelines and sums of every type.
func closedRecords() (timelines []ClosedTimeline, sums [][]metering.DaySum) {
	for _, o := range observations() {
		if o.Kind == metering.RetractionMade || o.Deleted {
			continue
		}
		is := &metering.Description{Meter: o.Meter, Multiplier: o.Multiplier, Attributes: o.Attributes}
		other := &metering.Description{Meter: o.Meter, Multiplier: 7, Attributes: o.Attributes}
		bare := &metering.Description{Meter: o.Resource.Type.Meter("", "", &metering.Attributes{}), Multiplier: 1}
		timelines = append(timelines,
			ClosedTimeline{Before: 400, Timeline: metering.Timeline{Known: true, Hidden: metering.ManyHidden, LastBoundary: 30, Segments: []metering.Segment{
				{From: 5, To: 6, Is: is}, {From: 6, To: 20, Is: other}, {From: 21, To: 22, Is: bare}, {From: 25, To: metering.Open, Is: is}}}},
			ClosedTimeline{Before: 1, Timeline: metering.Timeline{Known: true, LastBoundary: 9}}, ClosedTimeline{Before: 1<<16 - 1})
		first := metering.DayOf(2024, 2, 1)
		sums = append(sums, nil, []metering.DaySum{
			{Day: first, Meter: o.Meter, Sum: metering.Amount{Hi: 1, Lo: 2}, First: first.Start(), Last: first.Start() + 2*metering.MaxQuantityWindow - 1, Attributes: &o.Attributes},
			{Day: first + 28, Meter: o.Meter, First: (first + 29).Start() - 1, Last: (first + 29).Start(), Attributes: &o.Attributes},
			{Day: first + 28, Meter: bare.Meter, First: (first + 28).Start(), Last: (first + 29).Start(), Attributes: &bare.Attributes},
		})
	}
	return timelines, sums
}

func TestClosedRecordsComeBackAndDamageIsRefused(t *testing.T) {
	t.Parallel()
	timelines, sums := closedRecords()
	for i := range timelines {
		c, value := &timelines[i], timelines[i].Append(nil)
		of := metering.ResourceType(1)
		if len(c.Timeline.Segments) > 0 {
			of = c.Timeline.Segments[0].Is.Meter.Type
		}
		got, err := DecodeClosedTimeline(of, value)
		if err != nil || !reflect.DeepEqual(&got, c) {
			t.Errorf("stored %+v\nread   %+v, %v", c, got, err)
		}
		for n := range value {
			if _, err := DecodeClosedTimeline(of, value[:n]); err == nil {
				t.Fatalf("a timeline of %d bytes cut to %d was read", len(value), n)
			}
		}
	}
	for _, s := range sums {
		value, of := AppendClosedSums(nil, s), metering.ResourceType(1)
		if len(s) > 0 {
			of = s[0].Meter.Type
		}
		got, err := DecodeClosedSums(of, metering.MonthOf(metering.DayOf(2024, 2, 1)), value)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("stored %+v\nread   %+v, %v", s, got, err)
		}
		for n := range value {
			if _, err := DecodeClosedSums(of, 1, value[:n]); err == nil {
				t.Fatalf("sums of %d bytes cut to %d were read", len(value), n)
			}
		}
	}
}

func TestClosedRecordsAreFoundByTheirUnits(t *testing.T) {
	t.Parallel()
	for _, o := range observations() {
		if o.Kind == metering.RetractionMade {
			continue
		}
		unit := UnitOf(o)
		k, month, err := DecodeClosedKey(unit.ClosedOf())
		if err != nil || k != o.Resource || o.Kind == metering.QuantityObserved && month != metering.MonthOf(unit.Day) {
			t.Errorf("%+v: the closed record is of %v in %v, %v", unit, k, month, err)
		}
		if !bytes.HasPrefix(AppendKey(nil, o, 7), ObservationsOf(unit)) {
			t.Errorf("%+v does not lie among the observations of %+v", o, unit)
		}
		if key := unit.ClosedOf(); len(key) > 0 {
			if _, _, err := DecodeClosedKey(key[:len(key)-1]); err == nil {
				t.Errorf("key %x cut by a byte was read", key)
			}
		}
	}
}
