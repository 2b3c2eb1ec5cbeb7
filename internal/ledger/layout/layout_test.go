package layout

import (
	"bytes"
	"math/rand/v2"
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
