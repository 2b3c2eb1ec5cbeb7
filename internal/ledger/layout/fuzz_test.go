package layout

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// FuzzObservation: whatever lies at a key is refused, or is an observation that
// is written as the same bytes again, but for a metric or unit that has become
// the type's own since.
func FuzzObservation(f *testing.F) {
	for _, o := range observations() {
		f.Add(AppendKey(nil, o, 5), AppendValue([]byte{9}, o, o.Time))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		s, err := Decode(key, value)
		var d Decoder
		for range 2 { // the second time it knows the description already
			var again Stored
			if wrong := d.Decode(&again, key, value); fmt.Sprint(wrong) != fmt.Sprint(err) || err == nil && !reflect.DeepEqual(&again, s) {
				t.Errorf("key %x and value %x were read as %+v, %v, and then as %+v, %v", key, value, s, err, again, wrong)
			}
		}
		if err != nil {
			return
		}
		if again := AppendKey(nil, &s.Observation, s.Seq); !bytes.Equal(again, key) {
			t.Errorf("key %x was read as %+v, which has the key %x", key, s, again)
		}
		if s.Kind == metering.QuantityObserved && s.To <= s.From || s.Sequence < 0 || s.Kind != metering.RetractionMade && !s.Resource.Type.Valid() {
			t.Errorf("no observation: %+v", s)
		}
		again := AppendValue(binary.AppendUvarint(nil, uint64(s.Source)), &s.Observation, s.ReceivedAt)
		if bytes.Equal(again, value) {
			return
		}
		twice, err := Decode(key, again)
		if err != nil || len(again) >= len(value) || !s.tells(twice) {
			t.Errorf("value %x was read as %+v, which is written as %x", value, s, again)
		}
		if s.Kind == metering.RetractionMade {
			t.Errorf("a retraction has two forms: %x and %x", value, again)
		}
	})
}

// tells compares all that two of one key tell.
func (s *Stored) tells(u *Stored) bool {
	return s.SameContent(&u.Observation) && s.Name == u.Name && s.Source == u.Source && s.ReceivedAt == u.ReceivedAt && s.Seq == u.Seq
}

// FuzzIDEntry: an id entry is refused, or is written as the same bytes again,
// and points to a key that is told from all others.
func FuzzIDEntry(f *testing.F) {
	for i, o := range observations() {
		entry := EntryOf(o, Seq(i+1))
		entry.Retracted = i%2 == 0
		f.Add(AppendID(nil, o.Name.Project, 7, o.Name.ID), entry.Append(nil))
	}
	f.Add(AppendID(nil, 1, 1, "early"), []byte{2})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		project, source, id, err := DecodeID(key)
		if err != nil {
			return
		}
		if again := AppendID(nil, project, source, id); !bytes.Equal(again, key) {
			t.Errorf("id key %x was read as %d, %d, %q, which has the key %x", key, project, source, id, again)
		}
		e, err := DecodeIDEntry(project, value)
		if err != nil {
			return
		}
		if again := e.Append(nil); !bytes.Equal(again, value) {
			t.Errorf("id entry %x was read as %+v, which is written as %x", value, e, again)
		}
		if !e.Known {
			return
		}
		at := e.Key(project)
		if prefix := at[0]; (prefix == Retractions) != (e.Kind == metering.RetractionMade) || (prefix == Quantities) != (e.Kind == metering.QuantityObserved) {
			t.Errorf("id entry %+v points to key %x", e, at)
		}
		if IsMark(at) || e.Kind != metering.RetractionMade && !IsMark(MarkKey(at)) {
			t.Errorf("key %x is taken for a mark, or its mark is not", at)
		}
	})
}

// FuzzJournal: a journal entry is refused, or is written as the same bytes
// again. No more is handed out than there is.
func FuzzJournal(f *testing.F) {
	o := observations()
	whole := Touched{IDs: []uint64{1, 1 << 63}, Units: []Unit{{Resource: o[0].Resource}, {Resource: o[22].Resource, Day: -3}}}
	f.Add(AppendSeqKey(nil, Journal, 77), whole.Append(nil))
	f.Add(AppendSeqKey(nil, Journal, 0), (&Touched{}).Append(nil))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if n, err := SeqOfKey(key); err == nil && !bytes.Equal(AppendSeqKey(nil, key[0], n), key) {
			t.Errorf("key %x was read as %d", key, n)
		}
		var read Touched
		err := DecodeTouched(value, func(h uint64) { read.IDs = append(read.IDs, h) }, func(u Unit) { read.Units = append(read.Units, u) })
		if len(read.IDs) > len(value)/8 || len(read.Units) > len(value) {
			t.Errorf("%d bytes gave %d ids and %d units", len(value), len(read.IDs), len(read.Units))
		}
		if again := read.Append(nil); err == nil && !bytes.Equal(again, value) {
			t.Errorf("journal entry %x was read as %+v, which is written as %x", value, read, again)
		}
	})
}

// FuzzKeyOrder: keys sort as project, region, type, resource, instant and number
// do, and a unit's bounds hold the keys of that unit and of no other.
func FuzzKeyOrder(f *testing.F) {
	f.Add(uint64(1), uint64(256), uint8(1), uint8(2), int64(0), int64(-1), uint64(255), uint64(256))
	f.Add(uint64(1), uint64(1), uint8(5), uint8(5), int64(86_400_000_000_000), int64(86_399_999_999_999), uint64(1), uint64(1))
	f.Fuzz(func(t *testing.T, p1, p2 uint64, t1, t2 uint8, at1, at2 int64, n1, n2 uint64) {
		a, b := drawnObservation(p1, t1, at1), drawnObservation(p2, t2, at2)
		x, y := AppendKey(nil, a, Seq(n1)), AppendKey(nil, b, Seq(n2))
		if a.Kind != b.Kind {
			return
		}
		want := a.Resource.Compare(b.Resource)
		if a.Kind == metering.QuantityObserved {
			want = compareNumbers(int64(Month(a.From.Day())), int64(Month(b.From.Day())), int64(want))
		}
		want = compareNumbers(int64(want), 0, compareNumbersAs64(int64(a.Time), int64(b.Time), n1, n2))
		if got := bytes.Compare(x, y); got != want {
			t.Errorf("%x and %x compare as %d, want %d", x, y, got, want)
		}
		from, to := UnitOf(a).Bounds()
		if within := bytes.Compare(from, y) <= 0 && bytes.Compare(y, to) < 0; within != (UnitOf(a) == UnitOf(b)) {
			t.Errorf("unit %+v holds key %x: %v", UnitOf(a), y, within)
		}
	})
}

func compareNumbers(a, b, otherwise int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return int(otherwise)
}

func compareNumbersAs64(a, b int64, n1, n2 uint64) int64 {
	return int64(compareNumbers(a, b, int64(bytes.Compare(binary.BigEndian.AppendUint64(nil, n1), binary.BigEndian.AppendUint64(nil, n2)))))
}

// drawnObservation is a state or quantity at an instant that is accepted.
func drawnObservation(project uint64, of uint8, at int64) *metering.Observation {
	k := metering.ResourceKey{Project: metering.ProjectID(project & (1<<53 - 1)), Region: 1, Type: metering.ResourceType(1 + of%metering.TypeCount), ID: metering.UUID{of}}
	const reach = 200 * 366 * 86400 * int64(metering.Second)
	instant := metering.MinEventTime + metering.Instant(uint64(at)%uint64(reach))
	o := &metering.Observation{Kind: metering.StateObserved, Resource: k, Time: instant}
	if k.Type.Measure() == metering.Counted {
		o.Kind, o.From = metering.QuantityObserved, instant
	}
	return o
}

// FuzzClosed: the record of a closed month is refused, or is written as the same
// bytes again, but for a metric or unit that has become the type's own since.
func FuzzClosed(f *testing.F) {
	timelines, sums := closedRecords()
	for i, o := range observations()[:20] {
		f.Add(AppendClosedStates(nil, o.Resource), timelines[i].Append(nil))
		f.Add(AppendClosedQuantities(nil, o.Resource, metering.DayOf(2024, 2, 1)), AppendClosedSums(nil, sums[i]))
	}
	f.Fuzz(func(t *testing.T, key, value []byte) {
		k, month, err := DecodeClosedKey(key)
		if err != nil {
			return
		}
		again := AppendClosedStates(nil, k)
		if k.Type.Measure() == metering.Counted {
			again = AppendClosedQuantities(nil, k, month.Start())
		}
		if !bytes.Equal(again, key) {
			t.Errorf("key %x was read as %+v, which has the key %x", key, k, again)
		}
		again, err = rewriteClosed(k, month, value)
		if err != nil || bytes.Equal(again, value) {
			return
		}
		if twice, err := rewriteClosed(k, month, again); err != nil || len(again) >= len(value) || !bytes.Equal(twice, again) {
			t.Errorf("record %.300x was read, and written as %.300x, and then as %.300x: %v", value, again, twice, err)
		}
	})
}

// rewriteClosed reads a closed record and writes it again.
func rewriteClosed(k metering.ResourceKey, month metering.Month, value []byte) ([]byte, error) {
	if k.Type.Measure() == metering.Counted {
		sums, err := DecodeClosedSums(k.Type, month, value)
		return AppendClosedSums(nil, sums), err
	}
	c, err := DecodeClosedTimeline(k.Type, value)
	return c.Append(nil), err
}
