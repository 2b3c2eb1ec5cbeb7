package layout

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// Stored is an observation as it lies in the store.
type Stored struct {
	metering.Observation
	Seq        Seq
	Source     SourceNumber     // of Observation.Name.Source
	ReceivedAt metering.Instant // when it was received, by the server's clock
}

// The flags of a value.
const (
	flagDeleted     = 1 << 0
	flagOwnMetric   = 1 << 1 // the metric is not the type's default
	flagOwnUnit     = 1 << 2
	flagTags        = 1 << 3
	flagHasSequence = 1 << 4
)

// AppendValue appends the value of an observation but for the number of its
// source, which the store puts before it. What the key says is not repeated.
func AppendValue(dst []byte, o *metering.Observation, receivedAt metering.Instant) []byte {
	dst = appendID(dst, o.Name.ID)
	dst = binary.AppendVarint(dst, int64(receivedAt-o.Time))
	if o.Kind == metering.RetractionMade {
		return appendRetraction(dst, o)
	}
	flags := flagsOf(o)
	dst = append(dst, flags)
	if flags&flagHasSequence != 0 {
		dst = binary.AppendUvarint(dst, uint64(o.Sequence))
	}
	if o.Kind == metering.QuantityObserved {
		dst = appendInstant(dst, o.Time)
		dst = binary.AppendUvarint(dst, uint64(o.To-o.From))
		dst = binary.AppendUvarint(dst, o.Quantity.Hi)
		dst = binary.AppendUvarint(dst, o.Quantity.Lo)
	} else {
		dst = binary.AppendUvarint(dst, o.Multiplier)
	}
	if flags&flagOwnMetric != 0 {
		dst = appendText(dst, o.Meter.Metric)
	}
	if flags&flagOwnUnit != 0 {
		dst = appendText(dst, o.Meter.Unit)
	}
	return appendAttributes(dst, &o.Attributes)
}

func flagsOf(o *metering.Observation) (flags byte) {
	if o.Deleted {
		flags |= flagDeleted
	} else {
		if !isDefaultMetric(&o.Meter) {
			flags |= flagOwnMetric
		}
		if o.Meter.Unit != o.Meter.Type.Unit() {
			flags |= flagOwnUnit
		}
	}
	if len(o.Attributes.Tags) > 0 {
		flags |= flagTags
	}
	if o.Sequence != 0 {
		flags |= flagHasSequence
	}
	return flags
}

// isDefaultMetric compares with the type's template without building the name.
func isDefaultMetric(m *metering.Meter) bool {
	before, rest, found := strings.Cut(m.Type.MetricTemplate(), "{")
	if !found {
		return m.Metric == before && before != ""
	}
	_, after, _ := strings.Cut(rest, "}")
	n := len(before) + len(m.Dimension)
	return len(m.Metric) == n+len(after) && m.Metric[:len(before)] == before &&
		m.Metric[len(before):n] == m.Dimension && m.Metric[n:] == after
}

func appendRetraction(dst []byte, o *metering.Observation) []byte {
	dst = appendInstant(dst, o.Time)
	dst = binary.AppendUvarint(dst, uint64(o.Sequence))
	dst = appendText(dst, o.TargetSource)
	dst = appendText(dst, o.TargetID)
	return appendText(dst, o.Reason)
}

func appendText(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendID appends an id as a value holds it: 255 and a packed UUID, or a
// length (254 stands for 254 and more, and the next byte adds to it) and text.
func appendID(dst []byte, s string) []byte {
	if u, ok := metering.ParseUUID(s); ok && isLower(s) {
		return append(append(dst, 255), u[:]...)
	}
	if len(s) >= 254 {
		dst = append(dst, 254, byte(len(s)-254))
	} else {
		dst = append(dst, byte(len(s)))
	}
	return append(dst, s...)
}

func appendAttributes(dst []byte, a *metering.Attributes) []byte {
	var present uint64
	for i, text := range a.Texts {
		if text != "" {
			present |= 1 << i
		}
	}
	dst = binary.AppendUvarint(dst, present)
	for i, text := range a.Texts {
		switch {
		case text == "":
		case metering.Attribute(i).Form() == metering.FormUUID:
			id, ok := metering.ParseUUID(text)
			if !ok {
				metering.Bug("%v is no UUID: %q", metering.Attribute(i), text)
			}
			dst = append(dst, id[:]...)
		default:
			dst = appendText(dst, text)
		}
	}
	if len(a.Tags) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(a.Tags)))
	for _, t := range a.Tags {
		dst = appendText(appendText(dst, t.Key), t.Value)
	}
	return dst
}

// Decode reads a state, quantity or retraction. The source's text is not in it:
// Name.Source is left empty for the caller to fill in.
func Decode(key, value []byte) (*Stored, error) {
	s := &Stored{}
	if err := s.decode(key, value, nil); err != nil {
		return nil, err
	}
	return s, nil
}

// Decoder decodes observations one after the other. Observations of one resource
// are mostly described alike, so what describes them is read once and shared.
type Decoder struct{ last description }

// Decode is the function of that name into memory that was used before.
func (d *Decoder) Decode(s *Stored, key, value []byte) error { return s.decode(key, value, &d.last) }

// description is what ends the value of a state or quantity, read and unread.
type description struct {
	of         metering.ResourceType
	flags      byte
	bytes      []byte // nil: nothing was read yet
	meter      metering.Meter
	attributes metering.Attributes
}

func (s *Stored) decode(key, value []byte, last *description) error {
	*s = Stored{}
	k, v := reader{b: key}, reader{b: value}
	var at metering.Instant
	if len(key) > 0 && key[0] == Retractions {
		k.byte()
		s.Kind, s.Name.Project = metering.RetractionMade, metering.ProjectID(k.uint())
		s.Seq = Seq(k.uint())
	} else {
		s.Resource, at, s.Seq = k.stateOrQuantityKey()
		s.Name.Project = s.Resource.Project
		s.Kind = metering.StateObserved
		if !k.failed() && key[0] == Quantities {
			s.Kind = metering.QuantityObserved
		}
	}
	s.Source = v.source()
	s.Name.ID = v.id()
	received := metering.Instant(v.varint())
	switch s.Kind {
	case metering.RetractionMade:
		s.Time, s.Sequence = v.instant(), v.sequence()
		s.TargetSource, s.TargetID, s.Reason = v.text(), v.text(), v.text()
	default:
		v.body(s, at, last)
	}
	s.ReceivedAt = s.Time + received
	if k.failed() || v.failed() || len(k.b) > 0 || len(v.b) > 0 || !s.inItsMonth(key) {
		return fmt.Errorf("observation at key %x: %w", key, errDamaged)
	}
	return nil
}

// inItsMonth reports whether the key of a quantity has the month of its From.
func (s *Stored) inItsMonth(key []byte) bool {
	return s.Kind != metering.QuantityObserved || binary.BigEndian.Uint16(key[1:]) == Month(s.From.Day())
}

func (r *reader) id() string {
	n := r.byte()
	switch n {
	case 255:
		return r.uuid().String()
	case 254:
		return r.idText(254 + uint64(r.byte()))
	default:
		return r.idText(uint64(n))
	}
}

// idText reads an id that is no UUID in lower case, which would be packed.
func (r *reader) idText(n uint64) string {
	id := string(r.bytes(n))
	if _, packed := metering.ParseUUID(id); packed && isLower(id) {
		r.fail()
	}
	return id
}

// body reads what states and quantities have in common.
func (r *reader) body(s *Stored, at metering.Instant, last *description) {
	flags := r.byte()
	if flags >= flagHasSequence<<1 {
		r.fail()
	}
	s.Deleted = flags&flagDeleted != 0
	if flags&flagHasSequence != 0 {
		if s.Sequence = r.sequence(); s.Sequence == 0 {
			r.fail()
		}
	}
	if s.Kind == metering.QuantityObserved {
		s.From, s.Time = at, r.instant()
		length := r.uvarint()
		if length == 0 || length > uint64(math.MaxInt64-max(s.From, 0)) {
			r.fail()
		}
		s.To = s.From + metering.Instant(length)
		s.Quantity = metering.Amount{Hi: r.uvarint(), Lo: r.uvarint()}
	} else {
		s.Time, s.Multiplier = at, r.uvarint()
	}
	switch flags &^= flagHasSequence; {
	case last == nil:
		r.description(s, flags)
	case last.of == s.Resource.Type && last.flags == flags && last.bytes != nil && bytes.Equal(last.bytes, r.b):
		s.Meter, s.Attributes, r.b = last.meter, last.attributes, nil
	default:
		if whole := r.b; r.description(s, flags) && len(r.b) == 0 {
			*last = description{s.Resource.Type, flags, append(last.bytes[:0], whole...), s.Meter, s.Attributes}
		}
	}
}

// description reads how a state or quantity is described; ok is false when that
// is damaged.
func (r *reader) description(s *Stored, flags byte) (ok bool) {
	metric, unit := "", ""
	if flags&flagOwnMetric != 0 {
		metric = r.metric(s.Resource.Type)
	}
	if flags&flagOwnUnit != 0 {
		unit = r.given()
	}
	r.attributes(&s.Attributes, flags&flagTags != 0)
	if s.Deleted && metric+unit != "" {
		r.fail()
	}
	if s.Deleted || r.failed() {
		s.Meter = metering.Meter{Type: s.Resource.Type}
	} else {
		s.Meter = r.meter(s.Resource.Type, metric, unit, &s.Attributes, flags)
	}
	return !r.failed()
}

// metric reads a metric of the source's own. It is empty only where the type has
// none.
func (r *reader) metric(of metering.ResourceType) string {
	if of.MetricTemplate() == "" {
		return r.text()
	}
	return r.given()
}

// meter fills a type's defaults in.
func (r *reader) meter(of metering.ResourceType, metric, unit string, a *metering.Attributes, flags byte) metering.Meter {
	m := of.Meter(metric, unit, a)
	if m.Metric == "" && flags&flagOwnMetric == 0 {
		r.fail()
	}
	return m
}

func (r *reader) attributes(a *metering.Attributes, tags bool) {
	present := r.uvarint()
	if present >= 1<<metering.AttributeCount {
		r.fail()
		return
	}
	for i := range a.Texts {
		switch {
		case present>>i&1 == 0:
		case metering.Attribute(i).Form() == metering.FormUUID:
			a.Texts[i] = r.uuid().String()
		default:
			a.Texts[i] = r.given()
		}
	}
	if !tags {
		return
	}
	n := r.uvarint()
	if n == 0 || n > metering.MaxTags {
		r.fail()
		return
	}
	a.Tags = make(metering.Tags, n)
	for i := range a.Tags {
		a.Tags[i] = metering.Tag{Key: r.text(), Value: r.text()}
	}
}
